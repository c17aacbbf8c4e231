// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/token_requests/schema.h"

#include "appliance/base/json_write.h"
#include "appliance/base/utf8.h"

#include <stdio.h>
#include <string.h>

static bool read_object(const struct json *node, const struct schema_object *object,
                        struct schema_reading *reading);

// ---- where it is, and what is wrong there -----------------------------------------------------------------

// Appends to the path and returns its length before, to be given to path_leave.
static size_t path_enter(struct schema_reading *reading, const char *separator, const char *name)
{
    char *path = reading->fault.path;
    const size_t len = strlen(path);
    snprintf(path + len, SCHEMA_PATH_BYTES - len, "%s%s", len > 0 ? separator : "", name);
    return len;
}

static size_t path_enter_item(struct schema_reading *reading, size_t index)
{
    char number[24];
    snprintf(number, sizeof number, "[%zu]", index);
    return path_enter(reading, "", number);
}

static void path_leave(struct schema_reading *reading, size_t len)
{
    reading->fault.path[len] = '\0';
}

// The path stays as it is: it says where.
static bool refuse(struct schema_reading *reading, const char *message)
{
    snprintf(reading->fault.message, sizeof reading->fault.message, "%s", message);
    return false;
}

static bool refuse_words(struct schema_reading *reading, const char *words)
{
    snprintf(reading->fault.message, sizeof reading->fault.message, "must be one of %s", words);
    return false;
}

// ---- texts ------------------------------------------------------------------------------------------------

// Embeddings, overrides and isolates turn the direction of writing round: what a person reads would not be
// what was sent.
static bool turns_direction(uint32_t point)
{
    return (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

// Characters of a text without control characters; false: it has one.
static bool count_characters(struct slice text, size_t *out_count)
{
    size_t count = 0;
    uint32_t point;
    for (size_t i = 0, used; i < text.len; i += used, count++) {
        used = utf8_next(text.at + i, text.len - i, &point);
        if (used == 0 || utf8_is_control(point) || turns_direction(point))
            return false;
    }
    *out_count = count;
    return true;
}

static bool is_word(const char *words, struct slice text)
{
    for (const char *at = words; text.len > 0; at++) {
        const size_t len = strcspn(at, " ");
        if (slice_equal((struct slice){at, len}, text))
            return true;
        at += len;
        if (*at == '\0')
            break;
    }
    return false;
}

static bool check_text(struct slice text, const struct schema_row *row, struct schema_reading *reading)
{
    size_t characters = 0;
    const size_t max = row->max > 0 ? row->max : SCHEMA_TEXT_MAX;
    if (!count_characters(text, &characters))
        return refuse(reading, "must not have control characters");
    if (characters > max) {
        char message[64];
        snprintf(message, sizeof message, "must not be longer than %zu characters", max);
        return refuse(reading, message);
    }
    if (row->words != NULL && !is_word(row->words, text))
        return refuse_words(reading, row->words);
    const char *fault = row->rule != NULL ? row->rule(text) : NULL;
    return fault == NULL || refuse(reading, fault);
}

static bool read_text(const struct json *node, const struct schema_row *row, struct schema_reading *reading)
{
    struct slice text;
    if (!json_string(node, &text))
        return refuse(reading, "must be a string");
    if (!check_text(text, row, reading))
        return false;
    json_write_string(reading->out, text);
    return true;
}

// The number stays where it is; its token will stand between the quotation marks.
static bool keep_card(struct clear pan, struct schema_reading *reading)
{
    const char *fault = card_check_pan(pan, reading->luhn);
    if (fault != NULL)
        return refuse(reading, fault);
    if (reading->pan_count == REQUEST_PANS_MAX)
        return refuse(reading, "is one card number too many");
    buf_text(reading->out, "\"\"");
    reading->pans[reading->pan_count++] = (struct request_pan){pan, reading->out->len - 1};
    return true;
}

static bool read_card(const struct json *node, struct schema_reading *reading)
{
    enum { DIGITS_MIN = 14, DIGITS_MAX = 16 };
    struct slice text;
    if (!json_string(node, &text))
        return refuse(reading, "must be a string");
    if (text.len < DIGITS_MIN || text.len > DIGITS_MAX)
        return refuse(reading, "must be a card number of 14..16 digits");
    return keep_card((struct clear){text.at, text.len}, reading);
}

static bool read_identification(const struct json *node, struct schema_reading *reading)
{
    struct slice text;
    if (!json_string(node, &text))
        return refuse(reading, "must be a string");
    return keep_card((struct clear){text.at, text.len}, reading);
}

// ---- numbers and flags ------------------------------------------------------------------------------------

static bool read_flag(const struct json *node, struct schema_reading *reading)
{
    bool flag = false;
    if (!json_bool(node, &flag))
        return refuse(reading, "must be true or false");
    buf_text(reading->out, flag ? "true" : "false");
    return true;
}

static bool read_number(const struct json *node, struct schema_reading *reading)
{
    int64_t number = 0;
    if (!json_integer(node, &number) || number < 0 || number > INT32_MAX)
        return refuse(reading, "must be an integer of 0..2147483647");
    buf_u64(reading->out, (uint64_t)number);
    return true;
}

// ---- arrays and objects -----------------------------------------------------------------------------------

static bool read_items(const struct json *node, const struct schema_row *row, struct schema_reading *reading)
{
    enum { ITEMS_MAX = 300 }; // more than there are countries
    size_t index = 0;
    if (json_type(node) != JSON_ARRAY)
        return refuse(reading, "must be an array");
    if (json_first(node) == NULL)
        return refuse(reading, "must not be empty");
    buf_byte(reading->out, '[');
    for (const struct json *item = json_first(node); item != NULL; item = json_next(item), index++) {
        const size_t path = path_enter_item(reading, index);
        if (index > 0)
            buf_byte(reading->out, ',');
        if (index == ITEMS_MAX)
            return refuse(reading, "is one item too many");
        if (!(row->type == SCHEMA_TEXTS ? read_text(item, row, reading)
                                        : read_object(item, row->object, reading)))
            return false;
        path_leave(reading, path);
    }
    buf_byte(reading->out, ']');
    return true;
}

static bool read_value(const struct json *node, const struct schema_row *row, struct schema_reading *reading)
{
    switch (row->type) {
    case SCHEMA_TEXT:
        return read_text(node, row, reading);
    case SCHEMA_FLAG:
        return read_flag(node, reading);
    case SCHEMA_NUMBER:
        return read_number(node, reading);
    case SCHEMA_CARD:
        return read_card(node, reading);
    case SCHEMA_OBJECT:
        return read_object(node, row->object, reading);
    case SCHEMA_TEXTS:
    case SCHEMA_OBJECTS:
        return read_items(node, row, reading);
    }
    return false;
}

static const struct json *present(const struct json *object, const struct schema_row *row)
{
    const struct json *member = json_member(object, row->name);
    return member == NULL || json_type(member) == JSON_NULL ? NULL : member;
}

static bool is_card_by_scheme(const struct json *object, const struct schema_row *row)
{
    return row->by_scheme && json_string_is(json_member(object, "schemeName"), REQUEST_CARD_SCHEME);
}

static bool read_member(const struct json *object, const struct schema_row *row, bool first,
                        struct schema_reading *reading)
{
    const struct json *member = present(object, row);
    const size_t path = path_enter(reading, ".", row->name);
    if (member == NULL && row->required)
        return refuse(reading, "is required");
    if (member != NULL) {
        if (!first)
            buf_byte(reading->out, ',');
        json_write_text(reading->out, row->name);
        buf_byte(reading->out, ':');
        if (!(is_card_by_scheme(object, row) ? read_identification(member, reading)
                                             : read_value(member, row, reading)))
            return false;
    }
    path_leave(reading, path);
    return true;
}

static bool refuse_choice(const struct schema_object *object, struct schema_reading *reading)
{
    char message[SCHEMA_MESSAGE_BYTES];
    size_t len = (size_t)snprintf(message, sizeof message, "must have exactly one of");
    for (size_t i = 0; i < object->count && len < sizeof message; i++) {
        if (object->rows[i].choice)
            len += (size_t)snprintf(message + len, sizeof message - len, " %s", object->rows[i].name);
    }
    return refuse(reading, message);
}

static bool check_choice(const struct json *node, const struct schema_object *object,
                         struct schema_reading *reading)
{
    size_t chosen = 0;
    for (size_t i = 0; i < object->count; i++)
        chosen += object->rows[i].choice && present(node, &object->rows[i]) != NULL;
    return chosen == 1 || !object->chooses || refuse_choice(object, reading);
}

static bool read_object(const struct json *node, const struct schema_object *object,
                        struct schema_reading *reading)
{
    if (json_type(node) != JSON_OBJECT)
        return refuse(reading, "must be an object");
    if (!check_choice(node, object, reading))
        return false;
    buf_byte(reading->out, '{');
    const size_t start = reading->out->len;
    for (size_t i = 0; i < object->count; i++) {
        if (!read_member(node, &object->rows[i], reading->out->len == start, reading))
            return false;
    }
    buf_byte(reading->out, '}');
    const char *fault = object->check != NULL ? object->check(node) : NULL;
    return fault == NULL || refuse(reading, fault);
}

bool schema_read(const struct json *node, const char *name, const struct schema_object *object,
                 struct schema_reading *reading)
{
    reading->fault.path[0] = '\0';
    path_enter(reading, "", name);
    return read_object(node, object, reading);
}
