// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Values of a form given by a POSIX extended regular expression: what its capture groups match is joined in
// order, transformed by FF1 over a named alphabet, and put back; everything else stays. The whole value
// must match. There is neither slack nor slot, so a format is pinned to one generation for life, and every
// well-formed value opens as something.
//
// A value whose token would not match the pattern again could never be opened; it is refused when sealed.
//
// The tweak: purpose "pattern", tenant, then transformation id (two bytes), the caller's tweak (any bytes).
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/secret.h"
#include "appliance/tokens/keyring.h"

enum {
    PATTERN_BYTES_MAX = 4096,
    PATTERN_VALUE_BYTES_MAX = 8192, // matching longer ones would cost more than anyone should get
    PATTERN_GROUPS_MAX = 32,
};

struct pattern_format;

struct pattern_options {
    unsigned transformation_id;
    unsigned generation;
    const char *pattern;
    const char *alphabet; // its characters, UTF-8
};

// ERR_INPUT: not a regular expression, no or too many groups, back-references (they make matching
// exponential), or not an alphabet. ERR_DOMAIN: what the groups can capture is under 1,000,000 values.
enum err pattern_format_new(const struct pattern_options *options, struct pattern_format **out_format,
                            struct diag *diag);
void pattern_format_free(struct pattern_format *format);
// log2 of the smallest domain that a value may have, never under 1,000,000: shorter ones are refused.
double pattern_domain_bits(const struct pattern_format *format);

struct pattern_item {
    struct clear value;
    struct slice tweak;           // the caller's, or empty
    const char *fault;            // out: NULL, or static text that completes "value ..."
    size_t result_at, result_len; // out: where the result stands in the buffer
};

// Seal or open a batch under the pinned generation; results are appended to `out`. ERR_HSM_KEY when that
// generation is not in the ring; errors of the cipher.
enum err pattern_seal(const struct pattern_format *format, const struct keyring *keyring,
                      struct pattern_item *items, size_t count, struct buf *out);
enum err pattern_open(const struct pattern_format *format, const struct keyring *keyring,
                      struct pattern_item *items, size_t count, struct buf *out);
