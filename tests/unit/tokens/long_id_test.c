// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/base58.h"
#include "appliance/tokens/long_id.h"

static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

static struct fixture fixture, other;
static struct long_ids *ids, *foreign, *iron;

static int make_fixture(void **state)
{
    (void)state;
    fixture_init_many(&fixture, 0, 3, 3);
    assert_int_equal(long_ids_new(fixture.keyring, "tokn", &ids), OK);
    assert_int_equal(long_ids_new(fixture.keyring, "iron", &iron), OK);
    const struct generation_options options = {
        .number = 3, .state = GENERATION_CURRENT, .cipher = soft_cipher_seam(&other.ciphers[0])};
    soft_cipher_init(&other.ciphers[0], (const uint8_t *)"another key, just as long as ours", 32);
    assert_int_equal(keyring_new(0, &options, 1, &other.keyring, NULL), OK);
    assert_int_equal(long_ids_new(other.keyring, "tokn", &foreign), OK);
    return 0;
}

static int drop_fixture(void **state)
{
    (void)state;
    long_ids_free(ids);
    long_ids_free(iron);
    long_ids_free(foreign);
    fixture_done(&fixture);
    fixture_done(&other);
    return 0;
}

static const struct long_id sample = {.client_id = 513, .second = 1900000000, .random = 0xfedcba987654};

static struct long_id sample_of(enum long_id_kind kind)
{
    return kind == LONG_ID_MEMBER ? (struct long_id){.client_id = 513} : sample;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static void make(enum long_id_kind kind, char out_text[LONG_ID_TEXT_BYTES])
{
    const struct long_id id = sample_of(kind);
    assert_int_equal(long_id_make(ids, kind, &id, out_text), OK);
}

static void assert_answer(const struct long_ids *by, enum long_id_kind kind, const char *text,
                          enum err expected)
{
    struct long_id id = {.client_id = 77};
    assert_int_equal(long_id_open(by, kind, slice_of(text), &id), expected);
    assert_int_equal(id.client_id, 77);
}

// ---- base58 -----------------------------------------------------------------------------------------------

static void base58_agrees_with_published_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        const char *text;
    } pairs[] = {
        {"\x0a\x04tokn", 6, "5zKtXEAq"},
        {"\x0a\x04iron", 6, "5zKcENpV"},
        {"\x0a\x08ngp-ntsb", 10, "ZhBVAJSH8DeU1"},
        {"Hello World!", 12, "2NEpo7TZRRrLZSi2U"}, // draft-msporny-base58
        {"\0\0\x28\x7f\xb4\xcd", 6, "11233QC4"},
        {"\0\0\0", 3, "111"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[BASE58_TEXT_BYTES];
        uint8_t bytes[BASE58_BYTES_MAX];
        base58_encode((const uint8_t *)pairs[i].bytes, pairs[i].count, text);
        assert_string_equal(text, pairs[i].text);
        assert_true(base58_decode(slice_of(text), bytes, pairs[i].count));
        assert_memory_equal(bytes, pairs[i].bytes, pairs[i].count);
        assert_false(base58_decode(slice_of(text), bytes, pairs[i].count - 1));
        assert_false(base58_decode(slice_of(text), bytes, pairs[i].count + 1));
    }
}

static void the_longest_bytes_fit_the_longest_text(void **state)
{
    (void)state;
    uint8_t ones[BASE58_BYTES_MAX], back[BASE58_BYTES_MAX];
    char text[BASE58_TEXT_BYTES + 1] = {0};
    memset(ones, 0xff, sizeof ones);
    base58_encode(ones, sizeof ones, text);
    assert_int_equal(strlen(text), BASE58_TEXT_BYTES - 1);
    assert_true(base58_decode(slice_of(text), back, sizeof back));
    assert_memory_equal(ones, back, sizeof ones);
    text[BASE58_TEXT_BYTES - 2]++; // one more than fits
    assert_false(base58_decode(slice_of(text), back, sizeof back));
    memset(text, 'z', BASE58_TEXT_BYTES);
    assert_false(base58_decode(slice_of(text), back, sizeof back));
}

// ---- ids --------------------------------------------------------------------------------------------------

static void every_kind_opens_to_what_it_was_made_of(void **state)
{
    (void)state;
    for (enum long_id_kind kind = 0; kind < LONG_ID_KINDS; kind++) {
        char text[LONG_ID_TEXT_BYTES];
        struct long_id id;
        const struct long_id expected = sample_of(kind);
        make(kind, text);
        assert_int_equal(long_id_open(ids, kind, slice_of(text), &id), OK);
        assert_int_equal(id.client_id, expected.client_id);
        assert_int_equal(id.second, expected.second);
        assert_true(id.random == expected.random);
        assert_int_equal(id.generation, 3);
    }
}

static void an_id_with_any_character_changed_is_refused(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES];
    make(LONG_ID_REQUEST, text);
    for (size_t at = 3; text[at] != '\0'; at++) {
        const char was = text[at];
        for (size_t d = 0; d < sizeof digits - 1; d++) {
            text[at] = digits[d];
            if (digits[d] != was)
                assert_answer(ids, LONG_ID_REQUEST, text, ERR_NOT_GENUINE);
        }
        text[at] = was;
    }
}

static void made_up_ids_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "rq:",
        "rq::",
        "rq::5zKtXEAq",
        "rq:1:5zKtXEAq",
        "rq:11111111111111111111:5zKtXEAq",
        "rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKtXEAq",
        "rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc",
        "rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:",
        "rq:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz:5zKtXEAq",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_answer(ids, LONG_ID_REQUEST, texts[i], ERR_NOT_GENUINE);
}

static void another_prefix_is_told_apart(void **state)
{
    (void)state;
    static const char *const texts[] = {"",      "r",      "rq",    "rq-x:5zKtXEAq", "RQ:x:5zKtXEAq",
                                        "tt:x:", "rqq:x:", " rq:x", "m:x:5zKtXEAq"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_answer(ids, LONG_ID_REQUEST, texts[i], ERR_INPUT);
    assert_answer(ids, LONG_ID_TRANSFER, "tt:x:y", ERR_INPUT);
    assert_answer(ids, LONG_ID_TOKEN, "t:x:y", ERR_INPUT);
}

static void an_id_of_another_kind_realm_or_appliance_is_refused(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES], member[LONG_ID_TEXT_BYTES + 1];
    make(LONG_ID_REQUEST, text);
    assert_answer(iron, LONG_ID_REQUEST, text, ERR_NOT_GENUINE);
    assert_answer(foreign, LONG_ID_REQUEST, text, ERR_NOT_GENUINE);
    snprintf(member, sizeof member, "m%s", text + 2);
    assert_answer(ids, LONG_ID_MEMBER, member, ERR_NOT_GENUINE);
    make(LONG_ID_TOKEN, text);
    assert_answer(ids, LONG_ID_TRANSFER, text + 1, ERR_NOT_GENUINE);
}

static void a_member_may_be_spelled_with_dashes_on_both_sides(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES];
    struct long_id id;
    make(LONG_ID_MEMBER, text);
    char *second = strchr(text + 2, ':');
    text[1] = '-';
    assert_answer(ids, LONG_ID_MEMBER, text, ERR_NOT_GENUINE);
    *second = '-';
    assert_int_equal(long_id_open(ids, LONG_ID_MEMBER, slice_of(text), &id), OK);
    assert_int_equal(id.client_id, 513);
    text[1] = ':';
    assert_answer(ids, LONG_ID_MEMBER, text, ERR_NOT_GENUINE);
}

static void ids_of_retired_generations_open_and_name_theirs(void **state)
{
    (void)state;
    for (unsigned generation = 1; generation <= 3; generation++) {
        char text[LONG_ID_TEXT_BYTES];
        struct long_id id = sample, opened;
        id.generation = generation;
        assert_int_equal(long_id_make(ids, LONG_ID_REQUEST, &id, text), OK);
        assert_int_equal(long_id_open(ids, LONG_ID_REQUEST, slice_of(text), &opened), OK);
        assert_int_equal(opened.generation, generation);
    }
}

static void a_generation_that_is_not_live_makes_nothing(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES] = "untouched";
    struct long_id id = sample;
    id.generation = 4;
    assert_int_equal(long_id_make(ids, LONG_ID_REQUEST, &id, text), ERR_NOT_GENUINE);
    assert_string_equal(text, "untouched");
}

static void ids_look_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *prefix;
        size_t at_least, at_most;
    } kinds[LONG_ID_KINDS] = {
        {"m:", 26, 28}, {"rq:", 26, 28}, {"tt:", 42, 44}, {"t:", 42, 44}, {"so:", 42, 44}};
    for (enum long_id_kind kind = 0; kind < LONG_ID_KINDS; kind++) {
        char text[LONG_ID_TEXT_BYTES];
        make(kind, text);
        const size_t prefix = strlen(kinds[kind].prefix), body = strspn(text + prefix, digits);
        assert_memory_equal(text, kinds[kind].prefix, prefix);
        assert_in_range(body, kinds[kind].at_least, kinds[kind].at_most);
        assert_string_equal(text + prefix + body, ":5zKtXEAq");
    }
}

static void a_failing_cipher_comes_through_and_nothing_is_made(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES] = "untouched", genuine[LONG_ID_TEXT_BYTES];
    struct soft_cipher *soft = &fixture.ciphers[0];
    make(LONG_ID_REQUEST, genuine);
    soft->failure = ERR_HSM_DOWN;
    soft->fail_at_call = soft->calls + 1;
    assert_int_equal(long_id_make(ids, LONG_ID_REQUEST, &sample, text), ERR_HSM_DOWN);
    assert_string_equal(text, "untouched");
    soft->fail_at_call = soft->calls + 1;
    assert_answer(ids, LONG_ID_REQUEST, genuine, ERR_HSM_DOWN);
    soft->fail_at_call = 0;
}

static void a_malformed_id_costs_no_call_of_the_cipher(void **state)
{
    (void)state;
    const size_t before = fixture.ciphers[0].calls;
    assert_answer(ids, LONG_ID_REQUEST, "rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKcENpV", ERR_NOT_GENUINE);
    assert_answer(ids, LONG_ID_REQUEST, "rq:0OIl:5zKtXEAq", ERR_NOT_GENUINE);
    assert_answer(ids, LONG_ID_REQUEST, "tt:x:5zKtXEAq", ERR_INPUT);
    assert_int_equal(fixture.ciphers[0].calls, before);
}

static void realms_of_no_or_too_many_characters_are_refused(void **state)
{
    (void)state;
    struct long_ids *none = NULL;
    assert_int_equal(long_ids_new(fixture.keyring, "", &none), ERR_INPUT);
    assert_int_equal(long_ids_new(fixture.keyring, "seventeen letters", &none), ERR_INPUT);
    assert_null(none);
    assert_int_equal(long_ids_new(fixture.keyring, "sixteen letters.", &none), OK);
    char text[LONG_ID_TEXT_BYTES];
    assert_int_equal(long_id_make(none, LONG_ID_TOKEN, &sample, text), OK);
    long_ids_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base58_agrees_with_published_pairs),
        cmocka_unit_test(the_longest_bytes_fit_the_longest_text),
        cmocka_unit_test(every_kind_opens_to_what_it_was_made_of),
        cmocka_unit_test(an_id_with_any_character_changed_is_refused),
        cmocka_unit_test(made_up_ids_are_refused),
        cmocka_unit_test(another_prefix_is_told_apart),
        cmocka_unit_test(an_id_of_another_kind_realm_or_appliance_is_refused),
        cmocka_unit_test(a_member_may_be_spelled_with_dashes_on_both_sides),
        cmocka_unit_test(ids_of_retired_generations_open_and_name_theirs),
        cmocka_unit_test(a_generation_that_is_not_live_makes_nothing),
        cmocka_unit_test(ids_look_as_documented),
        cmocka_unit_test(a_failing_cipher_comes_through_and_nothing_is_made),
        cmocka_unit_test(a_malformed_id_costs_no_call_of_the_cipher),
        cmocka_unit_test(realms_of_no_or_too_many_characters_are_refused),
    };
    return cmocka_run_group_tests(tests, make_fixture, drop_fixture);
}
