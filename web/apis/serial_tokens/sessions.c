// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/serial_tokens/internal.h"

#include "appliance/base/codec.h"

#include <stdlib.h>
#include <string.h>

enum { NOTE_BYTES_MAX = 255 };

static void write_optional(struct buf *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    json_write_member(out, name, text);
    buf_byte(out, ',');
}

static void write_session(struct buf *out, const struct serial_limits *limits,
                          const struct store_session *session)
{
    char id[UUID_TEXT_BYTES];
    uuid_encode(session->id, id);
    buf_text(out, "{\"attributes\":{");
    write_optional(out, "note", session->note);
    write_optional(out, "client", session->peer);
    write_optional(out, "agent", session->agent);
    buf_printf(out, "\"limits\":{\"maxTokens\":%llu,\"maxDigits\":%u,\"minTokens\":%llu,\"minDigits\":%u},",
               (unsigned long long)limits->max_tokens, limits->max_digits,
               (unsigned long long)limits->min_tokens, limits->min_digits);
    buf_text(out, "\"timestamps\":{");
    serial_write_time(out, "granted", session->granted_ms);
    if (session->revoked_ms != 0) {
        buf_byte(out, ',');
        serial_write_time(out, "revoked", session->revoked_ms);
    }
    buf_text(out, "}},");
    json_write_member(out, "id", id);
    buf_text(out, ",\"type\":\"sessions\",\"relationships\":{\"customer\":{\"data\":{\"type\":\"customer\","
                  "\"status\":");
    json_write_text(out, session->revoked_ms == 0 ? "granted" : "revoked");
    buf_text(out, "}}}}");
}

// Attributes are required even when they are empty; false: the reply is written.
static bool read_note(struct exchange *exchange, const struct json *data, struct slice *out_note)
{
    const struct json *attributes = json_member(data, "attributes");
    const struct json *note = json_member(attributes, "note");
    *out_note = (struct slice){0};
    if (attributes == NULL || json_type(attributes) != JSON_OBJECT) {
        serial_refuse(exchange,
                      &(struct complaint){.status = 422,
                                          .code = "attributes_invalid",
                                          .title = "Attributes missing",
                                          .detail = "attributes must be an object; it may be empty.",
                                          .pointer = attributes == NULL ? "/data" : "/data/attributes"});
        return false;
    }
    if (note != NULL && (!json_string(note, out_note) || out_note->len > NOTE_BYTES_MAX)) {
        serial_refuse(exchange, &(struct complaint){.status = 422,
                                                    .code = "note_invalid",
                                                    .title = "Invalid note",
                                                    .detail = "note must be a string of at most 255 bytes.",
                                                    .pointer = "/data/attributes/note"});
        return false;
    }
    return true;
}

static char *copy_text(struct slice text)
{
    return text.len == 0 ? NULL : strndup(text.at, text.len);
}

// A header field may hold any bytes: what is not printable ASCII becomes a question mark.
static char *copy_header(struct slice text)
{
    char *copy =
        text.len == 0 ? NULL : strndup(text.at, text.len < NOTE_BYTES_MAX ? text.len : NOTE_BYTES_MAX);
    for (char *at = copy; at != NULL && *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
    return copy;
}

static enum err open_session(const struct serial_tokens *state, struct exchange *exchange, struct slice note)
{
    struct store_session session;
    char *note_text = copy_text(note), *agent = copy_header(http_header(&exchange->request, "User-Agent"));
    const struct session_order order = {exchange->request.caller.client_id, note_text,
                                        exchange->request.source, agent};
    const enum err rc = serials_open_session(state->serials, &order, &session);
    free(note_text);
    free(agent);
    if (rc != OK)
        return rc;
    struct buf *body = serial_open_document(exchange, 201);
    char id[UUID_TEXT_BYTES];
    uuid_encode(session.id, id);
    http_reply_header(&exchange->reply, "Location", "/api/sessions/%s", id);
    buf_text(body, "{\"links\":{\"self\":\"/api/sessions\"},\"data\":");
    write_session(body, serials_limits(state->serials), &session);
    buf_byte(body, '}');
    store_session_done(&session);
    return OK;
}

void serial_open_session(void *context, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct slice note;
    const struct json *data = serial_read_data(exchange, &document);
    if (data == NULL || !serial_check_type(exchange, data, "sessions", "session") ||
        !serial_check_no_id(exchange, data) || !read_note(exchange, data, &note))
        return;
    const enum err rc = open_session(context, exchange, note);
    if (rc != OK)
        serial_fail_from(exchange, rc);
}

void serial_list_sessions(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct store_session *sessions;
    size_t count;
    const enum err rc =
        serials_list_sessions(state->serials, exchange->request.caller.client_id, &sessions, &count);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    struct buf *body = serial_open_document(exchange, 200);
    buf_text(body, "{\"links\":{\"self\":\"/api/sessions\"},\"data\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_byte(body, ',');
        write_session(body, serials_limits(state->serials), &sessions[i]);
        store_session_done(&sessions[i]);
    }
    buf_text(body, "]}");
    free(sessions);
}

void serial_get_session(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    uint8_t id[STORE_ID_BYTES];
    struct store_session *sessions;
    size_t count;
    bool found = false;
    if (!serial_path_id(exchange, 0, id))
        return;
    const enum err rc =
        serials_list_sessions(state->serials, exchange->request.caller.client_id, &sessions, &count);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (memcmp(sessions[i].id, id, sizeof id) == 0) {
            struct buf *body = serial_open_document(exchange, 200);
            buf_text(body, "{\"links\":{\"self\":\"/api/sessions\"},\"data\":");
            write_session(body, serials_limits(state->serials), &sessions[i]);
            buf_byte(body, '}');
            found = true;
        }
        store_session_done(&sessions[i]);
    }
    free(sessions);
    if (!found)
        serial_fail_from(exchange, ERR_NOT_FOUND);
}

// Both keys are needed: the Api-Key to be let in, and the session's own, which is its id.
void serial_revoke_session(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    uint8_t id[STORE_ID_BYTES], key[STORE_ID_BYTES];
    struct store_session session;
    if (!serial_path_id(exchange, 0, id))
        return;
    if (!uuid_decode(http_header(&exchange->request, "Session-Key"), key) || !ct_equal(id, key, sizeof id)) {
        http_reply_header(&exchange->reply, "WWW-Authenticate", "Session-Key realm=\"api\"");
        exchange->note.outcome = ERR_CREDENTIAL;
        serial_refuse(exchange, &(struct complaint){.status = 401,
                                                    .code = "session_invalid",
                                                    .title = "Unauthorized",
                                                    .detail = "The Session-Key must be that of the session.",
                                                    .header = "Session-Key"});
        return;
    }
    const enum err rc =
        serials_revoke_session(state->serials, id, exchange->request.caller.client_id, &session);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    struct buf *body = serial_open_document(exchange, 200);
    buf_text(body, "{\"links\":{\"self\":\"/api/sessions\"},\"data\":[");
    write_session(body, serials_limits(state->serials), &session);
    buf_text(body, "]}");
    store_session_done(&session);
}
