// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A SoftHSM of one test's own: a temporary folder with a configuration, a token directory and PIN files.
// SOFTHSM2_CONF names it as long as it lives. Functions abort the test program when they fail. A program
// has one at a time.
//
// tests/conformance/with_token.sh runs a program on a token of another kind instead: of another module, which
// is emptied where SoftHSM's would be made, or on SoftHSM isolated. What such a token lacks is skipped, and
// every skip is counted and listed when the program ends.
#pragma once

#include "appliance/base/secret.h"
#include "pkcs11/hsm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOFTHSM_MODULE "/usr/lib/softhsm/libsofthsm2.so"
#define SOFTHSM_LABEL  "test token"
#define SOFTHSM_PIN    "1234567"
#define SOFTHSM_SO_PIN "so-7654321"

struct softhsm {
    char folder[64];
    char pin_file[96];    // holds SOFTHSM_PIN, mode 0600
    char so_pin_file[96]; // holds SOFTHSM_SO_PIN, mode 0600
};

// The token's kind: softhsm, or what with_token.sh was told.
const char *softhsm_kind(void);
// Whether the token is SoftHSM's and in our folder, so that its files can be changed.
bool softhsm_has_files(void);
// The module, or that of another kind.
const char *softhsm_module(void);
// Destroys every object in the token of another kind.
void softhsm_empty(void);
// Counts a test, or a part of one, that is left out because the token has no `what`.
void softhsm_note_skip(const char *what);

// A folder without a token.
void softhsm_init(struct softhsm *softhsm);
// Removes the folder. No hsm may be open.
void softhsm_done(struct softhsm *softhsm);
// Writes a file of this mode into the folder; out_path holds 96 bytes.
void softhsm_write_file(const struct softhsm *softhsm, const char *name, const char *text, unsigned mode,
                        char *out_path);

// Makes a token of this label. Here, so that only programs that use it need link symbolon_pkcs11.
static inline void softhsm_init_token(const char *label)
{
    if (!softhsm_has_files()) {
        softhsm_empty();
        return;
    }
    SECRET pin = {0};
    SECRET so_pin = {0};
    struct diag diag = {0};
    if (secret_set(&pin, SOFTHSM_PIN, sizeof SOFTHSM_PIN - 1) != OK ||
        secret_set(&so_pin, SOFTHSM_SO_PIN, sizeof SOFTHSM_SO_PIN - 1) != OK ||
        hsm_init_token(SOFTHSM_MODULE, label, &so_pin, &pin, &diag) != OK) {
        fprintf(stderr, "softhsm_init_token: %s\n", diag.text);
        abort();
    }
}

static inline struct hsm_options softhsm_options(const struct softhsm *softhsm)
{
    return (struct hsm_options){.name = "soft",
                                .module = softhsm_module(),
                                .token_label = SOFTHSM_LABEL,
                                .arguments = getenv("SYMBOLON_TOKEN_ARGUMENTS"),
                                .pin_file = softhsm->pin_file,
                                .isolate = strcmp(softhsm_kind(), "isolated") == 0};
}

static inline struct hsm *softhsm_open(const struct hsm_options *options)
{
    struct hsm *hsm = NULL;
    struct diag diag = {0};
    if (hsm_open(options, &hsm, &diag) != OK) {
        fprintf(stderr, "softhsm_open: %s\n", diag.text);
        abort();
    }
    return hsm;
}
