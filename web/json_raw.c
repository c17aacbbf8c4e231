// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_raw.h"

#include "appliance/base/json_plain.h"
#include "web/json_check.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum err json_raw_accept(struct slice text, struct json_fault *out_fault)
{
    struct json_findings findings;
    return json_check(text, &findings, out_fault);
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
        at++;
    return at;
}

// Behind the closing quote of the string that begins here.
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end; at++) {
        at += json_plain_length(at, (size_t)(end - at));
        if (at == end || *at == '"')
            break;
        at += *at == '\\';
    }
    return at < end ? at + 1 : end;
}

// Behind the number or literal that begins here.
static const char *skip_word(const char *at, const char *end)
{
    while (at < end && strchr(",}] \t\r\n", *at) == NULL)
        at++;
    return at;
}

// Behind the bracket that closes the one here.
static const char *skip_nested(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
        at++;
    }
    return end;
}

// Behind the value that begins here.
static const char *skip_value(const char *at, const char *end)
{
    if (at < end && *at == '"')
        return skip_string(at, end);
    return at < end && (*at == '{' || *at == '[') ? skip_nested(at, end) : skip_word(at, end);
}

// Whether what stands between quotes says name, which is ASCII and needs no escape.
static bool says(struct slice quoted, const char *name)
{
    size_t at = 0;
    for (; *name != '\0'; name++) {
        if (at == quoted.len)
            return false;
        if (quoted.at[at] != '\\') {
            if (quoted.at[at++] != *name)
                return false;
            continue;
        }
        char escape[8];
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*name);
        const size_t len = strlen(escape);
        if (quoted.len - at < len || strncasecmp(quoted.at + at, escape, len) != 0)
            return false;
        at += len;
    }
    return at == quoted.len;
}

bool json_raw_open(struct slice value, char bracket, struct json_raw_walk *out_walk)
{
    const char *end = value.at + value.len, *at = skip_space(value.at, end);
    if (at == end || *at != bracket)
        return false;
    *out_walk = (struct json_raw_walk){at + 1, end, bracket == '{'};
    return true;
}

// The value of the next member or element begins where walk->at is then.
static bool find_next(struct json_raw_walk *walk, struct slice *out_name)
{
    const char *end = walk->end, *at = skip_space(walk->at, end);
    if (at < end && *at == ',')
        at = skip_space(at + 1, end);
    if (at == end || *at == '}' || *at == ']')
        return false;
    if (walk->named) {
        const char *name_end = skip_string(at, end);
        *out_name = (struct slice){at + 1, (size_t)(name_end - at) - 2};
        at = skip_space(skip_space(name_end, end) + 1, end); // behind the colon
    }
    walk->at = at;
    return true;
}

static struct slice take_value(struct json_raw_walk *walk)
{
    const char *at = walk->at;
    walk->at = skip_value(at, walk->end);
    return (struct slice){at, (size_t)(walk->at - at)};
}

bool json_raw_next(struct json_raw_walk *walk, struct slice *out_name, struct slice *out_value)
{
    if (!find_next(walk, out_name))
        return false;
    *out_value = take_value(walk);
    return true;
}

bool json_raw_text(struct slice value, struct slice *out_text)
{
    if (value.len < 2 || value.at[0] != '"')
        return false;
    const struct slice text = {value.at + 1, value.len - 2};
    if (text.len > 0 && memchr(text.at, '\\', text.len) != NULL)
        return false;
    *out_text = text;
    return true;
}

// The walk stands at the value.
static bool find_member(struct slice text, const char *name, struct json_raw_walk *out_walk)
{
    struct slice found;
    if (!json_raw_open(text, '{', out_walk))
        return false;
    while (find_next(out_walk, &found)) {
        if (says(found, name))
            return true;
        take_value(out_walk);
    }
    return false;
}

bool json_raw_member(struct slice text, const char *name, struct slice *out_value)
{
    struct json_raw_walk walk;
    if (!find_member(text, name, &walk))
        return false;
    *out_value = take_value(&walk);
    return true;
}

bool json_raw_find(struct slice text, const char *name, struct slice *out_rest)
{
    struct json_raw_walk walk;
    if (!find_member(text, name, &walk))
        return false;
    *out_rest = (struct slice){walk.at, (size_t)(walk.end - walk.at)};
    return true;
}
