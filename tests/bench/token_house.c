// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/token_house.h"

#include "appliance/base/luhn.h"
#include "appliance/tokens/client.h"
#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/role.h"
#include "tests/bench/meter.h"
#include "tests/support/soft.h"

#include <string.h>

enum { CARDS_ID = 300, SHOP_ID = 21, VALUE_BYTES = 24, NOW_S = 1700000000 };

// Values of `digits` digits with this prefix; `last_is_check`: the last one by Luhn.
struct kind {
    const char *name, *prefix;
    int digits;
    bool last_is_check;
};
static const struct kind kinds[] = {
    {"pan", "4", 16, true}, {"card", "4", 16, true}, {"gift", "60357100", 16, true},
    {"ssn", "", 9, false},  {"code", "", 12, false},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct token_house {
    struct soft_mac mac;
    struct soft_rng random;
    struct clients *clients;
    struct tenant *tenant;
    const struct role *role;
    struct token_item *fresh, *items;
    char (*values)[VALUE_BYTES];
    size_t count;
    struct buf out;
};

static void must(enum err rc, const struct diag *diag)
{
    if (rc != OK)
        fprintf(stderr, "%s\n", diag->text);
    meter_must(rc, "token_house");
}

static void make_clients(struct token_house *house)
{
    struct diag diag = {0};
    const struct mac mac = soft_mac_seam(&house->mac);
    const struct client_options options[] = {{.name = "cards",
                                              .id = CARDS_ID,
                                              .tenant_id = 1,
                                              .generation = 1,
                                              .apis = CLIENT_API_CARD,
                                              .luhn = true,
                                              .mac = mac},
                                             {.name = "shop",
                                              .id = SHOP_ID,
                                              .tenant_id = 1,
                                              .generation = 1,
                                              .apis = CLIENT_API_GIFTCARD,
                                              .mac = mac}};
    must(clients_new(options, 2, NULL, &house->clients, &diag), &diag);
}

static struct giftcards *new_giftcards(void)
{
    static const struct giftcard_range ranges[] = {{"bench", "60357100", 16, true, 0, 0}};
    const struct giftcards_options options = {SHOP_ID, "bench", 1e-5, ranges, 1, true};
    struct giftcards *giftcards = NULL;
    struct diag diag = {0};
    must(giftcards_new(&options, &giftcards, &diag), &diag);
    return giftcards;
}

static struct keyring *new_keyring(struct cipher cipher)
{
    const struct generation_options generation = {.number = 1, .state = GENERATION_CURRENT, .cipher = cipher};
    struct keyring *keyring = NULL;
    struct diag diag = {0};
    must(keyring_new(1, &generation, 1, &keyring, &diag), &diag);
    return keyring;
}

static void make_tenant(struct token_house *house, struct cipher cipher)
{
    static const char *const names[] = {"pan", "ssn", "card", "gift", "code"};
    const struct client *cards = clients_find(house->clients, "cards"),
                        *shop = clients_find(house->clients, "shop");
    const struct transformation_options transformations[] = {
        {.where = "bench", .name = "pan", .id = 1, .template = "builtin/creditcardnumber"},
        {.where = "bench",
         .name = "ssn",
         .id = 2,
         .template = "builtin/socialsecuritynumber",
         .generation = 1},
        {.where = "bench", .name = "card", .id = 3, .template = "card", .of = cards},
        {.where = "bench", .name = "gift", .id = 4, .template = "giftcard", .of = shop},
        {.where = "bench",
         .name = "code",
         .id = 5,
         .template = "regex",
         .generation = 1,
         .pattern = "([0-9A-Z]{12})",
         .alphabet = "bench"},
    };
    const struct role_options role = {"bench", names, KINDS};
    const struct alphabet_options alphabet = {"bench", "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"};
    const struct tenant_giftcards giftcards = {SHOP_ID, new_giftcards()};
    const struct tenant_options options = {.name = "bench",
                                           .id = 1,
                                           .keyring = new_keyring(cipher),
                                           .transformations = transformations,
                                           .transformation_count = KINDS,
                                           .roles = &role,
                                           .role_count = 1,
                                           .alphabets = &alphabet,
                                           .alphabet_count = 1,
                                           .giftcards = &giftcards,
                                           .giftcards_count = 1,
                                           .rng = soft_rng_seam(&house->random)};
    struct diag diag = {0};
    must(tenant_new(&options, &house->tenant, &diag), &diag);
    house->role = tenant_role(house->tenant, (struct slice){"bench", 5});
}

struct token_house *token_house_new(struct cipher cipher)
{
    struct token_house *house = calloc(1, sizeof *house);
    meter_must(house == NULL ? ERR_MEMORY : OK, "token_house");
    make_clients(house);
    make_tenant(house, cipher);
    return house;
}

static void empty(struct token_house *house)
{
    free(house->fresh);
    free(house->items);
    free(house->values);
    house->count = 0;
}

void token_house_free(struct token_house *house)
{
    if (house == NULL)
        return;
    empty(house);
    buf_done(&house->out);
    tenant_free(house->tenant);
    clients_free(house->clients);
    free(house);
}

static char check_digit(const char *digits, size_t count)
{
    uint16_t numerals[VALUE_BYTES] = {0}; // the last stays 0
    for (size_t i = 0; i < count; i++)
        numerals[i] = (uint16_t)(digits[i] - '0');
    return (char)('0' + luhn_digit((10 - luhn_sum(numerals, count + 1)) % 10, 0));
}

static void make_value(const struct kind *kind, size_t number, char out_value[VALUE_BYTES])
{
    const int prefix = (int)strlen(kind->prefix), rest = kind->digits - prefix;
    snprintf(out_value, VALUE_BYTES, "%s%0*zu", kind->prefix, rest, number * 7919 % 10000000);
    if (kind->last_is_check)
        out_value[kind->digits - 1] = check_digit(out_value, (size_t)kind->digits - 1);
}

bool token_house_fill(struct token_house *house, const char *kind, size_t count)
{
    size_t k = 0;
    while (k < KINDS && strcmp(kinds[k].name, kind) != 0)
        k++;
    if (k == KINDS)
        return false;
    empty(house);
    house->fresh = calloc(count, sizeof *house->fresh);
    house->items = calloc(count, sizeof *house->items);
    house->values = calloc(count, sizeof *house->values);
    house->count = count;
    meter_must(house->fresh == NULL || house->items == NULL || house->values == NULL ? ERR_MEMORY : OK, kind);
    for (size_t i = 0; i < count; i++) {
        make_value(&kinds[k], i, house->values[i]);
        house->fresh[i].value = (struct clear){house->values[i], (size_t)kinds[k].digits};
        house->fresh[i].transformation = (struct slice){kinds[k].name, strlen(kinds[k].name)};
    }
    return true;
}

enum err token_house_encode(void *context)
{
    struct token_house *house = context;
    const struct batch batch = {house->tenant, NOW_S, &house->out};
    memcpy(house->items, house->fresh, house->count * sizeof *house->items);
    buf_reset(&house->out);
    const enum err rc = role_run(house->role, ROLE_ENCODE, &batch, house->items, house->count);
    if (rc == OK && house->items[house->count - 1].fault != NULL) {
        fprintf(stderr, "value %s\n", house->items[house->count - 1].fault);
        return ERR_INPUT;
    }
    return rc;
}
