// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Making keys, for `keys generate` and for `init`.
#pragma once

#include "hsm-setup/cli.h"

// Keys of one tenant and generation that are to be made.
struct key_batch {
    unsigned tenant_id, generation;
    unsigned uses;      // a bit for each enum key_use
    bool keep_existing; // else one that exists is an error
    bool quiet;         // else a line on stdout for each
    unsigned made;      // out: those of uses that were made, whatever comes back
};
enum err keys_make(struct hsm *hsm, struct key_batch *batch, struct diag *diag);
// Appends what the token says of the keys that were made, for a transcript.
enum err keys_describe(struct hsm *hsm, const struct key_batch *batch, struct buf *out, struct diag *diag);
