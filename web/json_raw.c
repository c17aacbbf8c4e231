// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_raw.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) != NULL)
        at++;
    return at;
}

// Behind the closing quote of the string that begins here.
static const char *skip_string(const char *at, const char *end)
{
    for (at++; at < end && *at != '"'; at++)
        at += *at == '\\';
    return at < end ? at + 1 : end;
}

// Behind the value that begins here.
static const char *skip_value(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
        } else if (depth == 0 && strchr(",}] \t\r\n", *at) != NULL) {
            return at;
        } else {
            depth += *at == '{' || *at == '[';
            depth -= *at == '}' || *at == ']';
            at++;
        }
        if (depth == 0 && strchr("\"}]", at[-1]) != NULL)
            return at;
    }
    return end;
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

bool json_raw_member(struct slice text, const char *name, struct slice *out_value)
{
    const char *end = text.at + text.len, *at = skip_space(text.at, end);
    if (at == end || *at != '{')
        return false;
    at = skip_space(at + 1, end);
    while (at < end && *at == '"') {
        const char *name_end = skip_string(at, end);
        const struct slice found = {at + 1, (size_t)(name_end - at) - 2};
        const char *value = skip_space(skip_space(name_end, end) + 1, end); // behind the colon
        const char *value_end = skip_value(value, end);
        if (says(found, name)) {
            *out_value = (struct slice){value, (size_t)(value_end - value)};
            return true;
        }
        at = skip_space(value_end, end);
        at = at < end && *at == ',' ? skip_space(at + 1, end) : end;
    }
    return false;
}
