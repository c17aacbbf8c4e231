// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a text is JSON that this house accepts (web/json_read.h says what that is). No allocation
// except for the names of the objects that are open.
#pragma once

#include "web/json_read.h"

// What a checked text holds that cJSON cannot be given as it stands.
struct json_findings {
    bool has_inexact_number; // with a fraction, an exponent, or too long for cJSON's buffer
};

// ERR_INPUT with a fault, ERR_MEMORY.
enum err json_check(struct slice text, struct json_findings *out_findings, struct json_fault *out_fault);

// One number at text.at[0]: its length, 0 when there is none. out_exact: an integer of at most 20 bytes.
size_t json_number_length(struct slice text, bool *out_exact);
