// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_check.h"

#include "appliance/base/json_plain.h"
#include "appliance/base/secret.h"
#include "appliance/base/utf8.h"
#include "web/memory.h"
#include "web/text.h"

#include <stdlib.h>
#include <string.h>

enum { EXACT_NUMBER_MAX = 20, FEW_NAMES = 8 };

// A member's name: the bytes between its quotes, still escaped.
struct name {
    size_t at;
    size_t len : sizeof(size_t) * 8 - 1;
    size_t escaped : 1;
};

struct scan {
    const char *text;
    size_t len, at;
    unsigned depth;
    struct name *names; // of all objects that are open, innermost last
    size_t name_count, name_capacity;
    struct json_findings findings;
    struct json_fault fault;
    bool no_memory;
};

static bool fail(struct scan *scan, size_t at, const char *what)
{
    scan->fault = (struct json_fault){.offset = at, .what = what};
    return false;
}

static int peek(const struct scan *scan)
{
    return scan->at < scan->len ? (unsigned char)scan->text[scan->at] : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct scan *scan)
{
    while (scan->at < scan->len && is_space(scan->text[scan->at]))
        scan->at++;
}

static bool take(struct scan *scan, char byte, const char *what)
{
    if (peek(scan) != (unsigned char)byte)
        return fail(scan, scan->at, what);
    scan->at++;
    return true;
}

// Four hex digits, or -1.
static int hex4(const char *text, size_t left)
{
    int value = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < left ? text_hex_value(text[i]) : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

// The escape whose backslash is at text[0]: its length (0: malformed) and the character it stands for.
static size_t escape_length(const char *text, size_t left, int *out_character)
{
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = left >= 2 && text[1] != '\0' ? strchr(letters, text[1]) : NULL;
    if (letter != NULL) {
        *out_character = meanings[letter - letters];
        return 2;
    }
    int unit = left >= 2 && text[1] == 'u' ? hex4(text + 2, left - 2) : -1;
    if (unit < 0 || is_low_surrogate(unit))
        return 0;
    *out_character = unit;
    if (!is_high_surrogate(unit))
        return 6;
    int low = left >= 8 && text[6] == '\\' && text[7] == 'u' ? hex4(text + 8, left - 8) : -1;
    if (!is_low_surrogate(low))
        return 0;
    *out_character = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

static bool check_escape(struct scan *scan)
{
    int character = -1;
    size_t length = escape_length(scan->text + scan->at, scan->len - scan->at, &character);
    if (length == 0)
        return fail(scan, scan->at, "malformed escape or lone surrogate");
    if (character == 0)
        return fail(scan, scan->at, "U+0000");
    scan->at += length;
    return true;
}

static bool check_character(struct scan *scan)
{
    int c = peek(scan);
    if (c < 0x20)
        return fail(scan, scan->at, c < 0 ? "unfinished string" : "control character in a string");
    uint32_t ignored;
    size_t length = utf8_next(scan->text + scan->at, scan->len - scan->at, &ignored);
    if (length == 0)
        return fail(scan, scan->at, "invalid UTF-8");
    scan->at += length;
    return true;
}

static bool check_string(struct scan *scan, struct name *out_name)
{
    if (!take(scan, '"', "a string was expected"))
        return false;
    struct name name = {.at = scan->at};
    for (;;) {
        scan->at += json_plain_length(scan->text + scan->at, scan->len - scan->at);
        const int c = peek(scan);
        if (c == '"')
            break;
        if (c == '\\')
            name.escaped = 1;
        if (c == '\\' ? !check_escape(scan) : !check_character(scan))
            return false;
    }
    name.len = (scan->at - name.at) & (SIZE_MAX >> 1);
    scan->at++;
    *out_name = name;
    return true;
}

static size_t digits_at(struct slice text, size_t at)
{
    size_t count = 0;
    while (at + count < text.len && text.at[at + count] >= '0' && text.at[at + count] <= '9')
        count++;
    return count;
}

size_t json_number_length(struct slice text, bool *out_exact)
{
    size_t at = text.len > 0 && text.at[0] == '-';
    size_t digits = digits_at(text, at);
    if (digits == 0 || (digits > 1 && text.at[at] == '0'))
        return 0;
    at += digits;
    bool exact = at <= EXACT_NUMBER_MAX;
    if (at < text.len && text.at[at] == '.') {
        digits = digits_at(text, at + 1);
        if (digits == 0)
            return 0;
        at += 1 + digits;
        exact = false;
    }
    if (at < text.len && (text.at[at] == 'e' || text.at[at] == 'E')) {
        at++;
        at += at < text.len && (text.at[at] == '+' || text.at[at] == '-');
        digits = digits_at(text, at);
        if (digits == 0)
            return 0;
        at += digits;
        exact = false;
    }
    *out_exact = exact;
    return at;
}

static bool check_number(struct scan *scan)
{
    const int c = peek(scan);
    if (c != '-' && (c < '0' || c > '9'))
        return fail(scan, scan->at, "a value was expected");
    bool exact = true;
    struct slice rest = {scan->text + scan->at, scan->len - scan->at};
    size_t length = json_number_length(rest, &exact);
    if (length == 0)
        return fail(scan, scan->at, "malformed number");
    if (!exact)
        scan->findings.has_inexact_number = true;
    scan->at += length;
    return true;
}

static bool check_literal(struct scan *scan, const char *literal)
{
    size_t len = strlen(literal);
    if (scan->len - scan->at < len || memcmp(scan->text + scan->at, literal, len) != 0)
        return fail(scan, scan->at, "unknown literal");
    scan->at += len;
    return true;
}

// Many names need more than their text does: they count as memory in flight.
static bool grow_names(struct scan *scan, size_t capacity)
{
    const size_t more = (capacity - scan->name_capacity) * sizeof *scan->names;
    if (!memory_take(more))
        return false;
    struct name *names = realloc(scan->names, capacity * sizeof *names);
    if (names == NULL) {
        memory_give(more);
        return false;
    }
    scan->names = names;
    scan->name_capacity = capacity;
    return true;
}

static bool push_name(struct scan *scan, struct name name)
{
    if (scan->name_count == scan->name_capacity) {
        size_t capacity = scan->name_capacity == 0 ? 64 : 2 * scan->name_capacity;
        if (!grow_names(scan, capacity)) {
            scan->no_memory = true;
            return fail(scan, scan->at, "out of memory");
        }
    }
    scan->names[scan->name_count++] = name;
    return true;
}

// The next character of a name, decoded, or -1 at its end.
static int next_character(const char *text, const struct name *name, size_t *at)
{
    if (*at >= name->len)
        return -1;
    const char *here = text + name->at + *at;
    if (*here == '\\') {
        int character = -1;
        *at += escape_length(here, name->len - *at, &character);
        return character;
    }
    uint32_t point = 0;
    *at += utf8_next(here, name->len - *at, &point);
    return (int)point;
}

// Orders names by the characters they stand for, however they are escaped.
static int compare_names(const void *a, const void *b, void *context)
{
    const struct name *left = a, *right = b;
    const char *text = context;
    if (!left->escaped && !right->escaped) {
        size_t common = left->len < right->len ? left->len : right->len;
        int order = memcmp(text + left->at, text + right->at, common);
        return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
    }
    size_t left_at = 0, right_at = 0;
    for (;;) {
        int l = next_character(text, left, &left_at), r = next_character(text, right, &right_at);
        if (l != r || l < 0)
            return l < r ? -1 : l > r;
    }
}

static bool duplicate(struct scan *scan, const struct name *a, const struct name *b)
{
    return fail(scan, a->at > b->at ? a->at : b->at, "duplicate member");
}

static bool check_few_names(struct scan *scan, const struct name *names, size_t count)
{
    char *text = (char *)(uintptr_t)scan->text;
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (compare_names(&names[i], &names[j], text) == 0)
                return duplicate(scan, &names[i], &names[j]);
        }
    }
    return true;
}

// The names of one object; large ones are sorted, so that a hostile one costs no square of its size.
static bool check_names(struct scan *scan, size_t first)
{
    struct name *names = scan->names + first;
    size_t count = scan->name_count - first;
    if (count <= FEW_NAMES)
        return check_few_names(scan, names, count);
    char *text = (char *)(uintptr_t)scan->text;
    qsort_r(names, count, sizeof *names, compare_names, text);
    for (size_t i = 1; i < count; i++) {
        if (compare_names(&names[i - 1], &names[i], text) == 0)
            return duplicate(scan, &names[i - 1], &names[i]);
    }
    return true;
}

static bool check_value(struct scan *scan);

static bool check_member(struct scan *scan)
{
    struct name name;
    skip_space(scan);
    if (!check_string(scan, &name) || !push_name(scan, name))
        return false;
    skip_space(scan);
    return take(scan, ':', "':' was expected") && check_value(scan);
}

static bool check_element(struct scan *scan)
{
    return check_value(scan);
}

// What stands between brackets: nothing, or items with commas between them.
static bool check_items(struct scan *scan, char closing, bool (*check_item)(struct scan *scan))
{
    if (++scan->depth > JSON_DEPTH_MAX)
        return fail(scan, scan->at, "nested too deeply");
    scan->at++;
    skip_space(scan);
    if (peek(scan) == (unsigned char)closing) {
        scan->at++;
        scan->depth--;
        return true;
    }
    for (;;) {
        if (!check_item(scan))
            return false;
        skip_space(scan);
        if (peek(scan) != ',')
            break;
        scan->at++;
    }
    scan->depth--;
    return take(scan, closing, "',' or the closing bracket was expected");
}

static bool check_object(struct scan *scan)
{
    size_t first = scan->name_count;
    if (!check_items(scan, '}', check_member) || !check_names(scan, first))
        return false;
    scan->name_count = first;
    return true;
}

static bool check_value(struct scan *scan)
{
    skip_space(scan);
    struct name ignored;
    switch (peek(scan)) {
    case '{':
        return check_object(scan);
    case '[':
        return check_items(scan, ']', check_element);
    case '"':
        return check_string(scan, &ignored);
    case 't':
        return check_literal(scan, "true");
    case 'f':
        return check_literal(scan, "false");
    case 'n':
        return check_literal(scan, "null");
    default:
        return check_number(scan);
    }
}

static bool check_document(struct scan *scan)
{
    static const char mark[] = "\xef\xbb\xbf";
    if (scan->len >= strlen(mark) && memcmp(scan->text, mark, strlen(mark)) == 0)
        return fail(scan, 0, "byte order mark");
    skip_space(scan);
    if (scan->at == scan->len)
        return fail(scan, scan->at, "empty");
    if (!check_value(scan))
        return false;
    skip_space(scan);
    return scan->at == scan->len || fail(scan, scan->at, "bytes after the value");
}

enum err json_check(struct slice text, struct json_findings *out_findings, struct json_fault *out_fault)
{
    struct scan scan = {.text = text.at, .len = text.len};
    bool accepted = check_document(&scan);
    free(scan.names);
    if (scan.name_capacity > 0)
        memory_give(scan.name_capacity * sizeof *scan.names);
    if (accepted) {
        *out_findings = scan.findings;
        return OK;
    }
    *out_fault = scan.fault;
    return scan.no_memory ? ERR_MEMORY : ERR_INPUT;
}
