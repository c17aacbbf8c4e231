// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One FF1 test vector as a line of text, seven fields with tabs between them:
//     id, key (hex), tweak (hex or -), radix, plaintext, ciphertext, valid | invalid
// Plaintext and ciphertext are decimal numerals with commas between them; nothing or - means none.
// What FF1 must refuse (numerals of any size, even negative, any radix, any key length) is still
// well-formed here.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numeral_list {
    uint16_t *at;
    size_t count;
    bool out_of_range; // one of them does not fit uint16_t
};

struct vector {
    const char *id; // points into the line
    uint8_t *key, *tweak;
    size_t key_bytes, tweak_bytes;
    uint64_t radix; // UINT64_MAX: larger or negative
    struct numeral_list plain, cipher;
    bool valid;
};

// Takes the line apart (it is changed, and must outlive *out). Returns NULL, or what is wrong with it.
// Call vector_done either way.
const char *vector_parse(char *line, struct vector *out);
void vector_done(struct vector *vector);
