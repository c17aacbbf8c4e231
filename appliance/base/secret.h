// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Clear card data, codes, PINs and credentials. A struct secret owns its bytes and is wiped when it is
// done; declared SECRET it is wiped on every way out of its scope. Neither the log nor the JSON writer
// has a function that takes one, except json_write_clear, which detokenize calls.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secret {
    char *text; // len bytes and a terminating NUL; NULL when empty
    size_t len;
};

// Clear card data that lives in somebody else's secret or wiped buffer. A type of its own, so that only
// functions made for clear data take it.
struct clear {
    const char *text;
    size_t len;
};

// Overwrites bytes in a way the compiler cannot drop.
void wipe(void *bytes, size_t count);

// Compares in time that depends on count only.
bool ct_equal(const void *a, const void *b, size_t count);

// Copies len bytes into a new secret, wiping what stood there. ERR_MEMORY.
enum err secret_set(struct secret *secret, const char *text, size_t len);
// Wipes and frees; the secret is then empty and may be set again.
void secret_done(struct secret *secret);

// A file of at most max_bytes that grants nothing to group and others (access_list.h), without one trailing
// line end. ERR_IO when it cannot be read, ERR_CONFIG when its mode or size is wrong; diag says why.
enum err secret_read_file(const char *path, size_t max_bytes, struct secret *out_secret, struct diag *diag);

#define SECRET [[gnu::cleanup(secret_done)]] struct secret

struct wiped_range {
    void *bytes;
    size_t count;
};
static inline void wiped_range_done(struct wiped_range *range)
{
    wipe(range->bytes, range->count);
}
// Declared after a local array or struct: wipes it when the scope ends.
#define WIPE_AT_EXIT(object)                                                                                 \
    [[gnu::cleanup(wiped_range_done), maybe_unused]] struct wiped_range wiped_##object = {&(object),         \
                                                                                          sizeof(object)}

// Keeps secrets out of core files and swap: no dumps, no ptrace by others, pages locked where the limit
// allows. Returns false when locking was refused (the operator should raise RLIMIT_MEMLOCK).
bool secret_harden_process(void);
