// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Sealed formats. A record is a tuple of small numbers, packed by mixed radix into one integer < P. It is
// written in the token's alphabet, most significant digit first and zero in front, and FF1-encrypted.
// Opening decrypts and accepts only an integer < P: the unused space is the proof of authenticity. The
// odds that a random string opens are P x live generations / radix^length.
//
// The layout digest covers name, alphabet, length and field cardinalities, and goes into every tweak: a
// token sealed under one shape never opens under another. Formats are immutable and shared freely.
#pragma once

#include "appliance/tokens/fields.h"
#include "appliance/tokens/keyring.h"

#include <stdbool.h>

enum { FORMAT_FIELDS_MAX = 6 };

struct format;

struct format_options {
    const char *name;                        // purpose in the tweak, part of the layout: "card"
    const char *alphabet;                    // ASCII characters in numeral order
    size_t length;                           // characters of a token
    uint64_t cardinality[FORMAT_FIELDS_MAX]; // field i holds 0..cardinality[i]-1; most significant first
    size_t field_count;
    const struct field *shape; // what else tells this layout from others of the same cardinalities
    size_t shape_count;        // at most FORMAT_FIELDS_MAX
};

// A record's field values, in the order of the cardinalities.
struct record {
    uint64_t field[FORMAT_FIELDS_MAX];
};

// ERR_INPUT: a cardinality of 0, P over 2^112, or P over the space. ERR_DOMAIN as ff1_shape_new.
enum err format_new(const struct format_options *options, struct format **out_format);
void format_free(struct format *format);
size_t format_length(const struct format *format);
// log2 of the space and of P, for `symbolon formats`.
double format_space_bits(const struct format *format);
double format_record_bits(const struct format *format);

// The tweak of this format for one owner: purpose, tenant, owner, layout, and `more` unless it is NULL.
enum err format_tweak(const struct format *format, unsigned tenant_id, struct field owner,
                      const struct field *more, uint8_t out_tweak[TWEAK_BYTES]);

// Seals count records under one generation; out_tokens holds count x length characters, no NUL. Every
// field must be below its cardinality (assert). Errors of the cipher.
enum err format_seal(const struct format *format, const struct generation *generation,
                     const uint8_t tweak[TWEAK_BYTES], const struct record *records, size_t count,
                     char *out_tokens);

// One token to open and what came of it.
struct opening {
    const char *token; // format_length characters; other lengths are the caller's to refuse
    struct record record;
    const struct generation *generation; // NULL: not genuine
};

// Tokens of one format to be tried under one tweak.
struct format_job {
    const struct format *format;
    const uint8_t *tweak; // TWEAK_BYTES
    struct opening *openings;
    size_t count;
};

// Tries every opening of every job that is not opened yet (generation NULL) under one generation, all in
// one FF1 call. A token with characters outside the alphabet is not genuine. Whether a record is canonical
// is the caller's to check. Errors of the cipher.
enum err format_try(const struct generation *generation, const struct format_job *jobs, size_t job_count);

// Tries all live generations, the current one first. The job's openings start as not opened.
enum err format_open(const struct keyring *keyring, const struct format_job *job);
