// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum { HOST_BYTES_MAX = 253 };

struct url {
    bool is_https;
    char host[HOST_BYTES_MAX + 1]; // without brackets
    bool is_bracketed;
};

static bool take_scheme(const char **text, struct url *url)
{
    static const char https[] = "https://", http[] = "http://";
    url->is_https = strncmp(*text, https, sizeof https - 1) == 0;
    if (!url->is_https && strncmp(*text, http, sizeof http - 1) != 0)
        return false;
    *text += url->is_https ? sizeof https - 1 : sizeof http - 1;
    return true;
}

static bool is_host(const struct url *url)
{
    struct in6_addr ignored;
    return url->is_bracketed ? inet_pton(AF_INET6, url->host, &ignored) == 1
                             : url->host[0] != '\0' && strchr(".-", url->host[0]) == NULL;
}

// A name, an IPv4 address, or an IPv6 address in brackets.
static bool take_host(const char **text, struct url *url)
{
    url->is_bracketed = **text == '[';
    const char *start = *text + url->is_bracketed;
    const size_t len =
        strspn(start, url->is_bracketed ? "0123456789abcdefABCDEF:." : LETTERS_AND_DIGITS ".-");
    if (len > HOST_BYTES_MAX || (url->is_bracketed && start[len] != ']'))
        return false;
    snprintf(url->host, sizeof url->host, "%.*s", (int)len, start);
    *text = start + len + url->is_bracketed;
    return is_host(url);
}

static bool take_port(const char **text)
{
    char digits[6] = "";
    if (**text != ':')
        return true;
    const size_t len = strspn(*text + 1, "0123456789");
    if (len >= sizeof digits)
        return false;
    snprintf(digits, sizeof digits, "%.*s", (int)len, *text + 1);
    *text += 1 + len;
    return block_16_bits(digits) != 0;
}

static bool take_path(const char *text)
{
    const size_t len = strlen(text);
    return len == 0 ||
           (text[0] == '/' && text[len - 1] != '/' && strspn(text, LETTERS_AND_DIGITS "-._~/") == len);
}

static bool is_loopback(const struct url *url)
{
    struct in_addr ignored;
    if (url->is_bracketed)
        return strcmp(url->host, "::1") == 0;
    return strcmp(url->host, "localhost") == 0 ||
           (strncmp(url->host, "127.", 4) == 0 && inet_pton(AF_INET, url->host, &ignored) == 1);
}

// What is wrong with it, or NULL.
static const char *fault_of(const char *text)
{
    struct url url;
    if (!take_scheme(&text, &url) || !take_host(&text, &url) || !take_port(&text) || !take_path(text))
        return "must be https://HOST[:PORT][/PATH], without query and without a slash at the end";
    return url.is_https || is_loopback(&url) ? NULL
                                             : "must be https://, unless the host is a loopback address";
}

char *url_read(const struct block *block, const char *option)
{
    char *text = block_text(block, option, BLOCK_OPTIONAL);
    const char *fault = text == NULL ? NULL : fault_of(text);
    if (fault == NULL)
        return text;
    block_complain(block, option, "%s %s", option, fault);
    free(text);
    return NULL;
}
