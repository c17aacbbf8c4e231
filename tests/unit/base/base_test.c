// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/buf.h"
#include "appliance/base/clock.h"
#include "appliance/base/codec.h"
#include "appliance/base/json_write.h"
#include "appliance/base/luhn.h"
#include "appliance/base/random.h"
#include "appliance/base/secret.h"
#include "appliance/base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct slice slice(const char *text)
{
    return (struct slice){text, strlen(text)};
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    BUF out = {0};
    json_write_string(&out, (struct slice){"\"\\\b\f\n\r\t\x01\x7f\xc3\xa9/", 12});
    buf_byte(&out, '\0');
    assert_string_equal(out.at, "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\xc3\xa9/\"");
}

static void a_buffer_grows_and_its_error_sticks(void **state)
{
    (void)state;
    BUF out = {0};
    for (int i = 0; i < 10000; i++)
        buf_printf(&out, "%d,", i % 10);
    assert_int_equal(out.error, OK);
    assert_int_equal(out.len, 20000);
    assert_memory_equal(out.at + 19990, "5,6,7,8,9,", 10);
    assert_null(buf_reserve(&out, SIZE_MAX / 2));
    assert_int_equal(out.error, ERR_MEMORY);
    buf_text(&out, "dropped");
    assert_int_equal(out.len, 20000);
    buf_reset(&out);
    buf_u64(&out, UINT64_MAX);
    buf_u64(&out, 0);
    assert_memory_equal(out.at, "184467440737095516150", 21);
}

static void decoders_take_one_spelling_only(void **state)
{
    (void)state;
    uint8_t bytes[16];
    size_t count;
    assert_true(hex_decode(slice("00ffAb"), bytes, 3));
    assert_memory_equal(bytes, "\x00\xff\xab", 3);
    assert_false(hex_decode(slice("00ffA"), bytes, 3));
    assert_false(hex_decode(slice("00ffAg"), bytes, 3));
    assert_true(base64_decode(slice("MTIzNDU2Nw=="), bytes, sizeof bytes, &count));
    assert_int_equal(count, 7);
    assert_memory_equal(bytes, "1234567", 7);
    assert_true(base64_decode(slice(""), bytes, sizeof bytes, &count));
    assert_int_equal(count, 0);
    const char *const bad[] = {"MTIzNDU2Nw", "MTIzNDU2Nw=", "MTIzNDU2Nx==", "MTIz=DU2",
                               "MTIz MTI",   "====",        "A===",         "M-_z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(base64_decode(slice(bad[i]), bytes, sizeof bytes, &count));
    assert_false(base64_decode(slice("MTIzNDU2Nw=="), bytes, 6, &count));
}

// RFC 4648, section 10.
static void base64_is_that_of_the_rfc(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    char text[16];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        base64_encode((const uint8_t *)pairs[i][0], strlen(pairs[i][0]), text);
        assert_string_equal(text, pairs[i][1]);
        base64url_encode((const uint8_t *)pairs[i][0], strlen(pairs[i][0]), text);
        assert_int_equal(strlen(text), (strlen(pairs[i][0]) * 8 + 5) / 6);
    }
    base64url_encode((const uint8_t *)"\xfb\xff", 2, text);
    assert_string_equal(text, "-_8");
}

static void the_luhn_digit_inverts_its_weight(void **state)
{
    (void)state;
    static const uint16_t visa[] = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint16_t amex[] = {3, 7, 8, 2, 8, 2, 2, 4, 6, 3, 1, 0, 0, 0, 5};
    assert_int_equal(luhn_sum(visa, 16), 0);
    assert_int_equal(luhn_sum(amex, 15), 0);
    for (unsigned digit = 0; digit < 10; digit++) {
        for (size_t place = 0; place < 2; place++)
            assert_int_equal(luhn_digit(luhn_weight(digit, place), place), digit);
    }
}

static void times_are_rfc3339(void **state)
{
    (void)state;
    char text[CLOCK_RFC3339_BYTES];
    clock_rfc3339_ms(1710852767637000000, text);
    assert_string_equal(text, "2024-03-19T12:52:47.637Z");
    clock_rfc3339_s(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
    assert_int_equal(clock_month_start_s(2099, 13), clock_month_start_s(2100, 1));
}

static void uuids_are_version_4(void **state)
{
    (void)state;
    char one[UUID_TEXT_BYTES], two[UUID_TEXT_BYTES];
    random_uuid(one);
    random_uuid(two);
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), 36);
    assert_int_equal(one[14], '4');
    assert_non_null(strchr("89ab", one[19]));
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void secret_files_must_be_private_and_small(void **state)
{
    (void)state;
    char path[] = "/tmp/symbolon_secret_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    SECRET secret = {0};
    struct diag diag = {0};
    write_file(path, "1234\n", 0600);
    assert_int_equal(secret_read_file(path, 255, &secret, &diag), OK);
    assert_string_equal(secret.text, "1234");
    write_file(path, "1234\n", 0640);
    assert_int_equal(secret_read_file(path, 255, &secret, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "mode is 0640, must be 0400 or 0600"));
    assert_string_equal(secret.text, "1234"); // untouched on failure
    write_file(path, "\n", 0600);
    assert_int_equal(secret_read_file(path, 255, &secret, NULL), ERR_CONFIG);
    write_file(path, "12345", 0600);
    assert_int_equal(secret_read_file(path, 4, &secret, NULL), ERR_CONFIG);
    unlink(path);
    assert_int_equal(secret_read_file(path, 255, &secret, NULL), ERR_IO);
    assert_int_equal(secret_read_file("/tmp", 255, &secret, NULL), ERR_IO);
}

static void the_first_reason_stands(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(diag_set(&diag, ERR_IO, "first %d", 1), ERR_IO);
    assert_int_equal(diag_set(&diag, ERR_CONFIG, "second"), ERR_CONFIG);
    assert_string_equal(diag.text, "first 1");
    assert_int_equal(diag_set(NULL, ERR_IO, "nobody asks"), ERR_IO);
    for (int code = OK; code <= ERR_INTERNAL; code++)
        assert_string_not_equal(err_name((enum err)code), "unknown");
}

static void every_code_point_but_surrogates_is_utf8(void **state)
{
    (void)state;
    for (uint32_t point = 0; point < 0x120000; point++) {
        const bool is_one = point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff);
        char text[UTF8_BYTES_MAX];
        uint32_t found = 0;
        const size_t bytes = utf8_put(point, text);
        assert_int_equal(utf8_next(text, bytes, &found), is_one ? bytes : 0);
        assert_true(!is_one || found == point);
        assert_int_equal(utf8_next(text, bytes - 1, &found), 0);
    }
}

static void overlong_and_broken_utf8_is_refused(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "\x80", "\xc0\x80", "\xc1\xbf",  "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x88\x80\x80\x80",
        "\xff", "\xc2 ",    "\xe2\x82 ", "\xf0\x9f\x98 "};
    uint32_t found;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_int_equal(utf8_next(broken[i], strlen(broken[i]), &found), 0);
    assert_true(utf8_is_control(0x1f) && utf8_is_control(0x7f) && utf8_is_control(0x9f));
    assert_false(utf8_is_control(0x20) || utf8_is_control(0x7e) || utf8_is_control(0xa0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(a_buffer_grows_and_its_error_sticks),
        cmocka_unit_test(decoders_take_one_spelling_only),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(the_luhn_digit_inverts_its_weight),
        cmocka_unit_test(times_are_rfc3339),
        cmocka_unit_test(uuids_are_version_4),
        cmocka_unit_test(secret_files_must_be_private_and_small),
        cmocka_unit_test(the_first_reason_stands),
        cmocka_unit_test(every_code_point_but_surrogates_is_utf8),
        cmocka_unit_test(overlong_and_broken_utf8_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
