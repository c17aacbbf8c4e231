// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A recursive descent over POSIX.1 XBD 9.4: alternatives of branches of pieces. Each part has an extent: how
// long a match can be and must be, and how much of it groups capture. A repeated group captures its last turn
// only.
#include "appliance/tokens/pattern_shape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 32 };

struct extent {
    size_t length, captured;             // most bytes; SIZE_MAX: no bound
    size_t least_length, least_captured; // fewest
    size_t atoms;                        // when all bounds are written out
};

struct reader {
    const char *at;
    struct pattern_shape *shape;
    unsigned nesting;
    bool too_deep;
};

static size_t add(size_t a, size_t b)
{
    return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

static size_t times(size_t a, size_t turns)
{
    return a != 0 && turns > SIZE_MAX / a ? SIZE_MAX : a * turns;
}

static size_t greater(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static struct extent read_alternatives(struct reader *reader);

static const struct extent one_character = {.length = 1, .least_length = 1, .atoms = 1};

static struct extent read_group(struct reader *reader)
{
    reader->shape->groups++;
    if (++reader->nesting > NESTING_MAX) {
        reader->too_deep = true;
        return (struct extent){0};
    }
    const struct extent inner = read_alternatives(reader);
    reader->nesting--;
    if (*reader->at == ')')
        reader->at++;
    return (struct extent){inner.length, inner.length, inner.least_length, inner.least_length,
                           add(inner.atoms, 1)};
}

// Behind '[': up to the closing bracket, which stands for itself in first place.
static void skip_bracket(struct reader *reader)
{
    if (*reader->at == '^')
        reader->at++;
    if (*reader->at == ']')
        reader->at++;
    while (*reader->at != '\0' && *reader->at != ']') {
        const char kind = reader->at[1];
        if (*reader->at == '[' && (kind == ':' || kind == '.' || kind == '=')) {
            const char end[] = {kind, ']', '\0'};
            const char *close = strstr(reader->at + 2, end);
            reader->at = close == NULL ? reader->at + strlen(reader->at) : close + 2;
        } else {
            reader->at++;
        }
    }
    if (*reader->at == ']')
        reader->at++;
}

// Behind a backslash. GNU's assertions match nothing.
static struct extent read_escape(struct reader *reader)
{
    const char character = *reader->at;
    if (character == '\0')
        return (struct extent){0};
    reader->at++;
    if (character >= '1' && character <= '9') {
        reader->shape->back_references = true;
        return (struct extent){.length = SIZE_MAX};
    }
    const size_t length = strchr("bB<>`'", character) == NULL;
    return (struct extent){.length = length, .least_length = length, .atoms = 1};
}

// The rest of a character of several bytes.
static void skip_continuation(struct reader *reader)
{
    while (((unsigned char)*reader->at & 0xc0) == 0x80)
        reader->at++;
}

static struct extent read_atom(struct reader *reader)
{
    const char character = *reader->at++;
    switch (character) {
    case '(':
        return read_group(reader);
    case '[':
        skip_bracket(reader);
        return one_character;
    case '\\':
        return read_escape(reader);
    case '^':
    case '$':
        return (struct extent){0};
    default:
        skip_continuation(reader);
        return one_character;
    }
}

// How often a piece is repeated; most SIZE_MAX: no bound.
struct turns {
    size_t least, most;
};

// Behind '{': {m}, {m,} and {m,n}.
static struct turns read_bound(struct reader *reader)
{
    char *end;
    struct turns turns = {.least = strtoul(reader->at, &end, 10)};
    turns.most = turns.least;
    if (*end == ',') {
        const char *upper = end + 1;
        turns.most = *upper == '}' ? SIZE_MAX : strtoul(upper, &end, 10);
        if (*upper == '}')
            end++;
    }
    reader->at = *end == '}' ? end + 1 : end;
    return turns;
}

static struct turns read_quantifier(struct reader *reader)
{
    switch (*reader->at++) {
    case '{':
        return read_bound(reader);
    case '?':
        return (struct turns){0, 1};
    case '+':
        return (struct turns){1, SIZE_MAX};
    default:
        return (struct turns){0, SIZE_MAX};
    }
}

static struct extent read_piece(struct reader *reader)
{
    const bool is_group = *reader->at == '(';
    struct extent piece = read_atom(reader);
    while (*reader->at != '\0' && strchr("*+?{", *reader->at) != NULL) {
        const struct turns turns = read_quantifier(reader);
        reader->shape->repeats_nothing |= is_group && turns.most > 1 && piece.least_length == 0;
        piece.length = times(piece.length, turns.most);
        piece.least_length = times(piece.least_length, turns.least);
        piece.atoms = times(piece.atoms, greater(turns.most == SIZE_MAX ? turns.least : turns.most, 1));
        if (turns.most == 0)
            piece.captured = 0;
        if (turns.least == 0)
            piece.least_captured = 0;
    }
    return piece;
}

static struct extent read_branch(struct reader *reader)
{
    struct extent branch = {0};
    while (*reader->at != '\0' && *reader->at != '|' && !(*reader->at == ')' && reader->nesting > 0) &&
           !reader->too_deep) {
        reader->shape->unmatched |= *reader->at == ')';
        const struct extent piece = read_piece(reader);
        branch.length = add(branch.length, piece.length);
        branch.captured = add(branch.captured, piece.captured);
        branch.atoms = add(branch.atoms, piece.atoms);
        branch.least_length = add(branch.least_length, piece.least_length);
        branch.least_captured = add(branch.least_captured, piece.least_captured);
    }
    return branch;
}

static struct extent read_alternatives(struct reader *reader)
{
    struct extent all = read_branch(reader);
    while (*reader->at == '|') {
        reader->at++;
        const struct extent branch = read_branch(reader);
        all.length = greater(all.length, branch.length);
        all.captured = greater(all.captured, branch.captured);
        all.atoms = add(all.atoms, branch.atoms);
        all.least_length = smaller(all.least_length, branch.least_length);
        all.least_captured = smaller(all.least_captured, branch.least_captured);
    }
    return all;
}

enum err pattern_measure(const char *pattern, struct pattern_shape *out_shape)
{
    struct pattern_shape shape = {0};
    struct reader reader = {.at = pattern, .shape = &shape};
    const struct extent whole = read_alternatives(&reader);
    shape.captured_max = whole.captured;
    shape.captured_min = whole.least_captured;
    shape.expanded = whole.atoms;
    if (reader.too_deep)
        return ERR_TOO_LARGE;
    *out_shape = shape;
    return OK;
}
