// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What token requests are made with, in memory but for a real store in a folder of its own: a system keyring
// of two generations, one tenant, an Ed25519 key. Functions fail the running test. Static: each test program
// has its own copy.
#pragma once

#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/request.h"

#include <stdlib.h>
#include <unistd.h>

enum { HOUSE_TENANT = 7, HOUSE_CLIENT = 11, HOUSE_NOW_S = 1900000000, HOUSE_LIFE_S = 600 };

static struct requests_house {
    char folder[64], store_path[96];
    struct fixture system, other; // other: a tenant's keys
    struct tenant *tenant;
    struct long_ids *ids;
    struct soft_mac mac;
    struct soft_rng rng;
    struct soft_signer signer;
    struct requests requests;
} house;

static inline void house_open_store(void)
{
    struct diag diag = {0};
    if (store_open(house.store_path, &house.requests.store, &diag) != OK)
        fail_msg("%s", diag.text);
}

static inline int house_open(void **state)
{
    (void)state;
    const uint8_t seed[32] = "a seed of thirty-two bytes, o k";
    memset(&house, 0, sizeof house);
    snprintf(house.folder, sizeof house.folder, "/tmp/requests_test_XXXXXX");
    assert_non_null(mkdtemp(house.folder));
    snprintf(house.store_path, sizeof house.store_path, "%s/store.db", house.folder);
    fixture_init_many(&house.system, 0, 2, 2);
    fixture_init(&house.other, HOUSE_TENANT, 1);
    house.mac.key[0] = 1;
    const struct tenant_options options = {
        .name = "t", .id = HOUSE_TENANT, .keyring = house.other.keyring, .mac = soft_mac_seam(&house.mac)};
    assert_int_equal(tenant_new(&options, &house.tenant, NULL), OK);
    house.other.keyring = NULL; // the tenant's now
    assert_int_equal(long_ids_new(house.system.keyring, "tokn", &house.ids), OK);
    soft_signer_init(&house.signer, SIGNER_ED25519, seed);
    house.requests = (struct requests){
        .ids = house.ids,
        .card_format = house.other.card_format,
        .signer = soft_signer_seam(&house.signer),
        .mac = soft_mac_seam(&house.mac),
        .rng = soft_rng_seam(&house.rng),
    };
    house_open_store();
    return 0;
}

static inline int house_close(void **state)
{
    (void)state;
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
    char name[128];
    store_close(house.requests.store);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(name, sizeof name, "%s/%s", house.folder, names[i]);
        unlink(name);
    }
    tenant_free(house.tenant);
    long_ids_free(house.ids);
    soft_signer_done(&house.signer);
    fixture_done(&house.system);
    fixture_done(&house.other);
    return rmdir(house.folder);
}

static inline struct slice text_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

// A draft of a payload without card numbers.
static inline struct request_draft house_draft(enum store_request_kind kind, const char *payload)
{
    return (struct request_draft){
        .tenant = house.tenant,
        .client_id = HOUSE_CLIENT,
        .kind = kind,
        .payload = text_of(payload),
        .redirect_url = "https://shop.example/cb",
        .callback_state = "s-\"91\"",
        .now_s = HOUSE_NOW_S,
        .life_s = HOUSE_LIFE_S,
    };
}
