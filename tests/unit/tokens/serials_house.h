// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The serial-token service over a real store in a folder of its own, with soft ciphers. It can be closed and
// opened again with other generations. Functions fail the running test. Static: each test program has its
// own copy.
#pragma once

#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/serials.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DICE "\u2680\u2681\u2682\u2683\u2684\u2685"

enum { HOUSE_TENANTS = 2, HOUSE_GENERATIONS = 3 };
enum { HOUSE_MIN_TOKENS = 100, HOUSE_MAX_TOKENS = 400000, HOUSE_MAX_CELLS = 4000000 };

static struct house {
    char folder[64], store_path[96];
    struct store *store;
    struct soft_cipher ciphers[HOUSE_TENANTS + 1][HOUSE_GENERATIONS + 1];
    struct registry registry;
    struct registries *registries;
    struct tenant *members[HOUSE_TENANTS];
    struct keyring *system;
    struct sealed_ids *sessions, *lines;
    struct soft_rng soft_rng;
    pthread_mutex_t rng_lock;
    _Atomic int64_t now_ns;
    struct serials *serials;
    struct caller caller, peer, stranger; // of clients 31 and 32 of tenant 1, and 41 of tenant 2
} house;

static inline enum err house_fill(void *context, uint8_t *out, size_t out_bytes)
{
    (void)context;
    pthread_mutex_lock(&house.rng_lock);
    const struct rng rng = soft_rng_seam(&house.soft_rng);
    const enum err rc = rng_fill(&rng, out, out_bytes);
    pthread_mutex_unlock(&house.rng_lock);
    return rc;
}

// Every look at the clock is a millisecond later.
static inline int64_t house_now_ns(void *context)
{
    (void)context;
    return house.now_ns += 1000000;
}

// Generations first..current of a tenant. The key of a generation is always the same.
static inline struct keyring *house_keyring(unsigned tenant_id, unsigned first, unsigned current)
{
    struct generation_options options[HOUSE_GENERATIONS];
    struct keyring *keyring = NULL;
    size_t count = 0;
    for (unsigned number = first; number <= current; number++, count++) {
        uint8_t key[32];
        struct soft_cipher *soft = &house.ciphers[tenant_id][number];
        for (size_t b = 0; b < sizeof key; b++)
            key[b] = (uint8_t)(b + 16 * tenant_id + number);
        soft_cipher_init(soft, key, sizeof key);
        options[count] =
            (struct generation_options){.number = number,
                                        .state = number == current ? GENERATION_CURRENT : GENERATION_RETIRED,
                                        .cipher = soft_cipher_seam(soft)};
    }
    assert_int_equal(keyring_new(tenant_id, options, count, &keyring, NULL), OK);
    return keyring;
}

static inline void house_open_store(void)
{
    struct diag diag = {0};
    if (store_open(house.store_path, &house.store, &diag) != OK)
        fail_msg("%s", diag.text);
}

static inline void house_start_service(void)
{
    const struct serials_options options = {
        .store = house.store,
        .registries = house.registries,
        .session_ids = house.sessions,
        .line_ids = house.lines,
        .rng = {.fill = house_fill},
        .clock = {.now_ns = house_now_ns},
        .limits = {HOUSE_MIN_TOKENS, HOUSE_MAX_TOKENS, 1, SERIAL_DIGITS_MAX, HOUSE_MAX_CELLS},
    };
    assert_int_equal(serials_new(&options, &house.serials), OK);
}

static inline void house_registry_gone(struct registry *registry)
{
    registry->tenants.count = 0;
}

static inline void house_open_keys(unsigned first, unsigned current)
{
    for (unsigned i = 0; i < HOUSE_TENANTS; i++) {
        const struct tenant_options options = {
            .name = "tenant", .id = i + 1, .keyring = house_keyring(i + 1, first, current)};
        assert_int_equal(tenant_new(&options, &house.members[i], NULL), OK);
    }
    house.registry =
        (struct registry){.tenants = {house.members, HOUSE_TENANTS}, .destroy = house_registry_gone};
    assert_int_equal(registries_new(&house.registry, &house.registries), OK);
    house.system = house_keyring(0, 1, 1);
    assert_int_equal(sealed_ids_new(house.system, &session_kind, &house.sessions), OK);
    assert_int_equal(sealed_ids_new(house.system, &line_kind, &house.lines), OK);
}

static inline void house_open(unsigned first, unsigned current)
{
    house_open_store();
    house_open_keys(first, current);
    house_start_service();
}

static inline void house_close(void)
{
    serials_free(house.serials);
    house.serials = NULL;
    registries_free(house.registries);
    assert_int_equal(house.registry.tenants.count, 0); // whatever was taken has been given back
    store_close(house.store);
    sealed_ids_free(house.sessions);
    sealed_ids_free(house.lines);
    keyring_free(house.system);
    for (size_t i = 0; i < HOUSE_TENANTS; i++)
        tenant_free(house.members[i]);
    for (size_t tenant = 0; tenant <= HOUSE_TENANTS; tenant++) {
        for (size_t number = 0; number <= HOUSE_GENERATIONS; number++)
            soft_cipher_done(&house.ciphers[tenant][number]);
    }
}

static inline struct caller house_caller(unsigned client_id, unsigned tenant_id)
{
    struct caller caller = {.name = "client", .client_id = client_id, .tenant_id = tenant_id};
    struct store_session session;
    const struct session_order order = {.client_id = client_id};
    assert_int_equal(serials_open_session(house.serials, &order, &session), OK);
    memcpy(caller.session_id, session.id, STORE_ID_BYTES);
    store_session_done(&session);
    return caller;
}

static inline int house_set_up(void **state)
{
    (void)state;
    memset(&house, 0, sizeof house);
    pthread_mutex_init(&house.rng_lock, NULL);
    house.now_ns = 1900000000000000000;
    snprintf(house.folder, sizeof house.folder, "/tmp/serials_test_XXXXXX");
    assert_non_null(mkdtemp(house.folder));
    snprintf(house.store_path, sizeof house.store_path, "%s/store.db", house.folder);
    house_open(1, 1);
    house.caller = house_caller(31, 1);
    house.peer = house_caller(32, 1);
    house.stranger = house_caller(41, 2);
    return 0;
}

static inline int house_tear_down(void **state)
{
    (void)state;
    house_close();
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", house.store_path, ends[i]);
        unlink(name);
    }
    pthread_mutex_destroy(&house.rng_lock);
    return rmdir(house.folder);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

static inline struct slice text_slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

// ---- orders -------------------------------------------------------------------------------------------

// An order whose payment ident is made of a number.
static inline enum line_outcome order_as(const struct caller *caller, const char *alphabet, unsigned digits,
                                         uint64_t size, unsigned ident, struct line *out_line)
{
    char payment_ident[48];
    enum line_outcome outcome = LINE_SPACE_CLOSED;
    snprintf(payment_ident, sizeof payment_ident, "pi_%024u", ident);
    const struct line_order order = {
        .caller = caller,
        .alphabet = text_slice(alphabet),
        .digits = digits,
        .size = size,
        .payment_id = "0d9e6c44-7a11-4f0e-8b1c-2f6f0f9a7d31",
        .payment_ident = payment_ident,
    };
    assert_int_equal(serials_order_line(house.serials, &order, &outcome, out_line), OK);
    return outcome;
}

static inline unsigned fresh_ident(void)
{
    static atomic_uint next = 1000000;
    return next++;
}

// An order of the first client that is taken.
static inline struct line order(const char *alphabet, unsigned digits, uint64_t size)
{
    struct line line = {0};
    assert_int_equal(order_as(&house.caller, alphabet, digits, size, fresh_ident(), &line), LINE_TAKEN);
    return line;
}

static inline enum line_outcome refused_order(const char *alphabet, unsigned digits, uint64_t size)
{
    struct line line = {.progress = 77};
    const enum line_outcome outcome = order_as(&house.caller, alphabet, digits, size, fresh_ident(), &line);
    assert_true(line.progress == 77);
    return outcome;
}

static inline struct capacity capacity_of(const char *characters, unsigned digits)
{
    struct capacity capacity;
    assert_int_equal(serials_capacity(house.serials, 1, characters, digits, &capacity), OK);
    return capacity;
}

static inline void assert_capacity(const char *characters, unsigned digits, const char *available,
                                   uint64_t reachable)
{
    const struct capacity capacity = capacity_of(characters, digits);
    assert_string_equal(capacity.available, available);
    assert_int_equal(capacity.reachable, reachable);
}

// Until the producer is through with a line; only the runner's limit ends this.
static inline struct line wait_until_finished(const struct caller *caller, const uint8_t id[STORE_ID_BYTES])
{
    for (;;) {
        struct line line = {0};
        assert_int_equal(serials_get_line(house.serials, caller, id, &line), OK);
        if (line.record.status == STORE_LINE_FINISHED)
            return line;
        line_done(&line);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

// ---- data ---------------------------------------------------------------------------------------------

static inline void read_stream(struct line_stream *stream, struct buf *out)
{
    for (size_t before = SIZE_MAX; before != out->len;) {
        before = out->len;
        assert_int_equal(line_stream_next(stream, out), OK);
    }
}

static inline void read_range(unsigned tenant_id, const struct line *line, uint64_t first, uint64_t last,
                              struct buf *out)
{
    struct line_stream *stream = NULL;
    assert_int_equal(line_stream_open(house.serials, tenant_id, line, first, last, &stream), OK);
    read_stream(stream, out);
    line_stream_close(stream);
}

// Appends the whole file of a finished line.
static inline void read_file(const struct line *line, struct buf *out)
{
    const size_t before = out->len;
    read_range(line->record.tenant_id, line, 0, line->record.file_bytes - 1, out);
    assert_int_equal(out->len - before, line->record.file_bytes);
}
