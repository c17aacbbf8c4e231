// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// tests/vectors/tokens.tsv was made by tests/support/reference.py, which shares no code with the product.
// Its bytes may never change: tokens of this form are out in the world.
#include "tests/unit/tokens/token_fixture.h"

#include <stdlib.h>

struct row {
    char kind[16], subject[32], detail[64], token[80];
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
    unsigned generation, first, last;
    char tweak_hex[32];
    uint8_t tweak[16];
    assert_int_equal(sscanf(row->detail, "%u,%u,%u,%31s", &generation, &first, &last, tweak_hex), 4);
    const size_t tweak_bytes = tweak_hex[0] == '-' ? 0 : strlen(tweak_hex) / 2;
    assert_true(hex_decode((struct slice){tweak_hex, 2 * tweak_bytes}, tweak, tweak_bytes));
    struct fixture fixture;
    fixture_init(&fixture, row->tenant, generation);
    struct pan_format *format;
    assert_int_equal(pan_format_new(&(struct pan_format_options){.transformation_id = row->id,
                                                                 .keep_first = first,
                                                                 .keep_last = last},
                                    &format),
                     OK);
    char text[32];
    snprintf(text, sizeof text, "%s", row->subject);
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

static void every_pinned_token_and_secret_is_made_again(void **state)
{
    (void)state;
    unsigned rows = 0;
    char line[256];
    FILE *file = fopen(TEST_SOURCE_DIR "/vectors/tokens.tsv", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        struct row row;
        assert_int_equal(sscanf(line, "%15s %u %u %31s %63s %79s", row.kind, &row.tenant, &row.id,
                                row.subject, row.detail, row.token),
                         6);
        if (strcmp(row.kind, "card") == 0)
            check_card(&row);
        else if (strcmp(row.kind, "pan") == 0)
            check_pan(&row);
        else if (strcmp(row.kind, "credential") == 0)
            check_credential(&row);
        else
            fail_msg("unknown kind %s", row.kind);
        rows++;
    }
    fclose(file);
    assert_int_equal(rows, 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_pinned_token_and_secret_is_made_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
