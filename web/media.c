// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/media.h"

#include "web/text.h"

static const char json_type[] = "application/json", json_api_type[] = "application/vnd.api+json",
                  form_type[] = "application/x-www-form-urlencoded";

// Takes the text before the next separator off `rest`, trimmed. A separator within quotes is none.
static struct slice next_part(struct slice *rest, char separator)
{
    bool quoted = false;
    size_t len = 0;
    for (; len < rest->len && (quoted || rest->at[len] != separator); len++) {
        if (rest->at[len] == '"')
            quoted = !quoted;
        else if (quoted && rest->at[len] == '\\' && len + 1 < rest->len)
            len++;
    }
    struct slice part = {rest->at, len};
    size_t used = len + (len < rest->len);
    *rest = (struct slice){rest->at + used, rest->len - used};
    return text_trim(part);
}

static struct slice name_of(struct slice parameter)
{
    struct slice rest = parameter;
    return next_part(&rest, '=');
}

// charset=utf-8, or the same quoted.
static bool is_utf8_charset(struct slice parameter)
{
    return text_is_nocase(parameter, "charset=utf-8") || text_is_nocase(parameter, "charset=\"utf-8\"");
}

// Unknown profiles are ignored; no extension is known, so every `ext` is one too many.
static bool is_json_api_parameter(struct slice parameter)
{
    return parameter.len == 0 || text_is_nocase(name_of(parameter), "profile");
}

static bool is_type(struct slice value, struct slice type)
{
    struct slice rest = value;
    if (!text_is_nocase(next_part(&rest, ';'), type.at))
        return false;
    return value.len == type.len || is_utf8_charset(text_trim(rest));
}

static bool is_json_api(struct slice value)
{
    struct slice rest = value;
    bool fits = text_is_nocase(next_part(&rest, ';'), json_api_type);
    while (fits && rest.len > 0)
        fits = is_json_api_parameter(next_part(&rest, ';'));
    return fits;
}

bool media_sent_fits(enum media media, const struct head *head, const struct shape *shape)
{
    size_t count;
    struct slice type = head_find(head, "Content-Type", &count);
    switch (media) {
    case MEDIA_NONE:
        return true;
    case MEDIA_JSON:
        return count == 1 && is_type(type, text_slice(json_type));
    case MEDIA_FORM:
        return count == 1 && is_type(type, text_slice(form_type));
    case MEDIA_JSON_API:
        return !shape_has_body(shape) || (count == 1 && is_json_api(type));
    }
    return false;
}

bool media_is_coded(const struct head *head, const struct shape *shape)
{
    for (size_t i = 0; i < head->header_count && shape_has_body(shape); i++) {
        const struct slice coding = text_trim(head->headers[i].value);
        if (text_is_nocase(head->headers[i].name, "Content-Encoding") && coding.len > 0 &&
            !text_is_nocase(coding, "identity"))
            return true;
    }
    return false;
}

// What one Accept field says of the JSON:API type: whether it names it, and at least once plainly.
static void read_accept(struct slice value, bool *out_named, bool *out_plain)
{
    for (struct slice rest = value; rest.len > 0;) {
        struct slice element = next_part(&rest, ',');
        if (!text_is_nocase(next_part(&element, ';'), json_api_type))
            continue;
        bool plain = true;
        while (plain && element.len > 0) {
            struct slice parameter = next_part(&element, ';');
            plain = is_json_api_parameter(parameter) || text_is_nocase(name_of(parameter), "q");
        }
        *out_named = true;
        *out_plain = *out_plain || plain;
    }
}

bool media_is_accepted(enum media media, const struct head *head)
{
    bool named = false, plain = false;
    for (size_t i = 0; media == MEDIA_JSON_API && i < head->header_count; i++) {
        if (text_is_nocase(head->headers[i].name, "Accept"))
            read_accept(head->headers[i].value, &named, &plain);
    }
    return plain || !named;
}
