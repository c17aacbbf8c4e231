// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/auth.h"

#include "appliance/base/codec.h"
#include "web/text.h"

#include <string.h>

enum { WP3_TIMESTAMP_DIGITS = 10, WP3_DIGEST_DIGITS = 128 };

static const struct presented none = {.kind = CREDENTIAL_NONE};

// Takes the bytes before the next space off `rest`; the last word has none behind it.
static struct slice next_word(struct slice *rest)
{
    const char *space = rest->len > 0 ? memchr(rest->at, ' ', rest->len) : NULL;
    struct slice word = {rest->at, space != NULL ? (size_t)(space - rest->at) : rest->len};
    size_t used = word.len + (space != NULL);
    *rest = (struct slice){rest->at + used, rest->len - used};
    return word;
}

static bool is_digits(struct slice text, size_t count)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    }
    return text.len == count;
}

static bool is_hex(struct slice text, size_t count)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text_hex_value(text.at[i]) < 0)
            return false;
    }
    return text.len == count;
}

static struct presented parse_wp3(struct slice value, const struct head *head, struct slice body)
{
    struct slice rest = value;
    struct slice scheme = next_word(&rest), id = next_word(&rest), timestamp = next_word(&rest);
    if (!text_is_nocase(scheme, "WP3-v2.1") || id.len == 0 || !is_digits(timestamp, WP3_TIMESTAMP_DIGITS) ||
        !is_hex(rest, WP3_DIGEST_DIGITS))
        return none;
    return (struct presented){.kind = CREDENTIAL_WP3,
                              .id = id,
                              .secret = rest,
                              .timestamp = timestamp,
                              .path = head->path,
                              .body = body};
}

// RFC 9110 token68, at least one character.
static bool is_token68(struct slice text)
{
    size_t len = text.len;
    while (len > 0 && text.at[len - 1] == '=')
        len--;
    for (size_t i = 0; i < len; i++) {
        char c = text.at[i];
        bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!alphanumeric && (c == '\0' || strchr("-._~+/", c) == NULL))
            return false;
    }
    return len > 0;
}

static struct presented parse_token(const struct head *head, struct slice authorization, size_t count)
{
    size_t vault_count;
    struct slice vault = head_find(head, "X-Vault-Token", &vault_count), bearer = {0};
    if (vault_count > 1)
        return none;
    if (count == 1) {
        bearer = authorization;
        if (!text_is_nocase(next_word(&bearer), "Bearer") || !is_token68(bearer))
            return none;
    }
    struct slice secret = vault_count == 1 ? vault : bearer;
    if (!is_token68(secret) || (count == 1 && vault_count == 1 && !slice_equal(vault, bearer)))
        return none;
    return (struct presented){.kind = CREDENTIAL_TOKEN, .secret = secret};
}

static struct presented parse_bearer(struct slice value)
{
    struct slice rest = value;
    if (!text_is_nocase(next_word(&rest), "Bearer") || !is_token68(rest))
        return none;
    return (struct presented){.kind = CREDENTIAL_ACCESS_TOKEN, .secret = rest};
}

static struct presented parse_basic(struct slice value, struct buf *scratch)
{
    struct slice rest = value;
    if (!text_is_nocase(next_word(&rest), "Basic") || rest.len == 0)
        return none;
    size_t start = scratch->len, len = 0;
    char *room = buf_reserve(scratch, rest.len);
    if (room == NULL || !base64_decode(rest, (uint8_t *)room, rest.len, &len))
        return none;
    scratch->len = start + len;
    struct slice pair = {room, len};
    const char *colon = len > 0 ? memchr(room, ':', len) : NULL;
    if (colon == NULL || len == 1 || !text_is_printable_utf8(pair))
        return none;
    struct slice id = {room, (size_t)(colon - room)};
    return (struct presented){.kind = CREDENTIAL_BASIC, .id = id, .secret = {colon + 1, len - id.len - 1}};
}

// By secret, or by a signature that covers the whole request.
static struct presented parse_member(struct slice value, const struct head *head, struct slice body,
                                     struct buf *scratch)
{
    size_t hosts;
    struct presented presented = parse_bearer(value);
    if (presented.kind == CREDENTIAL_NONE) {
        presented = parse_basic(value, scratch);
        if (presented.id.len == 0)
            return none;
    }
    presented.kind = CREDENTIAL_MEMBER;
    presented.method = head->method;
    presented.host = head_find(head, "Host", &hosts);
    presented.path = head->path;
    presented.query = head->query;
    presented.body = body;
    return presented;
}

static bool is_uuid(struct slice text)
{
    enum { UUID_LENGTH = 36 };
    for (size_t i = 0; i < text.len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text.at[i] != '-' : text_hex_value(text.at[i]) < 0)
            return false;
    }
    return text.len == UUID_LENGTH;
}

static struct presented parse_key(enum credential_kind kind, const struct head *head, const char *name)
{
    size_t count;
    struct slice key = head_find(head, name, &count);
    if (count != 1 || !is_uuid(key))
        return none;
    return (struct presented){.kind = kind, .secret = key};
}

struct presented auth_parse(enum credential_kind kind, const struct head *head, struct slice body,
                            struct buf *scratch)
{
    size_t count;
    struct slice value = head_find(head, "Authorization", &count);
    switch (kind) {
    case CREDENTIAL_NONE:
        return none;
    case CREDENTIAL_MEMBER:
        return count == 1 ? parse_member(value, head, body, scratch) : none;
    case CREDENTIAL_ACCESS_TOKEN:
        return count == 1 ? parse_bearer(value) : none;
    case CREDENTIAL_WP3:
        return count == 1 ? parse_wp3(value, head, body) : none;
    case CREDENTIAL_TOKEN:
        return count <= 1 ? parse_token(head, value, count) : none;
    case CREDENTIAL_BASIC:
        return count == 1 ? parse_basic(value, scratch) : none;
    case CREDENTIAL_API_KEY:
        return parse_key(kind, head, "Api-Key");
    case CREDENTIAL_SESSION_KEY:
        return parse_key(kind, head, "Session-Key");
    }
    return none;
}
