// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Three loops of WORD32 are written with intrinsics: gcc 12 takes 64-bit multiplications (three operations
// each) for the high words of 32-bit products when a factor does not change in the loop, knows no 52-bit
// ones, and moves numerals of neighbouring values one by one. A step takes 0.26 ns a value instead of 0.55,
// a quad of numerals 0.4 instead of 1.3, both ends of 16 digits 2.4 instead of 3.9 by quads. Everything else
// is the common source.
#include "appliance/fpe/ff1_avx512.h"

#if defined(__x86_64__)
#include "appliance/fpe/ff1_rounds.h"

#include <immintrin.h>

enum { LANES = 16 };

typedef uint32_t lanes __attribute__((vector_size(64)));

#define TARGET       __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512ifma,avx2,bmi2")))
#define LANES_INLINE TARGET INLINE

LANES_INLINE lanes lanes_of(uint32_t word)
{
    return (lanes){0} + word;
}

// The first `words` 32-bit words only, when they are fewer than LANES; the others are 0, or stay.
LANES_INLINE __mmask16 first_words(size_t words)
{
    return words >= LANES ? 0xffff : (__mmask16)((1u << words) - 1);
}

LANES_INLINE lanes lanes_get(const void *at, size_t words)
{
    return (lanes)_mm512_maskz_loadu_epi32(first_words(words), at);
}

LANES_INLINE void lanes_put(void *at, lanes values, size_t words)
{
    _mm512_mask_storeu_epi32(at, first_words(words), (__m512i)values);
}

// The high words of the products, as high32.
LANES_INLINE lanes lanes_high(lanes a, lanes b)
{
    __m512i even = _mm512_mul_epu32((__m512i)a, (__m512i)b);
    __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), (__m512i)b);
    return (lanes)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}

LANES_INLINE lanes lanes_min(lanes a, lanes b)
{
    return (lanes)_mm512_min_epu32((__m512i)a, (__m512i)b);
}

LANES_INLINE lanes lanes_divide(lanes x, struct ff1_divisor divisor)
{
    return lanes_high(x, lanes_of(divisor.multiplier)) >> divisor.shift;
}

// ---- the step ------------------------------------------------------------------------------------------

struct constants {
    lanes m, flip, lift;
    __m512i reciprocal; // eight times
    lanes mark;         // of one block, four times over
    lanes shared;       // base of all values, and mark: likewise
    lanes shared_last;  // its last word
};

LANES_INLINE lanes four_times(uint64_t first, uint64_t second)
{
    return (lanes)_mm512_set_epi64((long long)second, (long long)first, (long long)second, (long long)first,
                                   (long long)second, (long long)first, (long long)second, (long long)first);
}

LANES_INLINE struct constants constants_of(const struct ff1_step *step, const uint64_t *base)
{
    const uint32_t m = (uint32_t)step->modulus->value;
    const uint64_t mark = swap64((uint64_t)mark_of(step));
    return (struct constants){
        .m = lanes_of(m),
        .reciprocal = _mm512_set1_epi64(
            (long long)(step->modulus->reciprocal_high << 32 | step->modulus->reciprocal_low)),
        .flip = lanes_of(step->subtract ? UINT32_MAX : 0),
        .lift = lanes_of(step->subtract ? m + 1 : 0),
        .mark = four_times(0, mark),
        .shared = four_times(base[0], base[1] ^ mark),
        .shared_last = lanes_of((uint32_t)((base[1] ^ mark) >> 32)),
    };
}

// Words of the blocks number 4 * four and on, of `count` blocks.
LANES_INLINE size_t words_of(size_t count, size_t four)
{
    return count > 4 * four ? 4 * (count - 4 * four) : 0;
}

// The bytes of each 64-bit word in reverse.
LANES_INLINE __m512i swap_words(__m512i words)
{
    const __m512i order =
        _mm512_broadcast_i32x4(_mm_setr_epi8(7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8));
    return _mm512_shuffle_epi8(words, order);
}

// y of at most eight values.
LANES_INLINE __m512i y_lanes(const uint64_t *blocks, size_t count)
{
    const __m512i first_of_two = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    __m512i front = (__m512i)lanes_get(blocks, words_of(count, 0));
    __m512i back = (__m512i)lanes_get(blocks + 8, words_of(count, 1));
    return swap_words(_mm512_permutex2var_epi64(front, first_of_two, back));
}

// y / m by 52-bit products: drops y's last 12 bits (less than m) and two fractions, so that it is at most
// 2 too small. m > 2^12, or the reciprocal has more than 52 bits.
LANES_INLINE __m512i quotient_lanes(const struct constants *c, __m512i y)
{
    return _mm512_madd52hi_epu64(_mm512_setzero_si512(), _mm512_srli_epi64(y, 12), c->reciprocal);
}

// At most sixteen values, as step32 from there on.
LANES_INLINE lanes step_lanes(const struct constants *c, const uint64_t *blocks, lanes half, size_t count)
{
    const __m512i low_words = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    __m512i front = y_lanes(blocks, count), back = y_lanes(blocks + 16, count > 8 ? count - 8 : 0);
    lanes y = (lanes)_mm512_permutex2var_epi32(front, low_words, back);
    lanes q = (lanes)_mm512_permutex2var_epi32(quotient_lanes(c, front), low_words, quotient_lanes(c, back));
    lanes r = y - q * c->m;
    r = lanes_min(r, r - 2 * c->m);
    r = lanes_min(r, r - c->m);
    r = (r ^ c->flip) + c->lift + half;
    return lanes_min(r, r - c->m);
}

// The next blocks: each half goes into the last word of its own. Under a shared base the rest of the block is
// the same for all.
LANES_INLINE void put_blocks(const struct constants *c, uint64_t *blocks, const uint64_t *base, lanes half,
                             size_t count, bool own)
{
    // Also trades the words of each pair: the permutation below knows.
    lanes swapped = (lanes)swap_words((__m512i)half);
    if (!own)
        swapped ^= c->shared_last;
    for (size_t four = 0; four < 4; four++) {
        const __m512i from =
            _mm512_add_epi32(_mm512_setr_epi32(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2),
                             _mm512_set1_epi32(4 * (int)four));
        const size_t words = words_of(count, four);
        lanes block = (lanes)_mm512_mask_permutexvar_epi32((__m512i)(own ? lanes_of(0) : c->shared), 0x8888,
                                                           from, (__m512i)swapped);
        if (own)
            block ^= c->mark ^ lanes_get(base + 8 * four, words);
        lanes_put(blocks + 8 * four, block, words);
    }
}

LANES_INLINE void step_some(const struct constants *c, uint64_t *blocks, const uint64_t *base, uint32_t *half,
                            size_t count, bool own)
{
    lanes next = step_lanes(c, blocks, lanes_get(half, count), count);
    lanes_put(half, next, count);
    put_blocks(c, blocks, base, next, count, own);
}

// Not inline: a lone value must not pay for the frame that its vectors ask for.
TARGET __attribute__((noinline)) static void step32_lanes(const struct ff1_step *step, uint64_t *blocks,
                                                          const uint64_t *base, uint32_t *half, size_t count)
{
    const size_t base_words = step->shared_base ? 0 : 2;
    const struct constants c = constants_of(step, base);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        step_some(&c, blocks + 2 * i, base + base_words * i, half + i, LANES, base_words != 0);
    if (i < count)
        step_some(&c, blocks + 2 * i, base + base_words * i, half + i, count - i, base_words != 0);
}

// ---- numerals ------------------------------------------------------------------------------------------

// x, under 10^4 to speak in decimal, as 16-bit words: first its two pairs of numerals, then all four. The
// quads of each 128 bits: the first two in front, the others in back.
LANES_INLINE void quads_split(const struct ff1_quads *quads, lanes x, __m512i *out_front, __m512i *out_back)
{
    lanes front = lanes_divide(x, quads->square), back = x - front * quads->square.value;
    __m512i pairs = (__m512i)(front | back << 16);
    __m512i even = _mm512_mulhi_epu16(pairs, _mm512_set1_epi16((short)quads->pair_multiplier));
    even = _mm512_srl_epi16(even, _mm_cvtsi32_si128((int)quads->pair_shift));
    __m512i odd =
        _mm512_sub_epi16(pairs, _mm512_mullo_epi16(even, _mm512_set1_epi16((short)quads->radix.value)));
    *out_front = _mm512_unpacklo_epi16(even, odd);
    *out_back = _mm512_unpackhi_epi16(even, odd);
}

// Where the quads of consecutive values go.
struct quad_rows {
    uint16_t *numerals;
    size_t stride;
    uint64_t *taken; // scratch, LANES words
};

// At most sixteen values.
LANES_INLINE void quad_take_some(const struct ff1_quads *quads, uint32_t *half, struct quad_rows rows,
                                 size_t count, bool last)
{
    // Where unpacking leaves the quads.
    static const uint8_t places[LANES] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    lanes x = lanes_get(half, count);
    if (!last) {
        lanes rest = lanes_divide(x, quads->fourth);
        lanes_put(half, rest, count);
        x -= rest * quads->fourth.value;
    }
    __m512i front, back;
    quads_split(quads, x, &front, &back);
    _mm512_store_si512(rows.taken, front);
    _mm512_store_si512(rows.taken + LANES / 2, back);
    for (size_t i = 0; i < count; i++)
        memcpy(rows.numerals + i * rows.stride, &rows.taken[places[i]], sizeof rows.taken[i]);
}

// As quad_take.
TARGET static void quad_take_lanes(const struct ff1_quads *quads, uint32_t *restrict half,
                                   uint16_t *restrict numerals, size_t stride, size_t count, bool last)
{
    _Alignas(64) uint64_t taken[LANES];
    WIPE_AT_EXIT(taken);
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        quad_take_some(quads, half + i, (struct quad_rows){numerals + i * stride, stride, taken}, LANES,
                       last);
    if (i < count)
        quad_take_some(quads, half + i, (struct quad_rows){numerals + i * stride, stride, taken}, count - i,
                       last);
}

// ---- numerals of short halves --------------------------------------------------------------------------
//
// Eight values at a time, both halves of each in one vector of sixteen. A half has two quads; the vectors of
// quads hold, in each 128 bits, those of one half of value k and of value k + 2 of four (see quads_split).

enum { ROW_VALUES = LANES / 2 };

// The words of values number 2 * pair and 2 * pair + 1, of `count` values.
LANES_INLINE __mmask32 pair_words(const struct ff1_shape *shape, size_t count, size_t pair)
{
    const size_t stride = shape->u + shape->v, left = count > 2 * pair ? count - 2 * pair : 0;
    const size_t words = (left < 2 ? left : 2) * stride;
    return words == FF1_ROW_WORDS ? UINT32_MAX : (1u << words) - 1;
}

// The pairs of numerals of two values: sixteen, four for each half.
LANES_INLINE __m512i pairs_get(const struct ff1_shape *shape, const uint16_t *numerals, size_t count,
                               size_t pair)
{
    const __m512i spread = _mm512_loadu_si512(shape->rows.spread);
    const uint16_t *at = numerals + 2 * pair * (shape->u + shape->v);
    __m512i words = _mm512_maskz_loadu_epi16(pair_words(shape, count, pair), at);
    words = _mm512_maskz_permutexvar_epi16(shape->rows.filled, spread, words);
    return _mm512_madd_epi16(words, (__m512i)lanes_of(shape->quads.radix.value | 1 << 16));
}

// The quads of the values number 4 * four and on.
LANES_INLINE __m512i quads_get(const struct ff1_shape *shape, const uint16_t *numerals, size_t count,
                               size_t four)
{
    __m512i pairs = _mm512_packus_epi32(pairs_get(shape, numerals, count, 2 * four),
                                        pairs_get(shape, numerals, count, 2 * four + 1));
    return _mm512_madd_epi16(pairs, (__m512i)lanes_of(shape->quads.square.value | 1 << 16));
}

LANES_INLINE void load_some(const struct ff1_shape *shape, const uint16_t *numerals, uint32_t *left,
                            uint32_t *right, size_t count)
{
    const __m512i firsts = _mm512_setr_epi32(0, 8, 2, 10, 16, 24, 18, 26, 4, 12, 6, 14, 20, 28, 22, 30);
    const __m512i front = quads_get(shape, numerals, count, 0), back = quads_get(shape, numerals, count, 1);
    lanes first = (lanes)_mm512_permutex2var_epi32(front, firsts, back);
    lanes second = (lanes)_mm512_permutex2var_epi32(front, (__m512i)((lanes)firsts + 1), back);
    __m512i halves = (__m512i)(first * shape->quads.fourth.value + second);
    const __mmask8 values = (__mmask8)((1u << count) - 1);
    _mm256_mask_storeu_epi32(left, values, _mm512_castsi512_si256(halves));
    // Not extracted: gcc would store by vextracti32x8, which faults for masked words, too.
    halves = _mm512_shuffle_i64x2(halves, halves, 0x4e);
    _mm256_mask_storeu_epi32(right, values, _mm512_castsi512_si256(halves));
}

LANES_INLINE void pairs_put(const struct ff1_shape *shape, __m512i places, uint16_t *numerals, size_t count,
                            size_t pair)
{
    const __m512i gather = _mm512_loadu_si512(shape->rows.gather);
    uint16_t *at = numerals + 2 * pair * (shape->u + shape->v);
    _mm512_mask_storeu_epi16(at, pair_words(shape, count, pair), _mm512_permutexvar_epi16(gather, places));
}

LANES_INLINE void store_some(const struct ff1_shape *shape, const uint32_t *left, const uint32_t *right,
                             uint16_t *numerals, size_t count)
{
    const __m512i places[2] = {
        _mm512_setr_epi32(0, 16, 2, 18, 8, 24, 10, 26, 1, 17, 3, 19, 9, 25, 11, 27),
        _mm512_setr_epi32(4, 20, 6, 22, 12, 28, 14, 30, 5, 21, 7, 23, 13, 29, 15, 31),
    };
    const __mmask8 values = (__mmask8)((1u << count) - 1);
    const __m512i lefts = _mm512_castsi256_si512(_mm256_maskz_loadu_epi32(values, left));
    const lanes x = (lanes)_mm512_inserti32x8(lefts, _mm256_maskz_loadu_epi32(values, right), 1);
    const lanes first = lanes_divide(x, shape->quads.fourth);
    const lanes second = x - first * shape->quads.fourth.value;
    for (size_t four = 0; four < 2; four++) {
        __m512i front, back;
        lanes quads = (lanes)_mm512_permutex2var_epi32((__m512i)first, places[four], (__m512i)second);
        quads_split(&shape->quads, quads, &front, &back);
        pairs_put(shape, front, numerals, count, 2 * four);
        pairs_put(shape, back, numerals, count, 2 * four + 1);
    }
}

TARGET __attribute__((noinline)) static void load_rows(const struct ff1_shape *shape,
                                                       const uint16_t *numerals, uint32_t *left,
                                                       uint32_t *right, size_t count)
{
    const size_t stride = shape->u + shape->v;
    size_t i = 0;
    for (; i + ROW_VALUES <= count; i += ROW_VALUES)
        load_some(shape, numerals + i * stride, left + i, right + i, ROW_VALUES);
    if (i < count)
        load_some(shape, numerals + i * stride, left + i, right + i, count - i);
}

TARGET __attribute__((noinline)) static void store_rows(const struct ff1_shape *shape, const uint32_t *left,
                                                        const uint32_t *right, uint16_t *numerals,
                                                        size_t count)
{
    const size_t stride = shape->u + shape->v;
    size_t i = 0;
    for (; i + ROW_VALUES <= count; i += ROW_VALUES)
        store_some(shape, left + i, right + i, numerals + i * stride, ROW_VALUES);
    if (i < count)
        store_some(shape, left + i, right + i, numerals + i * stride, count - i);
}

// ---- the kernel ----------------------------------------------------------------------------------------

TARGET static void fill(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, const void *half,
                        size_t count)
{
    if (step->shared_base)
        fill_any(step, blocks, base, half, count, 0);
    else
        fill_any(step, blocks, base, half, count, 2);
}

TARGET static void step(const struct ff1_step *step, uint64_t *blocks, const uint64_t *base, void *half,
                        size_t count)
{
    bool by_lanes = step->shape->kind == FF1_WORD32 && count >= FEW_VALUES && step->modulus->value > 1 << 12;
    if (by_lanes)
        step32_lanes(step, blocks, base, half, count);
    else if (step->shared_base)
        step_any(step, blocks, base, half, count, 0);
    else
        step_any(step, blocks, base, half, count, 2);
}

TARGET static void load(const struct ff1_shape *shape, const uint16_t *numerals, void *left, void *right,
                        size_t count)
{
    if (shape->has_rows && count >= FEW_VALUES)
        load_rows(shape, numerals, left, right, count);
    else
        load_any(shape, numerals, left, right, count);
}

TARGET static void store(const struct ff1_shape *shape, void *left, void *right, uint16_t *numerals,
                         size_t count)
{
    if (shape->has_rows && count >= FEW_VALUES)
        store_rows(shape, left, right, numerals, count);
    else
        store_any(shape, left, right, numerals, count, quad_take_lanes);
}

TARGET static bool valid(const uint16_t *numerals, size_t count, uint32_t radix)
{
    return valid_any(numerals, count, radix);
}

const struct ff1_kernel ff1_kernel_avx512 = {"avx512", fill, step, load, store, valid};

bool ff1_avx512_supported(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512ifma");
}
#endif
