// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The four things a role does with a batch of values. One bad item never fails the batch: it gets a
// fault. Whether the caller may is decided before.
#pragma once

#include "appliance/tokens/template.h"

enum role_operation {
    ROLE_ENCODE,
    ROLE_DECODE,
    ROLE_VALIDATE, // as decode, and the results are thrown away
    ROLE_REWRAP,   // decode, then encode under the current generation; nothing clear is left in out
};

// Works through the items in place, passing over those that have a fault already. Results of ROLE_DECODE in
// batch->out are clear data. Errors of the cipher, ERR_MEMORY; item faults are not errors.
enum err role_run(const struct role *role, enum role_operation operation, const struct batch *batch,
                  struct token_item *items, size_t count);
