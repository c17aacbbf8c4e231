// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The narrow arithmetic at its corners, where random values never come: y of all ones, multiples of the
// modulus and their neighbours, halves at both ends; against plain division, for every kernel, and for
// counts about a vector's width.
#include "appliance/fpe/ff1_small.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef ff1_u128 u128;

enum { VALUES = 67 };

struct arrays {
    _Alignas(64) uint64_t blocks[2 * VALUES];
    _Alignas(64) uint64_t base[2 * VALUES];
    _Alignas(64) u128 half[VALUES];
    u128 y[VALUES], before[VALUES];
};

static uint64_t seed = 1;

static uint64_t word(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed ^ (seed >> 29);
}

static u128 half_get(const struct arrays *a, enum ff1_kind kind, size_t i)
{
    return kind == FF1_WORD32   ? ((const uint32_t *)a->half)[i]
           : kind == FF1_WORD64 ? ((const uint64_t *)a->half)[i]
                                : a->half[i];
}

static void half_put(struct arrays *a, enum ff1_kind kind, size_t i, u128 half)
{
    if (kind == FF1_WORD32)
        ((uint32_t *)a->half)[i] = (uint32_t)half;
    else if (kind == FF1_WORD64)
        ((uint64_t *)a->half)[i] = (uint64_t)half;
    else
        a->half[i] = half;
}

// y at and about a multiple of m that fits d bytes, or anything, or the ends.
static u128 corner_y(u128 m, u128 y_max, size_t i)
{
    u128 any = ((u128)word() << 64 | word()) & y_max;
    u128 multiple = i % 3 == 0 ? y_max - y_max % m : any - any % m;
    switch (i % 8) {
    case 0:
        return y_max - i / 8 % 4;
    case 1:
        return i / 8 % 4;
    case 2:
        return multiple;
    case 3:
        return multiple > 0 ? multiple - 1 : 0;
    case 4:
        return multiple < y_max ? multiple + 1 : multiple;
    case 5:
        return multiple > m ? multiple - m : m - 1;
    case 6:
        return y_max >> i % 64;
    default:
        return any;
    }
}

static void set_up(struct arrays *a, const struct ff1_step *step)
{
    const size_t d = step->shape->d;
    const u128 m = step->modulus->value, y_max = d == 16 ? ~(u128)0 : ((u128)1 << 8 * d) - 1;
    for (size_t i = 0; i < VALUES; i++) {
        a->y[i] = corner_y(m, y_max, i + word() % 8);
        u128 block = a->y[i] << (128 - 8 * d);
        block |= d == 16 ? 0 : ((u128)word() << 64 | word()) & (((u128)1 << (128 - 8 * d)) - 1);
        a->blocks[2 * i] = __builtin_bswap64((uint64_t)(block >> 64));
        a->blocks[2 * i + 1] = __builtin_bswap64((uint64_t)block);
        a->base[2 * i] = word();
        a->base[2 * i + 1] = word();
        a->before[i] = i % 5 == 0 ? 0 : i % 5 == 1 ? m - 1 : ((u128)word() << 64 | word()) % m;
        half_put(a, step->shape->kind, i, a->before[i]);
    }
}

static void check_block(const struct arrays *a, const struct ff1_step *step, size_t i, u128 half)
{
    uint8_t expected[16], base[16];
    memset(expected, 0, sizeof expected);
    for (size_t k = 0; k < step->shape->b; k++)
        expected[15 - k] = (uint8_t)(half >> 8 * k);
    expected[15 - step->shape->b] = (uint8_t)step->next_round;
    memcpy(base, a->base + (step->shared_base ? 0 : 2 * i), sizeof base);
    for (size_t k = 0; k < 16; k++)
        expected[k] ^= base[k];
    assert_memory_equal(expected, a->blocks + 2 * i, 16);
}

static void check_step(const struct ff1_kernel *kernel, const struct ff1_step *step, size_t count)
{
    static struct arrays a;
    const u128 m = step->modulus->value;
    set_up(&a, step);
    uint64_t behind = a.blocks[2 * count];
    kernel->step(step, a.blocks, a.base, a.half, count);
    for (size_t i = 0; i < count; i++) {
        u128 r = a.y[i] % m;
        u128 expected = step->subtract ? (a.before[i] + (m - r)) % m : (a.before[i] + r) % m;
        assert_true(half_get(&a, step->shape->kind, i) == expected);
        check_block(&a, step, i, expected);
    }
    assert_true(a.blocks[2 * count] == behind);
    assert_true(half_get(&a, step->shape->kind, count) == a.before[count]);
    kernel->fill(step, a.blocks, a.base, a.half, count);
    for (size_t i = 0; i < count; i++)
        check_block(&a, step, i, half_get(&a, step->shape->kind, i));
}

static void check_shape(uint32_t radix, size_t length)
{
    struct ff1_shape *shape;
    size_t kernels;
    const struct ff1_kernel *const *kernel = ff1_kernels(&kernels);
    if (ff1_shape_new(radix, length, &shape) != OK)
        return;
    for (size_t k = 0; k < kernels && shape->kind != FF1_WIDE; k++)
        for (unsigned variant = 0; variant < 8; variant++) {
            struct ff1_step step = {shape, &shape->small[variant % 2], variant / 2 % 2 == 1, variant / 4 == 1,
                                    word() % 10};
            check_step(kernel[k], &step, VALUES - 1);
            check_step(kernel[k], &step, 1 + word() % 20);
        }
    ff1_shape_free(shape);
}

static void steps_equal_plain_division_at_every_corner(void **state)
{
    (void)state;
    static const uint32_t radices[] = {2,    3,    5,     6,     7,     10,    11,    13,   16,
                                       26,   36,   58,    62,    64,    94,    100,   101,  215,
                                       255,  256,  257,   1000,  1023,  1024,  1625,  4095, 4096,
                                       5791, 9999, 32768, 46340, 46341, 65521, 65535, 65536};
    for (size_t r = 0; r < sizeof radices / sizeof *radices; r++)
        for (size_t length = 2; length <= 200; length++)
            check_shape(radices[r], length);
}

static void steps_equal_plain_division_for_random_radices(void **state)
{
    (void)state;
    for (size_t i = 0; i < 1500; i++)
        check_shape(2 + (uint32_t)(word() % 65535), 2 + word() % 30);
}

static void numerals_come_back_from_halves_at_both_ends(void **state)
{
    (void)state;
    static uint16_t numerals[VALUES * 200], back[VALUES * 200];
    static struct arrays left, right;
    size_t kernels;
    const struct ff1_kernel *const *kernel = ff1_kernels(&kernels);
    for (size_t i = 0; i < 6000; i++) {
        struct ff1_shape *shape;
        uint32_t radix = i % 4 == 0 ? 2u << i / 4 % 16 : 2 + (uint32_t)(word() % (i % 2 == 0 ? 300 : 65535));
        size_t length = 2 + word() % 40;
        if (ff1_shape_new(radix, length, &shape) != OK)
            continue;
        size_t count = 1 + word() % (VALUES - 1);
        // All at the top, then all zero, then numbers that end in zeros: multiples of what halves are
        // divided by, where a quotient that is too small shows.
        const size_t u = length / 2, zeros = word() % (u + 1);
        for (size_t k = 0; k < count * length; k++) {
            size_t at = k % length;
            bool zero = k / length == 1 || at >= length - zeros || (at < u && at >= u - zeros);
            numerals[k] = (uint16_t)(k < length ? radix - 1 : zero ? 0 : word() % radix);
        }
        for (size_t k = 0; k < kernels && shape->kind != FF1_WIDE; k++) {
            memset(back, 0xff, sizeof back);
            kernel[k]->load(shape, numerals, left.half, right.half, count);
            assert_true(half_get(&left, shape->kind, 0) == shape->small[0].value - 1);
            assert_true(half_get(&right, shape->kind, 0) == shape->small[1].value - 1);
            if (count > 1)
                assert_true(half_get(&left, shape->kind, 1) == 0);
            kernel[k]->store(shape, left.half, right.half, back, count);
            assert_memory_equal(numerals, back, count * length * sizeof *back);
            assert_int_equal(back[count * length], 0xffff);
        }
        ff1_shape_free(shape);
    }
}

// The last bytes before a page that nobody may touch: sanitizers do not see what vectors written by hand
// read.
enum { GUARDED_BYTES = 1 << 16, GUARD_BYTES = 4096 };

static uint8_t *guarded_new(void)
{
    uint8_t *bytes =
        mmap(NULL, GUARDED_BYTES + GUARD_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(bytes, MAP_FAILED);
    assert_int_equal(mprotect(bytes + GUARDED_BYTES, GUARD_BYTES, PROT_NONE), 0);
    return bytes + GUARDED_BYTES;
}

static void guarded_free(uint8_t *end)
{
    munmap(end - GUARDED_BYTES, GUARDED_BYTES + GUARD_BYTES);
}

// Every array ends where its guard begins.
struct guarded {
    uint8_t *numerals, *left, *right, *blocks, *base;
};

static void check_ends(const struct guarded *guarded, const struct ff1_kernel *kernel,
                       const struct ff1_shape *shape, size_t count)
{
    const size_t length = ff1_shape_length(shape), half_bytes = ff1_half_bytes(shape->kind);
    uint16_t *numerals = (uint16_t *)(guarded->numerals - count * length * sizeof *numerals);
    void *left = guarded->left - count * half_bytes, *right = guarded->right - count * half_bytes;
    uint64_t *blocks = (uint64_t *)(guarded->blocks - 16 * count);
    memset(numerals, 0, count * length * sizeof *numerals);
    kernel->load(shape, numerals, left, right, count);
    for (int own = 0; own < 2; own++) {
        const uint64_t *base = (const uint64_t *)(guarded->base - 16 * (own ? count : 1));
        const struct ff1_step step = {
            .shape = shape, .modulus = &shape->small[0], .shared_base = !own, .next_round = 1};
        kernel->fill(&step, blocks, base, right, count);
        kernel->step(&step, blocks, base, left, count);
    }
    kernel->store(shape, left, right, numerals, count);
    assert_true(kernel->valid(numerals, count * length, shape->radix.radix));
}

static void nothing_beyond_an_array_is_touched(void **state)
{
    (void)state;
    static const uint32_t radices[] = {2, 10, 16, 36, 62, 181, 256, 65536};
    struct guarded guarded = {guarded_new(), guarded_new(), guarded_new(), guarded_new(), guarded_new()};
    size_t kernels;
    const struct ff1_kernel *const *kernel = ff1_kernels(&kernels);
    for (size_t i = 0; i < sizeof radices / sizeof *radices; i++)
        for (size_t length = 2; length <= 40; length++) {
            struct ff1_shape *shape;
            if (ff1_shape_new(radices[i], length, &shape) != OK)
                continue;
            for (size_t k = 0; k < kernels && shape->kind != FF1_WIDE; k++)
                for (size_t count = 1; count <= 70; count++)
                    check_ends(&guarded, kernel[k], shape, count);
            ff1_shape_free(shape);
        }
    guarded_free(guarded.numerals);
    guarded_free(guarded.left);
    guarded_free(guarded.right);
    guarded_free(guarded.blocks);
    guarded_free(guarded.base);
}

static void a_numeral_out_of_range_is_seen_wherever_it_stands(void **state)
{
    (void)state;
    static uint16_t numerals[200];
    size_t kernels;
    const struct ff1_kernel *const *kernel = ff1_kernels(&kernels);
    for (size_t k = 0; k < kernels; k++) {
        memset(numerals, 0, sizeof numerals);
        for (size_t count = 0; count < 200; count++)
            for (size_t at = 0; at <= count; at++) {
                numerals[at] = 10; // one past the end is not looked at
                assert_true(kernel[k]->valid(numerals, count, 10) == (at == count));
                assert_true(kernel[k]->valid(numerals, count, 11));
                numerals[at] = 9;
            }
        memset(numerals, 0xff, sizeof numerals);
        assert_true(kernel[k]->valid(numerals, 200, 65536));
        assert_false(kernel[k]->valid(numerals, 200, 65535));
    }
}

static void the_last_kernel_runs_everywhere(void **state)
{
    (void)state;
    size_t count;
    const struct ff1_kernel *const *kernels = ff1_kernels(&count);
    assert_true(count >= 1);
    assert_string_equal(kernels[count - 1]->name, "portable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_plain_division_at_every_corner),
        cmocka_unit_test(steps_equal_plain_division_for_random_radices),
        cmocka_unit_test(numerals_come_back_from_halves_at_both_ends),
        cmocka_unit_test(nothing_beyond_an_array_is_touched),
        cmocka_unit_test(a_numeral_out_of_range_is_seen_wherever_it_stands),
        cmocka_unit_test(the_last_kernel_runs_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
