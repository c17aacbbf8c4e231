// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Keys, sessions and custom alphabets.
#include "tests/unit/store/fixture.h"

static struct store *store;

static int setup(void **state)
{
    make_folder(state);
    store = open_store();
    return 0;
}

static int teardown(void **state)
{
    store_close(store);
    return remove_folder(state);
}

static size_t commits(void)
{
    return atomic_load(&store->commits);
}

// ---- keys -------------------------------------------------------------------------------------------

static const struct store_key sample_key = {
    .tenant_id = TENANT, .generation = 2, .use = "fpe", .state = STORE_KEY_NEW, .check_value = {1, 0, 3}};

static enum err pin(const struct store_key *key)
{
    enum store_key_state known;
    return store_key_pin(store, key, &known);
}

static enum store_key_state state_of(const struct store_key *key)
{
    enum store_key_state known = STORE_KEY_NO_STATE;
    assert_int_equal(store_key_pin(store, key, &known), OK);
    return known;
}

static struct store_key generation(unsigned number, enum store_key_state state)
{
    struct store_key key = sample_key;
    key.generation = number;
    key.state = state;
    return key;
}

static void a_key_replaced_under_its_label_is_found(void **state)
{
    (void)state;
    struct store_key key = sample_key;
    assert_int_equal(pin(&key), OK);
    key.check_value[2] = 4;
    assert_int_equal(pin(&key), ERR_CONFLICT);
    key.state = STORE_KEY_CURRENT;
    assert_int_equal(pin(&key), ERR_CONFLICT);
    assert_int_equal(pin(&sample_key), OK);
}

static void a_key_is_found_replaced_after_a_restart_too(void **state)
{
    (void)state;
    struct store_key key = sample_key;
    assert_int_equal(pin(&key), OK);
    store_close(store);
    store = open_store();
    assert_int_equal(pin(&key), OK);
    key.check_value[0] = 0;
    assert_int_equal(pin(&key), ERR_CONFLICT);
}

static void a_known_key_costs_no_commit_and_keeps_its_state(void **state)
{
    (void)state;
    struct store_key key = sample_key;
    assert_int_equal(state_of(&key), STORE_KEY_NEW);
    size_t before = commits();
    key.state = STORE_KEY_RETIRED;
    assert_int_equal(state_of(&key), STORE_KEY_NEW);
    assert_int_equal(commits(), before);
}

static void tenant_use_and_generation_tell_keys_apart(void **state)
{
    (void)state;
    struct store_key key = sample_key;
    assert_int_equal(pin(&key), OK);
    key.check_value[0] = 9;
    key.generation = 3;
    assert_int_equal(pin(&key), OK);
    key.generation = sample_key.generation;
    key.tenant_id = 0;
    assert_int_equal(pin(&key), OK);
    key.tenant_id = sample_key.tenant_id;
    snprintf(key.use, sizeof key.use, "mac");
    key.state = STORE_KEY_NO_STATE;
    assert_int_equal(pin(&key), OK);
    assert_int_equal(state_of(&key), STORE_KEY_NO_STATE);
}

static void no_second_generation_of_a_tenant_is_current_at_first_sight(void **state)
{
    (void)state;
    const struct store_key one = generation(1, STORE_KEY_CURRENT), two = generation(2, STORE_KEY_CURRENT);
    struct store_key other = generation(1, STORE_KEY_CURRENT);
    other.tenant_id = TENANT + 1;
    assert_int_equal(state_of(&one), STORE_KEY_CURRENT);
    assert_int_equal(state_of(&two), STORE_KEY_NEW);
    assert_int_equal(state_of(&other), STORE_KEY_CURRENT);
}

static void activating_retires_the_one_that_was_current(void **state)
{
    (void)state;
    const struct store_key one = generation(1, STORE_KEY_CURRENT), two = generation(2, STORE_KEY_NEW);
    struct store_key other = generation(3, STORE_KEY_CURRENT);
    other.tenant_id = TENANT + 1;
    assert_int_equal(pin(&one), OK);
    assert_int_equal(pin(&two), OK);
    assert_int_equal(pin(&other), OK);
    assert_int_equal(store_key_move(store, TENANT, 2, STORE_KEY_NEW, STORE_KEY_CURRENT), OK);
    assert_int_equal(state_of(&one), STORE_KEY_RETIRED);
    assert_int_equal(state_of(&two), STORE_KEY_CURRENT);
    assert_int_equal(state_of(&other), STORE_KEY_CURRENT);
}

static void a_key_moves_only_from_the_state_it_is_in(void **state)
{
    (void)state;
    const struct store_key one = generation(1, STORE_KEY_CURRENT), two = generation(2, STORE_KEY_NEW);
    assert_int_equal(pin(&one), OK);
    assert_int_equal(pin(&two), OK);
    assert_int_equal(store_key_move(store, TENANT, 2, STORE_KEY_RETIRED, STORE_KEY_CURRENT), ERR_CONFLICT);
    assert_int_equal(store_key_move(store, TENANT, 3, STORE_KEY_NEW, STORE_KEY_CURRENT), ERR_NOT_FOUND);
    assert_int_equal(store_key_move(store, TENANT + 1, 2, STORE_KEY_NEW, STORE_KEY_CURRENT), ERR_NOT_FOUND);
    assert_int_equal(state_of(&one), STORE_KEY_CURRENT); // nobody was retired meanwhile
    assert_int_equal(state_of(&two), STORE_KEY_NEW);
}

static void keys_are_listed_in_order_and_beside_a_running_appliance(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct store_key *keys = NULL, *read = NULL;
    size_t count = 0, read_count = 0;
    const struct store_key one = generation(1, STORE_KEY_CURRENT), ten = generation(10, STORE_KEY_NEW);
    assert_int_equal(pin(&ten), OK);
    assert_int_equal(pin(&one), OK);
    assert_int_equal(store_key_list(store, &keys, &count), OK);
    assert_int_equal(store_read_keys(store->path, &read, &read_count, &diag), OK);
    assert_int_equal(count, 2);
    assert_int_equal(read_count, 2);
    assert_int_equal(keys[0].generation, 1);
    assert_int_equal(keys[1].generation, 10);
    assert_string_equal(keys[1].use, "fpe");
    assert_int_equal(keys[1].state, STORE_KEY_NEW);
    assert_memory_equal(keys, read, 2 * sizeof *keys);
    free(keys);
    free(read);
}

static void keys_are_not_read_where_there_is_no_store(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct store_key *keys = NULL;
    size_t count = 0;
    assert_int_equal(store_read_keys("/nonexistent/store.db", &keys, &count, &diag), ERR_NOT_FOUND);
    assert_non_null(strstr(diag.text, "/nonexistent/store.db"));
    assert_int_equal(store_read_keys("/proc/self/exe", &keys, &count, &diag), ERR_CONFIG);
    assert_null(keys);
}

// ---- sessions ---------------------------------------------------------------------------------------

static char note[] = "a note", agent[] = "HTTPie/3.2";

static struct store_session sample_session(uint8_t first_byte)
{
    return (struct store_session){.id = {first_byte, [15] = 1},
                                  .client_id = CLIENT,
                                  .note = note,
                                  .agent = agent,
                                  .granted_ms = 1900000000000,
                                  .used_minute = 31666666};
}

static void a_session_is_given_back_as_it_was_made(void **state)
{
    (void)state;
    struct store_session session = sample_session(1), found = {0};
    assert_int_equal(store_session_create(store, &session), OK);
    assert_int_equal(store_session_get(store, session.id, &found), OK);
    assert_memory_equal(found.id, session.id, STORE_ID_BYTES);
    assert_int_equal(found.client_id, CLIENT);
    assert_string_equal(found.note, note);
    assert_null(found.peer);
    assert_string_equal(found.agent, agent);
    assert_int_equal(found.granted_ms, session.granted_ms);
    assert_int_equal(found.revoked_ms, 0);
    assert_int_equal(found.used_minute, session.used_minute);
    store_session_done(&found);
    assert_null(found.note);
    store_session_done(&found);
}

static void an_unknown_session_leaves_the_output_alone(void **state)
{
    (void)state;
    struct store_session session = sample_session(1), found = {.client_id = 77};
    assert_int_equal(store_session_get(store, session.id, &found), ERR_NOT_FOUND);
    assert_int_equal(found.client_id, 77);
    assert_int_equal(store_session_touch(store, session.id, 1), ERR_NOT_FOUND);
    assert_int_equal(store_session_revoke(store, session.id, CLIENT, 1), ERR_NOT_FOUND);
}

static void a_session_id_is_used_once(void **state)
{
    (void)state;
    struct store_session session = sample_session(1), other = sample_session(1), found = {0};
    other.client_id = CLIENT + 1;
    assert_int_equal(store_session_create(store, &session), OK);
    assert_int_equal(store_session_create(store, &other), ERR_CONFLICT);
    assert_int_equal(store_session_revoke(store, session.id, CLIENT, 5), OK);
    assert_int_equal(store_session_create(store, &other), ERR_CONFLICT);
    assert_int_equal(store_session_get(store, session.id, &found), OK);
    assert_int_equal(found.client_id, CLIENT);
    store_session_done(&found);
}

static void a_revoked_session_is_found_but_not_listed(void **state)
{
    (void)state;
    struct store_session session = sample_session(1), found = {0}, *sessions = (struct store_session *)1;
    size_t count = 99;
    assert_int_equal(store_session_create(store, &session), OK);
    assert_int_equal(store_session_revoke(store, session.id, CLIENT + 1, 5), ERR_NOT_FOUND);
    assert_int_equal(store_session_revoke(store, session.id, CLIENT, 5), OK);
    assert_int_equal(store_session_revoke(store, session.id, CLIENT, 6), ERR_NOT_FOUND);
    assert_int_equal(store_session_get(store, session.id, &found), OK);
    assert_int_equal(found.revoked_ms, 5);
    store_session_done(&found);
    assert_int_equal(store_session_list(store, CLIENT, &sessions, &count), OK);
    assert_int_equal(count, 0);
    assert_null(sessions);
}

static void sessions_of_a_client_come_oldest_first(void **state)
{
    (void)state;
    struct store_session session, *sessions = NULL;
    size_t count = 0;
    for (uint8_t i = 0; i < 20; i++) {
        session = sample_session((uint8_t)(100 - i)); // ids sort the other way round
        session.client_id = CLIENT + i % 2;
        assert_int_equal(store_session_create(store, &session), OK);
    }
    assert_int_equal(store_session_list(store, CLIENT, &sessions, &count), OK);
    assert_int_equal(count, 10);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sessions[i].id[0], 100 - 2 * i);
        store_session_done(&sessions[i]);
    }
    free(sessions);
}

static void assert_used(const struct store_session *session, int64_t minute)
{
    struct store_session found = {0};
    assert_int_equal(store_session_get(store, session->id, &found), OK);
    assert_int_equal(found.used_minute, minute);
    store_session_done(&found);
}

static void a_use_is_written_once_a_minute_and_never_goes_back(void **state)
{
    (void)state;
    struct store_session session = sample_session(1);
    assert_int_equal(store_session_create(store, &session), OK);
    size_t before = commits();
    assert_int_equal(store_session_touch(store, session.id, session.used_minute), OK);
    assert_int_equal(store_session_touch(store, session.id, session.used_minute - 1), OK);
    assert_int_equal(commits(), before);
    assert_int_equal(store_session_touch(store, session.id, session.used_minute + 1), OK);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(store_session_touch(store, session.id, session.used_minute + 1), OK);
    assert_int_equal(commits(), before + 1);
    assert_used(&session, session.used_minute + 1);
}

// ---- alphabets --------------------------------------------------------------------------------------

static void an_alphabet_belongs_to_one_client(void **state)
{
    (void)state;
    struct store_alphabet found = {0};
    assert_int_equal(store_alphabet_create(store, CLIENT, "VOWELS", "AEIOU"), OK);
    assert_int_equal(store_alphabet_create(store, CLIENT, "VOWELS", "aeiou"), ERR_CONFLICT);
    assert_int_equal(store_alphabet_create(store, CLIENT + 1, "VOWELS", "\xc3\xa4\xc3\xb6\xc3\xbc"), OK);
    assert_int_equal(store_alphabet_get(store, CLIENT, "VOWELS", &found), OK);
    assert_string_equal(found.name, "VOWELS");
    assert_string_equal(found.characters, "AEIOU");
    store_alphabet_done(&found);
    assert_int_equal(store_alphabet_get(store, CLIENT, "vowels", &found), ERR_NOT_FOUND);
    assert_int_equal(store_alphabet_get(store, CLIENT + 2, "VOWELS", &found), ERR_NOT_FOUND);
    assert_null(found.name);
    assert_int_equal(store_alphabet_delete(store, CLIENT + 2, "VOWELS"), ERR_NOT_FOUND);
    assert_int_equal(store_alphabet_delete(store, CLIENT, "VOWELS"), OK);
    assert_int_equal(store_alphabet_delete(store, CLIENT, "VOWELS"), ERR_NOT_FOUND);
    assert_int_equal(store_alphabet_get(store, CLIENT + 1, "VOWELS", &found), OK);
    store_alphabet_done(&found);
    assert_int_equal(store_alphabet_create(store, CLIENT, "VOWELS", "aeiou"), OK);
}

static void alphabets_come_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"ZZ", "B_2", "AA", "B2"}, *const sorted[] = {"AA", "B2", "B_2", "ZZ"};
    struct store_alphabet *alphabets = (struct store_alphabet *)1;
    size_t count = 99;
    assert_int_equal(store_alphabet_list(store, CLIENT, &alphabets, &count), OK);
    assert_int_equal(count, 0);
    assert_null(alphabets);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(store_alphabet_create(store, CLIENT, names[i], "01"), OK);
    assert_int_equal(store_alphabet_list(store, CLIENT, &alphabets, &count), OK);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(alphabets[i].name, sorted[i]);
        assert_string_equal(alphabets[i].characters, "01");
        store_alphabet_done(&alphabets[i]);
    }
    free(alphabets);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_key_replaced_under_its_label_is_found),
        CASE(a_key_is_found_replaced_after_a_restart_too),
        CASE(a_known_key_costs_no_commit_and_keeps_its_state),
        CASE(tenant_use_and_generation_tell_keys_apart),
        CASE(no_second_generation_of_a_tenant_is_current_at_first_sight),
        CASE(activating_retires_the_one_that_was_current),
        CASE(a_key_moves_only_from_the_state_it_is_in),
        CASE(keys_are_listed_in_order_and_beside_a_running_appliance),
        CASE(keys_are_not_read_where_there_is_no_store),
        CASE(a_session_is_given_back_as_it_was_made),
        CASE(an_unknown_session_leaves_the_output_alone),
        CASE(a_session_id_is_used_once),
        CASE(a_revoked_session_is_found_but_not_listed),
        CASE(sessions_of_a_client_come_oldest_first),
        CASE(a_use_is_written_once_a_minute_and_never_goes_back),
        CASE(an_alphabet_belongs_to_one_client),
        CASE(alphabets_come_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
