// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of the transform API: the reply's envelope and the handlers of the route table.
#pragma once

#include "appliance/base/json_write.h"
#include "web/apis/transform/transform.h"

// 200 {"request_id":...,"data":   ... what the caller writes ...   ,"auth":null}
void transform_open_data(struct exchange *exchange);
void transform_close_data(struct exchange *exchange);
// {"errors":["text"]}; drops what the body held.
void transform_refuse(struct exchange *exchange, unsigned status, const char *text);
void transform_fail(struct exchange *exchange, enum failure failure);

// A JSON array of a caller's permissions, which clients of this wire format call policies.
void transform_write_policies(struct buf *out, const struct caller *caller);

// values.c
void transform_encode(void *state, struct exchange *exchange);
void transform_decode(void *state, struct exchange *exchange);
void transform_validate(void *state, struct exchange *exchange);
void transform_metadata(void *state, struct exchange *exchange);
void transform_rewrap(void *state, struct exchange *exchange);
// login.c
void transform_login(void *state, struct exchange *exchange);
// reads.c
void transform_list_roles(void *state, struct exchange *exchange);
void transform_read_role(void *state, struct exchange *exchange);
void transform_list_transformations(void *state, struct exchange *exchange);
void transform_read_transformation(void *state, struct exchange *exchange);
void transform_list_templates(void *state, struct exchange *exchange);
void transform_read_template(void *state, struct exchange *exchange);
void transform_list_alphabets(void *state, struct exchange *exchange);
void transform_read_alphabet(void *state, struct exchange *exchange);
void transform_lookup_self(void *state, struct exchange *exchange);
void transform_health(void *state, struct exchange *exchange);
