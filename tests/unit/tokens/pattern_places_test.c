// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Patterns that could take a value apart in more than one way, or bind to less than the whole value.
#include "tests/unit/tokens/token_fixture.h"

#include "appliance/tokens/pattern.h"

static enum err build(const char *pattern, const char *alphabet, struct diag *diag,
                      struct pattern_format **out)
{
    return pattern_format_new(&(struct pattern_options){8, 1, pattern, alphabet}, out, diag);
}

static void an_unmatched_parenthesis_does_not_unbind_the_pattern(void **state)
{
    (void)state;
    static const char *const bad[] = {"([0-9]{6}))|(x", "a)|([0-9]{6}", "([0-9]{6}))"};
    for (size_t i = 0; i < 3; i++) {
        struct pattern_format *format = NULL;
        struct diag diag = {0};
        assert_int_equal(build(bad[i], "0123456789", &diag, &format), ERR_INPUT);
        assert_null(format);
    }
}

// A kept x and a captured x look alike: a token that is taken apart in the other way must not be issued.
static void what_is_issued_opens_as_what_was_sealed(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pattern_format *format;
    size_t refused = 0;
    fixture_init(&fixture, 1, 1);
    assert_int_equal(build("x([x0]{20})|([x0]{20})x", "x0", NULL, &format), OK);
    for (unsigned i = 0; i < 200; i++) {
        char value[22] = "";
        for (unsigned j = 0; j < 20; j++)
            value[j + i % 2] = (i * 2654435761u >> j & 1) != 0 ? 'x' : '0';
        value[i % 2 == 1 ? 0 : 20] = 'x';
        struct pattern_item item = {.value = {value, 21}};
        BUF token = {0}, clear = {0};
        assert_int_equal(pattern_seal(format, fixture.keyring, &item, 1, &token), OK);
        if (item.fault != NULL) {
            refused++;
            continue;
        }
        buf_byte(&token, '\0');
        item.value = (struct clear){token.at + item.result_at, item.result_len};
        assert_int_equal(pattern_open(format, fixture.keyring, &item, 1, &clear), OK);
        assert_null(item.fault);
        assert_memory_equal(clear.at, value, 21);
    }
    assert_in_range(refused, 10, 190);
    pattern_format_free(format);
    fixture_done(&fixture);
}

// Seven dice are 279,936 values, however many bytes they take.
static void the_domain_counts_characters_not_bytes(void **state)
{
    (void)state;
    struct pattern_format *format = NULL;
    struct diag diag = {0};
    assert_int_equal(build("(.{7})", "⚀⚁⚂⚃⚄⚅", &diag, &format), ERR_DOMAIN);
    assert_string_equal(
        diag.text,
        "pattern: its groups capture at most 7 characters, under 1,000,000 values of this alphabet");
}

static void a_value_is_not_cut_at_a_nul(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pattern_format *format;
    fixture_init(&fixture, 1, 1);
    assert_int_equal(build("([0-9]{6})", "0123456789", NULL, &format), OK);
    struct pattern_item item = {.value = {"123456\0junk", 11}};
    BUF token = {0};
    assert_int_equal(pattern_seal(format, fixture.keyring, &item, 1, &token), OK);
    assert_non_null(item.fault);
    pattern_format_free(format);
    fixture_done(&fixture);
}

// regexec of glibc 2.36 never returns from this one.
static void repeating_what_may_be_nothing_is_refused_or_ends(void **state)
{
    (void)state;
    struct fixture fixture;
    struct pattern_format *format;
    fixture_init(&fixture, 1, 1);
    if (build("b((b*|.){1,2}|([ab]*){2}){2,}", "ab", NULL, &format) == OK) {
        struct pattern_item item = {.value = {"b)", 2}};
        BUF token = {0};
        assert_int_equal(pattern_seal(format, fixture.keyring, &item, 1, &token), OK);
        pattern_format_free(format);
    }
    fixture_done(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unmatched_parenthesis_does_not_unbind_the_pattern),
        cmocka_unit_test(what_is_issued_opens_as_what_was_sealed),
        cmocka_unit_test(the_domain_counts_characters_not_bytes),
        cmocka_unit_test(a_value_is_not_cut_at_a_nul),
        cmocka_unit_test(repeating_what_may_be_nothing_is_refused_or_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
