// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/pattern.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/fields.h"
#include "appliance/tokens/pattern_shape.h"

#include <locale.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

enum {
    SMALLEST_DOMAIN = 1000000, // SP 800-38G Rev. 1
    EXPANDED_MAX = 1024,       // regexec(3) takes gigabytes and seconds beyond
    SHAPES_KEPT = 64,          // shapes of up to this many characters are made once
    // glibc wants room for the whole match and our own outer group besides the pattern's groups.
    MATCHES = PATTERN_GROUPS_MAX + 2,
};

struct pattern_format {
    locale_t locale; // UTF-8, so that a character is one, whatever its bytes
    regex_t regex;
    bool compiled;
    unsigned transformation_id, generation;
    struct pattern_shape shape;
    struct alphabet *alphabet;
    struct ff1_shape *shapes[SHAPES_KEPT + 1]; // by length; NULL: too short
};

// One value on its way: which of its bytes are captured, and their numerals.
struct passage {
    struct pattern_item *item;
    const struct ff1_shape *shape;
    struct ff1_shape *own_shape; // when it is too long for those kept
    uint16_t *numerals;
    size_t count;
    uint8_t tweak[TWEAK_BYTES];
};

// ---- building --------------------------------------------------------------------------------------

static enum err compile(struct pattern_format *format, const char *pattern, struct diag *diag)
{
    char reason[128];
    BUF text = {0};
    buf_printf(&text, "^(%s)$", pattern);
    buf_byte(&text, '\0');
    if (text.error != OK)
        return text.error;
    const locale_t before = uselocale(format->locale);
    const int status = regcomp(&format->regex, text.at, REG_EXTENDED);
    uselocale(before);
    if (status != 0) {
        regerror(status, &format->regex, reason, sizeof reason);
        return diag_set(diag, ERR_INPUT, "pattern: %s", reason);
    }
    format->compiled = true;
    return OK;
}

static double domain_bits(const struct pattern_format *format, size_t captured)
{
    return (double)captured * log2(alphabet_radix(format->alphabet));
}

static enum err check_shape(const struct pattern_format *format, struct diag *diag)
{
    const struct pattern_shape *shape = &format->shape;
    if (shape->groups == 0 || shape->groups > PATTERN_GROUPS_MAX)
        return diag_set(diag, ERR_INPUT, "pattern: has %zu groups, must have 1 to %d", shape->groups,
                        PATTERN_GROUPS_MAX);
    if (domain_bits(format, shape->captured_max) < log2(SMALLEST_DOMAIN))
        return diag_set(diag, ERR_DOMAIN,
                        "pattern: its groups capture at most %zu characters, under 1,000,000 values of this "
                        "alphabet",
                        shape->captured_max);
    return OK;
}

static enum err make_shapes(struct pattern_format *format)
{
    for (size_t length = 2; length <= SHAPES_KEPT; length++) {
        const enum err rc = ff1_shape_new(alphabet_radix(format->alphabet), length, &format->shapes[length]);
        if (rc != OK && rc != ERR_DOMAIN)
            return rc;
    }
    return OK;
}

enum err pattern_format_new(const struct pattern_options *options, struct pattern_format **out_format,
                            struct diag *diag)
{
    enum err rc = OK;
    struct pattern_format *format = calloc(1, sizeof *format);
    if (format == NULL)
        return ERR_MEMORY;
    format->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    REQUIRE(format->locale != (locale_t)0,
            diag_set(diag, ERR_CONFIG, "pattern: this system has no locale C.UTF-8"));
    format->transformation_id = options->transformation_id;
    format->generation = options->generation;
    REQUIRE(strlen(options->pattern) <= PATTERN_BYTES_MAX,
            diag_set(diag, ERR_INPUT, "pattern: is longer than %d bytes", PATTERN_BYTES_MAX));
    rc = alphabet_new(options->alphabet, strlen(options->alphabet), &format->alphabet);
    REQUIRE(rc == OK, diag_set(diag, rc, "alphabet: must be 2 to 65536 distinct characters, no controls"));
    // Measured first: our own group would give back-references another meaning.
    rc = pattern_measure(options->pattern, &format->shape);
    REQUIRE(rc == OK, diag_set(diag, ERR_INPUT, "pattern: groups nest too deep"));
    REQUIRE(!format->shape.back_references,
            diag_set(diag, ERR_INPUT, "pattern: back-references are not supported"));
    // It would close the group that binds the pattern to the whole value.
    REQUIRE(!format->shape.unmatched, diag_set(diag, ERR_INPUT, "pattern: has an unmatched )"));
    REQUIRE(!format->shape.repeats_nothing,
            diag_set(diag, ERR_INPUT, "pattern: repeats a group that may match nothing"));
    REQUIRE(format->shape.expanded <= EXPANDED_MAX,
            diag_set(diag, ERR_INPUT, "pattern: its bounds repeat too much, over %d characters written out",
                     EXPANDED_MAX));
    TRY(compile(format, options->pattern, diag));
    TRY(check_shape(format, diag));
    TRY(make_shapes(format));
    *out_format = format;
    format = NULL;
out:
    pattern_format_free(format);
    return rc;
}

void pattern_format_free(struct pattern_format *format)
{
    if (format == NULL)
        return;
    if (format->compiled)
        regfree(&format->regex);
    for (size_t i = 0; i <= SHAPES_KEPT; i++)
        ff1_shape_free(format->shapes[i]);
    alphabet_free(format->alphabet);
    if (format->locale != (locale_t)0)
        freelocale(format->locale);
    free(format);
}

double pattern_domain_bits(const struct pattern_format *format)
{
    return fmax(domain_bits(format, format->shape.captured_min), log2(SMALLEST_DOMAIN));
}

// ---- matching --------------------------------------------------------------------------------------

static void mark(const regmatch_t groups[MATCHES], size_t len, uint8_t *out_captured)
{
    memset(out_captured, 0, len);
    for (size_t i = 2; i < MATCHES; i++) { // 0 is the match, 1 the group around the pattern
        if (groups[i].rm_so >= 0)
            memset(out_captured + groups[i].rm_so, 1, (size_t)(groups[i].rm_eo - groups[i].rm_so));
    }
}

// Marks the captured bytes of a value: ERR_NOT_FOUND when the whole value does not match. regexec(3) wants a
// terminated string.
static enum err match(const struct pattern_format *format, struct clear value, uint8_t *out_captured)
{
    regmatch_t groups[MATCHES];
    SECRET text = {0};
    if (memchr(value.text, '\0', value.len) != NULL)
        return ERR_NOT_FOUND;
    const enum err rc = secret_set(&text, value.text, value.len);
    if (rc != OK)
        return rc;
    const locale_t before = uselocale(format->locale);
    const int status = regexec(&format->regex, text.text, MATCHES, groups, 0);
    uselocale(before);
    if (status != 0)
        return ERR_NOT_FOUND;
    mark(groups, value.len, out_captured);
    return OK;
}

static void gather(struct clear value, const uint8_t *captured, struct buf *out)
{
    for (size_t i = 0; i < value.len; i++) {
        if (captured[i])
            buf_byte(out, value.text[i]);
    }
}

// The FF1 shape of as many characters as were captured. fault is set when there is none for them.
static enum err choose_shape(const struct pattern_format *format, struct passage *passage, const char **fault)
{
    if (passage->count > FF1_LENGTH_MAX) {
        *fault = "has more than 4096 captured characters";
        return OK;
    }
    if (passage->count <= SHAPES_KEPT) {
        passage->shape = format->shapes[passage->count];
    } else {
        const enum err rc =
            ff1_shape_new(alphabet_radix(format->alphabet), passage->count, &passage->own_shape);
        if (rc != OK)
            return rc;
        passage->shape = passage->own_shape;
    }
    if (passage->shape == NULL)
        *fault = "has too few captured characters, under 1,000,000 values";
    return OK;
}

static enum err derive_tweak(const struct pattern_format *format, const struct keyring *keyring,
                             struct passage *passage)
{
    const struct field_u16 transformation = field_u16(format->transformation_id);
    const struct field fields[] = {FIELD_ARRAY(transformation.bytes),
                                   {passage->item->tweak.at, passage->item->tweak.len}};
    return tweak_derive("pattern", keyring_tenant_id(keyring), fields, 2, passage->tweak);
}

// From value to numerals. A fault is the item's; an error fails the batch.
static enum err enter(const struct pattern_format *format, const struct keyring *keyring,
                      struct passage *passage)
{
    enum err rc = OK;
    BUF text = {0};
    const struct clear value = passage->item->value;
    const char **fault = &passage->item->fault;
    uint8_t *captured = NULL;
    if (value.len == 0 || value.len > PATTERN_VALUE_BYTES_MAX) {
        *fault = value.len == 0 ? "is empty" : "is longer than 8192 bytes";
        return OK;
    }
    captured = malloc(value.len);
    REQUIRE(captured != NULL, ERR_MEMORY);
    rc = match(format, value, captured);
    if (rc == ERR_NOT_FOUND) {
        *fault = "does not match the pattern";
        rc = OK;
        goto out;
    }
    TRY(rc);
    gather(value, captured, &text);
    TRY(text.error);
    if (alphabet_length(text.at, text.len, &passage->count) != OK) {
        *fault = "holds a captured character outside the alphabet";
        goto out;
    }
    TRY(choose_shape(format, passage, fault));
    if (*fault != NULL)
        goto out;
    passage->numerals = calloc(passage->count, sizeof *passage->numerals);
    REQUIRE(passage->numerals != NULL, ERR_MEMORY);
    if (alphabet_decode(format->alphabet, text.at, text.len, passage->numerals, passage->count) != OK)
        *fault = "holds a captured character outside the alphabet";
    else
        rc = derive_tweak(format, keyring, passage);
out:
    free(captured);
    return rc;
}

// Puts the transformed characters where the captured ones were. Returns the place and length in out.
static enum err put_back(const struct pattern_format *format, struct passage *passage,
                         const uint8_t *captured, struct buf *out)
{
    BUF text = {0};
    struct pattern_item *item = passage->item;
    size_t next = 0;
    char *room = buf_reserve(&text, passage->count * alphabet_char_bytes_max(format->alphabet));
    if (room == NULL)
        return text.error;
    item->result_at = out->len;
    for (size_t i = 0; i < item->value.len; i++) {
        const unsigned char byte = (unsigned char)item->value.text[i];
        if (!captured[i]) {
            buf_byte(out, item->value.text[i]);
        } else if ((byte & 0xc0) != 0x80) { // the first byte of a character stands for all of it
            const size_t len = alphabet_encode(format->alphabet, &passage->numerals[next++], 1, room);
            buf_append(out, room, len);
        }
    }
    text.len = 0;
    wipe(room, passage->count * alphabet_char_bytes_max(format->alphabet));
    item->result_len = out->len - item->result_at;
    return out->error;
}

static bool continues(struct clear text, const uint8_t *captured, size_t at)
{
    return at < text.len && captured[at] && ((unsigned char)text.text[at] & 0xc0) == 0x80;
}

// Whether two texts have captured characters in the same places among the kept ones.
static bool same_places(struct clear a, const uint8_t *captured_a, struct clear b, const uint8_t *captured_b)
{
    for (size_t i = 0, j = 0;; i++, j++) {
        while (continues(a, captured_a, i))
            i++;
        while (continues(b, captured_b, j))
            j++;
        if (i == a.len || j == b.len)
            return i == a.len && j == b.len;
        if (captured_a[i] != captured_b[j])
            return false;
    }
}

// A result that the pattern would take apart in another way could not be turned back.
static bool matches_again(const struct pattern_format *format, struct clear value, const uint8_t *captured,
                          struct clear result)
{
    uint8_t *again = malloc(result.len + 1);
    const bool matches =
        again != NULL && match(format, result, again) == OK && same_places(value, captured, result, again);
    free(again);
    return matches;
}

static enum err leave(const struct pattern_format *format, struct passage *passage, bool sealing,
                      struct buf *out)
{
    enum err rc = OK;
    struct pattern_item *item = passage->item;
    uint8_t *captured = malloc(item->value.len + 1);
    REQUIRE(captured != NULL, ERR_MEMORY);
    TRY(match(format, item->value, captured));
    TRY(put_back(format, passage, captured, out));
    const struct clear result = {out->at + item->result_at, item->result_len};
    if (!matches_again(format, item->value, captured, result))
        item->fault = sealing ? "has a token that would not match the pattern: pattern and alphabet disagree"
                              : "is not a token that can be opened";
out:
    free(captured);
    return rc;
}

// ---- batches -----------------------------------------------------------------------------------------

static void passages_free(struct passage *passages, size_t count)
{
    for (size_t i = 0; passages != NULL && i < count; i++) {
        if (passages[i].numerals != NULL)
            wipe(passages[i].numerals, passages[i].count * sizeof *passages[i].numerals);
        free(passages[i].numerals);
        ff1_shape_free(passages[i].own_shape);
    }
    free(passages);
}

static enum err run(const struct pattern_format *format, const struct keyring *keyring, bool sealing,
                    struct pattern_item *items, size_t count, struct buf *out)
{
    enum err rc = OK;
    size_t runs_count = 0;
    const struct generation *generation = keyring_by_number(keyring, format->generation);
    struct passage *passages = calloc(count + 1, sizeof *passages);
    struct ff1_run *runs = calloc(count + 1, sizeof *runs);
    REQUIRE(passages != NULL && runs != NULL, ERR_MEMORY);
    REQUIRE(generation != NULL, ERR_HSM_KEY);
    for (size_t i = 0; i < count; i++) {
        struct passage *passage = &passages[i];
        passage->item = &items[i];
        items[i].fault = NULL;
        TRY(enter(format, keyring, passage));
        if (items[i].fault == NULL)
            runs[runs_count++] =
                (struct ff1_run){passage->shape, passage->tweak, TWEAK_BYTES, passage->numerals, 1};
    }
    TRY(sealing ? ff1_encrypt(generation->key, runs, runs_count)
                : ff1_decrypt(generation->key, runs, runs_count));
    for (size_t i = 0; i < count; i++) {
        if (items[i].fault == NULL)
            TRY(leave(format, &passages[i], sealing, out));
    }
out:
    passages_free(passages, count);
    free(runs);
    return rc;
}

enum err pattern_seal(const struct pattern_format *format, const struct keyring *keyring,
                      struct pattern_item *items, size_t count, struct buf *out)
{
    return run(format, keyring, true, items, count, out);
}

enum err pattern_open(const struct pattern_format *format, const struct keyring *keyring,
                      struct pattern_item *items, size_t count, struct buf *out)
{
    return run(format, keyring, false, items, count, out);
}
