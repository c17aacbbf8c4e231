// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/range.h"

#include "web/guard.h"
#include "web/text.h"

#include <string.h>

// At least one digit and nothing else; what is too large for a number is as good as the largest.
static bool parse_position(struct slice digits, uint64_t *out_position)
{
    uint64_t position = 0;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.at[i] < '0' || digits.at[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(digits.at[i] - '0');
        position = position > (UINT64_MAX - digit) / 10 ? UINT64_MAX : position * 10 + digit;
    }
    *out_position = position;
    return digits.len > 0;
}

static struct range from_first(uint64_t first, uint64_t last, uint64_t length)
{
    if (first >= length)
        return (struct range){.kind = RANGE_UNSATISFIABLE};
    return (struct range){RANGE_PART, first, last < length ? last : length - 1};
}

static struct range from_end(uint64_t count, uint64_t length)
{
    if (count == 0)
        return (struct range){.kind = RANGE_UNSATISFIABLE};
    if (length == 0)
        return (struct range){.kind = RANGE_WHOLE};
    return (struct range){RANGE_PART, count < length ? length - count : 0, length - 1};
}

static struct range parse_spec(struct slice spec, uint64_t length)
{
    const struct range whole = {.kind = RANGE_WHOLE};
    const char *dash = spec.len > 0 ? memchr(spec.at, '-', spec.len) : NULL;
    if (dash == NULL)
        return whole;
    struct slice left = {spec.at, (size_t)(dash - spec.at)};
    struct slice right = {dash + 1, spec.len - left.len - 1};
    uint64_t first, last = UINT64_MAX;
    if (left.len == 0)
        return parse_position(right, &last) ? from_end(last, length) : whole;
    if (!parse_position(left, &first) || (right.len > 0 && !parse_position(right, &last)) || last < first)
        return whole;
    return from_first(first, last, length);
}

struct range range_parse(struct slice range, struct slice if_range, const char *etag, uint64_t length)
{
    static const char unit[] = "bytes=";
    const size_t unit_len = sizeof unit - 1;
    const bool fresh = if_range.at == NULL || (etag != NULL && etag[0] == '"' && slice_is(if_range, etag));
    if (!fresh || range.len < unit_len || !text_is_nocase((struct slice){range.at, unit_len}, unit))
        return (struct range){.kind = RANGE_WHOLE};
    return parse_spec((struct slice){range.at + unit_len, range.len - unit_len}, length);
}

struct range range_of(const struct http_request *request, const char *etag, uint64_t length)
{
    size_t ranges, conditions;
    struct slice range = head_find(request->headers, "Range", &ranges);
    struct slice if_range = head_find(request->headers, "If-Range", &conditions);
    if (request->method != HTTP_GET || ranges != 1 || conditions > 1)
        return (struct range){.kind = RANGE_WHOLE};
    return range_parse(range, if_range, etag, length);
}
