// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/serial.h"

#include "appliance/base/bigint.h"
#include "appliance/base/secret.h"
#include "appliance/base/utf8.h"
#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST_DOMAIN = 1000000, // SP 800-38G Rev. 1
    RANK_DIGITS = 6,           // of the decimal numbers that order a small space
    AVAILABLE_LIMBS = 26,      // 65536^100 has 1600 bits
};

// A character set in code-point order.
struct charset {
    uint32_t *points;
    uint32_t count;
    size_t bytes_each; // 0: of several widths
};

struct serial_space {
    struct charset set;
    struct alphabet *alphabet; // over the sorted characters
    unsigned digits;
    uint64_t size;
    uint8_t tweak[TWEAK_BYTES];
    struct ff1_key *key;
    struct ff1_shape *shape;       // of the space, or of RANK_DIGITS decimals for a small one
    char *ascii;                   // characters by numeral, when all are single bytes
    pthread_mutex_t lock;          // guards the making of the order
    uint32_t *rank_of, *serial_at; // of a small space: made when first used
};

// ---- character sets ------------------------------------------------------------------------------------

uint32_t serial_take_point(const char **at)
{
    const unsigned char *bytes = (const unsigned char *)*at;
    const size_t len = bytes[0] < 0x80 ? 1 : bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
    uint32_t point = len == 1 ? bytes[0] : bytes[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++)
        point = point << 6 | (bytes[i] & 0x3f);
    *at += len;
    return point;
}

static int by_point(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static size_t width(uint32_t point)
{
    return point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
}

static void charset_done(struct charset *set)
{
    free(set->points);
    *set = (struct charset){0};
}

size_t serial_uniform_bytes(const char *characters)
{
    const char *at = characters, *end = characters + strlen(characters);
    const size_t bytes = width(serial_take_point(&at));
    while (at < end) {
        if (width(serial_take_point(&at)) != bytes)
            return 0;
    }
    return bytes;
}

// Checks the characters as an alphabet and sorts them.
static enum err charset_init(struct charset *set, const char *characters)
{
    enum err rc = OK;
    struct alphabet *check = NULL;
    const size_t len = strlen(characters);
    *set = (struct charset){0};
    TRY(alphabet_new(characters, len, &check));
    set->points = calloc(alphabet_radix(check), sizeof *set->points);
    REQUIRE(set->points != NULL, ERR_MEMORY);
    for (const char *at = characters; at < characters + len;)
        set->points[set->count++] = serial_take_point(&at);
    qsort(set->points, set->count, sizeof *set->points, by_point);
    set->bytes_each = width(set->points[0]) == width(set->points[set->count - 1]) ? width(set->points[0]) : 0;
out:
    alphabet_free(check);
    return rc;
}

static enum err charset_alphabet(const struct charset *set, struct alphabet **out_alphabet)
{
    size_t len = 0;
    char *text = malloc((size_t)set->count * UTF8_BYTES_MAX);
    if (text == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < set->count; i++)
        len += utf8_put(set->points[i], text + len);
    const enum err rc = alphabet_new(text, len, out_alphabet);
    free(text);
    return rc;
}

static enum err charset_hash(const struct charset *set, uint8_t out_hash[SHA256_DIGEST_LENGTH])
{
    uint8_t *bytes = malloc((size_t)set->count * 4);
    if (bytes == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < set->count; i++) {
        for (int b = 0; b < 4; b++)
            bytes[4 * i + (uint32_t)b] = (uint8_t)(set->points[i] >> (24 - 8 * b));
    }
    SHA256(bytes, (size_t)set->count * 4, out_hash);
    free(bytes);
    return OK;
}

// ---- spaces --------------------------------------------------------------------------------------------

enum err serial_space_id(const char *characters, unsigned digits, uint8_t out_id[SERIAL_SPACE_ID_BYTES])
{
    enum err rc = OK;
    struct charset set;
    uint8_t message[SHA256_DIGEST_LENGTH + 2];
    TRY(charset_init(&set, characters));
    TRY(charset_hash(&set, message));
    message[SHA256_DIGEST_LENGTH] = (uint8_t)(digits >> 8);
    message[SHA256_DIGEST_LENGTH + 1] = (uint8_t)digits;
    SHA256(message, sizeof message, out_id);
out:
    charset_done(&set);
    return rc;
}

static uint64_t power_or_max(uint32_t radix, unsigned digits)
{
    uint64_t size = 1;
    for (unsigned i = 0; i < digits; i++) {
        if (size > UINT64_MAX / radix)
            return UINT64_MAX;
        size *= radix;
    }
    return size;
}

static bool is_small(const struct serial_space *space)
{
    return space->size < SMALLEST_DOMAIN;
}

static enum err derive_tweak(struct serial_space *space, unsigned tenant_id)
{
    enum err rc = OK;
    uint8_t hash[SHA256_DIGEST_LENGTH];
    const struct field_u16 digits = field_u16(space->digits);
    TRY(charset_hash(&space->set, hash));
    const struct field fields[] = {FIELD_ARRAY(hash), FIELD_ARRAY(digits.bytes)};
    TRY(tweak_derive("serial", tenant_id, fields, 2, space->tweak));
out:
    return rc;
}

static enum err map_ascii(struct serial_space *space)
{
    if (space->set.bytes_each != 1)
        return OK;
    space->ascii = malloc(space->set.count);
    if (space->ascii == NULL)
        return ERR_MEMORY;
    for (uint32_t i = 0; i < space->set.count; i++)
        space->ascii[i] = (char)space->set.points[i];
    return OK;
}

enum err serial_space_new(const struct serial_options *options, struct serial_space **out_space)
{
    enum err rc = OK;
    struct serial_space *space = calloc(1, sizeof *space);
    if (space == NULL)
        return ERR_MEMORY;
    pthread_mutex_init(&space->lock, NULL);
    REQUIRE(options->digits >= 1 && options->digits <= SERIAL_DIGITS_MAX, ERR_INPUT);
    space->digits = options->digits;
    space->key = options->generation->key;
    TRY(charset_init(&space->set, options->characters));
    TRY(charset_alphabet(&space->set, &space->alphabet));
    space->size = power_or_max(space->set.count, space->digits);
    TRY(is_small(space) ? ff1_shape_new(10, RANK_DIGITS, &space->shape)
                        : ff1_shape_new(space->set.count, space->digits, &space->shape));
    TRY(derive_tweak(space, options->tenant_id));
    TRY(map_ascii(space));
    *out_space = space;
    space = NULL;
out:
    serial_space_free(space);
    return rc;
}

void serial_space_free(struct serial_space *space)
{
    if (space == NULL)
        return;
    charset_done(&space->set);
    alphabet_free(space->alphabet);
    ff1_shape_free(space->shape);
    free(space->ascii);
    if (space->rank_of != NULL)
        wipe(space->rank_of, space->size * sizeof *space->rank_of);
    if (space->serial_at != NULL)
        wipe(space->serial_at, space->size * sizeof *space->serial_at);
    free(space->rank_of);
    free(space->serial_at);
    pthread_mutex_destroy(&space->lock);
    free(space);
}

uint64_t serial_space_size(const struct serial_space *space)
{
    return space->size;
}

unsigned serial_code_point_bits(const struct serial_space *space)
{
    const uint64_t largest = space->set.points[space->set.count - 1];
    return (unsigned)bigint_bits(&largest, 1);
}

void serial_available(uint32_t radix, unsigned digits, uint64_t issued, char *out_text)
{
    uint64_t value[AVAILABLE_LIMBS] = {1}, taken[AVAILABLE_LIMBS] = {issued};
    uint16_t numerals[SERIAL_DECIMAL_BYTES];
    struct bigint_radix decimal;
    size_t first = 0;
    for (unsigned i = 0; i < digits; i++) {
        const uint64_t overflow = bigint_mul_add(value, AVAILABLE_LIMBS, radix, 0);
        assert(overflow == 0);
    }
    const uint64_t borrow = bigint_sub(value, taken, AVAILABLE_LIMBS);
    assert(borrow == 0);
    bigint_radix_init(&decimal, 10);
    bigint_to_numerals(&decimal, value, AVAILABLE_LIMBS, numerals, SERIAL_DECIMAL_BYTES - 1);
    while (first < SERIAL_DECIMAL_BYTES - 2 && numerals[first] == 0)
        first++;
    for (; first < SERIAL_DECIMAL_BYTES - 1; first++)
        *out_text++ = (char)('0' + numerals[first]);
    *out_text = '\0';
}

uint32_t serial_parity(const char *characters)
{
    uint32_t parity = 0;
    size_t count = 0;
    const char *end = characters + strlen(characters);
    for (; characters < end; count++)
        parity ^= serial_take_point(&characters);
    return count % 2 == 0 ? 0 : parity;
}

bool serial_any_point(struct slice text, bool (*is_of_kind)(uint32_t point))
{
    for (const char *at = text.at; at < text.at + text.len;) {
        if (is_of_kind(serial_take_point(&at)))
            return true;
    }
    return false;
}

// ---- the order of a small space ------------------------------------------------------------------------

static void put_numerals(uint64_t value, uint32_t radix, size_t count, uint16_t *out)
{
    for (size_t i = count; i-- > 0; value /= radix)
        out[i] = (uint16_t)(value % radix);
}

static uint64_t get_numerals(const uint16_t *numerals, uint32_t radix, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value = value * radix + numerals[i];
    return value;
}

// The six-digit image of every serial. seats[image] = serial + 1; 0 where nobody sits.
static enum err seat_serials(const struct serial_space *space, uint32_t *seats)
{
    enum err rc = OK;
    uint16_t *numerals = calloc(SERIAL_SLICE, RANK_DIGITS * sizeof *numerals);
    REQUIRE(numerals != NULL, ERR_MEMORY);
    for (uint64_t first = 0; first < space->size; first += SERIAL_SLICE) {
        const size_t count =
            space->size - first < SERIAL_SLICE ? (size_t)(space->size - first) : SERIAL_SLICE;
        for (size_t i = 0; i < count; i++)
            put_numerals(first + i, 10, RANK_DIGITS, numerals + i * RANK_DIGITS);
        const struct ff1_run run = {space->shape, space->tweak, TWEAK_BYTES, numerals, count};
        TRY(ff1_encrypt(space->key, &run, 1));
        for (size_t i = 0; i < count; i++)
            seats[get_numerals(numerals + i * RANK_DIGITS, 10, RANK_DIGITS)] = (uint32_t)(first + i) + 1;
    }
out:
    free(numerals);
    return rc;
}

// Walking the seats in order gives each serial its rank.
static enum err make_order(struct serial_space *space)
{
    enum err rc = OK;
    uint32_t rank = 0;
    uint32_t *seats = calloc(SMALLEST_DOMAIN, sizeof *seats);
    uint32_t *rank_of = calloc(space->size, sizeof *rank_of),
             *serial_at = calloc(space->size, sizeof *serial_at);
    REQUIRE(seats != NULL && rank_of != NULL && serial_at != NULL, ERR_MEMORY);
    TRY(seat_serials(space, seats));
    for (size_t image = 0; image < SMALLEST_DOMAIN; image++) {
        if (seats[image] == 0)
            continue;
        rank_of[seats[image] - 1] = rank;
        serial_at[rank++] = seats[image] - 1;
    }
    space->rank_of = rank_of;
    space->serial_at = serial_at;
    rank_of = serial_at = NULL;
out:
    if (seats != NULL)
        wipe(seats, SMALLEST_DOMAIN * sizeof *seats);
    free(seats);
    free(rank_of);
    free(serial_at);
    return rc;
}

static enum err have_order(struct serial_space *space)
{
    pthread_mutex_lock(&space->lock);
    const enum err rc = space->rank_of != NULL ? OK : make_order(space);
    pthread_mutex_unlock(&space->lock);
    return rc;
}

// ---- tokens --------------------------------------------------------------------------------------------

// The numerals of consecutive serials, each one more than the one before.
static void count_up(const struct serial_space *space, uint64_t first, size_t count, uint16_t *numerals)
{
    put_numerals(first, space->set.count, space->digits, numerals);
    for (size_t i = 1; i < count; i++) {
        uint16_t *next = numerals + space->digits;
        memcpy(next, numerals, space->digits * sizeof *next);
        size_t place = space->digits - 1;
        while (next[place] == space->set.count - 1)
            next[place--] = 0;
        next[place]++;
        numerals = next;
    }
}

static enum err make_numerals(struct serial_space *space, uint64_t first, size_t count, uint16_t *numerals)
{
    if (!is_small(space)) {
        const struct ff1_run run = {space->shape, space->tweak, TWEAK_BYTES, numerals, count};
        count_up(space, first, count, numerals);
        return ff1_encrypt(space->key, &run, 1);
    }
    const enum err rc = have_order(space);
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < count; i++)
        put_numerals(space->rank_of[first + i], space->set.count, space->digits,
                     numerals + i * space->digits);
    return OK;
}

static void render(const struct serial_space *space, const uint16_t *numerals, size_t count, char *out,
                   size_t *out_len)
{
    char *at = out;
    for (size_t i = 0; i < count; i++, numerals += space->digits) {
        if (space->ascii != NULL) {
            for (size_t d = 0; d < space->digits; d++)
                *at++ = space->ascii[numerals[d]];
        } else {
            at += alphabet_encode(space->alphabet, numerals, space->digits, at);
        }
        *at++ = '\n';
    }
    *out_len = (size_t)(at - out);
}

enum err serial_make(struct serial_space *space, uint64_t first, size_t count, struct buf *out)
{
    enum err rc = OK;
    size_t len;
    assert(count <= SERIAL_SLICE && count > 0 && first <= space->size && count <= space->size - first);
    uint16_t *numerals = malloc(count * space->digits * sizeof *numerals);
    char *room = buf_reserve(out, count * (space->digits * alphabet_char_bytes_max(space->alphabet) + 1));
    REQUIRE(numerals != NULL && room != NULL, ERR_MEMORY);
    TRY(make_numerals(space, first, count, numerals));
    render(space, numerals, count, room, &len);
    out->len += len;
out:
    free(numerals);
    return rc;
}

// The serial behind numerals; false when it is beyond any that can be issued.
static bool read_serial(const struct serial_space *space, const uint16_t *numerals, uint64_t *out_serial)
{
    uint64_t serial = 0;
    for (size_t i = 0; i < space->digits; i++) {
        if (serial > ((uint64_t)INT64_MAX - numerals[i]) / space->set.count)
            return false;
        serial = serial * space->set.count + numerals[i];
    }
    *out_serial = serial;
    return true;
}

enum err serial_open(struct serial_space *space, struct slice token, uint64_t *out_serial)
{
    enum err rc = OK;
    uint64_t serial;
    uint16_t numerals[SERIAL_DIGITS_MAX];
    if (alphabet_decode(space->alphabet, token.at, token.len, numerals, space->digits) != OK)
        return ERR_NOT_GENUINE;
    if (is_small(space)) {
        TRY(have_order(space));
        *out_serial = space->serial_at[get_numerals(numerals, space->set.count, space->digits)];
        return OK;
    }
    const struct ff1_run run = {space->shape, space->tweak, TWEAK_BYTES, numerals, 1};
    TRY(ff1_decrypt(space->key, &run, 1));
    REQUIRE(read_serial(space, numerals, &serial), ERR_NOT_GENUINE);
    *out_serial = serial;
out:
    return rc;
}
