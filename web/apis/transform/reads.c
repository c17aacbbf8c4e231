// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Definitions as the configuration has them, the caller's own token, and health. Writes answer 405: the
// configuration file is the only place where these are defined.
#include "appliance/base/clock.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/template.h"
#include "web/apis/transform/transform_internal.h"

#include <string.h>

enum { NAME_BYTES = 160 }; // two path segments of any configured name

static void open_keys(struct exchange *exchange)
{
    transform_open_data(exchange);
    buf_text(&exchange->reply.body, "{\"keys\":[");
}

static void add_text(struct buf *out, const char *text, bool *first)
{
    if (!*first)
        buf_byte(out, ',');
    *first = false;
    json_write_text(out, text);
}

static void close_keys(struct exchange *exchange)
{
    buf_text(&exchange->reply.body, "]}");
    transform_close_data(exchange);
}

void transform_list_roles([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    bool first = true;
    open_keys(exchange);
    for (size_t i = 0; i < tenant_role_count(tenant); i++) {
        const struct role *role = tenant_role_at(tenant, i);
        if (caller_may_use_role(&exchange->request.caller, role->name))
            add_text(&exchange->reply.body, role->name, &first);
    }
    close_keys(exchange);
}

void transform_read_role([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct role *role = tenant_role(http_tenant(&exchange->request), exchange->request.params[0]);
    struct buf *body = &exchange->reply.body;
    bool first = true;
    if (role == NULL) {
        transform_refuse(exchange, 404, "no such role");
        return;
    }
    transform_open_data(exchange);
    buf_text(body, "{\"transformations\":[");
    for (size_t i = 0; i < role->transformation_count; i++)
        add_text(body, role->transformations[i]->name, &first);
    buf_text(body, "]}");
    transform_close_data(exchange);
}

void transform_list_transformations([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    bool first = true;
    open_keys(exchange);
    for (size_t i = 0; i < tenant_transformation_count(tenant); i++)
        add_text(&exchange->reply.body, tenant_transformation_at(tenant, i)->name, &first);
    close_keys(exchange);
}

static bool role_has(const struct role *role, const struct transformation *transformation)
{
    for (size_t i = 0; i < role->transformation_count; i++) {
        if (role->transformations[i] == transformation)
            return true;
    }
    return false;
}

// A pattern of the configuration is a template of its transformation's name.
static const char *template_name(const struct transformation *transformation)
{
    return transformation->pattern != NULL ? transformation->name : transformation->template->name;
}

void transform_read_transformation([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    const struct transformation *found = tenant_transformation(tenant, exchange->request.params[0]);
    struct buf *body = &exchange->reply.body;
    bool first = true;
    if (found == NULL) {
        transform_refuse(exchange, 404, "no such transformation");
        return;
    }
    transform_open_data(exchange);
    buf_byte(body, '{');
    json_write_member(body, "type", found->template->type);
    buf_text(body, ",\"templates\":[");
    json_write_text(body, template_name(found));
    buf_text(body, "],");
    json_write_member(body, "tweak_source", tweak_source_name(found->tweak_source));
    buf_text(body, ",\"allowed_roles\":[");
    for (size_t i = 0; i < tenant_role_count(tenant); i++) {
        if (role_has(tenant_role_at(tenant, i), found))
            add_text(body, tenant_role_at(tenant, i)->name, &first);
    }
    buf_text(body, "]}");
    transform_close_data(exchange);
}

// The name in the path, of one segment or two; false when it is longer than any name.
static bool path_name(const struct exchange *exchange, char *out_name, size_t room)
{
    const struct slice *first = &exchange->request.params[0], *second = &exchange->request.params[1];
    if (first->len + second->len + 2 > room)
        return false;
    memcpy(out_name, first->at, first->len);
    out_name += first->len;
    if (second->len > 0) {
        *out_name++ = '/';
        memcpy(out_name, second->at, second->len);
    }
    out_name[second->len] = '\0';
    return true;
}

void transform_list_templates([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    bool first = true;
    open_keys(exchange);
    for (size_t i = 0; i < template_count(); i++) {
        if (template_at(i)->pattern != NULL)
            add_text(&exchange->reply.body, template_at(i)->name, &first);
    }
    for (size_t i = 0; i < tenant_transformation_count(tenant); i++) {
        const struct transformation *transformation = tenant_transformation_at(tenant, i);
        if (transformation->pattern != NULL)
            add_text(&exchange->reply.body, transformation->name, &first);
    }
    close_keys(exchange);
}

static void write_template(struct exchange *exchange, const char *pattern, const char *alphabet)
{
    struct buf *body = &exchange->reply.body;
    transform_open_data(exchange);
    buf_text(body, "{\"type\":\"regex\",");
    json_write_member(body, "pattern", pattern);
    buf_byte(body, ',');
    json_write_member(body, "alphabet", alphabet);
    buf_byte(body, '}');
    transform_close_data(exchange);
}

void transform_read_template([[maybe_unused]] void *state, struct exchange *exchange)
{
    char name[NAME_BYTES];
    const bool fits = path_name(exchange, name, sizeof name);
    const struct template *template = fits ? template_find(name) : NULL;
    const struct transformation *transformation =
        fits ? tenant_transformation(http_tenant(&exchange->request), (struct slice){name, strlen(name)})
             : NULL;
    if (template != NULL && template->pattern != NULL)
        write_template(exchange, template->pattern, template->alphabet);
    else if (transformation != NULL && transformation->pattern != NULL)
        write_template(exchange, transformation->pattern, transformation->alphabet);
    else
        transform_refuse(exchange, 404, "no such template");
}

void transform_list_alphabets([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    bool first = true;
    open_keys(exchange);
    for (size_t i = 0; i < tenant_alphabet_count(tenant); i++)
        add_text(&exchange->reply.body, tenant_alphabet_name_at(tenant, i), &first);
    close_keys(exchange);
}

void transform_read_alphabet([[maybe_unused]] void *state, struct exchange *exchange)
{
    char name[NAME_BYTES];
    const char *characters = path_name(exchange, name, sizeof name)
                                 ? tenant_alphabet(http_tenant(&exchange->request), name)
                                 : NULL;
    if (characters == NULL) {
        transform_refuse(exchange, 404, "no such alphabet");
        return;
    }
    transform_open_data(exchange);
    buf_byte(&exchange->reply.body, '{');
    json_write_member(&exchange->reply.body, "alphabet", characters);
    buf_byte(&exchange->reply.body, '}');
    transform_close_data(exchange);
}

static const struct {
    enum permission permission;
    const char *name;
} policies[] = {
    {PERMISSION_TOKENIZE, "tokenize"}, {PERMISSION_DETOKENIZE, "detokenize"}, {PERMISSION_PRODUCE, "produce"},
    {PERMISSION_READ, "read"},         {PERMISSION_APPROVE, "approve"},       {PERMISSION_ADMIN, "admin"},
};

void transform_write_policies(struct buf *out, const struct caller *caller)
{
    bool first = true;
    buf_byte(out, '[');
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        if (caller_may(caller, policies[i].permission))
            add_text(out, policies[i].name, &first);
    }
    buf_byte(out, ']');
}

// The token itself is never echoed; `id` is the client's number.
void transform_lookup_self([[maybe_unused]] void *state, struct exchange *exchange)
{
    const struct caller *caller = &exchange->request.caller;
    struct buf *body = &exchange->reply.body;
    transform_open_data(exchange);
    buf_printf(body, "{\"id\":\"%u\",\"accessor\":\"%u\",", caller->client_id, caller->client_id);
    json_write_member(body, "display_name", caller->name);
    buf_byte(body, ',');
    json_write_member(body, "entity_id", "");
    buf_text(body, ",\"meta\":{");
    json_write_member(body, "tenant", tenant_name(http_tenant(&exchange->request)));
    buf_text(body, "},\"policies\":");
    transform_write_policies(body, caller);
    const int64_t left_s = caller->expires_s == 0 ? 0 : caller->expires_s - exchange->request.now_s;
    buf_printf(body,
               ",\"type\":\"service\",\"path\":\"%s\",\"orphan\":true,\"renewable\":false,\"num_uses\":0,"
               "\"ttl\":%lld,\"creation_time\":0,\"creation_ttl\":%d,\"explicit_max_ttl\":0,"
               "\"issue_time\":null,\"expire_time\":",
               left_s == 0 ? "auth/token/create" : "auth/approle/login", (long long)left_s,
               left_s == 0 ? 0 : LOGIN_LIFE_S);
    if (left_s == 0) {
        buf_text(body, "null}");
    } else {
        char expires[CLOCK_RFC3339_BYTES];
        clock_rfc3339_s(caller->expires_s, expires);
        json_write_text(body, expires);
        buf_byte(body, '}');
    }
    transform_close_data(exchange);
}

// A status that the caller asks for in `name`: 100..599, else the usual one.
static unsigned asked_status(const struct http_request *request, const char *name, unsigned usual)
{
    struct slice text;
    unsigned status = 0;
    if (!http_query(request, name, &text) || text.len != 3)
        return usual;
    for (size_t i = 0; i < 3; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return usual;
        status = status * 10 + (unsigned)(text.at[i] - '0');
    }
    return status >= 200 && status <= 599 ? status : usual;
}

// "Sealed" is what clients of this wire format know for an appliance whose keys are away.
void transform_health(void *context, struct exchange *exchange)
{
    const struct transform *state = context;
    const bool ready = state->is_ready(state->ready_context);
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = ready ? asked_status(&exchange->request, "activecode", 200)
                                   : asked_status(&exchange->request, "sealedcode", 503);
    exchange->reply.content_type = "application/json";
    buf_printf(body,
               "{\"initialized\":true,\"sealed\":%s,\"standby\":false,\"performance_standby\":false,"
               "\"replication_performance_mode\":\"disabled\",\"replication_dr_mode\":\"disabled\","
               "\"server_time_utc\":%lld,\"version\":\"%s\",\"cluster_name\":\"symbolon\"}",
               ready ? "false" : "true", (long long)exchange->request.now_s, SYMBOLON_VERSION);
}
