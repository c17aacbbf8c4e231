// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the store's tests share: a store in a folder of its own, and orders for lines. Functions fail the
// running test. Static: each test program has its own copy.
#pragma once

#include "appliance/store/store.h"
#include "appliance/store/transact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TENANT = 7, CLIENT = 11, GENERATION = 3 };

static char folder[64], store_path[96];

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/store_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(store_path, sizeof store_path, "%s/store.db", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm", "copy.db", "other.db"};
    char name[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", folder, names[i]);
        unlink(name);
    }
    return rmdir(folder);
}

static inline struct store *open_store_at(const char *path)
{
    struct store *store = NULL;
    struct diag diag = {0};
    if (store_open(path, &store, &diag) != OK)
        fail_msg("%s", diag.text);
    return store;
}

static inline struct store *open_store(void)
{
    return open_store_at(store_path);
}

// An order for `wanted` serials of the space `space`, as line number `number` of the client: the number
// makes its id and its payment ident. It must stay where it is, because it points into itself.
struct sample_order {
    struct store_line_order order;
    char ident[48], alphabet[16], characters[32], payment_id[40], seed[16];
};

static inline void sample_order(struct sample_order *out, uint64_t number, uint8_t space, uint64_t wanted)
{
    *out = (struct sample_order){.alphabet = "UPPER_HEX",
                                 .characters = "0123456789ABCDEF",
                                 .payment_id = "0d9e6c44-7a11-4f0e-8b1c-2f6f0f9a7d31",
                                 .seed = "a seed"};
    snprintf(out->ident, sizeof out->ident, "pi_%024llu", (unsigned long long)number);
    struct store_line *line = &out->order.line;
    *line = (struct store_line){.client_id = CLIENT, .session_id = {9}, .digits = 10};
    memcpy(line->id, &number, sizeof number);
    line->alphabet = out->alphabet;
    line->characters = out->characters;
    line->payment_id = out->payment_id;
    line->payment_ident = out->ident;
    line->seed = out->seed;
    line->requested_ms = 1900000000000 + (int64_t)number;
    out->order.tenant_id = TENANT;
    out->order.space[0] = space;
    out->order.generation = GENERATION;
    out->order.space_size = 1ULL << 40;
    out->order.wanted = wanted;
    out->order.limit = 1000000;
    out->order.minimum = 1;
}

static inline enum store_order_outcome place(struct store *store, const struct sample_order *sample,
                                             struct store_line *out_line)
{
    enum store_order_outcome outcome;
    assert_int_equal(store_line_create(store, &sample->order, &outcome, out_line), OK);
    return outcome;
}

// Takes a line and forgets all but its block.
static inline void take(struct store *store, const struct sample_order *sample, uint64_t first, uint64_t size)
{
    struct store_line line = {0};
    assert_int_equal(place(store, sample, &line), STORE_ORDER_TAKEN);
    assert_int_equal(line.first_serial, first);
    assert_int_equal(line.size, size);
    store_line_done(&line);
}

static inline uint64_t issued(struct store *store, uint8_t space)
{
    uint8_t name[STORE_SPACE_BYTES] = {space};
    struct store_space found = {0};
    assert_int_equal(store_space_get(store, TENANT, name, &found), OK);
    return found.issued;
}
