// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/flat_json.h"

#include "appliance/base/utf8.h"

#include <string.h>

enum { NUMBER_DIGITS = 15 }; // below 2^53

// What is left to read.
struct reader {
    const char *at, *end;
    struct buf *room;
};

static bool is_utf8(struct slice text)
{
    uint32_t point;
    for (size_t i = 0, used; i < text.len; i += used) {
        used = utf8_next(text.at + i, text.len - i, &point);
        if (used == 0)
            return false;
    }
    return true;
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n' || *reader->at == '\r'))
        reader->at++;
}

static bool take(struct reader *reader, char c)
{
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

// The text between quotes; escapes are left as they are.
static bool take_quoted(struct reader *reader, struct slice *out_raw, bool *out_escaped)
{
    if (!take(reader, '"'))
        return false;
    const char *start = reader->at;
    *out_escaped = false;
    for (; reader->at < reader->end && *reader->at != '"'; reader->at++) {
        if ((unsigned char)*reader->at < 0x20)
            return false;
        if (*reader->at != '\\')
            continue;
        *out_escaped = true;
        if (++reader->at == reader->end || strchr("\"\\/", *reader->at) == NULL)
            return false;
    }
    if (reader->at == reader->end)
        return false;
    *out_raw = (struct slice){start, (size_t)(reader->at - start)};
    reader->at++;
    return is_utf8(*out_raw);
}

// room must not grow while slices point into it: it is as long as the whole text from the beginning.
static struct slice unescape(struct reader *reader, struct slice raw)
{
    const size_t start = reader->room->len;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.at[i] == '\\')
            i++;
        buf_byte(reader->room, raw.at[i]);
    }
    return (struct slice){reader->room->at + start, reader->room->len - start};
}

static bool take_text(struct reader *reader, struct slice *out_text)
{
    struct slice raw;
    bool escaped;
    if (!take_quoted(reader, &raw, &escaped))
        return false;
    *out_text = escaped ? unescape(reader, raw) : raw;
    return reader->room->error == OK;
}

static bool take_number(struct reader *reader, int64_t *out_number)
{
    int64_t number = 0;
    skip_space(reader);
    const bool negative = reader->at < reader->end && *reader->at == '-';
    reader->at += negative;
    const char *start = reader->at;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (reader->at - start >= NUMBER_DIGITS)
            return false;
        number = number * 10 + (*reader->at - '0');
    }
    const ptrdiff_t digits = reader->at - start;
    if (digits == 0 || (digits > 1 && *start == '0'))
        return false;
    *out_number = negative ? -number : number;
    return true;
}

static bool take_member(struct reader *reader, struct flat_json *object)
{
    struct slice name;
    if (object->count == FLAT_JSON_MEMBERS || !take_text(reader, &name) || !take(reader, ':'))
        return false;
    for (size_t i = 0; i < object->count; i++) {
        if (slice_equal(object->members[i].name, name))
            return false;
    }
    const size_t index = object->count++;
    object->members[index].name = name;
    skip_space(reader);
    if (reader->at < reader->end && *reader->at == '"')
        return take_text(reader, &object->members[index].text);
    object->members[index].is_number = true;
    return take_number(reader, &object->members[index].number);
}

bool flat_json_read(struct slice text, struct buf *room, struct flat_json *out_object)
{
    struct flat_json object = {0};
    struct reader reader = {text.at, text.at + text.len, room};
    if (text.len == 0 || buf_reserve(room, text.len) == NULL || !take(&reader, '{'))
        return false;
    if (!take(&reader, '}')) {
        do {
            if (!take_member(&reader, &object))
                return false;
        } while (take(&reader, ','));
        if (!take(&reader, '}'))
            return false;
    }
    skip_space(&reader);
    if (reader.at != reader.end)
        return false;
    *out_object = object;
    return true;
}

static size_t find(const struct flat_json *object, const char *name)
{
    size_t i = 0;
    while (i < object->count && !slice_is(object->members[i].name, name))
        i++;
    return i;
}

bool flat_json_has(const struct flat_json *object, const char *name)
{
    return find(object, name) < object->count;
}

bool flat_json_text(const struct flat_json *object, const char *name, struct slice *out_text)
{
    const size_t i = find(object, name);
    if (i == object->count || object->members[i].is_number)
        return false;
    *out_text = object->members[i].text;
    return true;
}

bool flat_json_number(const struct flat_json *object, const char *name, int64_t *out_number)
{
    const size_t i = find(object, name);
    if (i == object->count || !object->members[i].is_number)
        return false;
    *out_number = object->members[i].number;
    return true;
}
