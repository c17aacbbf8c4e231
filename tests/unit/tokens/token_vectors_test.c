// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/vectors/tokens.tsv was made by tests/support/reference.py, which shares no code with the product.
// Its bytes may never change: tokens of this form are out in the world.
#include "appliance/tokens/customer.h"
#include "appliance/tokens/long_id.h"
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/giftcard.h"
#include "appliance/tokens/login.h"
#include "appliance/tokens/pattern.h"
#include "appliance/tokens/serials.h"

#include <openssl/sha.h>
#include <stdlib.h>

struct row {
    char kind[16], subject[64], detail[128], token[128];
    unsigned tenant, id;
};

static void check_card(const struct row *row)
{
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, 1);
    struct card card = {.pan = {row->subject, strlen(row->subject)}};
    card.year = (unsigned)(row->detail[0] - '0') * 10 + (unsigned)(row->detail[1] - '0');
    card.month = (unsigned)(row->detail[2] - '0') * 10 + (unsigned)(row->detail[3] - '0');
    char token[CARD_TOKEN_LENGTH + 1] = "";
    assert_int_equal(card_seal(fixture.card_format, fixture.keyring, row->id, &card, 1, token), OK);
    assert_string_equal(token, row->token);
    struct card_opening opening = {.token = {token, CARD_TOKEN_LENGTH}};
    assert_int_equal(card_open(fixture.card_format, fixture.keyring, row->id, &opening, 1), OK);
    assert_non_null(opening.generation);
    assert_string_equal(opening.digits, row->subject);
    assert_int_equal(opening.year, card.year);
    assert_int_equal(opening.month, card.month);
    fixture_done(&fixture);
}

static void check_pan(const struct row *row)
{
    const bool pinned = strcmp(row->kind, "pan-pinned") == 0;
    unsigned generation, first, last;
    char tweak_hex[32];
    uint8_t tweak[16];
    assert_int_equal(sscanf(row->detail, "%u,%u,%u,%31s", &generation, &first, &last, tweak_hex), 4);
    const size_t tweak_bytes = tweak_hex[0] == '-' ? 0 : strlen(tweak_hex) / 2;
    assert_true(hex_decode((struct slice){tweak_hex, 2 * tweak_bytes}, tweak, tweak_bytes));
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, generation);
    struct pan_format *format;
    assert_int_equal(
        pan_format_new(&(struct pan_format_options){.transformation_id = row->id,
                                                    .keep_first = first,
                                                    .keep_last = last,
                                                    .pinned_generation = pinned ? generation : 0},
                       &format),
        OK);
    char text[32];
    snprintf(text, sizeof text, "%.31s", row->subject);
    struct pan_item item = {.text = text, .len = strlen(text), .tweak = {(const char *)tweak, tweak_bytes}};
    assert_int_equal(pan_seal(format, fixture.keyring, &item, 1), OK);
    assert_null(item.fault);
    assert_string_equal(text, row->token);
    assert_int_equal(pan_open(format, fixture.keyring, &item, 1), OK);
    assert_null(item.fault);
    assert_string_equal(text, row->subject);
    pan_format_free(format);
    fixture_done(&fixture);
}

// detail: generation, issue second, prefix, digits, Luhn, code digits, token digits, code
static void check_giftcard(const struct row *row)
{
    unsigned generation, digits, luhn, code_digits, token_digits;
    long long issued_s;
    char prefix[20], code[10];
    assert_int_equal(sscanf(row->detail, "%u,%lld,%19[^,],%u,%u,%u,%u,%9s", &generation, &issued_s, prefix,
                            &digits, &luhn, &code_digits, &token_digits, code),
                     8);
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, generation);
    const struct giftcard_range range = {"FILE:1", prefix, digits, luhn != 0, code_digits, token_digits};
    struct giftcards *giftcards;
    const bool in_range = prefix[0] != '-';
    const struct giftcards_options options = {.client_id = row->id,
                                              .where = "FILE:2",
                                              .forgery_odds = token_digits == 40 ? 1e-17 : 1e-5,
                                              .ranges = &range,
                                              .range_count = in_range,
                                              .other_cards = !in_range};
    assert_int_equal(giftcards_new(&options, &giftcards, NULL), OK);
    struct giftcard_sealing sealing = {0};
    snprintf(sealing.digits, sizeof sealing.digits, "%.19s", row->subject);
    snprintf(sealing.code, sizeof sealing.code, "%.8s", code[0] == '-' ? "" : code);
    assert_int_equal(giftcards_seal(giftcards, fixture.keyring, issued_s, &sealing, 1), OK);
    assert_false(sealing.refused);
    assert_string_equal(sealing.token, row->token);
    assert_true(sealing.expires_s == issued_s + GIFTCARD_LIFE_S);
    struct giftcard_opening opening = {.token = {sealing.token, token_digits}};
    assert_int_equal(giftcards_open(giftcards, fixture.keyring, issued_s + 599, &opening, 1), OK);
    assert_non_null(opening.generation);
    assert_string_equal(opening.digits, row->subject);
    assert_string_equal(opening.code, sealing.code);
    assert_true(opening.expires_s == sealing.expires_s);
    giftcards_free(giftcards);
    fixture_done(&fixture);
}

// detail: caller's tweak, alphabet and pattern between semicolons
static void check_pattern(const struct row *row)
{
    char tweak_hex[32], alphabet[64], pattern[64];
    uint8_t tweak[16];
    assert_int_equal(sscanf(row->detail, "%31[^;];%63[^;];%63[^\n]", tweak_hex, alphabet, pattern), 3);
    const size_t tweak_bytes = tweak_hex[0] == '-' ? 0 : strlen(tweak_hex) / 2;
    assert_true(hex_decode((struct slice){tweak_hex, 2 * tweak_bytes}, tweak, tweak_bytes));
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, 1);
    struct pattern_format *format;
    assert_int_equal(
        pattern_format_new(&(struct pattern_options){row->id, 1, pattern, alphabet}, &format, NULL), OK);
    BUF sealed = {0}, opened = {0};
    struct pattern_item item = {.value = {row->subject, strlen(row->subject)},
                                .tweak = {(const char *)tweak, tweak_bytes}};
    assert_int_equal(pattern_seal(format, fixture.keyring, &item, 1, &sealed), OK);
    assert_null(item.fault);
    assert_int_equal(sealed.len, strlen(row->token));
    assert_memory_equal(sealed.at, row->token, sealed.len);
    item.value = (struct clear){sealed.at, sealed.len};
    assert_int_equal(pattern_open(format, fixture.keyring, &item, 1, &opened), OK);
    assert_null(item.fault);
    assert_int_equal(opened.len, strlen(row->subject));
    assert_memory_equal(opened.at, row->subject, opened.len);
    pattern_format_free(format);
    fixture_done(&fixture);
}

// detail: generation of the secret, issue second
static void check_login(const struct row *row)
{
    struct login login = {.client_id = row->id}, opened;
    long long issued_s;
    char text[LOGIN_TEXT_BYTES];
    assert_int_equal(sscanf(row->detail, "%u,%lld", &login.generation, &issued_s), 2);
    login.issued_s = issued_s;
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, 1);
    struct sealed_ids *logins;
    assert_int_equal(sealed_ids_new(fixture.keyring, &login_kind, &logins), OK);
    assert_int_equal(login_seal(logins, &login, text), OK);
    assert_string_equal(text, row->token);
    assert_int_equal(login_open(logins, (struct slice){text, strlen(text)}, &opened), OK);
    assert_int_equal(opened.client_id, login.client_id);
    assert_int_equal(opened.generation, login.generation % 16);
    assert_true(opened.issued_s == login.issued_s);
    sealed_ids_free(logins);
    fixture_done(&fixture);
}

static struct serial_space *open_space(struct fixture *fixture, const struct row *row)
{
    struct serial_space *space = NULL;
    fixture_init(fixture, row->tenant, 1);
    const struct serial_options options = {row->detail, row->id, row->tenant,
                                           keyring_at(fixture->keyring, 0)};
    assert_int_equal(serial_space_new(&options, &space), OK);
    return space;
}

// id: digits; subject: the serial; detail: the alphabet
static void check_serial(const struct row *row)
{
    struct fixture fixture;
    struct serial_space *space = open_space(&fixture, row);
    const uint64_t serial = strtoull(row->subject, NULL, 10);
    uint64_t opened = UINT64_MAX;
    BUF text = {0};
    assert_int_equal(serial_make(space, serial, 1, &text), OK);
    assert_int_equal(text.len, strlen(row->token) + 1);
    assert_memory_equal(text.at, row->token, text.len - 1);
    assert_int_equal(serial_open(space, (struct slice){row->token, text.len - 1}, &opened), OK);
    assert_true(opened == serial);
    serial_space_free(space);
    fixture_done(&fixture);
}

// All tokens of a space, a line feed between them; token: SHA-256
static void check_serial_file(const struct row *row)
{
    struct fixture fixture;
    struct serial_space *space = open_space(&fixture, row);
    uint8_t hash[SHA256_DIGEST_LENGTH], expected[SHA256_DIGEST_LENGTH];
    BUF text = {0};
    assert_int_equal(serial_make(space, 0, serial_space_size(space), &text), OK);
    SHA256((const uint8_t *)text.at, text.len - 1, hash);
    assert_true(hex_decode((struct slice){row->token, strlen(row->token)}, expected, sizeof expected));
    assert_memory_equal(hash, expected, sizeof hash);
    serial_space_free(space);
    fixture_done(&fixture);
}

// subject: the random bits
static void check_sealed_id(const struct row *row)
{
    struct fixture fixture;
    struct sealed_ids *ids;
    uint8_t uuid[SEALED_ID_BYTES];
    char text[SEALED_ID_TEXT_BYTES];
    fixture_init(&fixture, row->tenant, 1);
    const struct sealed_id_kind *kind = row->kind[0] == 's' ? &session_kind : &line_kind;
    assert_string_equal(row->kind, kind->name);
    assert_int_equal(sealed_ids_new(fixture.keyring, kind, &ids), OK);
    const struct sealed_id id = {.client_id = row->id, .low = strtoull(row->subject, NULL, 10)};
    assert_int_equal(sealed_id_make(ids, &id, uuid), OK);
    uuid_encode(uuid, text);
    assert_string_equal(text, row->token);
    sealed_ids_free(ids);
    fixture_done(&fixture);
}

static void check_credential(const struct row *row)
{
    struct soft_mac soft;
    for (size_t i = 0; i < sizeof soft.key; i++)
        soft.key[i] = (uint8_t)(32 + i);
    const struct client_options options = {
        .name = "c",
        .id = row->id,
        .tenant_id = 1,
        .generation = (unsigned)strtoul(row->detail, NULL, 10),
        .apis = CLIENT_API_CARD,
        .mac = soft_mac_seam(&soft),
    };
    struct clients *clients;
    assert_int_equal(clients_new(&options, 1, NULL, &clients, NULL), OK);
    SECRET id = {0}, secret = {0};
    assert_int_equal(client_credential(clients_find(clients, "c"), CLIENT_API_CARD, &id, &secret), OK);
    assert_string_equal(secret.text, row->token);
    clients_free(clients);
}

// detail: account and type
static void check_customer(const struct row *row)
{
    struct fixture fixture;
    struct soft_mac soft;
    struct tenant *tenant = NULL;
    struct store_subject subject;
    char account[16], type[32], made[CUSTOMER_TOKEN_ID_BYTES], index[2 * STORE_INDEX_BYTES + 1];
    assert_int_equal(sscanf(row->detail, "%15[^,],%31s", account, type), 2);
    for (size_t i = 0; i < sizeof soft.key; i++)
        soft.key[i] = (uint8_t)(32 + i);
    fixture_init(&fixture, row->tenant, 1);
    const struct tenant_options options = {
        .name = "t", .id = row->tenant, .keyring = fixture.keyring, .mac = soft_mac_seam(&soft)};
    assert_int_equal(tenant_new(&options, &tenant, NULL), OK);
    const struct customer_value value = {
        tenant, account, {type, strlen(type)}, {row->subject, strlen(row->subject)}};
    assert_int_equal(customer_seal_named(&value, &subject, made), OK);
    hex_encode(subject.index, sizeof subject.index, index);
    assert_string_equal(strcmp(row->kind, "customer") == 0 ? made : index, row->token);
    store_subject_done(&subject);
    fixture.keyring = NULL; // the tenant's
    tenant_free(tenant);
    fixture_done(&fixture);
}

// detail: second, random and realm
static void check_long_id(const struct row *row)
{
    static const char *const kinds[LONG_ID_KINDS] = {"m", "rq", "tt", "t", "so"};
    struct fixture fixture;
    struct long_ids *ids = NULL;
    struct long_id id = {.client_id = row->id}, opened;
    unsigned long long random;
    char realm[LONG_ID_REALM_MAX + 1], made[LONG_ID_TEXT_BYTES];
    enum long_id_kind kind = 0;
    assert_int_equal(sscanf(row->detail, "%ld,%llu,%16s", &id.second, &random, realm), 3);
    id.random = random;
    while (strcmp(row->subject, kinds[kind]) != 0)
        kind++;
    fixture_init(&fixture, 0, 1);
    assert_int_equal(long_ids_new(fixture.keyring, realm, &ids), OK);
    assert_int_equal(long_id_make(ids, kind, &id, made), OK);
    assert_string_equal(made, row->token);
    assert_int_equal(long_id_open(ids, kind, (struct slice){row->token, strlen(row->token)}, &opened), OK);
    assert_int_equal(opened.client_id, id.client_id);
    assert_true(opened.second == id.second && opened.random == id.random);
    long_ids_free(ids);
    fixture_done(&fixture);
}

static void check(const struct row *row)
{
    static const struct {
        const char *kind;
        void (*check)(const struct row *row);
    } checks[] = {{"card", check_card},         {"pan", check_pan},
                  {"pan-pinned", check_pan},    {"giftcard", check_giftcard},
                  {"login", check_login},       {"pattern", check_pattern},
                  {"serial", check_serial},     {"serial-file", check_serial_file},
                  {"session", check_sealed_id}, {"line", check_sealed_id},
                  {"customer", check_customer}, {"customer-ix", check_customer},
                  {"long-id", check_long_id},   {"credential", check_credential}};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (strcmp(row->kind, checks[i].kind) == 0) {
            checks[i].check(row);
            return;
        }
    }
    fail_msg("unknown kind %s", row->kind);
}

static void every_pinned_token_and_secret_is_made_again(void **state)
{
    (void)state;
    unsigned rows = 0;
    char line[512];
    FILE *file = fopen(TEST_SOURCE_DIR "/vectors/tokens.tsv", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct row row;
        assert_int_equal(sscanf(line, "%15s %u %u %63[^\t] %127[^\t] %127s", row.kind, &row.tenant, &row.id,
                                row.subject, row.detail, row.token),
                         6);
        check(&row);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pinned_token_and_secret_is_made_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
