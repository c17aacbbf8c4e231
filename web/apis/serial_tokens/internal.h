// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of the serial-token API: JSON:API errors and the handlers of the route table.
#pragma once

#include "appliance/base/json_write.h"
#include "web/apis/serial_tokens/serial_tokens.h"
#include "web/json_read.h"

// One error object. Of the three sources at most one is given.
struct complaint {
    unsigned status;
    const char *code, *title, *detail;
    const char *pointer, *parameter, *header;
};
void serial_refuse(struct exchange *exchange, const struct complaint *complaint);
void serial_fail(struct exchange *exchange, enum failure failure);
void serial_fail_from(struct exchange *exchange, enum err code);

// As serial_fail_from, but a released key is 410: it does not come back.
void serial_refuse_closed_or_fail(struct exchange *exchange, enum err code);
// 400 with the parameter's name; returns false.
bool serial_refuse_parameter(struct exchange *exchange, const char *code, struct slice name,
                             const char *detail);
// Whether the request has no query parameters; otherwise 400 is written.
bool serial_has_no_query(struct exchange *exchange);

// 200 or 201, the media type, and the headers that the source shows.
struct buf *serial_open_document(struct exchange *exchange, unsigned status);
// "name": "2024-03-19T12:52:47.637Z"
void serial_write_time(struct buf *out, const char *name, int64_t unix_ms);
// "name": "123" - numbers of this API travel as strings.
void serial_write_number(struct buf *out, const char *name, uint64_t number);

// Parses the body as a document with a data object; otherwise the reply is written. The document is freed by
// the caller in both cases.
const struct json *serial_read_data(struct exchange *exchange, struct json_document **out_document);
// Whether data has one of these types; otherwise the reply is written (409, or 422 without a type).
// other_type may be NULL.
bool serial_check_type(struct exchange *exchange, const struct json *data, const char *type,
                       const char *other_type);
// Whether data has no id of the client's making; otherwise 403 is written.
bool serial_check_no_id(struct exchange *exchange, const struct json *data);
// The path's id as bytes; otherwise 404 is written.
bool serial_path_id(struct exchange *exchange, size_t param, uint8_t out_id[STORE_ID_BYTES]);
// digits of the path or an attribute: decimal without sign or leading zero.
bool serial_parse_number(struct slice text, uint64_t *out_number);

// sessions.c
void serial_open_session(void *state, struct exchange *exchange);
void serial_list_sessions(void *state, struct exchange *exchange);
void serial_get_session(void *state, struct exchange *exchange);
void serial_revoke_session(void *state, struct exchange *exchange);
// alphabets.c
void serial_list_alphabets(void *state, struct exchange *exchange);
void serial_get_alphabet(void *state, struct exchange *exchange);
void serial_get_capacity(void *state, struct exchange *exchange);
void serial_add_alphabet(void *state, struct exchange *exchange);
void serial_delete_alphabet(void *state, struct exchange *exchange);
void serial_delete_alphabets(void *state, struct exchange *exchange);
void serial_prove(void *state, struct exchange *exchange);
// lines.c
void serial_order_line(void *state, struct exchange *exchange);
void serial_list_lines(void *state, struct exchange *exchange);
void serial_get_line(void *state, struct exchange *exchange);
void serial_get_line_as_of(void *state, struct exchange *exchange);
void serial_delete_line(void *state, struct exchange *exchange);
void serial_delete_lines(void *state, struct exchange *exchange);
// data.c
void serial_get_data(void *state, struct exchange *exchange);
