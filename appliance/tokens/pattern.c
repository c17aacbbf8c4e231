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

// The pattern as one locale reads it.
struct expression {
    locale_t locale;
    regex_t regex;
    bool compiled;
};

struct pattern_format {
    struct expression utf8; // so that a character is one, whatever its bytes
    // The same where pattern and value are ASCII: regexec(3) takes half as long when bytes are characters.
    struct expression ascii;
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
    uint8_t *captured;           // a mark for each byte
    uint16_t *numerals;
    size_t count;
    uint8_t own_tweak[TWEAK_BYTES];
};

// What a batch works on, made once for all of its values.
struct work {
    struct passage *passages;
    struct ff1_run *runs;
    uint8_t *captured;  // of all values
    uint16_t *numerals; // likewise, side by side
    uint8_t *again;     // marks of one result
    char *text;         // one value or result, ended by NUL, or the captured bytes of one
    size_t run_count, numeral_count;
    size_t value_bytes, text_bytes; // of all values; room in text, and in again
    uint8_t tweak[TWEAK_BYTES];     // of all values for which the caller gave none
};

// ---- building --------------------------------------------------------------------------------------

static enum err compile(struct expression *expression, const char *locale, const char *pattern,
                        struct diag *diag)
{
    char reason[128];
    BUF text = {0};
    buf_printf(&text, "^(%s)$", pattern);
    buf_byte(&text, '\0');
    if (text.error != OK)
        return text.error;
    expression->locale = newlocale(LC_CTYPE_MASK, locale, (locale_t)0);
    if (expression->locale == (locale_t)0)
        return diag_set(diag, ERR_CONFIG, "pattern: this system has no locale %s", locale);
    const locale_t before = uselocale(expression->locale);
    const int status = regcomp(&expression->regex, text.at, REG_EXTENDED);
    uselocale(before);
    if (status != 0) {
        regerror(status, &expression->regex, reason, sizeof reason);
        return diag_set(diag, ERR_INPUT, "pattern: %s", reason);
    }
    expression->compiled = true;
    return OK;
}

static void expression_done(struct expression *expression)
{
    if (expression->compiled)
        regfree(&expression->regex);
    if (expression->locale != (locale_t)0)
        freelocale(expression->locale);
}

static bool is_ascii(const char *text, size_t len)
{
    uint8_t all = 0;
    for (size_t i = 0; i < len; i++)
        all |= (uint8_t)text[i];
    return all < 0x80;
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
    TRY(compile(&format->utf8, "C.UTF-8", options->pattern, diag));
    if (is_ascii(options->pattern, strlen(options->pattern)))
        TRY(compile(&format->ascii, "C", options->pattern, diag));
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
    expression_done(&format->utf8);
    expression_done(&format->ascii);
    for (size_t i = 0; i <= SHAPES_KEPT; i++)
        ff1_shape_free(format->shapes[i]);
    alphabet_free(format->alphabet);
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

// Marks the captured bytes of a value; false when the whole value does not match. regexec(3) wants a
// terminated string.
static bool match(const struct pattern_format *format, const struct work *work, struct clear value,
                  uint8_t *out_captured)
{
    regmatch_t groups[MATCHES];
    if (memchr(value.text, '\0', value.len) != NULL)
        return false;
    memcpy(work->text, value.text, value.len);
    work->text[value.len] = '\0';
    const bool ascii = format->ascii.compiled && is_ascii(value.text, value.len);
    const struct expression *expression = ascii ? &format->ascii : &format->utf8;
    const locale_t before = uselocale(expression->locale);
    const int status = regexec(&expression->regex, work->text, MATCHES, groups, 0);
    uselocale(before);
    if (status == 0)
        mark(groups, value.len, out_captured);
    return status == 0;
}

// Returns their bytes.
static size_t gather(struct clear value, const uint8_t *captured, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (captured[i])
            out[len++] = value.text[i];
    }
    return len;
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
                             struct slice callers, uint8_t out_tweak[TWEAK_BYTES])
{
    const struct field_u16 transformation = field_u16(format->transformation_id);
    const struct field fields[] = {FIELD_ARRAY(transformation.bytes), {callers.at, callers.len}};
    return tweak_derive("pattern", keyring_tenant_id(keyring), fields, 2, out_tweak);
}

// From value to numerals. A fault is the item's; an error fails the batch.
static enum err enter(const struct pattern_format *format, struct work *work, struct passage *passage)
{
    enum err rc = OK;
    const struct clear value = passage->item->value;
    const char **fault = &passage->item->fault;
    if (value.len == 0 || value.len > PATTERN_VALUE_BYTES_MAX) {
        *fault = value.len == 0 ? "is empty" : "is longer than 8192 bytes";
        return OK;
    }
    if (!match(format, work, value, passage->captured)) {
        *fault = "does not match the pattern";
        return OK;
    }
    const size_t len = gather(value, passage->captured, work->text);
    if (alphabet_length(work->text, len, &passage->count) != OK) {
        *fault = "holds a captured character outside the alphabet";
        return OK;
    }
    TRY(choose_shape(format, passage, fault));
    passage->numerals = work->numerals + work->numeral_count;
    if (*fault == NULL &&
        alphabet_decode(format->alphabet, work->text, len, passage->numerals, passage->count) != OK)
        *fault = "holds a captured character outside the alphabet";
out:
    return rc;
}

// Values of one shape under one tweak that stand side by side are one run.
static void add_run(struct work *work, const struct passage *passage, const uint8_t *tweak)
{
    struct ff1_run *last = work->run_count > 0 ? &work->runs[work->run_count - 1] : NULL;
    work->numeral_count += passage->count;
    if (last != NULL && last->shape == passage->shape && last->tweak == tweak)
        last->count++;
    else
        work->runs[work->run_count++] =
            (struct ff1_run){passage->shape, tweak, TWEAK_BYTES, passage->numerals, 1};
}

// Puts the transformed characters where the captured ones were. Returns the place and length in out.
static enum err put_back(const struct pattern_format *format, const struct passage *passage, struct buf *out)
{
    struct pattern_item *item = passage->item;
    const size_t most = item->value.len * alphabet_char_bytes_max(format->alphabet);
    const uint16_t *numeral = passage->numerals;
    char *at = buf_reserve(out, most);
    if (at == NULL)
        return out->error;
    item->result_at = out->len;
    for (size_t i = 0; i < item->value.len; i++) {
        const unsigned char byte = (unsigned char)item->value.text[i];
        if (!passage->captured[i])
            *at++ = item->value.text[i];
        else if ((byte & 0xc0) != 0x80) // the first byte of a character stands for all of it
            at += alphabet_encode(format->alphabet, numeral++, 1, at);
    }
    item->result_len = (size_t)(at - (out->at + out->len));
    out->len += item->result_len;
    return OK;
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
static enum err leave(const struct pattern_format *format, const struct work *work,
                      const struct passage *passage, bool sealing, struct buf *out)
{
    struct pattern_item *item = passage->item;
    const enum err rc = put_back(format, passage, out);
    if (rc != OK)
        return rc;
    const struct clear result = {out->at + item->result_at, item->result_len};
    if (!match(format, work, result, work->again) ||
        !same_places(item->value, passage->captured, result, work->again))
        item->fault = sealing ? "has a token that would not match the pattern: pattern and alphabet disagree"
                              : "is not a token that can be opened";
    return OK;
}

// ---- batches -----------------------------------------------------------------------------------------

static size_t bytes_looked_at(const struct pattern_item *item)
{
    return item->value.len <= PATTERN_VALUE_BYTES_MAX ? item->value.len : 0;
}

static enum err work_init(struct work *work, const struct pattern_format *format, struct pattern_item *items,
                          size_t count)
{
    size_t longest = 0, at = 0;
    *work = (struct work){0};
    for (size_t i = 0; i < count; i++) {
        const size_t bytes = bytes_looked_at(&items[i]);
        work->value_bytes += bytes;
        longest = bytes > longest ? bytes : longest;
    }
    work->text_bytes = longest * alphabet_char_bytes_max(format->alphabet) + 1;
    work->passages = calloc(count + 1, sizeof *work->passages);
    work->runs = calloc(count + 1, sizeof *work->runs);
    work->captured = malloc(work->value_bytes + 1);
    work->numerals = malloc((work->value_bytes + 1) * sizeof *work->numerals);
    work->again = malloc(work->text_bytes);
    work->text = malloc(work->text_bytes);
    if (work->passages == NULL || work->runs == NULL || work->captured == NULL || work->numerals == NULL ||
        work->again == NULL || work->text == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        items[i].fault = NULL;
        work->passages[i] = (struct passage){.item = &items[i], .captured = work->captured + at};
        at += bytes_looked_at(&items[i]);
    }
    return OK;
}

static void work_done(struct work *work, size_t count)
{
    for (size_t i = 0; work->passages != NULL && i < count; i++)
        ff1_shape_free(work->passages[i].own_shape);
    wipe(work->numerals, work->value_bytes * sizeof *work->numerals);
    wipe(work->text, work->text_bytes);
    free(work->passages);
    free(work->runs);
    free(work->captured);
    free(work->numerals);
    free(work->again);
    free(work->text);
}

static enum err enter_all(const struct pattern_format *format, const struct keyring *keyring,
                          struct work *work, size_t count)
{
    enum err rc = OK;
    TRY(derive_tweak(format, keyring, (struct slice){0}, work->tweak));
    for (size_t i = 0; i < count; i++) {
        struct passage *passage = &work->passages[i];
        const struct slice callers = passage->item->tweak;
        const uint8_t *tweak = callers.len > 0 ? passage->own_tweak : work->tweak;
        TRY(enter(format, work, passage));
        if (passage->item->fault != NULL)
            continue;
        if (callers.len > 0)
            TRY(derive_tweak(format, keyring, callers, passage->own_tweak));
        add_run(work, passage, tweak);
    }
out:
    return rc;
}

static enum err run(const struct pattern_format *format, const struct keyring *keyring, bool sealing,
                    struct pattern_item *items, size_t count, struct buf *out)
{
    enum err rc = OK;
    struct work work;
    const struct generation *generation = keyring_by_number(keyring, format->generation);
    TRY(work_init(&work, format, items, count));
    REQUIRE(generation != NULL, ERR_HSM_KEY);
    TRY(enter_all(format, keyring, &work, count));
    TRY(sealing ? ff1_encrypt(generation->key, work.runs, work.run_count)
                : ff1_decrypt(generation->key, work.runs, work.run_count));
    for (size_t i = 0; i < count; i++) {
        if (items[i].fault == NULL)
            TRY(leave(format, &work, &work.passages[i], sealing, out));
    }
out:
    work_done(&work, count);
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
