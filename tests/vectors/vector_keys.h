// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the keys of test vectors live: in memory (tests/support/soft.h), or as session objects of a
// PKCS#11 token that the environment names:
//     SYMBOLON_TEST_MODULE    default /usr/lib/softhsm/libsofthsm2.so
//     SYMBOLON_TEST_TOKEN     the token's label
//     SYMBOLON_TEST_PIN_FILE  mode 0400 or 0600
// A key stays open until the next one is asked for with other bytes.
#pragma once

#include "appliance/base/crypto.h"

struct vector_keys;

// Ends the program with status 2 when the token cannot be opened.
struct vector_keys *vector_keys_open(bool hsm);
void vector_keys_close(struct vector_keys *keys);

// The cipher of a key of 16, 24 or 32 bytes, good until the next call. Status 2 when the token fails.
struct cipher vector_keys_cipher(struct vector_keys *keys, const uint8_t *key, size_t key_bytes);
