// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/err.h"

#include <stdio.h>
#include <string.h>

const char *err_name(enum err code)
{
    static const char *const names[] = {
        [OK] = "ok",
        [ERR_MEMORY] = "memory",
        [ERR_INPUT] = "input",
        [ERR_DOMAIN] = "domain",
        [ERR_NOT_GENUINE] = "not_genuine",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_CONFLICT] = "conflict",
        [ERR_CREDENTIAL] = "credential",
        [ERR_FORBIDDEN] = "forbidden",
        [ERR_TOO_LARGE] = "too_large",
        [ERR_TIMEOUT] = "timeout",
        [ERR_CLOSED] = "closed",
        [ERR_BUSY] = "busy",
        [ERR_HSM_DOWN] = "hsm_down",
        [ERR_HSM_PIN] = "hsm_pin",
        [ERR_HSM_KEY] = "hsm_key",
        [ERR_HSM_CONFIG] = "hsm_config",
        [ERR_CONFIG] = "config",
        [ERR_IO] = "io",
        [ERR_INTERNAL] = "internal",
    };
    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "unknown";
}

static void append(struct diag *diag, const char *format, va_list args)
{
    const size_t used = strlen(diag->text);
    vsnprintf(diag->text + used, sizeof diag->text - used, format, args);
}

enum err diag_set(struct diag *diag, enum err code, const char *format, ...)
{
    if (diag == NULL || diag->text[0] != '\0')
        return code;
    va_list args;
    va_start(args, format);
    append(diag, format, args);
    va_end(args);
    return code;
}

enum err diag_add(struct diag *diag, enum err code, const char *format, ...)
{
    if (diag == NULL)
        return code;
    const size_t used = strlen(diag->text);
    if (used > 0 && used + 1 < sizeof diag->text) {
        diag->text[used] = '\n';
        diag->text[used + 1] = '\0';
    }
    va_list args;
    va_start(args, format);
    append(diag, format, args);
    va_end(args);
    return code;
}
