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

static const struct {
    const char *detail;
    enum err outcome;
} failures[] = {
    [FAIL_NOT_FOUND] = {"nothing has this path", ERR_NOT_FOUND},
    [FAIL_METHOD] = {"this path does not know the method", ERR_INPUT},
    [FAIL_BODY_SIZE] = {"the body is larger than this path takes", ERR_TOO_LARGE},
    [FAIL_BODY_MISSING] = {"a body is required, and its length", ERR_INPUT},
    [FAIL_BODY_BROKEN] = {"the body is shorter than announced, or badly chunked", ERR_INPUT},
    [FAIL_TIMEOUT] = {"the body did not arrive in time", ERR_TIMEOUT},
    [FAIL_CREDENTIAL] = {"the credential is missing or not valid", ERR_CREDENTIAL},
    [FAIL_THROTTLED] = {"too many requests, or too many failed authentications", ERR_CREDENTIAL},
    [FAIL_PERMISSION] = {"this client may not do that", ERR_FORBIDDEN},
    [FAIL_MEDIA] = {"the body's media type or content coding is not taken here", ERR_INPUT},
    [FAIL_ACCEPT] = {"the reply has no media type that Accept names", ERR_INPUT},
    [FAIL_BUSY] = {"the appliance is at its limit, try again", ERR_BUSY},
    [FAIL_HSM] = {"the HSM does not answer", ERR_HSM_DOWN},
    [FAIL_STOPPING] = {"the appliance is stopping", ERR_BUSY},
    [FAIL_AUDIT] = {"the audit file cannot be written", ERR_IO},
    [FAIL_INTERNAL] = {"the appliance failed to answer", ERR_INTERNAL},
};

const char *failure_detail(enum failure failure)
{
    return failures[failure].detail;
}

enum err failure_outcome(enum failure failure)
{
    return failures[failure].outcome;
}

enum err failure_outcome_of_status(unsigned status)
{
    switch (status) {
    case 401:
        return ERR_CREDENTIAL;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 408:
        return ERR_TIMEOUT;
    case 409:
        return ERR_CONFLICT;
    case 413:
    case 431:
        return ERR_TOO_LARGE;
    case 503:
        return ERR_BUSY;
    default:
        return status < 400 ? OK : status < 500 ? ERR_INPUT : ERR_INTERNAL;
    }
}
