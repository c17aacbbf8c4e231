// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A JSON object of strings and whole numbers and nothing else, as the headers and claims of JWTs are (RFC
// 7515, RFC 7519): no nesting, no duplicate names, no escapes beyond \" \\ and \/, UTF-8. Anything else is
// refused. Slices point into the text, or into room for those that had escapes. Pure.
#pragma once

#include "appliance/base/buf.h"

enum { FLAT_JSON_MEMBERS = 16 };

struct flat_json {
    size_t count;
    struct {
        struct slice name, text; // text: of a string, without quotes
        bool is_number;
        int64_t number; // -(2^53) .. 2^53
    } members[FLAT_JSON_MEMBERS];
};

// room keeps what was unescaped. false: not such an object.
bool flat_json_read(struct slice text, struct buf *room, struct flat_json *out_object);
// A string that must be there. false: it is not, or is a number.
bool flat_json_text(const struct flat_json *object, const char *name, struct slice *out_text);
bool flat_json_number(const struct flat_json *object, const char *name, int64_t *out_number);
bool flat_json_has(const struct flat_json *object, const char *name);
