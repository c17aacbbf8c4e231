// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"

#include "appliance/base/log.h"
#include "appliance/tokens/client.h"
#include "appliance/tokens/template.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void bits_are_those_of_the_rooms_that_read_them(void **state)
{
    (void)state;
    static const struct schema_word apis[] = {
        {"card", CLIENT_API_CARD},
        {"giftcard", CLIENT_API_GIFTCARD},
        {"transform", CLIENT_API_TRANSFORM},
        {"serial", CLIENT_API_SERIAL},
        {"customers", CLIENT_API_CUSTOMERS},
        {"requests", CLIENT_API_REQUESTS},
        {"operations", CLIENT_API_OPERATIONS},
        {NULL, 0},
    };
    static const struct schema_word permissions[] = {
        {"tokenize", PERMISSION_TOKENIZE},
        {"detokenize", PERMISSION_DETOKENIZE},
        {"produce", PERMISSION_PRODUCE},
        {"read", PERMISSION_READ},
        {"approve", PERMISSION_APPROVE},
        {"admin", PERMISSION_ADMIN},
        {NULL, 0},
    };
    for (size_t i = 0; i < sizeof apis / sizeof *apis - 1; i++) {
        assert_string_equal(schema_apis[i].name, apis[i].name);
        assert_int_equal(schema_apis[i].value, apis[i].value);
    }
    assert_null(schema_apis[sizeof apis / sizeof *apis - 1].name);
    for (size_t i = 0; i < sizeof permissions / sizeof *permissions - 1; i++) {
        assert_string_equal(schema_permissions[i].name, permissions[i].name);
        assert_int_equal(schema_permissions[i].value, permissions[i].value);
    }
    assert_null(schema_permissions[sizeof permissions / sizeof *permissions - 1].name);
}

static void templates_are_those_of_the_room_that_has_them(void **state)
{
    (void)state;
    size_t count = 0;
    for (const struct schema_template *row = schema_templates; row->name != NULL; row++, count++) {
        const struct template *template = template_find(row->name);
        assert_non_null(template);
        unsigned properties =
            (row->has_owner ? row->owner_is_account ? TEMPLATE_HAS_ACCOUNT : TEMPLATE_HAS_OWNER : 0) |
            (row->takes_tweak ? TEMPLATE_TAKES_TWEAK : 0) | (row->is_pinned ? TEMPLATE_IS_PINNED : 0) |
            (row->has_pattern ? TEMPLATE_HAS_PATTERN : 0);
        assert_int_equal(template->properties & ~(unsigned)TEMPLATE_NO_REWRAP, properties);
        // The API of an owner that is a client is called like the template.
        bool has_client = row->has_owner && !row->owner_is_account;
        assert_int_equal(has_client, schema_find(schema_apis, row->name) != NULL);
    }
    assert_int_equal(count, template_count());
    for (const struct schema_word *word = schema_tweak_sources; word->name != NULL; word++)
        assert_string_equal(word->name, tweak_source_name((enum tweak_source)word->value));
}

static void levels_are_those_of_the_log(void **state)
{
    (void)state;
    for (const struct schema_word *word = schema_log_levels; word->name != NULL; word++) {
        enum log_level level;
        assert_true(log_level_from_name(word->name, &level));
        assert_int_equal(word->value, level);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_rooms_that_read_them),
        cmocka_unit_test(templates_are_those_of_the_room_that_has_them),
        cmocka_unit_test(levels_are_those_of_the_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
