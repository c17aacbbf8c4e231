// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Orders, alphabets, sessions, and who sees what.
#include "tests/unit/tokens/serials_house.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/preset_alphabets.h"

// ---- orders -------------------------------------------------------------------------------------------

static void a_line_is_what_was_ordered(void **state)
{
    (void)state;
    struct line line = order("UPPER_HEX", 10, 1000), next = order("UPPER_HEX", 10, 500);
    const struct store_line *record = &line.record;
    struct capacity capacity;
    assert_int_equal(record->client_id, 31);
    assert_int_equal(record->tenant_id, 1);
    assert_int_equal(record->generation, 1);
    assert_int_equal(record->digits, 10);
    assert_int_equal(record->size, 1000);
    assert_int_equal(record->status, STORE_LINE_REQUESTED);
    assert_string_equal(record->alphabet, "UPPER_HEX");
    assert_string_equal(record->characters, "0123456789ABCDEF");
    assert_string_equal(record->payment_id, "0d9e6c44-7a11-4f0e-8b1c-2f6f0f9a7d31");
    assert_null(record->seed);
    assert_memory_equal(record->session_id, house.caller.session_id, STORE_ID_BYTES);
    assert_true(record->requested_ms > 1900000000000 && record->deleted_ms == 0);
    serials_line_capacity(house.serials, &line, STORE_LINE_REQUESTED, &capacity);
    assert_string_equal(capacity.available, "1099511627776");
    assert_int_equal(capacity.reachable, 400000);
    serials_line_capacity(house.serials, &line, STORE_LINE_FINISHED, &capacity);
    assert_string_equal(capacity.available, "1099511626776");
    serials_line_capacity(house.serials, &next, STORE_LINE_STARTED, &capacity);
    assert_string_equal(capacity.available, "1099511626776");
    assert_int_equal(next.record.first_serial, record->first_serial + 1000);
    assert_capacity("0123456789ABCDEF", 10, "1099511626276", 400000);
    line_done(&line);
    line_done(&next);
}

static void a_size_too_large_is_scaled_down_to_what_is_reachable(void **state)
{
    (void)state;
    static const struct {
        const char *alphabet;
        unsigned digits;
        uint64_t wanted, size;
    } rows[] = {
        {"UPPER_HEX", 10, 400000, 400000},
        {"UPPER_HEX", 11, 363637, 363636},
        {"UPPER_VOWELS", 100, 999999, 40000},
        {"UPPER_HEX", 9, UINT64_MAX, 400000},
        {"DICE", 5, UINT64_MAX, 7776},
        {"LOWER_LATIN", 3, 17577, 17576},
        {"DECIMAL", 1, 100, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct line line = order(rows[i].alphabet, rows[i].digits, rows[i].wanted);
        assert_int_equal(line.record.size, rows[i].size);
        line_done(&line);
    }
}

static void a_size_too_small_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(refused_order("UPPER_HEX", 10, HOUSE_MIN_TOKENS - 1), LINE_SIZE_TOO_SMALL);
    assert_int_equal(refused_order("UPPER_HEX", 10, 1), LINE_SIZE_TOO_SMALL);
    assert_int_equal(refused_order("DECIMAL", 1, 9), LINE_SIZE_TOO_SMALL);
    assert_int_equal(refused_order("DECIMAL", 1, 11), LINE_SIZE_TOO_SMALL);
    assert_capacity(ALPHABET_UPPER_HEX, 10, "1099511627776", 400000);
    assert_capacity(ALPHABET_DECIMAL, 1, "10", 10);
    // The ident of a refused order is not used up.
    struct line line = {0};
    assert_int_equal(order_as(&house.caller, "UPPER_HEX", 10, 5, 7, &line), LINE_SIZE_TOO_SMALL);
    assert_int_equal(order_as(&house.caller, "UPPER_HEX", 10, HOUSE_MIN_TOKENS, 7, &line), LINE_TAKEN);
    assert_int_equal(line.record.first_serial, 0);
    line_done(&line);
}

static void all_that_a_space_has_left_may_be_less_than_the_least(void **state)
{
    (void)state;
    struct line whole = order("DECIMAL", 1, 10); // a whole space that is smaller
    assert_int_equal(whole.record.size, 10);
    line_done(&whole);
    struct line most = order("DICE", 5, 7700);
    line_done(&most);
    assert_capacity(DICE, 5, "76", 76);
    assert_int_equal(refused_order("DICE", 5, 75), LINE_SIZE_TOO_SMALL);
    assert_int_equal(refused_order("DICE", 5, 77), LINE_SIZE_TOO_SMALL);
    struct line rest = order("DICE", 5, 76);
    assert_int_equal(rest.record.size, 76);
    assert_int_equal(rest.record.first_serial, 7700);
    line_done(&rest);
    assert_capacity(DICE, 5, "0", 0);
}

static void a_space_is_handed_out_to_its_last_string_and_then_closed(void **state)
{
    (void)state;
    static const uint64_t wanted[] = {5000, 100, 9000, 10000}, got[] = {5000, 100, 9000, 3476};
    uint64_t next = 0;
    for (size_t i = 0; i < 4; i++) {
        struct line line = order("LOWER_LATIN", 3, wanted[i]);
        assert_int_equal(line.record.size, got[i]);
        assert_int_equal(line.record.first_serial, next);
        next += line.record.size;
        line_done(&line);
    }
    assert_capacity(ALPHABET_LOWER, 3, "0", 0);
    assert_int_equal(refused_order("LOWER_LATIN", 3, HOUSE_MIN_TOKENS), LINE_SPACE_EXHAUSTED);
    assert_int_equal(refused_order("LOWER_LATIN", 3, UINT64_MAX), LINE_SPACE_EXHAUSTED);
    assert_capacity(ALPHABET_LOWER, 4, "456976", 400000); // another space
    struct capacity strangers;
    assert_int_equal(serials_capacity(house.serials, 2, ALPHABET_LOWER, 3, &strangers), OK);
    assert_string_equal(strangers.available, "17576"); // another tenant's
}

static void a_payment_ident_buys_one_line(void **state)
{
    (void)state;
    struct line line = {0}, other = {0}, gone = {0};
    assert_int_equal(order_as(&house.caller, "UPPER_HEX", 10, 1000, 1, &line), LINE_TAKEN);
    assert_int_equal(order_as(&house.caller, "UPPER_HEX", 10, 1000, 1, &other), LINE_IDENT_USED);
    assert_int_equal(order_as(&house.caller, "DICE", 5, 1000, 1, &other), LINE_IDENT_USED);
    struct caller second_session = house_caller(31, 1);
    assert_int_equal(order_as(&second_session, "DICE", 5, 1000, 1, &other), LINE_IDENT_USED);
    assert_capacity(ALPHABET_UPPER_HEX, 10, "1099511626776", 400000);
    assert_capacity(DICE, 5, "7776", 7776);
    assert_int_equal(serials_delete_line(house.serials, &house.caller, line.record.id, &gone), OK);
    assert_int_equal(order_as(&house.caller, "UPPER_HEX", 10, 1000, 1, &other), LINE_IDENT_USED);
    assert_int_equal(order_as(&house.peer, "UPPER_HEX", 10, 1000, 1, &other), LINE_TAKEN);
    line_done(&line);
    line_done(&other);
    line_done(&gone);
}

static void an_unknown_alphabet_orders_nothing(void **state)
{
    (void)state;
    static const char *const names[] = {"NOPE", "", "upper_hex", "UPPER_HEX ", "UPPER_HE", "A"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(refused_order(names[i], 10, 1000), LINE_ALPHABET_UNKNOWN);
}

static void a_deleted_line_is_gone_and_its_serials_stay_taken(void **state)
{
    (void)state;
    struct line line = order("UPPER_HEX", 10, 1000), gone = {0}, none = {.progress = 77};
    assert_int_equal(serials_delete_line(house.serials, &house.caller, line.record.id, &gone), OK);
    assert_true(gone.record.deleted_ms > line.record.requested_ms);
    assert_int_equal(serials_get_line(house.serials, &house.caller, line.record.id, &none), ERR_NOT_FOUND);
    assert_int_equal(serials_delete_line(house.serials, &house.caller, line.record.id, &none), ERR_NOT_FOUND);
    assert_true(none.progress == 77);
    struct line *lines;
    size_t count;
    assert_int_equal(serials_list_lines(house.serials, &house.caller, &lines, &count), OK);
    assert_int_equal(count, 0);
    free(lines);
    assert_capacity(ALPHABET_UPPER_HEX, 10, "1099511626776", 400000);
    struct line next = order("UPPER_HEX", 10, 1000);
    assert_int_equal(next.record.first_serial, 1000);
    line_done(&line);
    line_done(&gone);
    line_done(&next);
}

// ---- generations --------------------------------------------------------------------------------------

static void a_space_keeps_the_generation_it_was_opened_under(void **state)
{
    (void)state;
    struct line old = order("UPPER_HEX", 10, 1000);
    house_close();
    house_open(1, 2);
    struct line more = order("UPPER_HEX", 10, 1000), fresh = order("UPPER_HEX", 11, 1000);
    assert_int_equal(old.record.generation, 1);
    assert_int_equal(more.record.generation, 1);
    assert_int_equal(more.record.first_serial, 1000);
    assert_int_equal(fresh.record.generation, 2);
    line_done(&old);
    line_done(&more);
    line_done(&fresh);
}

static void a_released_generation_closes_its_spaces(void **state)
{
    (void)state;
    struct line line = order("UPPER_HEX", 10, 1000), produced, found, proven;
    struct line_stream *stream = NULL;
    uint64_t serial;
    BUF text = {0};
    produced = wait_until_finished(&house.caller, line.record.id);
    read_file(&produced, &text);
    house_close();
    house_open(2, 2);
    assert_int_equal(refused_order("UPPER_HEX", 10, 1000), LINE_SPACE_CLOSED);
    assert_int_equal(serials_get_line(house.serials, &house.caller, line.record.id, &found), OK);
    assert_int_equal(line_stream_open(house.serials, 1, &found, 0, 100, &stream), ERR_HSM_KEY);
    assert_null(stream);
    const struct proof_query query = {ALPHABET_UPPER_HEX, 10, {text.at, 10}};
    assert_int_equal(serials_prove(house.serials, &house.caller, &query, &proven, &serial), ERR_HSM_KEY);
    line_done(&line);
    line_done(&produced);
    line_done(&found);
}

// ---- alphabets ----------------------------------------------------------------------------------------

static enum err add(const char *name, const char *characters, bool *out_name_is_wrong)
{
    return serials_add_alphabet(house.serials, 31, text_slice(name), text_slice(characters),
                                out_name_is_wrong);
}

static void assert_added(const char *name, const char *characters)
{
    bool name_is_wrong;
    struct alphabet_entry entry;
    assert_int_equal(add(name, characters, &name_is_wrong), OK);
    assert_int_equal(serials_find_alphabet(house.serials, 31, text_slice(name), &entry), OK);
    assert_string_equal(entry.name, name);
    assert_string_equal(entry.characters, characters);
    assert_true(entry.custom);
    alphabet_entry_done(&entry);
}

static void every_preset_is_found_by_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t length;
    } presets[] = {{"BASE16", 16},       {"BASE60", 60},      {"BASE62", 62},      {"DICE", 6},
                   {"LOWER_HEX", 16},    {"UPPER_HEX", 16},   {"UPPER_LATIN", 26}, {"LOWER_LATIN", 26},
                   {"UPPER_EPCG30", 30}, {"UPPER_VOWELS", 5}, {"DECIMAL", 10}};
    assert_int_equal(preset_alphabet_count(), sizeof presets / sizeof presets[0]);
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        struct alphabet_entry entry;
        size_t length;
        assert_int_equal(serials_find_alphabet(house.serials, 31, text_slice(presets[i].name), &entry), OK);
        assert_int_equal(alphabet_length(entry.characters, strlen(entry.characters), &length), OK);
        assert_int_equal(length, presets[i].length);
        assert_false(entry.custom);
        alphabet_entry_done(&entry);
        if (i > 0)
            assert_true(strcmp(preset_alphabet_at(i - 1)->name, preset_alphabet_at(i)->name) < 0);
    }
}

static void names_follow_the_pattern_and_are_taken_once(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    "A",  "a",       "ab",
                                        "1A",  "_A", "Ab",      "A-B",
                                        "A B", "A.", "\u00c4A", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456"};
    bool name_is_wrong = false;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(add(wrong[i], "abc", &name_is_wrong), ERR_INPUT);
        assert_true(name_is_wrong);
    }
    assert_int_equal(
        serials_add_alphabet(house.serials, 31, (struct slice){"A\0B", 3}, text_slice("abc"), &name_is_wrong),
        ERR_INPUT);
    assert_true(name_is_wrong);
    assert_added("A1", "ba");
    assert_added("ABCDEFGHIJKLMNOPQRSTUVWXYZ_01234", "bat4");
    assert_int_equal(add("A1", "xyz", &name_is_wrong), ERR_CONFLICT);
    assert_false(name_is_wrong);
    for (size_t i = 0; i < preset_alphabet_count(); i++)
        assert_int_equal(add(preset_alphabet_at(i)->name, "xyz", &name_is_wrong), ERR_CONFLICT);
}

static void characters_are_distinct_visible_and_stand_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "a",
        "aa",
        "aba",
        "ab\n",
        "a\tb",
        "\x01z",
        "ab\x7f",
        "ab\xc2\x80",
        "ab\xc2\x9f",
        "ae\u0301",
        "\u0300a",
        "a\u036f",
        "ab\u1ab0",
        "ab\u1dc0",
        "ab\u20d0",
        "ab\ufe0f",
        "ab\ufe20",
        "ab\u200d",
        "ab\xff",
        "a\xc3",
        "a\xed\xa0\x80",
        "a\xf4\x90\x80\x80",
        "a\xc1\x81",
    };
    bool name_is_wrong = true;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(add("WRONG", wrong[i], &name_is_wrong), ERR_INPUT);
        assert_false(name_is_wrong);
    }
    assert_int_equal(serials_add_alphabet(house.serials, 31, text_slice("WRONG"), (struct slice){"a\0b", 3},
                                          &name_is_wrong),
                     ERR_INPUT);
    struct alphabet_entry entry;
    assert_int_equal(serials_find_alphabet(house.serials, 31, text_slice("WRONG"), &entry), ERR_NOT_FOUND);
    assert_added("SPACES", " a"); // what a control is not
    assert_added("ACCENTS", "\u00e9\u00e8e");
    assert_added("EMOJI", "\U0001f600\U0001f601");
}

// Letters from U+0370 on that are neither controls, marks, nor surrogates: enough for any size.
static char *many_characters(size_t count)
{
    char *text = malloc(4 * count + 1), *at = text;
    assert_non_null(text);
    for (uint32_t point = 0x20000; count > 0; point++, count--) {
        *at++ = (char)(0xf0 | point >> 18);
        *at++ = (char)(0x80 | (point >> 12 & 0x3f));
        *at++ = (char)(0x80 | (point >> 6 & 0x3f));
        *at++ = (char)(0x80 | (point & 0x3f));
    }
    *at = '\0';
    return text;
}

static void an_alphabet_has_at_most_65536_characters(void **state)
{
    (void)state;
    bool name_is_wrong;
    char *characters = many_characters(65537);
    assert_int_equal(add("MANY", characters, &name_is_wrong), ERR_INPUT);
    assert_false(name_is_wrong);
    characters[4 * 65536] = '\0';
    assert_added("MANY", characters);
    struct line line = order("MANY", 3, 1000);
    assert_string_equal(line.record.characters, characters);
    line_done(&line);
    assert_capacity(characters, 3, "281474976709656", 400000);
    free(characters);
}

static void alphabets_belong_to_their_client(void **state)
{
    (void)state;
    bool name_is_wrong;
    struct alphabet_entry entry, *entries;
    size_t count;
    assert_added("MINE", "xyz");
    assert_int_equal(serials_find_alphabet(house.serials, 32, text_slice("MINE"), &entry), ERR_NOT_FOUND);
    assert_int_equal(serials_delete_alphabet(house.serials, 32, text_slice("MINE"), &entry), ERR_NOT_FOUND);
    assert_int_equal(serials_list_alphabets(house.serials, 32, true, &entries, &count), OK);
    assert_int_equal(count, 0);
    free(entries);
    struct line line = {0};
    assert_int_equal(order_as(&house.peer, "MINE", 10, 1000, 1, &line), LINE_ALPHABET_UNKNOWN);
    assert_int_equal(
        serials_add_alphabet(house.serials, 32, text_slice("MINE"), text_slice("uvw"), &name_is_wrong), OK);
    assert_int_equal(serials_list_alphabets(house.serials, 31, true, &entries, &count), OK);
    assert_int_equal(count, 1);
    assert_string_equal(entries[0].characters, "xyz");
    alphabet_entry_done(&entries[0]);
    free(entries);
}

static void presets_cannot_be_deleted_and_custom_ones_can_once(void **state)
{
    (void)state;
    struct alphabet_entry entry;
    assert_int_equal(serials_delete_alphabet(house.serials, 31, text_slice("DICE"), &entry), ERR_NOT_FOUND);
    assert_added("MINE", "xyz");
    assert_int_equal(serials_delete_alphabet(house.serials, 31, text_slice("MINE"), &entry), OK);
    assert_string_equal(entry.characters, "xyz");
    alphabet_entry_done(&entry);
    assert_int_equal(serials_delete_alphabet(house.serials, 31, text_slice("MINE"), &entry), ERR_NOT_FOUND);
    assert_int_equal(serials_find_alphabet(house.serials, 31, text_slice("MINE"), &entry), ERR_NOT_FOUND);
}

static void a_space_is_shared_by_all_names_and_orders_of_its_characters(void **state)
{
    (void)state;
    assert_added("BACKWARDS", "fedcba9876543210");
    struct line lines[] = {order("LOWER_HEX", 10, 1000), order("BASE16", 10, 1000),
                           order("BACKWARDS", 10, 1000)};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lines[i].record.first_serial, 1000 * i);
        line_done(&lines[i]);
    }
    assert_capacity("f0123456789abcde", 10, "1099511624776", 400000);
}

static void a_line_keeps_the_characters_it_was_ordered_with(void **state)
{
    (void)state;
    struct alphabet_entry entry;
    BUF before = {0}, after = {0};
    assert_added("MINE", "zyx");
    struct line line = order("MINE", 15, 1000), finished = wait_until_finished(&house.caller, line.record.id);
    read_file(&finished, &before);
    assert_int_equal(serials_delete_alphabet(house.serials, 31, text_slice("MINE"), &entry), OK);
    alphabet_entry_done(&entry);
    assert_added("MINE", "abcdefgh");
    struct line found = {0};
    assert_int_equal(serials_get_line(house.serials, &house.caller, line.record.id, &found), OK);
    assert_string_equal(found.record.characters, "zyx");
    read_file(&found, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.at, after.at, before.len);
    line_done(&line);
    line_done(&finished);
    line_done(&found);
}

// ---- sessions and who sees what -----------------------------------------------------------------------

static void a_session_is_listed_until_it_is_revoked(void **state)
{
    (void)state;
    struct store_session session, revoked, *sessions;
    size_t count;
    const struct session_order wanted = {51, "a note", "192.0.2.1", "an agent"};
    assert_int_equal(serials_open_session(house.serials, &wanted, &session), OK);
    assert_int_equal(serials_list_sessions(house.serials, 51, &sessions, &count), OK);
    assert_int_equal(count, 1);
    assert_memory_equal(sessions[0].id, session.id, STORE_ID_BYTES);
    assert_string_equal(sessions[0].note, "a note");
    assert_string_equal(sessions[0].peer, "192.0.2.1");
    assert_string_equal(sessions[0].agent, "an agent");
    assert_true(sessions[0].granted_ms == session.granted_ms);
    store_session_done(&sessions[0]);
    free(sessions);
    assert_int_equal(serials_revoke_session(house.serials, session.id, 52, &revoked), ERR_NOT_FOUND);
    assert_int_equal(serials_revoke_session(house.serials, session.id, 51, &revoked), OK);
    assert_true(revoked.revoked_ms > session.granted_ms);
    store_session_done(&revoked);
    assert_int_equal(serials_revoke_session(house.serials, session.id, 51, &revoked), ERR_NOT_FOUND);
    assert_int_equal(serials_list_sessions(house.serials, 51, &sessions, &count), OK);
    assert_int_equal(count, 0);
    free(sessions);
    store_session_done(&session);
}

static void a_line_is_seen_by_all_sessions_of_its_client_and_by_no_other(void **state)
{
    (void)state;
    struct line line = order("UPPER_HEX", 10, 1000), found = {0}, none = {.progress = 77};
    const struct caller second_session = house_caller(31, 1);
    assert_int_equal(serials_get_line(house.serials, &second_session, line.record.id, &found), OK);
    line_done(&found);
    const struct caller *others[] = {&house.peer, &house.stranger};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(serials_get_line(house.serials, others[i], line.record.id, &none), ERR_NOT_FOUND);
        assert_int_equal(serials_delete_line(house.serials, others[i], line.record.id, &none), ERR_NOT_FOUND);
        assert_true(none.progress == 77);
    }
    assert_int_equal(serials_get_line(house.serials, &house.caller, line.record.id, &found), OK);
    line_done(&found);
    line_done(&line);
}

static void a_list_holds_the_lines_of_its_session_in_order(void **state)
{
    (void)state;
    const struct caller second_session = house_caller(31, 1);
    struct line other = {0}, made[3], *lines;
    size_t count;
    for (size_t i = 0; i < 3; i++)
        made[i] = order("UPPER_HEX", 10, 1000);
    assert_int_equal(order_as(&second_session, "UPPER_HEX", 10, 1000, 1, &other), LINE_TAKEN);
    assert_int_equal(serials_list_lines(house.serials, &house.caller, &lines, &count), OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_equal(lines[i].record.id, made[i].record.id, STORE_ID_BYTES);
        line_done(&lines[i]);
        line_done(&made[i]);
    }
    free(lines);
    assert_int_equal(serials_list_lines(house.serials, &house.peer, &lines, &count), OK);
    assert_int_equal(count, 0);
    free(lines);
    line_done(&other);
}

static void made_up_ids_and_ids_of_other_kinds_are_no_lines(void **state)
{
    (void)state;
    struct line line = order("UPPER_HEX", 10, 1000), none = {.progress = 77};
    uint8_t id[STORE_ID_BYTES];
    assert_int_equal(serials_get_line(house.serials, &house.caller, house.caller.session_id, &none),
                     ERR_NOT_FOUND);
    for (size_t bit = 0; bit < 8 * sizeof id; bit++) {
        memcpy(id, line.record.id, sizeof id);
        id[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(serials_get_line(house.serials, &house.caller, id, &none), ERR_NOT_FOUND);
    }
    // Genuine, and of no line.
    const struct sealed_id unused = {.client_id = 31, .low = 1};
    assert_int_equal(sealed_id_make(house.lines, &unused, id), OK);
    assert_int_equal(serials_get_line(house.serials, &house.caller, id, &none), ERR_NOT_FOUND);
    assert_true(none.progress == 77);
    line_done(&line);
}

// ---- threads ------------------------------------------------------------------------------------------

enum { THREADS = 3, ORDERS = 40, BLOCK = 200 };

struct orderer {
    const struct caller *caller;
    uint64_t first[ORDERS];
    unsigned same_ident; // of all threads
    bool won;
};

static void *keep_ordering(void *context)
{
    struct orderer *orderer = context;
    struct line line = {0};
    for (size_t i = 0; i < ORDERS; i++) {
        if (order_as(orderer->caller, "UPPER_HEX", 10, BLOCK, fresh_ident(), &line) != LINE_TAKEN)
            return NULL;
        orderer->first[i] = line.record.first_serial;
        line_done(&line);
    }
    orderer->won =
        order_as(orderer->caller, "UPPER_LATIN", 10, BLOCK, orderer->same_ident, &line) == LINE_TAKEN;
    line_done(&line);
    return NULL;
}

static void threads_that_order_at_once_share_no_serial_and_no_ident(void **state)
{
    (void)state;
    static struct orderer orderers[THREADS];
    static bool taken[THREADS * ORDERS];
    pthread_t threads[THREADS];
    unsigned winners = 0;
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < THREADS; i++) {
        orderers[i] = (struct orderer){.caller = &house.caller, .same_ident = 5};
        assert_int_equal(pthread_create(&threads[i], NULL, keep_ordering, &orderers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < THREADS; i++) {
        winners += orderers[i].won;
        for (size_t o = 0; o < ORDERS; o++) {
            const uint64_t block = orderers[i].first[o] / BLOCK;
            assert_int_equal(orderers[i].first[o] % BLOCK, 0);
            assert_true(block < THREADS * ORDERS);
            assert_false(taken[block]);
            taken[block] = true;
        }
    }
    assert_int_equal(winners, 1);
}

static void an_exhausted_space_refuses_any_size_alike(void **state)
{
    (void)state;
    struct line line = order("DICE", 5, UINT64_MAX);
    line_done(&line);
    assert_int_equal(refused_order("DICE", 5, 99), LINE_SPACE_EXHAUSTED);
}

static void a_closed_space_refuses_any_size_alike(void **state)
{
    (void)state;
    struct line line = order("DICE", 5, 1000);
    line_done(&line);
    house_close();
    house_open(2, 2);
    assert_int_equal(refused_order("DICE", 5, 1), LINE_SPACE_CLOSED);
}

static void capacity_counts_what_a_restore_leaves_out_of_unopened_spaces(void **state)
{
    (void)state;
    assert_int_equal(store_advance_all_spaces(house.store, 5000), OK);
    assert_capacity(DICE, 5, "2776", 2776);
    struct line line = order("DICE", 5, 7776);
    line_done(&line);
}

static void combining_marks_of_every_script_are_refused(void **state)
{
    (void)state;
    static const char *const marks[] = {"ab\u064b", "ab\u05b0", "ab\u093c", "ab\u0e31"};
    bool name_is_wrong;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(add("WRONG", marks[i], &name_is_wrong), ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(a_line_is_what_was_ordered),
        HOUSE_TEST(a_size_too_large_is_scaled_down_to_what_is_reachable),
        HOUSE_TEST(a_size_too_small_takes_nothing),
        HOUSE_TEST(all_that_a_space_has_left_may_be_less_than_the_least),
        HOUSE_TEST(a_space_is_handed_out_to_its_last_string_and_then_closed),
        HOUSE_TEST(a_payment_ident_buys_one_line),
        HOUSE_TEST(an_unknown_alphabet_orders_nothing),
        HOUSE_TEST(a_deleted_line_is_gone_and_its_serials_stay_taken),
        HOUSE_TEST(a_space_keeps_the_generation_it_was_opened_under),
        HOUSE_TEST(a_released_generation_closes_its_spaces),
        HOUSE_TEST(every_preset_is_found_by_its_name),
        HOUSE_TEST(names_follow_the_pattern_and_are_taken_once),
        HOUSE_TEST(characters_are_distinct_visible_and_stand_alone),
        HOUSE_TEST(an_alphabet_has_at_most_65536_characters),
        HOUSE_TEST(alphabets_belong_to_their_client),
        HOUSE_TEST(presets_cannot_be_deleted_and_custom_ones_can_once),
        HOUSE_TEST(a_space_is_shared_by_all_names_and_orders_of_its_characters),
        HOUSE_TEST(a_line_keeps_the_characters_it_was_ordered_with),
        HOUSE_TEST(a_session_is_listed_until_it_is_revoked),
        HOUSE_TEST(a_line_is_seen_by_all_sessions_of_its_client_and_by_no_other),
        HOUSE_TEST(a_list_holds_the_lines_of_its_session_in_order),
        HOUSE_TEST(made_up_ids_and_ids_of_other_kinds_are_no_lines),
        HOUSE_TEST(threads_that_order_at_once_share_no_serial_and_no_ident),
        HOUSE_TEST(an_exhausted_space_refuses_any_size_alike),
        HOUSE_TEST(a_closed_space_refuses_any_size_alike),
        HOUSE_TEST(capacity_counts_what_a_restore_leaves_out_of_unopened_spaces),
        HOUSE_TEST(combining_marks_of_every_script_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
