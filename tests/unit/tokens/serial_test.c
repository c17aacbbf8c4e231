// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/serial.h"

#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <uchar.h>

#define DICE  "\u2680\u2681\u2682\u2683\u2684\u2685"
#define WIDTH "a\u00e9\u20ac\U0001f600" // characters of one, two, three and four bytes

enum { TENANT = 1, POINTS = 0x110000 };

static struct fixture fixture;

static int make_fixture(void **state)
{
    (void)state;
    // The tests read characters with the C library, not with the product.
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    fixture_init_many(&fixture, TENANT, 2, 2);
    return 0;
}

static int drop_fixture(void **state)
{
    (void)state;
    fixture_done(&fixture);
    return 0;
}

static enum err try_space(const char *characters, unsigned digits, struct serial_space **out_space)
{
    return serial_space_new(
        &(struct serial_options){characters, digits, TENANT, keyring_at(fixture.keyring, 0)}, out_space);
}

static struct serial_space *space_of(const char *characters, unsigned digits)
{
    struct serial_space *space = NULL;
    assert_int_equal(try_space(characters, digits, &space), OK);
    return space;
}

static struct slice text_slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static uint32_t read_point(const char **at, const char *end)
{
    char32_t point;
    const size_t used = mbrtoc32(&point, *at, (size_t)(end - *at), &(mbstate_t){0});
    assert_in_range(used, 1, 4);
    *at += used;
    return point;
}

static size_t put_point(uint32_t point, char *out)
{
    const size_t len = c32rtomb(out, point, &(mbstate_t){0});
    assert_in_range(len, 1, 4);
    return len;
}

// `count` characters from `first` on, as text; given back with free.
static char *characters_from(uint32_t first, size_t count)
{
    char *text = malloc(4 * count + 1), *at = text;
    assert_non_null(text);
    for (uint32_t point = first; count > 0; point++) {
        if (point >= 0xd800 && point < 0xe000)
            continue; // surrogates are no characters
        at += put_point(point, at);
        count--;
    }
    *at = '\0';
    return text;
}

// Which numeral a character is, in a space: its place in code-point order. Counted here once more.
struct numerals {
    uint32_t of_point[POINTS]; // plus 1; 0: not in the alphabet
    uint32_t count;
};

static struct numerals *numerals_of(const char *characters)
{
    struct numerals *numerals = calloc(1, sizeof *numerals);
    assert_non_null(numerals);
    for (const char *at = characters, *end = at + strlen(at); at < end;)
        numerals->of_point[read_point(&at, end)] = 1;
    for (uint32_t point = 0; point < POINTS; point++) {
        if (numerals->of_point[point] != 0)
            numerals->of_point[point] = ++numerals->count;
    }
    return numerals;
}

// The rank of a token among all strings of its space. It must have all digits and end where it says.
static uint64_t rank_of(const struct numerals *numerals, struct slice token, unsigned digits)
{
    uint64_t rank = 0;
    unsigned read = 0;
    for (const char *at = token.at, *end = at + token.len; at < end; read++) {
        const uint32_t numeral = numerals->of_point[read_point(&at, end)];
        assert_true(numeral > 0);
        rank = rank * numerals->count + numeral - 1;
    }
    assert_int_equal(read, digits);
    return rank;
}

// The next line of a slice of tokens.
static struct slice next_line(const char **at, const char *end)
{
    const char *feed = memchr(*at, '\n', (size_t)(end - *at));
    assert_non_null(feed);
    const struct slice line = {*at, (size_t)(feed - *at)};
    *at = feed + 1;
    return line;
}

// ---- order: every string once ---------------------------------------------------------------------------

struct whole {
    const char *characters;
    unsigned digits;
    uint64_t size;
    unsigned open_each; // one token in so many is opened again
};

// A walk over a whole space.
struct walk {
    const struct whole *whole;
    struct serial_space *space;
    struct numerals *numerals;
    uint8_t *seen; // by rank
    uint64_t unmoved;
};

static void check_slice(struct walk *walk, const struct buf *text, uint64_t first)
{
    const char *at = text->at, *end = text->at + text->len;
    for (uint64_t serial = first; at < end; serial++) {
        const struct slice token = next_line(&at, end);
        const uint64_t rank = rank_of(walk->numerals, token, walk->whole->digits);
        uint64_t opened = UINT64_MAX;
        assert_true(rank < walk->whole->size);
        assert_int_equal(walk->seen[rank]++, 0);
        walk->unmoved += rank == serial;
        if (serial % walk->whole->open_each == 0) {
            assert_int_equal(serial_open(walk->space, token, &opened), OK);
            assert_true(opened == serial);
        }
    }
}

static void check_whole(const struct whole *whole)
{
    struct walk walk = {whole, space_of(whole->characters, whole->digits), numerals_of(whole->characters),
                        calloc(whole->size, 1), 0};
    assert_non_null(walk.seen);
    assert_true(serial_space_size(walk.space) == whole->size);
    for (uint64_t first = 0; first < whole->size; first += SERIAL_SLICE) {
        BUF text = {0};
        const uint64_t left = whole->size - first;
        const size_t count = left < SERIAL_SLICE ? (size_t)left : SERIAL_SLICE;
        assert_int_equal(serial_make(walk.space, first, count, &text), OK);
        check_slice(&walk, &text, first);
    }
    assert_null(memchr(walk.seen, 0, whole->size));
    if (whole->size >= 1000)
        assert_in_range(walk.unmoved, 0, 12); // a random order leaves one in its place
    free(walk.seen);
    free(walk.numerals);
    serial_space_free(walk.space);
}

static void every_string_of_a_small_space_comes_exactly_once(void **state)
{
    (void)state;
    const struct whole spaces[] = {
        {"ab", 1, 2, 1},
        {"ab", 3, 8, 1},
        {ALPHABET_DECIMAL, 1, 10, 1},
        {DICE, 5, 7776, 1},
        {ALPHABET_LOWER, 3, 17576, 1},
        {WIDTH, 7, 16384, 1},
        {"01", 19, 524288, 97},
    };
    for (size_t i = 0; i < sizeof spaces / sizeof spaces[0]; i++)
        check_whole(&spaces[i]);
}

static void every_string_of_the_largest_space_that_is_ranked_comes_exactly_once(void **state)
{
    (void)state;
    char *characters = characters_from(0x700, 999); // two and three bytes
    check_whole(&(struct whole){characters, 2, 998001, 97});
    free(characters);
}

static void every_string_of_a_space_of_a_million_comes_exactly_once(void **state)
{
    (void)state;
    check_whole(&(struct whole){ALPHABET_DECIMAL, 6, 1000000, 37});
    check_whole(&(struct whole){"01", 20, 1048576, 97});
    char *characters = characters_from(0x700, 1001);
    check_whole(&(struct whole){characters, 2, 1002001, 97});
    free(characters);
}

// ---- what a space depends on ------------------------------------------------------------------------------

enum { SAMPLE = 40 };

static void sample(const struct serial_options *options, struct buf *out)
{
    struct serial_space *space = NULL;
    assert_int_equal(serial_space_new(options, &space), OK);
    assert_int_equal(serial_make(space, 0, SAMPLE, out), OK);
    serial_space_free(space);
}

static void assert_same_space(const char *a, const char *b, unsigned digits)
{
    BUF of_a = {0}, of_b = {0};
    uint8_t id_a[SERIAL_SPACE_ID_BYTES], id_b[SERIAL_SPACE_ID_BYTES];
    const struct generation *generation = keyring_at(fixture.keyring, 0);
    sample(&(struct serial_options){a, digits, TENANT, generation}, &of_a);
    sample(&(struct serial_options){b, digits, TENANT, generation}, &of_b);
    assert_int_equal(of_a.len, of_b.len);
    assert_memory_equal(of_a.at, of_b.at, of_a.len);
    assert_int_equal(serial_space_id(a, digits, id_a), OK);
    assert_int_equal(serial_space_id(b, digits, id_b), OK);
    assert_memory_equal(id_a, id_b, sizeof id_a);
}

static void an_alphabet_in_another_order_is_the_same_space(void **state)
{
    (void)state;
    assert_same_space(ALPHABET_UPPER_HEX, "FEDCBA9876543210", 10);
    assert_same_space(ALPHABET_LOWER, "zyxwvutsrqponmlkjihgfedcba", 3);
    assert_same_space(DICE, "\u2685\u2680\u2684\u2681\u2683\u2682", 5);
    assert_same_space(WIDTH, "\U0001f600\u20aca\u00e9", 12);
}

// How many of the first tokens two spaces share, place by place.
static size_t shared(const struct serial_options *a, const struct serial_options *b)
{
    BUF of_a = {0}, of_b = {0};
    size_t same = 0;
    sample(a, &of_a);
    sample(b, &of_b);
    const char *at_a = of_a.at, *at_b = of_b.at;
    for (int i = 0; i < SAMPLE; i++) {
        const struct slice token_a = next_line(&at_a, of_a.at + of_a.len),
                           token_b = next_line(&at_b, of_b.at + of_b.len);
        const size_t len = token_a.len < token_b.len ? token_a.len : token_b.len;
        same += memcmp(token_a.at, token_b.at, len) == 0;
    }
    return same;
}

static void other_digits_characters_tenants_and_generations_give_other_tokens(void **state)
{
    (void)state;
    const struct generation *current = keyring_at(fixture.keyring, 0), *old = keyring_at(fixture.keyring, 1);
    const struct serial_options large = {ALPHABET_UPPER_HEX, 10, TENANT, current};
    const struct serial_options others[] = {
        {ALPHABET_UPPER_HEX, 11, TENANT, current},     {ALPHABET_LOWER_HEX, 10, TENANT, current},
        {ALPHABET_UPPER_HEX "G", 10, TENANT, current}, {ALPHABET_UPPER_HEX, 10, TENANT + 1, current},
        {ALPHABET_UPPER_HEX, 10, TENANT, old},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(shared(&large, &others[i]), 0);
    const struct serial_options small = {ALPHABET_LOWER, 3, TENANT, current};
    assert_in_range(shared(&small, &(struct serial_options){ALPHABET_LOWER, 3, TENANT + 1, current}), 0, 1);
    assert_in_range(shared(&small, &(struct serial_options){ALPHABET_LOWER, 3, TENANT, old}), 0, 1);
    assert_in_range(shared(&small, &(struct serial_options){ALPHABET_LOWER, 4, TENANT, current}), 0, 1);
}

static void a_space_is_named_by_its_characters_and_digits(void **state)
{
    (void)state;
    uint8_t ids[6][SERIAL_SPACE_ID_BYTES];
    assert_int_equal(serial_space_id(ALPHABET_UPPER_HEX, 10, ids[0]), OK);
    assert_int_equal(serial_space_id(ALPHABET_UPPER_HEX, 11, ids[1]), OK);
    assert_int_equal(serial_space_id(ALPHABET_LOWER_HEX, 10, ids[2]), OK);
    assert_int_equal(serial_space_id("ab", 97, ids[3]), OK);
    assert_int_equal(serial_space_id("a\u6200", 98, ids[4]), OK);
    assert_int_equal(serial_space_id("ab", 98, ids[5]), OK);
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(ids[i], ids[j], SERIAL_SPACE_ID_BYTES);
    }
}

static void what_is_not_an_alphabet_makes_no_space(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "a",
                                        "aa",
                                        "aba",
                                        "a\tb",
                                        "a\nb",
                                        "a\x7f",
                                        "\xc2\x85"
                                        "a",
                                        "a\xff",
                                        "a\xc3",
                                        "a\xed\xa0\x80",
                                        "a\xc1\xa1"};
    struct serial_space *space = NULL;
    uint8_t id[SERIAL_SPACE_ID_BYTES];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(try_space(texts[i], 10, &space), ERR_INPUT);
        assert_int_equal(serial_space_id(texts[i], 10, id), ERR_INPUT);
    }
    char *many = characters_from(0x100, 65537);
    assert_int_equal(try_space(many, 2, &space), ERR_INPUT);
    free(many);
    assert_int_equal(try_space(ALPHABET_DECIMAL, 0, &space), ERR_INPUT);
    assert_int_equal(try_space(ALPHABET_DECIMAL, SERIAL_DIGITS_MAX + 1, &space), ERR_INPUT);
    assert_int_equal(try_space(ALPHABET_DECIMAL, UINT32_MAX, &space), ERR_INPUT);
    assert_null(space);
}

// ---- making and opening -----------------------------------------------------------------------------------

// Tokens first..first+count-1 made at once, and one by one, which must be the same; each opens.
static void check_run(struct serial_space *space, uint64_t first, size_t count)
{
    BUF together = {0}, alone = {0};
    assert_int_equal(serial_make(space, first, count, &together), OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(serial_make(space, first + i, 1, &alone), OK);
    assert_int_equal(together.len, alone.len);
    assert_memory_equal(together.at, alone.at, alone.len);
    const char *at = together.at, *end = together.at + together.len;
    for (size_t i = 0; i < count; i++) {
        uint64_t serial = 0;
        assert_int_equal(serial_open(space, next_line(&at, end), &serial), OK);
        assert_true(serial == first + i);
    }
    assert_ptr_equal(at, end);
}

static void a_token_is_the_same_in_any_company_and_opens_to_its_serial(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned digits;
        uint64_t first;
    } runs[] = {
        {ALPHABET_UPPER_HEX, 10, 0},
        {ALPHABET_UPPER_HEX, 10, 0xfff0},             // carries
        {ALPHABET_UPPER_HEX, 10, 0xffffffffffu - 39}, // to the very last
        {ALPHABET_DECIMAL, 18, 999999999999999999 - 39},
        {ALPHABET_UPPER, 14, (1ull << 62) - 20},
        {ALPHABET_ALNUM, 100, 0},
        {ALPHABET_ALNUM, 100, INT64_MAX - 39},
        {WIDTH, 100, (1ull << 40) - 20},
        {DICE, 5, 7776 - 40},
        {ALPHABET_LOWER, 3, 17576 - 40},
        {"01", 64, INT64_MAX - 39},
    };
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        struct serial_space *space = space_of(runs[i].characters, runs[i].digits);
        check_run(space, runs[i].first, 40);
        serial_space_free(space);
    }
}

static void a_hundred_digits_of_65536_characters_are_made_and_opened(void **state)
{
    (void)state;
    char *characters = characters_from(0x100, 65536);
    struct numerals *numerals = numerals_of(characters);
    struct serial_space *space = space_of(characters, 100);
    BUF text = {0};
    assert_int_equal(numerals->count, 65536);
    assert_true(serial_space_size(space) == UINT64_MAX);
    check_run(space, 65536ull * 65536 - 5, 10);
    assert_int_equal(serial_make(space, 0, SERIAL_SLICE, &text), OK);
    const char *at = text.at, *end = text.at + text.len;
    for (size_t i = 0; i < SERIAL_SLICE; i++)
        (void)rank_of(numerals, next_line(&at, end), 100);
    assert_ptr_equal(at, end);
    assert_int_equal(serial_code_point_bits(space), 17);
    serial_space_free(space);
    free(numerals);
    free(characters);
}

static void the_size_of_a_space_counts_to_its_type_and_no_further(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned digits;
        uint64_t size;
    } sizes[] = {
        {"01", 63, 1ull << 63},
        {"01", 64, UINT64_MAX},
        {ALPHABET_DECIMAL, 19, 10000000000000000000u},
        {ALPHABET_DECIMAL, 20, UINT64_MAX},
        {ALPHABET_UPPER_HEX, 15, 1ull << 60},
        {ALPHABET_UPPER_HEX, 16, UINT64_MAX},
        {ALPHABET_UPPER_HEX, 100, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct serial_space *space = space_of(sizes[i].characters, sizes[i].digits);
        assert_true(serial_space_size(space) == sizes[i].size);
        serial_space_free(space);
    }
}

static void a_string_of_a_serial_beyond_two_to_the_63_is_not_genuine(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned digits;
    } shapes[] = {{"01", 64}, {ALPHABET_UPPER_HEX, 20}, {ALPHABET_ALNUM, 100}, {"abc", 41}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct serial_space *space = space_of(shapes[i].characters, shapes[i].digits);
        static const uint64_t beyond[] = {1ull << 63, (1ull << 63) + 1, UINT64_MAX - 1};
        for (size_t b = 0; b < sizeof beyond / sizeof beyond[0]; b++) {
            BUF text = {0};
            uint64_t serial = 77;
            assert_int_equal(serial_make(space, beyond[b], 1, &text), OK);
            assert_int_equal(serial_open(space, (struct slice){text.at, text.len - 1}, &serial),
                             ERR_NOT_GENUINE);
            assert_true(serial == 77);
        }
        serial_space_free(space);
    }
}

static void random_strings_of_a_huge_space_are_not_genuine(void **state)
{
    (void)state;
    struct serial_space *space = space_of(ALPHABET_UPPER_HEX, 32);
    for (uint64_t i = 0; i < 2000; i++) {
        char text[33];
        uint64_t serial;
        snprintf(text, sizeof text, "%016llX%016llX", (unsigned long long)(i * 0x9e3779b97f4a7c15u),
                 (unsigned long long)((i + 7) * 0xbf58476d1ce4e5b9u));
        assert_int_equal(serial_open(space, text_slice(text), &serial), ERR_NOT_GENUINE);
    }
    serial_space_free(space);
}

static void strings_of_other_alphabets_and_lengths_are_not_genuine(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned digits;
        const char *strings[9];
    } cases[] = {
        {ALPHABET_LOWER, 3, {"", "a", "ab", "abcd", "ABC", "ab1", "ab\n", "\u00e9b", "ab\xff"}},
        {DICE,
         2,
         {"", "\u2680", "\u2680\u2680\u2680", "\u2680\u2686", "11", "\u2680\xe2\x9a", "\xe2\x9a\x80"}},
        {ALPHABET_UPPER_HEX, 10, {"", "0123ABCDE", "0123ABCDEF0", "0123abcdef", "0123ABCDEG", " 123ABCDEF"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct serial_space *space = space_of(cases[i].characters, cases[i].digits);
        for (size_t s = 0; s < 9 && cases[i].strings[s] != NULL; s++) {
            uint64_t serial = 77;
            assert_int_equal(serial_open(space, text_slice(cases[i].strings[s]), &serial), ERR_NOT_GENUINE);
            assert_true(serial == 77);
        }
        uint64_t serial = 77;
        assert_int_equal(serial_open(space, (struct slice){"a\0c", 3}, &serial), ERR_NOT_GENUINE);
        assert_int_equal(serial_open(space, (struct slice){NULL, 0}, &serial), ERR_NOT_GENUINE);
        assert_true(serial == 77);
        serial_space_free(space);
    }
}

// ---- the cipher fails -------------------------------------------------------------------------------------

static void a_cipher_that_fails_adds_no_token_and_the_space_works_later(void **state)
{
    (void)state;
    static const struct {
        const char *characters;
        unsigned digits;
    } shapes[] = {{ALPHABET_LOWER, 3}, {ALPHABET_UPPER_HEX, 10}};
    struct soft_cipher *soft = &fixture.ciphers[0];
    for (size_t i = 0; i < 2; i++) {
        struct serial_space *space = space_of(shapes[i].characters, shapes[i].digits);
        BUF text = {0}, expected = {0};
        for (size_t call = 1; call <= 10; call += 3) {
            uint64_t serial = 77;
            soft->failure = ERR_HSM_DOWN;
            soft->fail_at_call = soft->calls + call;
            assert_int_equal(serial_make(space, 5, 3, &text), ERR_HSM_DOWN);
            assert_int_equal(text.len, 0);
            soft->fail_at_call = soft->calls + call;
            assert_int_equal(serial_open(space, (struct slice){"0123ABCDEF", i == 0 ? 0 : 10}, &serial),
                             i == 0 ? ERR_NOT_GENUINE : ERR_HSM_DOWN);
            assert_true(serial == 77);
        }
        soft->fail_at_call = 0;
        assert_int_equal(serial_make(space, 5, 3, &text), OK);
        struct serial_space *fresh = space_of(shapes[i].characters, shapes[i].digits);
        assert_int_equal(serial_make(fresh, 5, 3, &expected), OK);
        assert_int_equal(text.len, expected.len);
        assert_memory_equal(text.at, expected.at, text.len);
        serial_space_free(fresh);
        serial_space_free(space);
    }
}

static void a_small_order_is_computed_once(void **state)
{
    (void)state;
    struct serial_space *space = space_of(ALPHABET_LOWER, 3);
    BUF text = {0};
    uint64_t serial;
    assert_int_equal(serial_make(space, 0, 1, &text), OK);
    const size_t calls = fixture.ciphers[0].calls;
    assert_int_equal(serial_make(space, 1, 1000, &text), OK);
    assert_int_equal(serial_open(space, (struct slice){text.at, 3}, &serial), OK);
    assert_int_equal(fixture.ciphers[0].calls, calls);
    serial_space_free(space);
}

// ---- threads ----------------------------------------------------------------------------------------------

struct racer {
    struct serial_space *space;
    struct buf text;
    enum err rc;
};

static void *race(void *context)
{
    struct racer *racer = context;
    for (uint64_t first = 0; first < 17576 && racer->rc == OK; first += 8)
        racer->rc = serial_make(racer->space, first, 8, &racer->text);
    return NULL;
}

static void threads_that_use_a_fresh_space_at_once_see_one_order(void **state)
{
    (void)state;
    struct serial_space *space = space_of(ALPHABET_LOWER, 3);
    struct racer racers[3] = {{space}, {space}, {space}};
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(racers[i].rc, OK);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(racers[i].text.len, 4 * 17576);
        assert_memory_equal(racers[i].text.at, racers[0].text.at, 4 * 17576);
    }
    for (size_t i = 0; i < 3; i++)
        buf_done(&racers[i].text);
    serial_space_free(space);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_string_of_a_small_space_comes_exactly_once),
        cmocka_unit_test(every_string_of_the_largest_space_that_is_ranked_comes_exactly_once),
        cmocka_unit_test(every_string_of_a_space_of_a_million_comes_exactly_once),
        cmocka_unit_test(an_alphabet_in_another_order_is_the_same_space),
        cmocka_unit_test(other_digits_characters_tenants_and_generations_give_other_tokens),
        cmocka_unit_test(a_space_is_named_by_its_characters_and_digits),
        cmocka_unit_test(what_is_not_an_alphabet_makes_no_space),
        cmocka_unit_test(a_token_is_the_same_in_any_company_and_opens_to_its_serial),
        cmocka_unit_test(a_hundred_digits_of_65536_characters_are_made_and_opened),
        cmocka_unit_test(the_size_of_a_space_counts_to_its_type_and_no_further),
        cmocka_unit_test(a_string_of_a_serial_beyond_two_to_the_63_is_not_genuine),
        cmocka_unit_test(random_strings_of_a_huge_space_are_not_genuine),
        cmocka_unit_test(strings_of_other_alphabets_and_lengths_are_not_genuine),
        cmocka_unit_test(a_cipher_that_fails_adds_no_token_and_the_space_works_later),
        cmocka_unit_test(a_small_order_is_computed_once),
        cmocka_unit_test(threads_that_use_a_fresh_space_at_once_see_one_order),
    };
    return cmocka_run_group_tests(tests, make_fixture, drop_fixture);
}
