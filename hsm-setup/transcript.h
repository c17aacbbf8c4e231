// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The record of a ceremony, for an auditor to keep: when, where, by which program and module, in which token,
// who showed himself, which keys were made or destroyed, and how it ended. It holds no PIN. The last line is
// the SHA-256 of all before it, so that a copy on paper can be compared.
//
// A file is made at the beginning, mode 0600, and never overwritten. As long as nothing was changed in the
// token there is nothing to keep, and it is removed again.
#pragma once

#include "hsm-setup/cli.h"
#include "hsm-setup/pin.h"

struct transcript {
    struct buf text;
    const char *path; // NULL: only printed
    int fd;
    bool changed; // the token is not what it was
};

// Begins the record of a command; path may be NULL. ERR_CONFLICT when the file exists.
enum err transcript_open(struct transcript *transcript, const char *path, const char *command,
                         struct diag *diag);
// Ends it: writes outcome and digest, prints all, saves it. outcome and diag say how the command went, and it
// is what comes back, unless the record could not be saved.
enum err transcript_close(struct transcript *transcript, enum err outcome, struct diag *diag);

// What stands in it.
void transcript_module(struct transcript *transcript, const char *path);
void transcript_pin(struct transcript *transcript, enum pin_of whose, const char *file, bool is_new);
enum err transcript_token(struct transcript *transcript, const struct cli *cli, struct hsm *hsm,
                          struct diag *diag);
