// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The one return type of the house. A code says what the caller can do about it, not where it arose:
// CK_RV stays in pkcs11/, SQL codes in their backend, HTTP status in web/. Lower floors do not log; a
// function that fails at start-up for a reason an operator must read also fills a struct diag.
// A programming error is an assert, never a code.
#pragma once

#include <stdarg.h>
#include <stddef.h>

enum [[nodiscard]] err{
    OK = 0,
    ERR_MEMORY,      // out of memory: answer 503, try later
    ERR_INPUT,       // the caller's value is malformed or out of range
    ERR_DOMAIN,      // radix^length is under 1,000,000 (SP 800-38G Rev. 1, 5.1)
    ERR_NOT_GENUINE, // a token that none of the live keys made: forged, foreign, mistyped or expired
    ERR_NOT_FOUND,   // no such name, role, object
    ERR_CONFLICT,    // exists already, or the state does not allow it
    ERR_CREDENTIAL,  // who is calling could not be established
    ERR_FORBIDDEN,   // known caller, missing permission
    ERR_TOO_LARGE,   // over a stated limit
    ERR_TIMEOUT,     // a deadline passed
    ERR_CLOSED,      // the peer is gone
    ERR_BUSY,        // overload: answer 503, try again soon
    ERR_HSM_DOWN,    // the slot is away: answer 503, it is being reopened
    ERR_HSM_PIN,     // PIN wrong, locked or expired: stop, never try again by itself
    ERR_HSM_KEY,     // key absent, ambiguous, or its attributes or check value are not as required
    ERR_HSM_CONFIG,  // module, slot or mechanism cannot do what is asked
    ERR_CONFIG,      // the configuration is wrong
    ERR_IO,          // a file or socket failed
    ERR_INTERNAL,    // cannot happen unless a library breaks its promise
};

// The code's name without the prefix, in lower case ("not_genuine"), for logs and the audit file.
const char *err_name(enum err code);

// Leaves the function through its single label `out:` when expr fails; needs a local `enum err rc`.
#define TRY(expr)                                                                                            \
    do {                                                                                                     \
        if ((rc = (expr)) != OK)                                                                             \
            goto out;                                                                                        \
    } while (0)

// As TRY, for a condition: leaves with `code` unless cond holds.
#define REQUIRE(cond, code)                                                                                  \
    do {                                                                                                     \
        if (!(cond)) {                                                                                       \
            rc = (code);                                                                                     \
            goto out;                                                                                        \
        }                                                                                                    \
    } while (0)

// The reason for a failure in words for an operator: what, where, what to do. Never holds a secret.
struct diag {
    char text[2048];
};

// Writes the reason (printf form, cut at the end of the buffer) unless one stands there already, and
// returns code, so that a failure reads `return diag_set(diag, ERR_CONFIG, "...")`. diag may be NULL.
[[gnu::format(printf, 3, 4)]] enum err diag_set(struct diag *diag, enum err code, const char *format, ...);

// As diag_set, on a line of its own behind what stands there, so that several faults are told at once.
[[gnu::format(printf, 3, 4)]] enum err diag_add(struct diag *diag, enum err code, const char *format, ...);
