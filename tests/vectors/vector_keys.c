// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vectors/vector_keys.h"
#include "pkcs11/hsm.h"
#include "tests/support/soft.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Imported keys live as long as the hsm, each with its session, so it is opened afresh now and then.
enum { IMPORTS_MAX = 500 };

struct vector_keys {
    bool in_hsm;
    struct hsm *hsm;
    size_t imports;
    struct soft_cipher soft;
    uint8_t key[32];
    size_t key_bytes; // 0: none open
    struct cipher cipher;
};

static void must(enum err rc, const char *what, const struct diag *diag)
{
    if (rc == OK)
        return;
    fprintf(stderr, "ff1_vectors: %s: %s: %s\n", what, err_name(rc), diag->text);
    exit(2);
}

static void hsm_reopen(struct vector_keys *keys)
{
    const char *module = getenv("SYMBOLON_TEST_MODULE");
    struct hsm_options options = {
        .name = "test",
        .module = module != NULL ? module : "/usr/lib/softhsm/libsofthsm2.so",
        .token_label = getenv("SYMBOLON_TEST_TOKEN"),
        .pin_file = getenv("SYMBOLON_TEST_PIN_FILE"),
    };
    struct diag diag = {0};
    if (options.token_label == NULL || options.pin_file == NULL) {
        fprintf(stderr, "ff1_vectors: --hsm needs SYMBOLON_TEST_TOKEN and SYMBOLON_TEST_PIN_FILE\n");
        exit(2);
    }
    hsm_close(keys->hsm);
    keys->imports = 0;
    must(hsm_open(&options, &keys->hsm, &diag), "open the token", &diag);
}

struct vector_keys *vector_keys_open(bool hsm)
{
    struct vector_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        abort();
    keys->in_hsm = hsm;
    if (hsm)
        hsm_reopen(keys);
    return keys;
}

static void forget(struct vector_keys *keys)
{
    if (keys->key_bytes > 0 && !keys->in_hsm)
        soft_cipher_done(&keys->soft);
    keys->key_bytes = 0;
}

void vector_keys_close(struct vector_keys *keys)
{
    forget(keys);
    hsm_close(keys->hsm);
    free(keys);
}

static void import(struct vector_keys *keys)
{
    struct diag diag = {0};
    if (keys->imports++ == IMPORTS_MAX)
        hsm_reopen(keys);
    must(hsm_import_test_cipher(keys->hsm, keys->key, keys->key_bytes, &keys->cipher, &diag), "import a key",
         &diag);
}

struct cipher vector_keys_cipher(struct vector_keys *keys, const uint8_t *key, size_t key_bytes)
{
    if (keys->key_bytes == key_bytes && memcmp(keys->key, key, key_bytes) == 0)
        return keys->cipher;
    forget(keys);
    memcpy(keys->key, key, key_bytes);
    keys->key_bytes = key_bytes;
    if (keys->in_hsm) {
        import(keys);
    } else {
        soft_cipher_init(&keys->soft, key, key_bytes);
        keys->cipher = soft_cipher_seam(&keys->soft);
    }
    return keys->cipher;
}
