// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// AppRole login: role_id is a client's name, secret_id its token; the answer is a login token that dies
// within the hour, so that the long-lived one travels rarely.
#include "appliance/tokens/login.h"
#include "web/apis/transform/transform_internal.h"
#include "web/json_read.h"

// The router slows whoever keeps failing, by the outcome.
static void refuse(struct exchange *exchange)
{
    exchange->note.outcome = ERR_CREDENTIAL;
    transform_refuse(exchange, 400, "invalid role or secret ID");
}

static void render(struct exchange *exchange, const char *token)
{
    struct buf *body = &exchange->reply.body;
    const struct caller *caller = &exchange->request.caller;
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_byte(body, '{');
    json_write_member(body, "request_id", exchange->request.id);
    buf_text(body, ",\"lease_id\":\"\",\"renewable\":false,\"lease_duration\":0,\"data\":null,"
                   "\"wrap_info\":null,\"warnings\":null,\"auth\":{");
    json_write_member(body, "client_token", token);
    buf_printf(body, ",\"accessor\":\"%u\",\"policies\":", caller->client_id);
    transform_write_policies(body, caller);
    buf_text(body, ",\"token_policies\":");
    transform_write_policies(body, caller);
    buf_text(body, ",\"metadata\":{");
    json_write_member(body, "role_name", caller->name);
    buf_printf(body,
               "},\"lease_duration\":%d,\"renewable\":false,\"entity_id\":\"\",\"token_type\":\"service\","
               "\"orphan\":true}}",
               LOGIN_LIFE_S);
}

void transform_login(void *state, struct exchange *exchange)
{
    (void)state;
    struct http_request *request = &exchange->request;
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    struct slice role_id, secret_id;
    char token[LOGIN_TEXT_BYTES];
    WIPE_AT_EXIT(token);
    enum err rc = json_read(request->body, &document, &fault);
    if (rc == ERR_INPUT ||
        (rc == OK && (!json_string(json_member(json_root(document), "role_id"), &role_id) ||
                      !json_string(json_member(json_root(document), "secret_id"), &secret_id)))) {
        exchange->note.outcome = ERR_INPUT;
        transform_refuse(exchange, 400, "role_id and secret_id must be strings in a JSON object");
        return;
    }
    if (rc == OK)
        rc = clients_login(request->registry->clients, role_id, secret_id, request->now_s, &request->caller,
                           token);
    if (rc == ERR_CREDENTIAL)
        refuse(exchange);
    else if (rc != OK)
        transform_fail(exchange, failure_from(exchange, rc));
    else
        render(exchange, token);
}
