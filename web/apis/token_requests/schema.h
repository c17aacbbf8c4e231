// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The documents of a token request as tables: which members are known, which are required, what each must be.
// Reading one checks it and writes it again, with its known members in the order of the tables and nothing
// else; a null member is an absent one. Tables are constant; any thread.
#pragma once

#include "appliance/tokens/request.h"
#include "web/json_read.h"

#include <stdbool.h>

enum schema_type {
    SCHEMA_TEXT,
    SCHEMA_FLAG,    // true or false
    SCHEMA_NUMBER,  // int32, not negative
    SCHEMA_CARD,    // a card number of 14..16 digits
    SCHEMA_OBJECT,  // object says of what
    SCHEMA_TEXTS,   // array of texts, not empty
    SCHEMA_OBJECTS, // array of objects, not empty
};

struct schema_row {
    const char *name;
    enum schema_type type;
    bool required;
    bool choice;                            // of those of an object at most one may be there
    const char *(*rule)(struct slice text); // of texts; NULL: any
    const char *words;                      // of texts: one of these, with spaces between them; NULL: any
    size_t max;                             // characters of texts; 0: SCHEMA_TEXT_MAX
    bool by_scheme; // of texts: a card number of 12..19 digits when schemeName, before it, is CPAN
    const struct schema_object *object;
};

struct schema_object {
    const struct schema_row *rows;
    size_t count;
    bool chooses;                                    // exactly one of its choices must be there
    const char *(*check)(const struct json *object); // the whole, after its rows; NULL: nothing more
};

enum { SCHEMA_TEXT_MAX = 255, SCHEMA_PATH_BYTES = 256, SCHEMA_MESSAGE_BYTES = 256 };

// What is wrong: "requestPayload.transferBody.currency" "must be ...". Holds nothing of what was sent.
struct schema_fault {
    char path[SCHEMA_PATH_BYTES];
    char message[SCHEMA_MESSAGE_BYTES];
};

struct schema_reading {
    bool luhn;                                 // card numbers must pass the Luhn check
    struct buf *out;                           // canonical JSON
    struct request_pan pans[REQUEST_PANS_MAX]; // of the document: they point into it
    size_t pan_count;
    struct schema_fault fault;
};

extern const struct schema_object schema_options, schema_payload;

// Reads the member `name` of the document's root as `object`. false: reading->fault says why.
bool schema_read(const struct json *node, const char *name, const struct schema_object *object,
                 struct schema_reading *reading);
