// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/fpe/ff1_small.h"
#include "appliance/fpe/ff1_avx512.h"
#include "appliance/fpe/ff1_rounds.h"

#include <assert.h>

size_t ff1_half_bytes(enum ff1_kind kind)
{
    assert(kind != FF1_WIDE);
    return kind == FF1_WORD32 ? sizeof(uint32_t) : kind == FF1_WORD64 ? sizeof(uint64_t) : sizeof(ff1_u128);
}

// One kernel for each instruction set, after its target attribute. Explicit functions and not
// target_clones: tests run each by name, and gcc 12's ifunc resolvers crash under ThreadSanitizer.
#define KERNEL(suffix, target)                                                                               \
    target static void fill_##suffix(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base,    \
                                     const void *half, size_t count)                                         \
    {                                                                                                        \
        if (step->shared_base)                                                                               \
            fill_any(step, blocks, base, half, count, 0);                                                    \
        else                                                                                                 \
            fill_any(step, blocks, base, half, count, 2);                                                    \
    }                                                                                                        \
    target static void step_##suffix(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base,    \
                                     void *half, size_t count)                                               \
    {                                                                                                        \
        if (step->shared_base)                                                                               \
            step_any(step, blocks, base, half, count, 0);                                                    \
        else                                                                                                 \
            step_any(step, blocks, base, half, count, 2);                                                    \
    }                                                                                                        \
    target static void load_##suffix(const struct ff1_shape *shape, const uint16_t *numerals, void *left,    \
                                     void *right, size_t count)                                              \
    {                                                                                                        \
        load_any(shape, numerals, left, right, count);                                                       \
    }                                                                                                        \
    target static void store_##suffix(const struct ff1_shape *shape, void *left, void *right,                \
                                      uint16_t *numerals, size_t count)                                      \
    {                                                                                                        \
        store_any(shape, left, right, numerals, count, quad_take);                                           \
    }                                                                                                        \
    target static bool valid_##suffix(const uint16_t *numerals, size_t count, uint32_t radix)                \
    {                                                                                                        \
        return valid_any(numerals, count, radix);                                                            \
    }                                                                                                        \
    static const struct ff1_kernel kernel_##suffix = {#suffix,       fill_##suffix,  step_##suffix,          \
                                                      load_##suffix, store_##suffix, valid_##suffix};

KERNEL(portable, )
#if defined(__x86_64__)
KERNEL(avx2, __attribute__((target("avx2,bmi2"))))
#endif

const struct ff1_kernel *const *ff1_kernels(size_t *out_count)
{
#if defined(__x86_64__)
    static const struct ff1_kernel *const all[] = {&ff1_kernel_avx512, &kernel_avx2, &kernel_portable};
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
    size_t skip = avx2 && ff1_avx512_supported() ? 0 : avx2 ? 1 : 2;
#else
    static const struct ff1_kernel *const all[] = {&kernel_portable};
    size_t skip = 0;
#endif
    *out_count = sizeof all / sizeof *all - skip;
    return all + skip;
}
