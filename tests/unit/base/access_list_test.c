// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Which access lists keep a secret, and that a credential as a service manager hands it over does.
#include "appliance/base/secret.h"

#include "appliance/base/access_list.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };
enum { READ = 4, WRITE = 2, NOBODY = 65534 };

struct entry {
    unsigned tag, permissions;
    uint32_t id;
};

static char path[64];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/access_list_test_XXXXXX");
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "1234", 4), 4);
    assert_int_equal(fchmod(file, 0400), 0);
    close(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

// The list that a manager sets: the file's mode, one user more, and the mask that follows.
static size_t write_list(const struct entry *more, size_t count, unsigned mask, uint8_t *out_list)
{
    struct entry entries[16] = {{USER_OBJ, READ, UINT32_MAX}};
    size_t all = 1, len = 4;
    memcpy(out_list, (const uint8_t[]){2, 0, 0, 0}, 4);
    for (size_t i = 0; i < count; i++)
        entries[all++] = more[i];
    entries[all++] = (struct entry){MASK, mask, UINT32_MAX};
    entries[all++] = (struct entry){OTHER, 0, UINT32_MAX};
    for (size_t i = 0; i < all; i++, len += 8) {
        const uint8_t bytes[8] = {(uint8_t)entries[i].tag,         0,
                                  (uint8_t)entries[i].permissions, 0,
                                  (uint8_t)entries[i].id,          (uint8_t)(entries[i].id >> 8),
                                  (uint8_t)(entries[i].id >> 16),  (uint8_t)(entries[i].id >> 24)};
        memcpy(out_list + len, bytes, sizeof bytes);
    }
    return len;
}

static void set_list(const struct entry *more, size_t count, unsigned mask)
{
    uint8_t list[160];
    const size_t len = write_list(more, count, mask, list);
    if (setxattr(path, "system.posix_acl_access", list, len, 0) == 0)
        return;
    if (errno == ENOTSUP)
        skip();
    fail_msg("setxattr: %s", strerror(errno));
}

static bool is_private(void)
{
    struct stat status;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0);
    assert_int_equal(fstat(file, &status), 0);
    const bool private = access_list_is_private(file, status.st_mode);
    close(file);
    return private;
}

static void a_credential_for_our_user_is_read_although_its_mode_shows_a_mask(void **state)
{
    (void)state;
    const struct entry ours[] = {{USER, READ, geteuid()}, {GROUP_OBJ, 0, UINT32_MAX}};
    set_list(ours, 2, READ);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0440);
    assert_true(is_private());
    SECRET pin = {0};
    assert_int_equal(secret_read_file(path, 255, &pin, NULL), OK);
    assert_string_equal(pin.text, "1234");
}

static void a_list_that_lets_anybody_else_in_is_refused(void **state)
{
    (void)state;
    const struct entry lists[][3] = {
        {{USER, READ, NOBODY}, {GROUP_OBJ, 0, UINT32_MAX}},
        {{USER, READ, geteuid()}, {USER, READ, NOBODY}, {GROUP_OBJ, 0, UINT32_MAX}},
        {{USER, READ, geteuid()}, {GROUP_OBJ, READ, UINT32_MAX}},
        {{USER, READ, geteuid()}, {GROUP_OBJ, 0, UINT32_MAX}, {GROUP, READ, NOBODY}},
    };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const size_t count = lists[i][2].tag != 0 ? 3 : 2;
        set_list(lists[i], count, READ);
        if (is_private())
            fail_msg("list %zu", i);
        SECRET pin = {0};
        struct diag diag = {0};
        assert_int_equal(secret_read_file(path, 255, &pin, &diag), ERR_CONFIG);
        assert_non_null(strstr(diag.text, "mode is 0440"));
        assert_null(pin.text);
    }
}

static void a_list_that_lets_our_user_write_is_refused(void **state)
{
    (void)state;
    const struct entry list[] = {{USER, READ | WRITE, geteuid()}, {GROUP_OBJ, 0, UINT32_MAX}};
    set_list(list, 2, READ | WRITE);
    assert_false(is_private());
}

static void a_mask_without_rights_makes_others_entries_void(void **state)
{
    (void)state;
    const struct entry list[] = {{USER, READ, NOBODY}, {GROUP_OBJ, READ, UINT32_MAX}};
    set_list(list, 2, 0);
    assert_true(is_private());
}

static void without_a_list_the_mode_alone_decides(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool is_private;
    } rows[] = {{0400, true},  {0600, true},  {0700, true},  {0440, false}, {0420, false},
                {0404, false}, {0644, false}, {0460, false}, {0444, false}};
    (void)removexattr(path, "system.posix_acl_access");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(chmod(path, rows[i].mode), 0);
        if (is_private() != rows[i].is_private)
            fail_msg("mode %04o", rows[i].mode);
    }
    assert_int_equal(chmod(path, 0400), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_credential_for_our_user_is_read_although_its_mode_shows_a_mask),
        cmocka_unit_test(a_list_that_lets_anybody_else_in_is_refused),
        cmocka_unit_test(a_list_that_lets_our_user_write_is_refused),
        cmocka_unit_test(a_mask_without_rights_makes_others_entries_void),
        cmocka_unit_test(without_a_list_the_mode_alone_decides),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
