// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/registry.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <cmocka.h>

enum { READERS = 4, REPLACEMENTS = 2000, READS = 20000 };

static atomic_int living;

// A registry that knows whether it was destroyed.
struct witness {
    struct registry registry;
    atomic_bool alive;
};

static void destroy(struct registry *registry)
{
    struct witness *witness = (struct witness *)registry;
    assert_true(atomic_exchange(&witness->alive, false));
    atomic_fetch_sub(&living, 1);
    free(witness);
}

static struct witness *new_witness(void)
{
    struct witness *witness = calloc(1, sizeof *witness);
    assert_non_null(witness);
    witness->registry.destroy = destroy;
    atomic_store(&witness->alive, true);
    atomic_fetch_add(&living, 1);
    return witness;
}

static struct registries *new_registries(void)
{
    struct registries *registries;
    assert_int_equal(registries_new(&new_witness()->registry, &registries), OK);
    return registries;
}

static void what_nobody_holds_is_destroyed_when_it_is_replaced(void **state)
{
    (void)state;
    struct registries *registries = new_registries();
    assert_int_equal(registries_replace(registries, &new_witness()->registry), OK);
    assert_int_equal(atomic_load(&living), 1);
    registries_free(registries);
    assert_int_equal(atomic_load(&living), 0);
}

static void what_is_held_lives_until_the_last_gives_it_back(void **state)
{
    (void)state;
    struct registries *registries = new_registries();
    const struct registry *one = registries_take(registries), *two = registries_take(registries);
    assert_ptr_equal(one, two);
    assert_int_equal(registries_replace(registries, &new_witness()->registry), OK);
    assert_int_equal(atomic_load(&living), 2);
    const struct registry *newer = registries_take(registries);
    assert_ptr_not_equal(newer, one);
    registries_give(registries, one);
    assert_int_equal(atomic_load(&living), 2);
    registries_give(registries, two);
    assert_int_equal(atomic_load(&living), 1);
    registries_give(registries, newer);
    registries_free(registries);
    assert_int_equal(atomic_load(&living), 0);
}

static void one_that_was_given_back_before_it_is_replaced_is_destroyed_too(void **state)
{
    (void)state;
    struct registries *registries = new_registries();
    for (int i = 0; i < 3; i++)
        registries_give(registries, registries_take(registries));
    assert_int_equal(registries_replace(registries, &new_witness()->registry), OK);
    assert_int_equal(atomic_load(&living), 1);
    registries_free(registries);
    assert_int_equal(atomic_load(&living), 0);
}

static void a_replacement_is_refused_while_all_cells_are_held(void **state)
{
    (void)state;
    struct registries *registries = new_registries();
    const struct registry *held[REGISTRY_CELLS];
    for (int i = 0; i < REGISTRY_CELLS; i++) {
        held[i] = registries_take(registries);
        if (i < REGISTRY_CELLS - 1)
            assert_int_equal(registries_replace(registries, &new_witness()->registry), OK);
    }
    struct witness *refused = new_witness();
    assert_int_equal(registries_replace(registries, &refused->registry), ERR_BUSY);
    registries_give(registries, held[3]);
    assert_int_equal(registries_replace(registries, &refused->registry), OK);
    for (int i = 0; i < REGISTRY_CELLS; i++) {
        if (i != 3)
            registries_give(registries, held[i]);
    }
    registries_free(registries);
    assert_int_equal(atomic_load(&living), 0);
}

static void *read_often(void *context)
{
    struct registries *registries = context;
    for (int i = 0; i < READS; i++) {
        const struct registry *registry = registries_take(registries);
        const struct witness *witness = (const struct witness *)registry;
        assert_true(atomic_load(&witness->alive));
        registries_give(registries, registry);
    }
    return NULL;
}

static void readers_never_see_one_that_was_destroyed(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    struct registries *registries = new_registries();
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_often, registries), 0);
    for (int i = 0; i < REPLACEMENTS; i++) {
        struct witness *next = new_witness();
        while (registries_replace(registries, &next->registry) == ERR_BUSY)
            sched_yield();
    }
    for (int i = 0; i < READERS; i++)
        pthread_join(readers[i], NULL);
    assert_int_equal(atomic_load(&living), 1);
    registries_free(registries);
    assert_int_equal(atomic_load(&living), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_holds_is_destroyed_when_it_is_replaced),
        cmocka_unit_test(what_is_held_lives_until_the_last_gives_it_back),
        cmocka_unit_test(one_that_was_given_back_before_it_is_replaced_is_destroyed_too),
        cmocka_unit_test(a_replacement_is_refused_while_all_cells_are_held),
        cmocka_unit_test(readers_never_see_one_that_was_destroyed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
