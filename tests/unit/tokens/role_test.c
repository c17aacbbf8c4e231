// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/giftcard_fixture.h"

#include "appliance/tokens/role.h"

#include <stdlib.h>

static struct soft_mac mac_key = {.key = {7}};
static struct soft_rng random_source = {1};

enum { GENERATIONS = 3 };

// A tenant with one transformation of each kind; generation 3 is current, 2 and 1 are retired.
struct house {
    struct fixture keys;
    struct clients *clients;
    struct tenant *tenant;
    int64_t now_s;
};

static struct keyring *new_ring(struct fixture *keys, unsigned current)
{
    struct generation_options options[GENERATIONS];
    struct keyring *keyring;
    for (unsigned i = 0; i < GENERATIONS; i++)
        options[i] = (struct generation_options){
            .number = 3 - i,
            .state = 3 - i == current ? GENERATION_CURRENT : GENERATION_RETIRED,
            .cipher = soft_cipher_seam(&keys->ciphers[i]),
        };
    assert_int_equal(keyring_new(1, options, GENERATIONS, &keyring, NULL), OK);
    return keyring;
}

static struct clients *new_clients(void)
{
    const struct client_options options[] = {{.name = "cards",
                                              .id = 300,
                                              .tenant_id = 1,
                                              .generation = 1,
                                              .apis = CLIENT_API_CARD,
                                              .luhn = true,
                                              .mac = soft_mac_seam(&mac_key)},
                                             {.name = "shop",
                                              .id = CLIENT,
                                              .tenant_id = 1,
                                              .generation = 1,
                                              .apis = CLIENT_API_GIFTCARD,
                                              .mac = soft_mac_seam(&mac_key)}};
    struct clients *clients;
    assert_int_equal(clients_new(options, 2, NULL, &clients, NULL), OK);
    return clients;
}

static const char *const all_names[] = {"pan",  "pan-supplied", "pan-generated", "both",
                                        "code", "card",         "gift",          "ssn"};

static enum err build(struct house *house, unsigned current, struct diag *diag)
{
    const struct client *cards = clients_find(house->clients, "cards"),
                        *shop = clients_find(house->clients, "shop");
    const struct transformation_options transformations[] = {
        {"t:1", "pan", 1, "builtin/creditcardnumber", NULL, TWEAK_INTERNAL, 0, NULL, NULL},
        {"t:2", "pan-supplied", 2, "builtin/creditcardnumber", NULL, TWEAK_SUPPLIED, 0, NULL, NULL},
        {"t:3", "pan-generated", 3, "pan-first-six", NULL, TWEAK_GENERATED, 0, NULL, NULL},
        {"t:4", "both", 4, "pan-first-six-last-four", NULL, TWEAK_INTERNAL, 2, NULL, NULL},
        {"t:5", "code", 5, "regex", NULL, TWEAK_GENERATED, 2, "id ([0-9a-f]{8,})", "mine"},
        {"t:6", "card", 6, "card", cards, TWEAK_INTERNAL, 0, NULL, NULL},
        {"t:7", "gift", 7, "giftcard", shop, TWEAK_INTERNAL, 0, NULL, NULL},
        {"t:8", "ssn", 8, "builtin/socialsecuritynumber", NULL, TWEAK_SUPPLIED, 1, NULL, NULL},
    };
    const struct role_options roles[] = {{"one", all_names, 1}, {"all", all_names, 8}};
    const struct alphabet_options alphabet = {"mine", "0123456789abcdef"};
    const struct tenant_giftcards giftcards = {CLIENT, new_demo(CLIENT)};
    const struct tenant_options options = {.name = "acme",
                                           .id = 1,
                                           .keyring = new_ring(&house->keys, current),
                                           .transformations = transformations,
                                           .transformation_count = 8,
                                           .roles = roles,
                                           .role_count = 2,
                                           .alphabets = &alphabet,
                                           .alphabet_count = 1,
                                           .giftcards = &giftcards,
                                           .giftcards_count = 1,
                                           .rng = soft_rng_seam(&random_source)};
    return tenant_new(&options, &house->tenant, diag);
}

static void house_init_current(struct house *house, unsigned current)
{
    struct diag diag = {0};
    fixture_init_many(&house->keys, 1, 3, GENERATIONS);
    house->clients = new_clients();
    house->now_s = NOW_S;
    if (build(house, current, &diag) != OK)
        fail_msg("%s", diag.text);
}

static void house_init(struct house *house)
{
    house_init_current(house, 3);
}

static void house_done(struct house *house)
{
    tenant_free(house->tenant);
    clients_free(house->clients);
    fixture_done(&house->keys);
}

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static struct token_item item_of(const char *transformation, const char *value)
{
    return (struct token_item){.value = {value, strlen(value)}, .transformation = slice(transformation)};
}

static void run(const struct house *house, const char *role, enum role_operation operation,
                struct token_item *items, size_t count, struct buf *out)
{
    const struct batch batch = {house->tenant, house->now_s, out};
    assert_int_equal(role_run(tenant_role(house->tenant, slice(role)), operation, &batch, items, count), OK);
}

// One value; its result, NUL-terminated, replaces what stood in text.
static struct token_item turn(const struct house *house, enum role_operation operation,
                              struct token_item item, char text[80])
{
    BUF out = {0};
    run(house, "all", operation, &item, 1, &out);
    if (item.fault == NULL)
        snprintf(text, 80, "%.*s", (int)item.result_len, out.at == NULL ? "" : out.at + item.result_at);
    return item;
}

static void a_transformation_must_be_named_when_the_role_has_several(void **state)
{
    (void)state;
    struct house house;
    BUF out = {0};
    house_init(&house);
    struct token_item items[] = {item_of("", "4111111111111111"), item_of("pan", "4111111111111111"),
                                 item_of("nope", "4111111111111111"), item_of("pa", "4111111111111111"),
                                 item_of("pan ", "4111111111111111")};
    run(&house, "all", ROLE_ENCODE, items, 5, &out);
    assert_string_equal(items[0].fault, "needs a transformation: the role has several");
    assert_null(items[1].fault);
    for (size_t i = 2; i < 5; i++)
        assert_string_equal(items[i].fault, "names a transformation that the role does not have");
    struct token_item one[] = {item_of("", "4111111111111111"), item_of("pan", "4111111111111111"),
                               item_of("card", "4111111111111111")};
    run(&house, "one", ROLE_ENCODE, one, 3, &out);
    assert_null(one[0].fault);
    assert_null(one[1].fault);
    assert_non_null(one[2].fault); // the tenant has it, the role does not
    house_done(&house);
}

static void faults_stay_with_their_items(void **state)
{
    (void)state;
    struct house house;
    BUF sealed = {0}, opened = {0};
    house_init(&house);
    struct token_item items[] = {item_of("pan", "4111111111111111"),     item_of("pan", "4111111111111112"),
                                 item_of("card", "4242424242424242"),    item_of("card", "1"),
                                 item_of("gift", "6035710012345674"),    item_of("gift", "x"),
                                 item_of("both", "4111-1111-1111-1111"), item_of("pan", "4111111111111111")};
    items[7].fault = "was refused before";
    run(&house, "all", ROLE_ENCODE, items, 8, &sealed);
    buf_byte(&sealed, '\0');
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(items[i].fault == NULL, i % 2 == 0);
    assert_string_equal(items[7].fault, "was refused before");
    static const char *const values[] = {"4111111111111111", "", "4242424242424242",   "",
                                         "6035710012345674", "", "4111-1111-1111-1111"};
    for (size_t i = 0; i < 7; i += 2)
        items[i].value = (struct clear){sealed.at + items[i].result_at, items[i].result_len};
    run(&house, "all", ROLE_DECODE, items, 8, &opened);
    for (size_t i = 0; i < 7; i += 2) {
        assert_null(items[i].fault);
        assert_int_equal(items[i].result_len, strlen(values[i]));
        assert_memory_equal(opened.at + items[i].result_at, values[i], items[i].result_len);
        assert_int_equal(items[i].generation, i == 6 ? 2 : 3);
    }
    house_done(&house);
}

static void validate_leaves_no_result(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[80];
    house_init(&house);
    static const char *const names[] = {"pan", "card", "gift", "both"};
    for (size_t i = 0; i < 4; i++) {
        BUF out = {0};
        assert_null(turn(&house, ROLE_ENCODE,
                         item_of(names[i], i == 2 ? "6035710012345674" : "4111111111111111"), token)
                        .fault);
        struct token_item item = item_of(names[i], token);
        run(&house, "all", ROLE_VALIDATE, &item, 1, &out);
        assert_null(item.fault);
        assert_int_equal(item.result_len, 0);
        assert_int_equal(out.len, 0);
        token[3] = token[3] == '1' ? '2' : '1';
        if (i < 3) // of the pinned one, every tenth string opens
            assert_non_null(turn(&house, ROLE_VALIDATE, item_of(names[i], token), text).fault);
    }
    house_done(&house);
}

static void rewrap_moves_tokens_to_the_current_generation(void **state)
{
    (void)state;
    struct house old, now;
    char before[80], after[80], direct[80];
    house_init_current(&old, 1);
    house_init_current(&now, 3);
    static const char *const names[] = {"pan", "pan-supplied", "card"};
    for (size_t i = 0; i < 3; i++) {
        struct token_item item = item_of(names[i], "4111111111111111");
        item.tweak = slice(i == 1 ? "MTIzNDU2Nw==" : "");
        item.expiration_date = slice(i == 2 ? "3006" : "");
        assert_null(turn(&old, ROLE_ENCODE, item, before).fault);
        assert_null(turn(&now, ROLE_ENCODE, item, direct).fault);
        assert_string_not_equal(before, direct);
        struct token_item token = item;
        token.value = (struct clear){before, strlen(before)};
        token.expiration_date = (struct slice){0};
        const struct token_item moved = turn(&now, ROLE_REWRAP, token, after);
        assert_null(moved.fault);
        assert_int_equal(moved.generation, 3);
        assert_string_equal(after, direct);
        token.value = (struct clear){after, strlen(after)};
        assert_null(turn(&now, ROLE_REWRAP, token, before).fault); // again changes nothing
        assert_string_equal(before, direct);
    }
    house_done(&old);
    house_done(&now);
}

static void rewrap_gives_a_new_generated_tweak(void **state)
{
    (void)state;
    struct house old, now;
    char before[80], after[80], clear[80];
    house_init_current(&old, 1);
    house_init_current(&now, 3);
    const struct token_item sealed =
        turn(&old, ROLE_ENCODE, item_of("pan-generated", "4111111111111111"), before);
    struct token_item token = item_of("pan-generated", before);
    assert_string_equal(turn(&now, ROLE_REWRAP, token, after).fault, "needs a tweak");
    token.tweak = slice(sealed.generated_tweak);
    const struct token_item moved = turn(&now, ROLE_REWRAP, token, after);
    assert_null(moved.fault);
    assert_string_not_equal(moved.generated_tweak, sealed.generated_tweak);
    token = item_of("pan-generated", after);
    token.tweak = slice(moved.generated_tweak);
    assert_null(turn(&now, ROLE_DECODE, token, clear).fault);
    assert_string_equal(clear, "4111111111111111");
    house_done(&old);
    house_done(&now);
}

static void rewrap_refuses_gift_cards_and_what_does_not_open(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[80];
    BUF out = {0};
    house_init(&house);
    assert_null(turn(&house, ROLE_ENCODE, item_of("gift", "6035710012345674"), token).fault);
    assert_string_equal(turn(&house, ROLE_REWRAP, item_of("gift", token), text).fault,
                        "cannot be rewrapped: its token lives for ten minutes");
    struct token_item bad[] = {item_of("card", "0123456789abcdef0123456789abcdef0123456789abcdef"),
                               item_of("pan", "4111111111111111"), item_of("pan", "")};
    run(&house, "all", ROLE_REWRAP, bad, 3, &out);
    for (size_t i = 0; i < 3; i++)
        assert_non_null(bad[i].fault);
    assert_int_equal(out.len, 0);
    house_done(&house);
}

static void supplied_tweaks_are_seven_bytes_in_base64(void **state)
{
    (void)state;
    static const char wrong[] = "has a tweak that is not 7 bytes in base64";
    static const char *const bad[] = {
        "Og==",         "MTIzNDU2",      "MTIzNDU2Nzg=", "MTIzNDU2Nw",   "MTIzNDU2Nw=",
        "MTIzNDU2N_==", " MTIzNDU2Nw==", "MTIzNDU2Nx==", "!!!!!!!!!!!!", "MTIzNDU2NzEyMzQ1Njc="};
    struct house house;
    char token[80], other[80];
    house_init(&house);
    static const char *const names[] = {"pan-supplied", "ssn"}, *const values[] = {"4111111111111111",
                                                                                   "123-45-6789"};
    for (size_t n = 0; n < 2; n++) {
        struct token_item item = item_of(names[n], values[n]);
        assert_string_equal(turn(&house, ROLE_ENCODE, item, token).fault, "needs a tweak");
        assert_string_equal(turn(&house, ROLE_DECODE, item, token).fault, "needs a tweak");
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            item.tweak = slice(bad[i]);
            assert_string_equal(turn(&house, ROLE_ENCODE, item, token).fault, wrong);
            assert_string_equal(turn(&house, ROLE_DECODE, item, token).fault, wrong);
        }
        item.tweak = slice("MTIzNDU2Nw==");
        assert_null(turn(&house, ROLE_ENCODE, item, token).fault);
        item.tweak = slice("MTIzNDU2OA==");
        assert_null(turn(&house, ROLE_ENCODE, item, other).fault);
        assert_string_not_equal(token, other);
        item = item_of(names[n], token);
        item.tweak = slice("MTIzNDU2Nw==");
        assert_null(turn(&house, ROLE_DECODE, item, other).fault);
        assert_string_equal(other, values[n]);
    }
    house_done(&house);
}

static void internal_and_generated_tweaks_take_none_at_encode(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[80];
    house_init(&house);
    static const char *const names[] = {"pan", "pan-generated", "code", "both"};
    for (size_t i = 0; i < 4; i++) {
        struct token_item item = item_of(names[i], i == 2 ? "id 0123abcd" : "4111111111111111");
        item.tweak = slice("MTIzNDU2Nw==");
        assert_string_equal(turn(&house, ROLE_ENCODE, item, token).fault,
                            "comes with a tweak that this transformation does not take");
    }
    for (size_t i = 1; i < 3; i++) {
        const struct token_item item = item_of(names[i], i == 2 ? "id 0123abcd" : "4111111111111111");
        const struct token_item once = turn(&house, ROLE_ENCODE, item, token);
        const struct token_item twice = turn(&house, ROLE_ENCODE, item, text);
        assert_null(once.fault);
        assert_int_equal(strlen(once.generated_tweak), 12);
        assert_string_not_equal(once.generated_tweak, twice.generated_tweak);
        assert_string_not_equal(token, text);
        struct token_item back = item_of(names[i], token);
        assert_string_equal(turn(&house, ROLE_DECODE, back, text).fault, "needs a tweak");
        back.tweak = slice(once.generated_tweak);
        assert_null(turn(&house, ROLE_DECODE, back, text).fault);
        assert_memory_equal(text, item.value.text, item.value.len);
    }
    house_done(&house);
}

static void codes_and_expiries_travel_with_records(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[80];
    house_init(&house);
    struct token_item gift = item_of("gift", "6035 7198 7654 3217");
    gift.code = (struct clear){"0042", 4};
    const struct token_item sealed = turn(&house, ROLE_ENCODE, gift, token);
    assert_null(sealed.fault);
    assert_true(sealed.expires_s == NOW_S + 600);
    struct token_item opened = turn(&house, ROLE_DECODE, item_of("gift", token), text);
    assert_string_equal(text, "6035719876543217");
    assert_string_equal(opened.opened_code, "0042");
    BUF out = {0};
    opened = item_of("gift", token);
    house.now_s = NOW_S + 600;
    run(&house, "all", ROLE_DECODE, &opened, 1, &out);
    house.now_s = NOW_S;
    assert_string_equal(opened.fault, "is not a token that can be opened");
    static const char *const bad_codes[] = {"123456789", "12a4", "-1"};
    for (size_t i = 0; i < 3; i++) {
        gift.code = (struct clear){bad_codes[i], strlen(bad_codes[i])};
        assert_string_equal(turn(&house, ROLE_ENCODE, gift, token).fault,
                            "has a securitycode that is not 0 to 8 digits");
    }
    struct token_item card = item_of("card", "4111111111111111");
    card.expiration_date = slice("3006");
    assert_null(turn(&house, ROLE_ENCODE, card, token).fault);
    opened = turn(&house, ROLE_DECODE, item_of("card", token), text);
    assert_string_equal(opened.expiration, "3006");
    assert_true(opened.expires_s == card_keep_until_s(30, 6));
    card.expiration_date = slice("3013");
    assert_string_equal(turn(&house, ROLE_ENCODE, card, token).fault,
                        "has an expiration_date that is not YYMM");
    card.expiration_date = slice("2001");
    assert_string_equal(turn(&house, ROLE_ENCODE, card, token).fault, "has an expiration_date in the past");
    house_done(&house);
}

static void a_failing_hsm_fails_the_whole_run(void **state)
{
    (void)state;
    struct house house;
    house_init(&house);
    house.keys.ciphers[0].failure = ERR_HSM_DOWN;
    for (size_t call = 1; call <= 10; call++) {
        BUF out = {0};
        struct token_item items[] = {item_of("pan", "4111111111111111"), item_of("card", "4111111111111111")};
        const struct batch batch = {house.tenant, NOW_S, &out};
        house.keys.ciphers[0].fail_at_call = atomic_load(&house.keys.ciphers[0].calls) + call;
        assert_int_equal(role_run(tenant_role(house.tenant, slice("all")), ROLE_ENCODE, &batch, items, 2),
                         ERR_HSM_DOWN);
    }
    house_done(&house);
}

// ---- building ------------------------------------------------------------------------------------------

static void refuses(struct house *house, enum err code, const char *text,
                    struct transformation_options transformation, const char *in_role)
{
    struct diag diag = {0};
    struct tenant *tenant = NULL;
    struct keyring *keyring = new_ring(&house->keys, 3);
    const struct role_options role = {"r", &in_role, 1};
    const struct tenant_options options = {.name = "acme",
                                           .id = 1,
                                           .keyring = keyring,
                                           .transformations = &transformation,
                                           .transformation_count = 1,
                                           .roles = &role,
                                           .role_count = 1,
                                           .rng = soft_rng_seam(&random_source)};
    assert_int_equal(tenant_new(&options, &tenant, &diag), code);
    assert_string_equal(diag.text, text);
    assert_null(tenant);
    keyring_free(keyring); // still the caller's
}

static void transformations_that_contradict_themselves_are_refused(void **state)
{
    (void)state;
    struct house house;
    house_init(&house);
    const struct client *cards = clients_find(house.clients, "cards");
    const struct transformation_options pan = {
        "f:7", "t", 1, "builtin/creditcardnumber", NULL, TWEAK_INTERNAL, 0, NULL, NULL};
    struct transformation_options bad = pan;
    bad.template = "builtin/nothing";
    refuses(&house, ERR_NOT_FOUND, "f:7: transformation \"t\": no template is named \"builtin/nothing\"", bad,
            "t");
    bad = pan;
    bad.of = cards;
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"builtin/creditcardnumber\" has no \"of\"", bad, "t");
    bad = pan;
    bad.template = "card";
    refuses(&house, ERR_CONFLICT, "f:7: transformation \"t\": template \"card\" needs \"of\"", bad, "t");
    bad.of = cards;
    bad.tweak_source = TWEAK_SUPPLIED;
    refuses(&house, ERR_CONFLICT, "f:7: transformation \"t\": template \"card\" takes no tweak", bad, "t");
    bad.tweak_source = TWEAK_INTERNAL;
    bad.template = "giftcard";
    refuses(&house, ERR_NOT_FOUND, "f:7: transformation \"t\": its \"of\" is no client of the giftcard API",
            bad, "t");
    bad = pan;
    bad.generation = 1;
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"builtin/creditcardnumber\" has no \"generation\"", bad,
            "t");
    bad.template = "pan-first-six-last-four";
    bad.generation = 0;
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"pan-first-six-last-four\" needs \"generation\"", bad, "t");
    bad.generation = 4;
    refuses(&house, ERR_NOT_FOUND, "f:7: transformation \"t\": there is no generation 4", bad, "t");
    refuses(&house, ERR_NOT_FOUND, "role \"r\": no transformation is named \"u\"", pan, "u");
    house_done(&house);
}

static void patterns_that_cannot_serve_are_refused(void **state)
{
    (void)state;
    struct house house;
    house_init(&house);
    struct transformation_options regex = {"f:7", "t", 1, "regex", NULL, TWEAK_INTERNAL, 1, NULL, NULL};
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"regex\" needs \"pattern\" and \"alphabet\"", regex, "t");
    regex.pattern = "([0-9]{5})";
    regex.alphabet = "none";
    refuses(&house, ERR_NOT_FOUND, "f:7: transformation \"t\": no alphabet is named \"none\"", regex, "t");
    regex.alphabet = "builtin/numeric";
    refuses(
        &house, ERR_DOMAIN,
        "f:7: transformation \"t\": pattern: its groups capture at most 5 characters, under 1,000,000 values "
        "of this alphabet",
        regex, "t");
    regex.pattern = "([0-9]{6}";
    refuses(&house, ERR_INPUT, "f:7: transformation \"t\": pattern: Unmatched ( or \\(", regex, "t");
    regex.template = "builtin/socialsecuritynumber";
    regex.pattern = "([0-9]{9})";
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"builtin/socialsecuritynumber\" has no \"pattern\"", regex,
            "t");
    house_done(&house);
}

static void validate_leaves_no_code(void **state)
{
    (void)state;
    struct house house;
    char token[80], text[80];
    house_init(&house);
    struct token_item gift = item_of("gift", "6035719876543217");
    gift.code = (struct clear){"0042", 4};
    assert_null(turn(&house, ROLE_ENCODE, gift, token).fault);
    assert_string_equal(turn(&house, ROLE_VALIDATE, item_of("gift", token), text).opened_code, "");
    house_done(&house);
}

static void a_regex_without_alphabet_is_told_what_it_needs(void **state)
{
    (void)state;
    struct house house;
    house_init(&house);
    const struct transformation_options regex = {
        .where = "f:7", .name = "t", .id = 1, .template = "regex", .generation = 1, .pattern = "([0-9]{6})"};
    refuses(&house, ERR_CONFLICT,
            "f:7: transformation \"t\": template \"regex\" needs \"pattern\" and \"alphabet\"", regex, "t");
    house_done(&house);
}

static void a_role_names_a_transformation_once(void **state)
{
    (void)state;
    struct house house;
    struct diag diag = {0};
    struct tenant *tenant = NULL;
    house_init(&house);
    struct keyring *keyring = new_ring(&house.keys, 3);
    const struct transformation_options pan = {
        .where = "f:1", .name = "t", .id = 1, .template = "builtin/creditcardnumber"};
    const char *const twice[] = {"t", "t"};
    const struct role_options role = {"r", twice, 2};
    const struct tenant_options options = {.name = "acme",
                                           .id = 1,
                                           .keyring = keyring,
                                           .transformations = &pan,
                                           .transformation_count = 1,
                                           .roles = &role,
                                           .role_count = 1};
    assert_int_equal(tenant_new(&options, &tenant, &diag), ERR_CONFLICT);
    assert_string_equal(diag.text, "role \"r\": names transformation \"t\" twice");
    keyring_free(keyring);
    house_done(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_transformation_must_be_named_when_the_role_has_several),
        cmocka_unit_test(faults_stay_with_their_items),
        cmocka_unit_test(validate_leaves_no_result),
        cmocka_unit_test(rewrap_moves_tokens_to_the_current_generation),
        cmocka_unit_test(rewrap_gives_a_new_generated_tweak),
        cmocka_unit_test(rewrap_refuses_gift_cards_and_what_does_not_open),
        cmocka_unit_test(supplied_tweaks_are_seven_bytes_in_base64),
        cmocka_unit_test(internal_and_generated_tweaks_take_none_at_encode),
        cmocka_unit_test(codes_and_expiries_travel_with_records),
        cmocka_unit_test(a_failing_hsm_fails_the_whole_run),
        cmocka_unit_test(validate_leaves_no_code),
        cmocka_unit_test(a_regex_without_alphabet_is_told_what_it_needs),
        cmocka_unit_test(a_role_names_a_transformation_once),
        cmocka_unit_test(transformations_that_contradict_themselves_are_refused),
        cmocka_unit_test(patterns_that_cannot_serve_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
