// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// ff1_vectors [--hsm] FILE: checks every vector of the file (the form is in vector_line.h) in both
// directions, with its key in memory or, with --hsm, in a PKCS#11 token (vector_keys.h).
//
// A vector marked valid must encrypt and decrypt as it says; one marked invalid must be refused; a domain
// under 1,000,000 is refused whatever the mark. Prints how many agreed, were refused, and were wrong.
// Exit status: 0 none wrong, 1 some wrong, 2 a malformed line (FILE:LINE says which) or no vectors.
#include "appliance/fpe/ff1.h"
#include "tests/vectors/vector_keys.h"
#include "tests/vectors/vector_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum outcome { AGREED, REFUSED, WRONG, OUTCOMES };

struct engine {
    struct vector_keys *keys;
    struct ff1_key *key;
    const struct ff1_shape *shape;
};

// Transforms a copy of `from`. *equal tells whether that gives `to`.
static enum err transform(const struct engine *engine, const struct vector *vector, bool decrypt, bool *equal)
{
    const struct numeral_list *from = decrypt ? &vector->cipher : &vector->plain;
    const struct numeral_list *to = decrypt ? &vector->plain : &vector->cipher;
    size_t length = ff1_shape_length(engine->shape), bytes = length * sizeof(uint16_t);
    *equal = false;
    if (from->out_of_range || from->count != length)
        return ERR_INPUT;
    uint16_t *numerals = malloc(bytes);
    if (numerals == NULL)
        abort();
    memcpy(numerals, from->at, bytes);
    struct ff1_run run = {engine->shape, vector->tweak, vector->tweak_bytes, numerals, 1};
    enum err rc = decrypt ? ff1_decrypt(engine->key, &run, 1) : ff1_encrypt(engine->key, &run, 1);
    *equal = rc == OK && !to->out_of_range && to->count == length && memcmp(numerals, to->at, bytes) == 0;
    free(numerals);
    return rc;
}

static void must_not_fail(enum err rc)
{
    if (rc == OK || rc == ERR_INPUT)
        return;
    fprintf(stderr, "ff1_vectors: the cipher failed: %s\n", err_name(rc));
    exit(2);
}

static enum outcome check_both_ways(const struct engine *engine, const struct vector *vector)
{
    bool encrypts, decrypts;
    enum err encrypted = transform(engine, vector, false, &encrypts);
    enum err decrypted = transform(engine, vector, true, &decrypts);
    must_not_fail(encrypted);
    must_not_fail(decrypted);
    if (vector->valid)
        return encrypts && decrypts ? AGREED : WRONG;
    // Without a ciphertext there is nothing to refuse on the way back.
    bool accepted = encrypted == OK && (decrypted == OK || vector->cipher.count == 0);
    return accepted ? WRONG : REFUSED;
}

static enum outcome check(struct vector_keys *keys, const struct vector *vector)
{
    const enum outcome when_refused = vector->valid ? WRONG : REFUSED;
    struct ff1_shape *shape = NULL;
    if (vector->key_bytes != 16 && vector->key_bytes != 24 && vector->key_bytes != 32)
        return when_refused;
    uint32_t radix = vector->radix > UINT32_MAX ? UINT32_MAX : (uint32_t)vector->radix;
    enum err rc = ff1_shape_new(radix, vector->plain.count, &shape);
    if (rc == ERR_DOMAIN)
        return REFUSED;
    if (rc != OK)
        return when_refused;
    struct engine engine = {.keys = keys, .shape = shape};
    struct cipher cipher = vector_keys_cipher(keys, vector->key, vector->key_bytes);
    if (ff1_key_new(cipher, &engine.key) != OK)
        abort();
    enum outcome outcome = check_both_ways(&engine, vector);
    ff1_key_free(engine.key);
    ff1_shape_free(shape);
    return outcome;
}

// Returns false at a malformed line.
static bool check_file(struct vector_keys *keys, const char *path, FILE *file, size_t counts[OUTCOMES])
{
    char *line = NULL;
    size_t capacity = 0, number = 0;
    const char *fault = NULL;
    ssize_t len;
    while (fault == NULL && (len = getline(&line, &capacity, file)) > 0) {
        struct vector vector = {0};
        number++;
        if (line[0] == '#' || line[strspn(line, "\r\n")] == '\0')
            continue;
        fault = strlen(line) == (size_t)len ? vector_parse(line, &vector) : "it holds a NUL byte";
        if (fault == NULL) {
            enum outcome outcome = check(keys, &vector);
            counts[outcome]++;
            if (outcome == WRONG)
                printf("%s:%zu: %s: wrong\n", path, number, vector.id);
        }
        vector_done(&vector);
    }
    if (fault != NULL)
        fprintf(stderr, "%s:%zu: %s\n", path, number, fault);
    free(line);
    return fault == NULL;
}

int main(int argc, char **argv)
{
    bool hsm = argc == 3 && strcmp(argv[1], "--hsm") == 0;
    if (argc != 2 + (hsm ? 1 : 0)) {
        fprintf(stderr, "usage: ff1_vectors [--hsm] FILE\n");
        return 2;
    }
    const char *path = argv[argc - 1];
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        perror(path);
        return 2;
    }
    size_t counts[OUTCOMES] = {0};
    struct vector_keys *keys = vector_keys_open(hsm);
    bool well_formed = check_file(keys, path, file, counts);
    vector_keys_close(keys);
    fclose(file);
    printf("agreed %zu refused %zu wrong %zu\n", counts[AGREED], counts[REFUSED], counts[WRONG]);
    if (well_formed && counts[AGREED] + counts[REFUSED] + counts[WRONG] == 0) {
        fprintf(stderr, "%s: no vectors\n", path);
        well_formed = false;
    }
    return !well_formed ? 2 : counts[WRONG] > 0 ? 1 : 0;
}
