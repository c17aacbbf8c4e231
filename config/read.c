// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/read.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

// Limits of the limits: beyond them a value is a slip of the pen.
enum {
    LANES_MAX = 64,
    PRIORITY_MAX = 100,
    CONNECTIONS_MAX = 16384, // a thread each
    HEADER_TIMEOUT_MAX_S = 300,
    TIMEOUT_MAX_S = 3600,
    BODY_MIN_BYTES = 1024,
    BODY_MAX_BYTES = 1024 * 1024 * 1024,
};
static const size_t memory_max_bytes = (size_t)64 * 1024 * 1024 * 1024;

// ---- addresses ------------------------------------------------------------------------------------

// A whole string of digits, without leading zeros, 1..65535; otherwise 0.
static unsigned parse_16_bits(const char *text)
{
    unsigned value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || text[0] == '0' || strspn(text, "0123456789") != len)
        return 0;
    for (; *text != '\0'; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value <= 65535 ? value : 0;
}

static bool is_numeric_host(const char *host, bool bracketed)
{
    struct in6_addr ignored;
    return inet_pton(bracketed ? AF_INET6 : AF_INET, host, &ignored) == 1;
}

// "127.0.0.1:8443" or "[::1]:8443".
static bool split_address(char *text, struct config_address *out)
{
    bool bracketed = text[0] == '[';
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return false;
    if (bracketed && colon[-1] != ']')
        return false;
    colon[bracketed ? -1 : 0] = '\0';
    const char *host = text + (bracketed ? 1 : 0);
    unsigned port = parse_16_bits(colon + 1);
    if (port == 0 || !is_numeric_host(host, bracketed))
        return false;
    *out = (struct config_address){.host = strdup(host), .port = port};
    return true;
}

static struct config_address read_address(const struct block *root, const char *option)
{
    struct config_address address = {0};
    char *text = block_text(root, option, BLOCK_REQUIRED);
    if (text == NULL)
        return address;
    if (!split_address(text, &address))
        block_complain(root, option, "%s must be a numeric address and a port: 127.0.0.1:8443 or [::1]:8443",
                       option);
    else if (address.host == NULL)
        root->report->error = ERR_MEMORY;
    free(text);
    return address;
}

static bool is_loopback(const struct config_address *address)
{
    return address->host == NULL || strncmp(address->host, "127.", 4) == 0 ||
           strcmp(address->host, "::1") == 0;
}

static struct config_address default_operations(const struct block *root, const struct config_address *listen)
{
    struct config_address address = {.host = strdup("127.0.0.1"), .port = listen->port + 1};
    if (address.host == NULL)
        root->report->error = ERR_MEMORY;
    if (address.port > 65535)
        block_complain(root, "listen", "operations_listen is missing: there is no port after 65535");
    return address;
}

static void read_addresses(const struct block *root, struct config *config)
{
    config->plain_http = block_switch(root, "plain_http");
    config->listen = read_address(root, "listen");
    config->operations_listen = block_has(root, "operations_listen")
                                    ? read_address(root, "operations_listen")
                                    : default_operations(root, &config->listen);
    if (config->listen.port != 0 && config->listen.port == config->operations_listen.port)
        block_complain(root, "operations_listen", "operations_listen and listen must have different ports");
    if (config->plain_http && !is_loopback(&config->listen))
        block_complain(root, "listen", "listen must be a loopback address when plain_http is on");
    if (config->plain_http && !is_loopback(&config->operations_listen))
        block_complain(root, "operations_listen",
                       "operations_listen must be a loopback address when plain_http is on");
}

// ---- top level, tls, audit ------------------------------------------------------------------------

static void read_limits(const struct block *root, struct config *config)
{
    config->connections = (unsigned)block_number(root, "connections", 1, CONNECTIONS_MAX);
    config->connections_per_address =
        (unsigned)block_number(root, "connections_per_address", 1, CONNECTIONS_MAX);
    config->header_timeout_s = (unsigned)block_number(root, "header_timeout", 1, HEADER_TIMEOUT_MAX_S);
    config->idle_timeout_s = (unsigned)block_number(root, "idle_timeout", 1, TIMEOUT_MAX_S);
    config->drain_timeout_s = (unsigned)block_number(root, "drain_timeout", 1, TIMEOUT_MAX_S);
    config->body_limit_bytes = block_number(root, "body_limit", BODY_MIN_BYTES, BODY_MAX_BYTES);
    config->memory_in_flight_bytes = block_number(root, "memory_in_flight", BODY_MIN_BYTES, memory_max_bytes);
    if (config->memory_in_flight_bytes != 0 && config->memory_in_flight_bytes < config->body_limit_bytes)
        block_complain(root, "memory_in_flight", "memory_in_flight must not be less than body_limit");
}

static void read_tls(const struct block *root, struct config *config)
{
    struct block tls = block_child(root, "tls", 0);
    enum block_need need = config->plain_http ? BLOCK_OPTIONAL : BLOCK_REQUIRED;
    config->certificate_file = block_path(&tls, "certificate", need);
    config->tls_key = block_text(&tls, "key", need);
    config->client_ca_file = block_path(&tls, "client_ca", BLOCK_OPTIONAL);
    config->require_client_certificate = block_switch(&tls, "require_client_certificate");
    if (config->require_client_certificate && config->client_ca_file == NULL)
        block_complain(&tls, "require_client_certificate", "require_client_certificate needs client_ca");
}

static void read_audit(const struct block *root, struct config *config)
{
    struct block audit = block_child(root, "audit", 0);
    config->audit_file = block_path(&audit, "file", BLOCK_REQUIRED);
    config->audit_always = block_word(&audit, "sync", schema_audit_syncs) == 1;
}

// ---- lists of blocks ------------------------------------------------------------------------------

// Room for every block of this name; NULL and a count of 0 when there are none or no memory.
static void *room_for(const struct block *parent, const char *name, size_t size, size_t *out_count)
{
    size_t count = cfg_size(parent->cfg, name);
    void *rows = count == 0 ? NULL : calloc(count, size);
    if (rows == NULL && count > 0)
        parent->report->error = ERR_MEMORY;
    *out_count = rows == NULL ? 0 : count;
    return rows;
}

static char *title_of(const struct block *block)
{
    char *title = strdup(cfg_title(block->cfg));
    if (title == NULL)
        block->report->error = ERR_MEMORY;
    return title;
}

static void read_slot(const struct block *block, struct config_slot *slot)
{
    *slot = (struct config_slot){
        .name = title_of(block),
        .module = block_text(block, "module", BLOCK_REQUIRED),
        .token = block_text(block, "token", BLOCK_REQUIRED),
        .serial = block_text(block, "serial", BLOCK_OPTIONAL),
        .pin_file = block_path(block, "pin_file", BLOCK_REQUIRED),
        .lanes = (unsigned)block_number(block, "lanes", 1, LANES_MAX),
        .priority = (unsigned)block_number(block, "priority", 1, PRIORITY_MAX),
        .replica = block_switch(block, "replica"),
        .line = block->line,
    };
    if (slot->module != NULL && slot->module[0] != '/')
        block_complain(block, "module", "module must be an absolute path");
}

static void read_slots(const struct block *root, struct config *config)
{
    config->slots = room_for(root, "slot", sizeof *config->slots, &config->slot_count);
    for (unsigned i = 0; i < config->slot_count; i++) {
        struct block block = block_child(root, "slot", i);
        read_slot(&block, &config->slots[i]);
    }
    if (cfg_size(root->cfg, "slot") == 0)
        report_add(root->report, root->line, "there is no slot block");
}

static bool parse_hex_digit(char digit, uint8_t *out_value)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit | 0x20);
    if (at == NULL)
        return false;
    *out_value = (uint8_t)(at - digits);
    return true;
}

static bool parse_check_value(const char *text, uint8_t *out_bytes)
{
    if (strlen(text) != 6)
        return false;
    for (int i = 0; i < 3; i++) {
        uint8_t high, low;
        if (!parse_hex_digit(text[2 * i], &high) || !parse_hex_digit(text[2 * i + 1], &low))
            return false;
        out_bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void read_generation(const struct block *block, struct config_generation *generation)
{
    generation->line = block->line;
    generation->number = parse_16_bits(cfg_title(block->cfg));
    if (generation->number == 0)
        block_complain(block, "", "the title must be the number of the generation, 1..65535");
    generation->state = (enum config_generation_state)block_word(block, "state", schema_key_states);
    char *text = block_text(block, "check_value", BLOCK_OPTIONAL);
    generation->has_check_value = text != NULL;
    if (text != NULL && !parse_check_value(text, generation->check_value))
        block_complain(block, "check_value", "check_value must be 6 hexadecimal digits");
    free(text);
}

static void read_client(const struct block *block, struct config_client *client)
{
    *client = (struct config_client){
        .name = title_of(block),
        .id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX),
        .generation = (unsigned)block_number(block, "generation", 1, CONFIG_ID_MAX),
        .accept_previous = block_switch(block, "accept_previous"),
        .apis = block_set(block, "apis", schema_apis),
        .permissions = block_set(block, "permissions", schema_permissions),
        .luhn = block_switch(block, "luhn"),
        .line = block->line,
    };
    client->roles = block_names(block, "roles", &client->role_count);
    if (cfg_size(block->cfg, "apis") == 0)
        block_complain(block, "apis", "apis must name at least one API");
    if (!block_has(block, "permissions"))
        client->permissions = schema_find(schema_permissions, "tokenize")->value;
    if (client->accept_previous && client->generation == 1)
        block_complain(block, "accept_previous", "accept_previous needs a generation above 1");
}

static void check_template(const struct block *block, const struct config_transformation *row)
{
    const struct schema_template *template = schema_find_template(row->template);
    if (template == NULL) {
        block_complain(block, "template", "there is no template \"%s\"", row->template);
        return;
    }
    if (template->has_owner && row->of == NULL)
        block_complain(block, "of", "of is missing: template \"%s\" needs a client", row->template);
    if (!template->has_owner && row->of != NULL)
        block_complain(block, "of", "of is not for template \"%s\"", row->template);
    if (!template->takes_tweak && row->tweak_source != CONFIG_TWEAK_INTERNAL)
        block_complain(block, "tweak_source", "template \"%s\" takes no tweak: tweak_source must be internal",
                       row->template);
}

static void read_transformation(const struct block *block, struct config_transformation *row)
{
    *row = (struct config_transformation){
        .name = title_of(block),
        .id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX),
        .template = block_text(block, "template", BLOCK_REQUIRED),
        .of = block_text(block, "of", BLOCK_OPTIONAL),
        .tweak_source = (enum config_tweak_source)block_word(block, "tweak_source", schema_tweak_sources),
        .line = block->line,
    };
    if (row->template != NULL)
        check_template(block, row);
}

static void read_role(const struct block *block, struct config_role *role)
{
    *role = (struct config_role){.name = title_of(block), .line = block->line};
    role->transformations = block_names(block, "transformations", &role->transformation_count);
    if (cfg_size(block->cfg, "transformations") == 0)
        block_complain(block, "transformations", "transformations must name at least one");
}

static void read_tenant(const struct block *block, struct config_tenant *tenant)
{
    tenant->name = title_of(block);
    tenant->id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX);
    tenant->line = block->line;
    tenant->generations = room_for(block, "keys", sizeof *tenant->generations, &tenant->generation_count);
    for (unsigned i = 0; i < tenant->generation_count; i++) {
        struct block keys = block_child(block, "keys", i);
        read_generation(&keys, &tenant->generations[i]);
    }
    tenant->clients = room_for(block, "client", sizeof *tenant->clients, &tenant->client_count);
    for (unsigned i = 0; i < tenant->client_count; i++) {
        struct block client = block_child(block, "client", i);
        read_client(&client, &tenant->clients[i]);
    }
    tenant->transformations =
        room_for(block, "transformation", sizeof *tenant->transformations, &tenant->transformation_count);
    for (unsigned i = 0; i < tenant->transformation_count; i++) {
        struct block transformation = block_child(block, "transformation", i);
        read_transformation(&transformation, &tenant->transformations[i]);
    }
    tenant->roles = room_for(block, "role", sizeof *tenant->roles, &tenant->role_count);
    for (unsigned i = 0; i < tenant->role_count; i++) {
        struct block role = block_child(block, "role", i);
        read_role(&role, &tenant->roles[i]);
    }
}

static void read_tenants(const struct block *root, struct config *config)
{
    config->tenants = room_for(root, "tenant", sizeof *config->tenants, &config->tenant_count);
    for (unsigned i = 0; i < config->tenant_count; i++) {
        struct block block = block_child(root, "tenant", i);
        read_tenant(&block, &config->tenants[i]);
    }
    if (cfg_size(root->cfg, "tenant") == 0)
        report_add(root->report, root->line, "there is no tenant block");
}

void read_config(const struct block *root, struct config *out_config)
{
    read_addresses(root, out_config);
    read_limits(root, out_config);
    out_config->log_level = block_text(root, "log_level", BLOCK_REQUIRED);
    if (out_config->log_level != NULL)
        (void)block_word(root, "log_level", schema_log_levels);
    read_tls(root, out_config);
    read_audit(root, out_config);
    read_slots(root, out_config);
    read_tenants(root, out_config);
}
