// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is computed of a line: its file, ranges of it, the producer's results, and proofs.
#include "tests/unit/tokens/serials_house.h"

#include "appliance/fpe/alphabet.h"

#include <locale.h>
#include <openssl/sha.h>
#include <uchar.h>

static int use_utf8(void **state)
{
    (void)state;
    // The tests read characters with the C library, not with the product.
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    return 0;
}

// ---- the producer's results ---------------------------------------------------------------------------

static uint32_t read_point(const char **at, const char *end)
{
    char32_t point;
    const size_t used = mbrtoc32(&point, *at, (size_t)(end - *at), &(mbstate_t){0});
    assert_in_range(used, 1, 4);
    *at += used;
    return point;
}

// The checksum of a file by its definition: XOR of the code points of each column, `bits` wide. Also counts
// the tokens.
static void check_sum(const struct buf *file, unsigned digits, unsigned bits, char *out_bits,
                      uint64_t *out_tokens)
{
    uint32_t columns[SERIAL_DIGITS_MAX] = {0};
    unsigned column = 0;
    *out_tokens = 1;
    for (const char *at = file->at, *end = at + file->len; at < end;) {
        const uint32_t point = read_point(&at, end);
        if (point != '\n') {
            assert_true(column < digits);
            columns[column++] ^= point;
            continue;
        }
        assert_int_equal(column, digits);
        column = 0;
        ++*out_tokens;
    }
    assert_int_equal(column, digits);
    for (unsigned i = 0; i < digits * bits; i++)
        out_bits[i] = (char)('0' + (columns[i / bits] >> (bits - 1 - i % bits) & 1));
    out_bits[digits * bits] = '\0';
}

static void assert_results_fit_the_file(const struct line *line, unsigned bits)
{
    BUF file = {0};
    char checksum[SERIAL_DIGITS_MAX * 21 + 1];
    uint64_t tokens;
    uint8_t hash[SHA256_DIGEST_LENGTH];
    const struct store_line *record = &line->record;
    read_file(line, &file);
    check_sum(&file, record->digits, bits, checksum, &tokens);
    SHA256((const uint8_t *)file.at, file.len, hash);
    assert_true(tokens == record->size);
    assert_string_equal(record->checksum, checksum);
    assert_memory_equal(record->file_hash, hash, sizeof hash);
    assert_true(record->requested_ms < record->started_ms && record->started_ms < record->ended_ms &&
                record->ended_ms <= record->finished_ms);
}

// Orders a line and waits for it.
static struct line produced(const char *alphabet, unsigned digits, uint64_t size)
{
    struct line ordered = order(alphabet, digits, size);
    struct line finished = wait_until_finished(&house.caller, ordered.record.id);
    line_done(&ordered);
    return finished;
}

static void add(const char *name, const char *characters)
{
    bool name_is_wrong;
    assert_int_equal(
        serials_add_alphabet(house.serials, 31, text_slice(name), text_slice(characters), &name_is_wrong),
        OK);
}

static void checksum_size_and_hash_are_those_of_the_bytes_that_are_sent(void **state)
{
    (void)state;
    add("WIDTHS", "a\u00e9\u20ac\U0001f600");
    add("GREEK", "\u03b1\u03b2\u03b3");
    static const struct {
        const char *alphabet;
        unsigned digits;
        uint64_t size;
        unsigned bits;
        uint64_t file_bytes; // 0: the width varies
    } rows[] = {
        {"UPPER_HEX", 10, 1000, 7, 10999},
        {"LOWER_LATIN", 3, 8788, 7, 35151},
        {"DICE", 5, 7776, 14, 124415},
        {"UPPER_EPCG30", 20, 50000, 7, 1049999},
        {"DECIMAL", 1, 10, 6, 19},
        {"WIDTHS", 12, 5000, 17, 0},
        {"GREEK", 20, 1025, 10, 1025 * 41 - 1},
        {"BASE62", 100, 2048, 7, 2048 * 101 - 1},
        {"BASE62", 100, 100, 7, 100 * 101 - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct line line = produced(rows[i].alphabet, rows[i].digits, rows[i].size);
        if (rows[i].file_bytes != 0)
            assert_int_equal(line.record.file_bytes, rows[i].file_bytes);
        assert_int_equal(strlen(line.record.checksum), rows[i].digits * rows[i].bits);
        assert_results_fit_the_file(&line, rows[i].bits);
        line_done(&line);
    }
}

static void the_checksum_of_a_whole_space_of_even_length_is_zero(void **state)
{
    (void)state;
    static const struct {
        const char *alphabet;
        unsigned digits;
    } rows[] = {{"DICE", 5}, {"LOWER_LATIN", 3}, {"DECIMAL", 2}};
    for (size_t i = 0; i < 3; i++) {
        struct line line = produced(rows[i].alphabet, rows[i].digits, UINT64_MAX);
        assert_int_equal(strspn(line.record.checksum, "0"), strlen(line.record.checksum));
        line_done(&line);
    }
    // Of an odd one it is the parity in every column (an odd power of an odd length).
    struct line line = produced("UPPER_VOWELS", 4, UINT64_MAX);
    assert_int_equal(line.record.size, 625);
    assert_string_equal(line.record.checksum, "1010111"
                                              "1010111"
                                              "1010111"
                                              "1010111");
    line_done(&line);
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, 4);
}

static void lines_of_a_space_hold_every_string_once_together(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1000, 5000, 1024, 10000, UINT64_MAX};
    BUF all = {0};
    for (size_t i = 0; i < 5; i++) {
        struct line line = produced("LOWER_LATIN", 3, sizes[i]);
        read_file(&line, &all);
        buf_byte(&all, '\n');
        line_done(&line);
    }
    assert_int_equal(all.len, 4 * 17576);
    qsort(all.at, 17576, 4, by_text);
    for (unsigned i = 0; i < 17576; i++) {
        const char expected[4] = {(char)('a' + i / 676), (char)('a' + i / 26 % 26), (char)('a' + i % 26),
                                  '\n'};
        assert_memory_equal(all.at + 4 * i, expected, 4);
    }
    assert_capacity(ALPHABET_LOWER, 3, "0", 0);
}

// ---- ranges -------------------------------------------------------------------------------------------

static void assert_range(const struct line *line, const struct buf *file, uint64_t first, uint64_t last)
{
    BUF part = {0};
    read_range(1, line, first, last, &part);
    assert_int_equal(part.len, last - first + 1);
    assert_memory_equal(part.at, file->at + first, part.len);
}

static void every_range_of_a_small_file_is_a_piece_of_it(void **state)
{
    (void)state;
    add("AB", "ba");
    add("GREEK", "\u03b1\u03b2\u03b3");
    struct line lines[] = {produced("AB", 3, 8), produced("DICE", 1, 6), produced("GREEK", 2, 9),
                           produced("DECIMAL", 1, 10)};
    for (size_t i = 0; i < 4; i++) {
        BUF file = {0};
        assert_true(line_is_seekable(&lines[i]));
        read_file(&lines[i], &file);
        for (uint64_t first = 0; first < file.len; first++) {
            for (uint64_t last = first; last < file.len; last++)
                assert_range(&lines[i], &file, first, last);
        }
        line_done(&lines[i]);
    }
}

static void ranges_begin_and_end_anywhere_in_a_file_of_several_slices(void **state)
{
    (void)state;
    struct line before = produced("UPPER_HEX", 10, 777), line = produced("UPPER_HEX", 10, 20001);
    BUF file = {0};
    read_file(&line, &file);
    const uint64_t rows[] = {0,    1, SERIAL_SLICE - 1, SERIAL_SLICE, 8 * SERIAL_SLICE, 16 * SERIAL_SLICE,
                             20000};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (uint64_t byte = 0; byte < 11 && 11 * rows[i] + byte < file.len; byte++) {
            const uint64_t at = 11 * rows[i] + byte;
            assert_range(&line, &file, at, at);
            assert_range(&line, &file, at, file.len - 1);
            assert_range(&line, &file, 0, at);
            assert_range(&line, &file, at / 2, at);
        }
    }
    line_done(&before);
    line_done(&line);
}

static void a_stream_comes_in_pieces_of_bounded_size(void **state)
{
    (void)state;
    struct line line = produced("BASE62", 100, 30000);
    struct line_stream *stream = NULL;
    uint64_t total = 0, pieces = 0;
    BUF piece = {0};
    assert_int_equal(line_stream_open(house.serials, 1, &line, 0, line.record.file_bytes - 1, &stream), OK);
    do {
        buf_reset(&piece);
        assert_int_equal(line_stream_next(stream, &piece), OK);
        assert_true(piece.len <= 16 * SERIAL_SLICE * 101);
        total += piece.len;
        pieces++;
    } while (piece.len > 0);
    assert_true(total == line.record.file_bytes);
    assert_true(pieces > 2);
    assert_int_equal(line_stream_next(stream, &piece), OK); // the end stays the end
    assert_int_equal(piece.len, 0);
    line_stream_close(stream);
    line_done(&line);
}

static void characters_of_several_widths_cannot_be_sought(void **state)
{
    (void)state;
    add("WIDTHS", "a\u00e9\u20ac\U0001f600");
    struct line line = produced("WIDTHS", 7, 1000);
    assert_false(line_is_seekable(&line));
    line_done(&line);
}

// ---- a stream's life ----------------------------------------------------------------------------------

static void a_download_survives_the_deletion_of_its_line(void **state)
{
    (void)state;
    struct line line = produced("UPPER_HEX", 10, 50000), gone = {0};
    struct line_stream *stream = NULL;
    BUF whole = {0}, streamed = {0};
    read_file(&line, &whole);
    assert_int_equal(line_stream_open(house.serials, 1, &line, 0, line.record.file_bytes - 1, &stream), OK);
    assert_int_equal(line_stream_next(stream, &streamed), OK);
    assert_true(streamed.len > 0 && streamed.len < whole.len);
    assert_int_equal(serials_delete_line(house.serials, &house.caller, line.record.id, &gone), OK);
    read_stream(stream, &streamed);
    assert_int_equal(streamed.len, whole.len);
    assert_memory_equal(streamed.at, whole.at, whole.len);
    line_stream_close(stream);
    line_done(&line);
    line_done(&gone);
}

static void a_stream_given_up_early_frees_its_space(void **state)
{
    (void)state;
    struct line line = produced("UPPER_HEX", 10, 5000);
    for (int i = 0; i < 100; i++) {
        struct line_stream *stream = NULL;
        BUF piece = {0};
        assert_int_equal(line_stream_open(house.serials, 1, &line, 0, line.record.file_bytes - 1, &stream),
                         OK);
        if (i % 2 == 0)
            assert_int_equal(line_stream_next(stream, &piece), OK);
        line_stream_close(stream);
    }
    line_done(&line); // serials_free asserts that no space is in use
}

static void a_cipher_that_fails_ends_the_stream_with_its_error(void **state)
{
    (void)state;
    struct line line = produced("UPPER_HEX", 10, 50000);
    struct line_stream *stream = NULL;
    struct soft_cipher *soft = &house.ciphers[1][1];
    BUF text = {0};
    assert_int_equal(line_stream_open(house.serials, 1, &line, 0, line.record.file_bytes - 1, &stream), OK);
    assert_int_equal(line_stream_next(stream, &text), OK);
    soft->failure = ERR_HSM_DOWN;
    soft->fail_at_call = soft->calls + 5;
    assert_int_equal(line_stream_next(stream, &text), ERR_HSM_DOWN);
    line_stream_close(stream);
    line_done(&line);
}

static void more_spaces_than_are_kept_are_served_one_after_the_other(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned digits = 8; digits < 32; digits++) {
            struct line line = produced("UPPER_HEX", digits, 100);
            assert_int_equal(line.record.first_serial, 100 * round);
            assert_results_fit_the_file(&line, 7);
            line_done(&line);
        }
    }
}

// ---- the producer's life ------------------------------------------------------------------------------

static void a_line_that_was_not_finished_is_produced_after_a_restart(void **state)
{
    (void)state;
    struct line ordered = order("UPPER_HEX", 10, 400000), second = order("UPPER_HEX", 10, 1000);
    house_close();
    house_open_store();
    bool found = false; // behind the small one, if that was not finished either
    for (uint64_t i = 0; i < 2 && !found; i++) {
        struct store_line unfinished;
        assert_int_equal(store_line_next_unfinished(house.store, UINT64_MAX, i, &unfinished), OK);
        found = memcmp(unfinished.id, ordered.record.id, STORE_ID_BYTES) == 0;
        store_line_done(&unfinished);
    }
    assert_true(found);
    house_open_keys(1, 1);
    house_start_service();
    struct line line = wait_until_finished(&house.caller, ordered.record.id),
                next = wait_until_finished(&house.caller, second.record.id);
    assert_results_fit_the_file(&line, 7);
    assert_results_fit_the_file(&next, 7);
    line_done(&ordered);
    line_done(&second);
    line_done(&line);
    line_done(&next);
}

static void the_file_is_the_same_after_a_restart_and_a_rotation(void **state)
{
    (void)state;
    struct line line = produced("UPPER_HEX", 10, 5000), small = produced("DICE", 5, 7776);
    BUF before = {0}, after = {0};
    read_file(&line, &before);
    read_file(&small, &before);
    house_close();
    house_open(1, 2);
    read_file(&line, &after);
    read_file(&small, &after);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.at, after.at, before.len);
    line_done(&line);
    line_done(&small);
}

static void the_producer_goes_on_after_the_HSM_was_away(void **state)
{
    (void)state;
    struct soft_cipher *soft = &house.ciphers[1][1];
    soft->failure = ERR_HSM_DOWN;
    soft->fail_at_call = soft->calls + 12;
    struct line line = produced("UPPER_HEX", 10, 5000);
    assert_true(soft->calls >= soft->fail_at_call);
    assert_results_fit_the_file(&line, 7);
    line_done(&line);
}

static void a_small_line_passes_a_large_one(void **state)
{
    (void)state;
    struct line large = order("UPPER_HEX", 10, 400000), small = order("UPPER_HEX", 12, 1000);
    struct line small_done = wait_until_finished(&house.caller, small.record.id),
                large_done = wait_until_finished(&house.caller, large.record.id);
    // Unless this thread slept through all of the large one.
    assert_true(small_done.record.finished_ms <= large_done.record.finished_ms ||
                large_done.record.finished_ms <= small.record.requested_ms);
    assert_results_fit_the_file(&small_done, 7);
    assert_results_fit_the_file(&large_done, 7);
    line_done(&large);
    line_done(&small);
    line_done(&small_done);
    line_done(&large_done);
}

static void a_line_deleted_before_it_is_produced_does_not_hold_up_the_next(void **state)
{
    (void)state;
    struct line first = order("UPPER_HEX", 10, 400000), second = order("UPPER_HEX", 10, 400000), gone[2];
    assert_int_equal(serials_delete_line(house.serials, &house.caller, first.record.id, &gone[0]), OK);
    assert_int_equal(serials_delete_line(house.serials, &house.caller, second.record.id, &gone[1]), OK);
    struct line line = produced("DICE", 5, 7776);
    line_done(&first);
    line_done(&second);
    line_done(&gone[0]);
    line_done(&gone[1]);
    line_done(&line);
}

static void progress_grows_to_a_hundred(void **state)
{
    (void)state;
    struct line ordered = order("UPPER_HEX", 10, 400000);
    double progress = 0;
    for (bool finished = false; !finished;) {
        struct line line = {0};
        assert_int_equal(serials_get_line(house.serials, &house.caller, ordered.record.id, &line), OK);
        finished = line.record.status == STORE_LINE_FINISHED;
        assert_true(line.progress >= progress && line.progress <= 100);
        progress = line.progress;
        line_done(&line);
    }
    line_done(&ordered);
}

// ---- proof --------------------------------------------------------------------------------------------

static enum err prove(const struct caller *caller, const char *characters, unsigned digits,
                      struct slice token, struct line *out_line, uint64_t *out_serial)
{
    const struct proof_query query = {characters, digits, token};
    return serials_prove(house.serials, caller, &query, out_line, out_serial);
}

static void assert_proves_nothing(const struct caller *caller, const char *characters, unsigned digits,
                                  const char *token)
{
    struct line line = {.progress = 77};
    uint64_t serial = 78;
    assert_int_equal(prove(caller, characters, digits, text_slice(token), &line, &serial), ERR_NOT_FOUND);
    assert_true(line.progress == 77 && serial == 78);
}

static void every_token_of_a_line_proves_its_line_and_serial(void **state)
{
    (void)state;
    struct line before = produced("UPPER_HEX", 10, 333), line = produced("UPPER_HEX", 10, 1000);
    BUF file = {0};
    read_file(&line, &file);
    for (size_t i = 0; i < 1000; i++) {
        struct line found = {0};
        uint64_t serial = 0;
        const struct slice token = {file.at + 11 * i, 10};
        assert_int_equal(prove(&house.caller, "FEDCBA9876543210", 10, token, &found, &serial), OK);
        assert_int_equal(serial, 333 + i);
        assert_memory_equal(found.record.id, line.record.id, STORE_ID_BYTES);
        line_done(&found);
    }
    line_done(&before);
    line_done(&line);
}

static void what_was_not_issued_to_the_client_is_not_proven(void **state)
{
    (void)state;
    struct line line = produced("LOWER_LATIN", 3, 1000), found = {0}, theirs = {0};
    BUF file = {0}, rest = {0};
    uint64_t serial;
    char token[4] = "";
    size_t proven = 0;
    read_file(&line, &file);
    memcpy(token, file.at, 3);
    assert_proves_nothing(&house.peer, ALPHABET_LOWER, 3, token);     // another client's
    assert_proves_nothing(&house.stranger, ALPHABET_LOWER, 3, token); // another tenant's
    assert_proves_nothing(&house.caller, ALPHABET_LOWER, 4, token);   // a space without lines
    assert_proves_nothing(&house.caller, ALPHABET_LOWER "A", 3, token);
    static const char *const wrong[] = {"", "a", "aaaa", "AAA", "aa1", "\u00e9a"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_proves_nothing(&house.caller, ALPHABET_LOWER, 3, wrong[i]);
    for (unsigned i = 0; i < 17576; i++) {
        const char text[] = {(char)('a' + i / 676), (char)('a' + i / 26 % 26), (char)('a' + i % 26), '\0'};
        const enum err rc = prove(&house.caller, ALPHABET_LOWER, 3, text_slice(text), &found, &serial);
        assert_true(rc == OK || rc == ERR_NOT_FOUND);
        proven += rc == OK;
        if (rc == OK)
            line_done(&found);
    }
    assert_int_equal(proven, 1000);
    assert_int_equal(order_as(&house.peer, "LOWER_LATIN", 3, 1000, 1, &theirs), LINE_TAKEN);
    theirs.record.file_bytes = 3999;
    read_file(&theirs, &rest);
    memcpy(token, rest.at, 3);
    assert_proves_nothing(&house.caller, ALPHABET_LOWER, 3, token);
    assert_int_equal(prove(&house.peer, ALPHABET_LOWER, 3, text_slice(token), &found, &serial), OK);
    assert_int_equal(serial, 1000);
    line_done(&found);
    line_done(&theirs);
    line_done(&line);
}

static void a_token_of_a_deleted_line_is_still_proven(void **state)
{
    (void)state;
    struct line line = produced("UPPER_HEX", 10, 1000), gone = {0}, found = {0};
    BUF file = {0};
    uint64_t serial = 0;
    read_file(&line, &file);
    assert_int_equal(serials_delete_line(house.serials, &house.caller, line.record.id, &gone), OK);
    assert_int_equal(
        prove(&house.caller, ALPHABET_UPPER_HEX, 10, (struct slice){file.at + 11, 10}, &found, &serial), OK);
    assert_int_equal(serial, 1);
    assert_true(found.record.deleted_ms != 0);
    line_done(&line);
    line_done(&gone);
    line_done(&found);
}

// ---- a restored copy of the store ---------------------------------------------------------------------

static void serials_left_out_after_a_restore_are_neither_issued_nor_proven(void **state)
{
    (void)state;
    struct line line = produced("LOWER_LATIN", 3, 1000);
    assert_int_equal(store_advance_all_spaces(house.store, 5000), OK);
    assert_capacity(ALPHABET_LOWER, 3, "11576", 11576);
    struct line next = produced("LOWER_LATIN", 3, 1000), found = {0};
    assert_int_equal(next.record.first_serial, 6000);
    size_t proven = 0;
    for (unsigned i = 0; i < 17576; i++) {
        uint64_t serial;
        const char text[] = {(char)('a' + i / 676), (char)('a' + i / 26 % 26), (char)('a' + i % 26), '\0'};
        if (prove(&house.caller, ALPHABET_LOWER, 3, text_slice(text), &found, &serial) != OK)
            continue;
        assert_true(serial < 1000 || (serial >= 6000 && serial < 7000));
        proven++;
        line_done(&found);
    }
    assert_int_equal(proven, 2000);
    line_done(&line);
    line_done(&next);
}

static void a_line_of_a_released_key_does_not_hold_up_the_others(void **state)
{
    (void)state;
    struct line first = order("UPPER_HEX", 10, 400000);
    house_close();
    house_open(2, 2);
    struct line second = produced("DICE", 5, 1000);
    line_done(&first);
    line_done(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(checksum_size_and_hash_are_those_of_the_bytes_that_are_sent),
        HOUSE_TEST(the_checksum_of_a_whole_space_of_even_length_is_zero),
        HOUSE_TEST(lines_of_a_space_hold_every_string_once_together),
        HOUSE_TEST(every_range_of_a_small_file_is_a_piece_of_it),
        HOUSE_TEST(ranges_begin_and_end_anywhere_in_a_file_of_several_slices),
        HOUSE_TEST(a_stream_comes_in_pieces_of_bounded_size),
        HOUSE_TEST(characters_of_several_widths_cannot_be_sought),
        HOUSE_TEST(a_download_survives_the_deletion_of_its_line),
        HOUSE_TEST(a_stream_given_up_early_frees_its_space),
        HOUSE_TEST(a_cipher_that_fails_ends_the_stream_with_its_error),
        HOUSE_TEST(more_spaces_than_are_kept_are_served_one_after_the_other),
        HOUSE_TEST(a_line_that_was_not_finished_is_produced_after_a_restart),
        HOUSE_TEST(the_file_is_the_same_after_a_restart_and_a_rotation),
        HOUSE_TEST(the_producer_goes_on_after_the_HSM_was_away),
        HOUSE_TEST(a_small_line_passes_a_large_one),
        HOUSE_TEST(a_line_deleted_before_it_is_produced_does_not_hold_up_the_next),
        HOUSE_TEST(progress_grows_to_a_hundred),
        HOUSE_TEST(every_token_of_a_line_proves_its_line_and_serial),
        HOUSE_TEST(what_was_not_issued_to_the_client_is_not_proven),
        HOUSE_TEST(a_token_of_a_deleted_line_is_still_proven),
        HOUSE_TEST(serials_left_out_after_a_restore_are_neither_issued_nor_proven),
        HOUSE_TEST(a_line_of_a_released_key_does_not_hold_up_the_others),
    };
    return cmocka_run_group_tests(tests, use_utf8, NULL);
}
