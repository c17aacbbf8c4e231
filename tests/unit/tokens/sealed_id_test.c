// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/login.h"
#include "appliance/tokens/serials.h"

static struct fixture fixture;
static struct sealed_ids *sessions, *lines;

static int make_fixture(void **state)
{
    (void)state;
    fixture_init(&fixture, 0, 1);
    assert_int_equal(sealed_ids_new(fixture.keyring, &session_kind, &sessions), OK);
    assert_int_equal(sealed_ids_new(fixture.keyring, &line_kind, &lines), OK);
    return 0;
}

static int drop_fixture(void **state)
{
    (void)state;
    sealed_ids_free(sessions);
    sealed_ids_free(lines);
    fixture_done(&fixture);
    return 0;
}

static uint64_t spread(uint64_t number)
{
    number *= 0x9e3779b97f4a7c15u;
    return number ^ number >> 29;
}

static struct sealed_id sample(uint64_t number)
{
    return (struct sealed_id){.client_id = (unsigned)(spread(number) % 65535) + 1,
                              .low = spread(number + 1000) >> 32};
}

static void make(const struct sealed_ids *ids, const struct sealed_id *id, uint8_t out_uuid[SEALED_ID_BYTES])
{
    assert_int_equal(sealed_id_make(ids, id, out_uuid), OK);
}

static void assert_refused(const struct sealed_ids *ids, const uint8_t uuid[SEALED_ID_BYTES])
{
    struct sealed_id opened = {.client_id = 77, .low = 78};
    assert_int_equal(sealed_id_open(ids, uuid, &opened), ERR_NOT_GENUINE);
    assert_int_equal(opened.client_id, 77);
    assert_int_equal(opened.low, 78);
}

static void assert_opens(const struct sealed_ids *ids, const uint8_t uuid[SEALED_ID_BYTES],
                         const struct sealed_id *expected)
{
    struct sealed_id opened;
    assert_int_equal(sealed_id_open(ids, uuid, &opened), OK);
    assert_int_equal(opened.client_id, expected->client_id);
    assert_true(opened.high == expected->high && opened.low == expected->low);
}

static void an_id_with_any_bit_flipped_is_refused(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 20; number++) {
        const struct sealed_id id = sample(number);
        uint8_t uuid[SEALED_ID_BYTES];
        make(sessions, &id, uuid);
        for (size_t bit = 0; bit < 8 * sizeof uuid; bit++) {
            uuid[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_refused(sessions, uuid);
            uuid[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_opens(sessions, uuid, &id);
    }
}

static void an_id_of_another_kind_is_refused(void **state)
{
    (void)state;
    struct sealed_ids *logins;
    assert_int_equal(sealed_ids_new(fixture.keyring, &login_kind, &logins), OK);
    const struct sealed_ids *kinds[] = {sessions, lines, logins};
    for (uint64_t number = 0; number < 50; number++) {
        const struct sealed_id id = sample(number);
        for (size_t made = 0; made < 3; made++) {
            uint8_t uuid[SEALED_ID_BYTES];
            make(kinds[made], &id, uuid);
            for (size_t opened = 0; opened < 3; opened++) {
                if (opened != made)
                    assert_refused(kinds[opened], uuid);
            }
        }
    }
    sealed_ids_free(logins);
}

static void made_up_ids_are_refused(void **state)
{
    (void)state;
    uint8_t uuid[SEALED_ID_BYTES] = {0};
    assert_refused(sessions, uuid);
    memset(uuid, 0xff, sizeof uuid);
    assert_refused(sessions, uuid);
    for (uint64_t number = 0; number < 2000; number++) {
        const uint64_t words[2] = {spread(2 * number + 1), spread(2 * number + 2)};
        memcpy(uuid, words, sizeof uuid);
        assert_refused(sessions, uuid);
        uuid[6] = (uint8_t)(0x80 | (uuid[6] & 0x0f)); // of the right form
        uuid[8] = (uint8_t)(0x80 | (uuid[8] & 0x3f));
        assert_refused(sessions, uuid);
        assert_refused(lines, uuid);
    }
}

static void an_id_opens_to_its_client_and_to_no_other(void **state)
{
    (void)state;
    static const struct sealed_id ids[] = {
        {0, 0, 0}, {1, 0, 0},     {1, 0, UINT32_MAX},     {2, 0, 0},
        {2, 0, 1}, {65535, 0, 0}, {65535, 0, UINT32_MAX}, {256, 0, 1u << 31},
    };
    uint8_t uuids[8][SEALED_ID_BYTES];
    for (size_t i = 0; i < 8; i++) {
        make(sessions, &ids[i], uuids[i]);
        assert_opens(sessions, uuids[i], &ids[i]);
        for (size_t other = 0; other < i; other++)
            assert_memory_not_equal(uuids[i], uuids[other], SEALED_ID_BYTES);
    }
}

static void an_id_is_a_UUID_of_version_8_and_the_same_whenever_it_is_made(void **state)
{
    (void)state;
    for (uint64_t number = 0; number < 200; number++) {
        const struct sealed_id id = sample(number);
        uint8_t uuid[SEALED_ID_BYTES], again[SEALED_ID_BYTES];
        make(lines, &id, uuid);
        make(lines, &id, again);
        assert_memory_equal(uuid, again, sizeof uuid);
        assert_int_equal(uuid[6] >> 4, 8);
        assert_int_equal(uuid[8] >> 6, 2);
    }
}

// Odds of a made-up id: records over 2^122.
static void the_kinds_of_the_service_leave_70_bits_of_proof(void **state)
{
    (void)state;
    static const struct sealed_id_kind *const kinds[] = {&session_kind, &line_kind, &login_kind};
    for (size_t i = 0; i < 3; i++)
        assert_true(kinds[i]->high * kinds[i]->low <= 1ull << 36);
    assert_string_not_equal(session_kind.name, line_kind.name);
}

static void ids_of_a_retired_key_open_and_those_of_a_released_one_do_not(void **state)
{
    (void)state;
    struct fixture rotated, released;
    struct sealed_ids *old_ids, *ids;
    const struct sealed_id id = sample(1);
    uint8_t uuid[SEALED_ID_BYTES], fresh[SEALED_ID_BYTES];
    fixture_init_many(&rotated, 0, 2, 2); // its generation 1 has another key than the fixture's
    struct generation_options retired = {
        .number = 1, .state = GENERATION_CURRENT, .cipher = soft_cipher_seam(&rotated.ciphers[1])};
    memset(&released, 0, sizeof released);
    assert_int_equal(keyring_new(0, &retired, 1, &released.keyring, NULL), OK);
    assert_int_equal(sealed_ids_new(released.keyring, &session_kind, &old_ids), OK);
    assert_int_equal(sealed_ids_new(rotated.keyring, &session_kind, &ids), OK);
    make(old_ids, &id, uuid);
    make(ids, &id, fresh);
    assert_memory_not_equal(uuid, fresh, sizeof uuid);
    assert_opens(ids, uuid, &id);
    assert_opens(ids, fresh, &id);
    assert_refused(old_ids, fresh);
    assert_refused(sessions, uuid);
    sealed_ids_free(old_ids);
    sealed_ids_free(ids);
    keyring_free(released.keyring);
    fixture_done(&rotated);
}

static void a_cipher_that_fails_is_not_taken_for_a_forgery(void **state)
{
    (void)state;
    struct soft_cipher *soft = &fixture.ciphers[0];
    const struct sealed_id id = sample(3);
    struct sealed_id opened;
    uint8_t uuid[SEALED_ID_BYTES], untouched[SEALED_ID_BYTES] = {1, 2, 3}, out[SEALED_ID_BYTES] = {1, 2, 3};
    make(sessions, &id, uuid);
    soft->failure = ERR_HSM_DOWN;
    soft->fail_at_call = soft->calls + 2;
    assert_int_equal(sealed_id_open(sessions, uuid, &opened), ERR_HSM_DOWN);
    soft->fail_at_call = soft->calls + 2;
    assert_int_equal(sealed_id_make(sessions, &id, out), ERR_HSM_DOWN);
    assert_memory_equal(out, untouched, sizeof out);
    soft->fail_at_call = 0;
    assert_opens(sessions, uuid, &id);
}

static void an_id_of_the_wrong_form_is_refused_before_the_key_is_asked(void **state)
{
    (void)state;
    uint8_t uuid[SEALED_ID_BYTES];
    const struct sealed_id id = sample(4);
    make(sessions, &id, uuid);
    const size_t calls = fixture.ciphers[0].calls;
    uuid[6] = (uint8_t)(0x40 | (uuid[6] & 0x0f)); // version 4
    assert_refused(sessions, uuid);
    assert_int_equal(fixture.ciphers[0].calls, calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_with_any_bit_flipped_is_refused),
        cmocka_unit_test(an_id_of_another_kind_is_refused),
        cmocka_unit_test(made_up_ids_are_refused),
        cmocka_unit_test(an_id_opens_to_its_client_and_to_no_other),
        cmocka_unit_test(an_id_is_a_UUID_of_version_8_and_the_same_whenever_it_is_made),
        cmocka_unit_test(the_kinds_of_the_service_leave_70_bits_of_proof),
        cmocka_unit_test(ids_of_a_retired_key_open_and_those_of_a_released_one_do_not),
        cmocka_unit_test(a_cipher_that_fails_is_not_taken_for_a_forgery),
        cmocka_unit_test(an_id_of_the_wrong_form_is_refused_before_the_key_is_asked),
    };
    return cmocka_run_group_tests(tests, make_fixture, drop_fixture);
}
