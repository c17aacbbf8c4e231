// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/token_requests/internal.h"

#include "appliance/base/json_write.h"

#include <string.h>

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-._~", c) != NULL);
}

static void write_encoded(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_unreserved(text.at[i]))
            buf_byte(out, text.at[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text.at[i]);
    }
}

// A parameter and what separates it from the one before; an empty value is left out.
static void write_parameter(struct buf *out, char *separator, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    if (*separator != '\0')
        buf_byte(out, *separator);
    *separator = '&';
    buf_text(out, name);
    buf_byte(out, '=');
    write_encoded(out, value);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){text, text != NULL ? strlen(text) : 0};
}

// What stands between the URL and the first parameter; 0: nothing.
static char first_separator(struct slice url)
{
    const char last = url.at[url.len - 1];
    if (memchr(url.at, '?', url.len) == NULL)
        return '?';
    return last == '?' || last == '&' ? '\0' : '&';
}

void redirect_write_signature(const struct request_result *result, struct buf *out)
{
    buf_byte(out, '{');
    json_write_member(out, "memberId", result->member_id);
    buf_byte(out, ',');
    json_write_member(out, "keyId", result->key_id);
    buf_byte(out, ',');
    json_write_member(out, "signature", result->signature);
    buf_byte(out, '}');
}

static void write_approved(struct buf *out, char *separator, const struct request *request,
                           const struct request_result *result)
{
    BUF signature = {0};
    redirect_write_signature(result, &signature);
    write_parameter(out, separator, "token-id", slice_of(result->token_id));
    write_parameter(out, separator, "transfer-id", slice_of(result->transfer_id));
    write_parameter(out, separator, "standing-order-submission-id", slice_of(result->submission_id));
    if (request->record.kind == STORE_REQUEST_TRANSFER)
        write_parameter(out, separator, "transfer-status", slice_of(request_status_name(request->status)));
    write_parameter(out, separator, "signature", buf_slice(&signature));
    if (signature.error != OK)
        out->error = signature.error;
}

// Returns what separates the next parameter.
static char begin(const struct request *request, struct buf *out)
{
    const struct slice url = slice_of(request->record.redirect_url);
    char separator = first_separator(url);
    buf_append(out, url.at, url.len);
    write_parameter(out, &separator, "request-id", slice_of(request->id));
    return separator;
}

void redirect_write_bare_url(const struct request *request, struct buf *out)
{
    begin(request, out);
}

void redirect_write_url(const struct request *request, const struct request_result *result, struct buf *out)
{
    char separator = begin(request, out);
    if (result != NULL) {
        write_approved(out, &separator, request, result);
    } else {
        write_parameter(out, &separator, "error", slice_of("access_denied"));
        write_parameter(out, &separator, "message", slice_of(request_reason(request)));
    }
    write_parameter(out, &separator, "state", slice_of(request->record.callback_state));
}
