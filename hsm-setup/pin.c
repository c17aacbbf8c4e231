// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/pin.h"
#include "hsm-setup/terminal.h"

enum {
    PIN_BYTES_MAX = TERMINAL_LINE_BYTES_MAX,
    NEW_PIN_BYTES_MIN = 6, // a guess hits six digits once in a million, and an HSM counts the tries
};

struct pin_words {
    const char *name, *ask, *ask_new, *ask_again;
};

static const struct pin_words words[] = {
    [PIN_OF_USER] = {"user PIN", "user PIN", "New user PIN", "Again, new user PIN"},
    [PIN_OF_OFFICER] = {"security officer PIN", "security officer PIN", "New security officer PIN",
                        "Again, new security officer PIN"},
};

static enum err read_or_ask(const char *file, const char *question, struct secret *out_pin, struct diag *diag)
{
    if (file != NULL)
        return secret_read_file(file, PIN_BYTES_MAX, out_pin, diag);
    return terminal_ask(question, true, out_pin, diag);
}

enum err pin_get(enum pin_of whose, const char *file, struct secret *out_pin, struct diag *diag)
{
    return read_or_ask(file, words[whose].ask, out_pin, diag);
}

static enum err ask_again(enum pin_of whose, const struct secret *pin, struct diag *diag)
{
    SECRET again = {0};
    const enum err rc = terminal_ask(words[whose].ask_again, true, &again, diag);
    if (rc != OK)
        return rc;
    if (again.len == pin->len && ct_equal(again.text, pin->text, pin->len))
        return OK;
    return diag_set(diag, ERR_CONFLICT, "the two PINs differ");
}

enum err pin_get_new(enum pin_of whose, const char *file, struct secret *out_pin, struct diag *diag)
{
    enum err rc = OK;
    TRY(read_or_ask(file, words[whose].ask_new, out_pin, diag));
    REQUIRE(out_pin->len >= NEW_PIN_BYTES_MIN,
            diag_set(diag, ERR_CONFIG, "the new %s is too short, it must have %d bytes or more",
                     words[whose].name, NEW_PIN_BYTES_MIN));
    if (file == NULL)
        rc = ask_again(whose, out_pin, diag);
out:
    if (rc != OK)
        secret_done(out_pin);
    return rc;
}

enum err pin_require_different(const struct secret *so_pin, const struct secret *pin, struct diag *diag)
{
    if (so_pin->len != pin->len || !ct_equal(so_pin->text, pin->text, pin->len))
        return OK;
    return diag_set(diag, ERR_CONFIG,
                    "security officer and user have the same PIN: they are to be two people");
}
