// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What pattern_measure says of an expression, by hand and against what regexec really captures.
#include "appliance/tokens/pattern_shape.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ENDLESS SIZE_MAX

static const struct {
    const char *pattern;
    size_t groups, captured_max;
} measured[] = {
    {"", 0, 0},
    {"abc", 0, 0},
    {"()", 1, 0},
    {"(a)", 1, 1},
    {"(abc)", 1, 3},
    {"(a)(b)", 2, 2},
    {"a(b)c(de)f", 2, 3},
    {"((a)b)", 2, 2}, // nested groups count once
    {"(((abc)))", 3, 3},
    {"((a)(b)c)d", 3, 3},
    {"(a|bcd)", 1, 3},
    {"(a)|(bcd)", 2, 3}, // only one of them takes part
    {"x(ab)|y(c)z(d)", 3, 2},
    {"(a||bc)", 1, 2},
    {"(|)", 1, 0},
    {"(a?)", 1, 1},
    {"(a)?", 1, 1},
    {"(a*)", 1, ENDLESS},
    {"(a+)", 1, ENDLESS},
    {"(a)*", 1, 1}, // the last turn only
    {"(ab)+", 1, 2},
    {"(ab){7}", 1, 2},
    {"(a{3})", 1, 3},
    {"(a{3,})", 1, ENDLESS},
    {"(a{3,5})", 1, 5},
    {"(a{,5})", 1, 5},
    {"(a{0})", 1, 0},
    {"(a){0}", 1, 0},
    {"((a){0}b)", 2, 1},
    {"(a{2}{3})", 1, 6},
    {"((ab){3})", 2, 6},
    {"((a*){0})", 2, 0},
    {"([abc])", 1, 1},
    {"([]abc]{2})", 1, 2}, // ] in first place stands for itself
    {"([^]abc]{2})", 1, 2},
    {"([[:digit:]]{4})", 1, 4},
    {"([[:alpha:][:digit:]-]{4})", 1, 4},
    {"([[.-.]a]{2})", 1, 2},
    {"([[=a=]]{2})", 1, 2},
    {"([()*{]{3})", 1, 3},
    {"([a\\]{2})", 1, 2}, // no escapes in brackets
    {"(\\(\\)\\*)", 1, 3},
    {"\\(a\\)", 0, 0},
    {"(\\{2)", 1, 2},
    {"(a\\{2\\})", 1, 4},
    {"(^a$)", 1, 1},
    {"^(a)$", 1, 1},
    {"(a^b|c$d)", 1, 2},
    {"(\\ba\\b)", 1, 1},
    {"(.{12})", 1, 12},
    {"(...)-(..)-(....)", 3, 9},
    {"([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})", 3, 9},
    {"(a{100}){100}", 1, 100},
    {"((a{100}){100})", 2, 10000},
    {"(}])", 1, 2},
};

static void groups_and_captured_bytes_are_as_counted_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) {
        struct pattern_shape shape;
        regex_t regex;
        if (regcomp(&regex, measured[i].pattern, REG_EXTENDED) != 0)
            fail_msg("%s is no expression", measured[i].pattern);
        const size_t groups = regex.re_nsub;
        regfree(&regex);
        assert_int_equal(pattern_measure(measured[i].pattern, &shape), OK);
        if (shape.groups != measured[i].groups || shape.groups != groups ||
            shape.captured_max != measured[i].captured_max || shape.back_references)
            fail_msg("%s: %zu groups, %zu captured", measured[i].pattern, shape.groups, shape.captured_max);
    }
}

static void back_references_are_seen(void **state)
{
    (void)state;
    static const char *const with[] = {"(a)\\1", "(a)(b)\\2", "((a)\\2)", "(a)|\\1", "(.)\\1{3}"},
                             *const without[] = {"(a)1", "(a)[\\1]", "(a)\\\\1", "(a)\\(1", "(a)\\w1"};
    for (size_t i = 0; i < sizeof with / sizeof with[0]; i++) {
        struct pattern_shape shape;
        assert_int_equal(pattern_measure(with[i], &shape), OK);
        assert_true(shape.back_references);
        assert_int_equal(pattern_measure(without[i], &shape), OK);
        assert_false(shape.back_references);
    }
}

static void groups_nest_thirty_two_deep_and_no_deeper(void **state)
{
    (void)state;
    struct pattern_shape shape;
    static char pattern[3 * 5000 + 1];
    for (size_t deep = 1; deep <= 5000; deep = deep < 40 ? deep + 1 : deep * 5) {
        memset(pattern, '(', deep);
        pattern[deep] = 'a';
        memset(pattern + deep + 1, ')', deep);
        pattern[2 * deep + 1] = '\0';
        assert_int_equal(pattern_measure(pattern, &shape), deep <= 32 ? OK : ERR_TOO_LARGE);
    }
    memset(pattern, 0, sizeof pattern);
    for (size_t i = 0; i < 5000; i++)
        memcpy(pattern + 3 * i, "(a)", 3);
    assert_int_equal(pattern_measure(pattern, &shape), OK); // side by side is not nested
    assert_int_equal(shape.groups, 5000);
    assert_int_equal(shape.captured_max, 5000);
}

// ---- fuzz ----------------------------------------------------------------------------------------------

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

static void put(char *pattern, size_t capacity, const char *piece)
{
    const size_t len = strlen(pattern);
    snprintf(pattern + len, capacity - len, "%s", piece);
}

// Pieces of expressions strung together: most are none, and many are odd.
static void draw_pattern(char *out_pattern, size_t capacity)
{
    static const char *const pieces[] = {
        "a", "b",   "ab",  "(",   ")",           "(a",      "b)",   "|",      "()",   "(a|b)", "((a)b)", "*",
        "+", "?",   "{2}", "{0}", "{,2}",        "{1,3}",   "{2,}", "[ab]",   "[^a]", "[]a]",  ".",      "^",
        "$", "\\(", "\\b", "\\",  "[[:alpha:]]", "[[.a.]]", "(a)*", "(b){2}", "{",    "}"};
    for (unsigned count = 1 + draw(9); count > 0; count--)
        put(out_pattern, capacity, pieces[draw(sizeof pieces / sizeof pieces[0])]);
}

static const char *const atoms[] = {"a", "b", ".", "[ab]", "[^b]"};
static const char *const turns[] = {"", "", "*", "+", "?", "{2}", "{1,2}", "{2,}"};

// Expressions by the grammar: alternatives of branches of repeated atoms and groups. No group can match the
// empty string: of repeated ones that can, regexec reports captures that no turn made, or never returns.
static void draw_expression(char *pattern, size_t capacity, unsigned depth)
{
    for (unsigned branches = 1 + draw(2); branches > 0; branches--) {
        put(pattern, capacity, atoms[draw(sizeof atoms / sizeof atoms[0])]);
        for (unsigned pieces = draw(3); pieces > 0; pieces--) {
            if (depth > 0 && draw(2) == 0) {
                put(pattern, capacity, "(");
                draw_expression(pattern, capacity, depth - 1);
                put(pattern, capacity, ")");
            } else {
                put(pattern, capacity, atoms[draw(sizeof atoms / sizeof atoms[0])]);
            }
            put(pattern, capacity, turns[draw(sizeof turns / sizeof turns[0])]);
        }
        if (branches > 1)
            put(pattern, capacity, "|");
    }
}

enum { GROUPS = 40, TEXT = 8 };

static size_t captured_bytes(const regmatch_t *groups)
{
    bool captured[TEXT + 1] = {0};
    size_t count = 0;
    for (size_t i = 1; i < GROUPS; i++) {
        for (regoff_t at = groups[i].rm_so; at >= 0 && at < groups[i].rm_eo; at++)
            captured[at] = true;
    }
    for (size_t i = 0; i < TEXT; i++)
        count += captured[i];
    return count;
}

static void check_against_regexec(const char *pattern, const regex_t *regex)
{
    struct pattern_shape shape;
    assert_int_equal(pattern_measure(pattern, &shape), OK);
    assert_int_equal(shape.groups, regex->re_nsub);
    for (unsigned i = 0; i < 12; i++) {
        char text[TEXT + 1];
        regmatch_t groups[GROUPS];
        const unsigned len = draw(TEXT + 1);
        for (unsigned j = 0; j < len; j++)
            text[j] = "aab)"[draw(4)];
        text[len] = '\0';
        if (regexec(regex, text, GROUPS, groups, 0) == 0 && captured_bytes(groups) > shape.captured_max)
            fail_msg("\"%s\" captures %zu bytes of \"%s\", measured %zu", pattern, captured_bytes(groups),
                     text, shape.captured_max);
    }
}

static void no_expression_captures_more_than_measured(void **state)
{
    (void)state;
    size_t expressions = 0;
    for (seed = 1; expressions < 5000; expressions++) {
        char pattern[512] = "";
        regex_t regex;
        draw_expression(pattern, sizeof pattern, 3);
        assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED), 0);
        check_against_regexec(pattern, &regex);
        regfree(&regex);
    }
}

static void groups_are_counted_as_regcomp_counts_them(void **state)
{
    (void)state;
    size_t expressions = 0;
    for (seed = 1; expressions < 20000;) {
        char pattern[128] = "";
        struct pattern_shape shape;
        regex_t regex;
        draw_pattern(pattern, sizeof pattern);
        if (regcomp(&regex, pattern, REG_EXTENDED) != 0)
            continue;
        expressions++;
        assert_int_equal(pattern_measure(pattern, &shape), OK);
        if (shape.groups != regex.re_nsub)
            fail_msg("\"%s\" has %zu groups, measured %zu", pattern, regex.re_nsub, shape.groups);
        regfree(&regex);
    }
}

// Text that regcomp refuses never comes so far; it must do no harm all the same.
static void any_bytes_are_measured_without_harm(void **state)
{
    (void)state;
    seed = 2;
    for (unsigned i = 0; i < 100000; i++) {
        struct pattern_shape shape;
        char pattern[24];
        const unsigned len = draw(sizeof pattern);
        for (unsigned j = 0; j < len; j++)
            pattern[j] = "()[]{}|*+?\\^$.,:=a1-\xff"[draw(21)];
        pattern[len] = '\0';
        const enum err rc = pattern_measure(pattern, &shape);
        assert_true(rc == OK || rc == ERR_TOO_LARGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_captured_bytes_are_as_counted_by_hand),
        cmocka_unit_test(back_references_are_seen),
        cmocka_unit_test(groups_nest_thirty_two_deep_and_no_deeper),
        cmocka_unit_test(no_expression_captures_more_than_measured),
        cmocka_unit_test(groups_are_counted_as_regcomp_counts_them),
        cmocka_unit_test(any_bytes_are_measured_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
