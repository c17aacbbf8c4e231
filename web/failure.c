// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/router.h"

static enum failure failure_of(enum err code)
{
    switch (code) {
    case ERR_HSM_DOWN:
    case ERR_HSM_PIN:
    case ERR_HSM_KEY:
    case ERR_HSM_CONFIG:
    case ERR_TIMEOUT:
        return FAIL_HSM;
    case ERR_BUSY:
    case ERR_MEMORY:
        return FAIL_BUSY;
    case OK:
    case ERR_INPUT:
    case ERR_DOMAIN:
    case ERR_NOT_GENUINE:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_CREDENTIAL:
    case ERR_FORBIDDEN:
    case ERR_TOO_LARGE:
    case ERR_CLOSED:
    case ERR_CONFIG:
    case ERR_IO:
    case ERR_INTERNAL:
        return FAIL_INTERNAL;
    }
    return FAIL_INTERNAL;
}

enum failure failure_from(struct exchange *exchange, enum err code)
{
    const enum failure failure = failure_of(code);
    exchange->note.outcome = code;
    if (failure != FAIL_INTERNAL)
        http_reply_header(&exchange->reply, "Retry-After", "1");
    return failure;
}
