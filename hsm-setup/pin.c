// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/pin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { PIN_BYTES_MAX = 255 };

static enum err read_line(int terminal, struct secret *out_line, struct diag *diag)
{
    char line[PIN_BYTES_MAX + 2];
    WIPE_AT_EXIT(line);
    ssize_t got;
    do
        got = read(terminal, line, sizeof line);
    while (got < 0 && errno == EINTR);
    if (got <= 1 || line[got - 1] != '\n')
        return diag_set(diag, ERR_CONFLICT, "a PIN has 1..%d bytes", PIN_BYTES_MAX);
    return secret_set(out_line, line, (size_t)got - 1);
}

// Signals wait until the echo is back.
static enum err ask(int terminal, const char *name, const char *verb, struct secret *out_pin,
                    struct diag *diag)
{
    struct termios loud, quiet;
    sigset_t all, before;
    if (tcgetattr(terminal, &loud) != 0)
        return diag_set(diag, ERR_IO, "the terminal: %s", strerror(errno));
    quiet = loud;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    tcsetattr(terminal, TCSAFLUSH, &quiet); // what was typed before the question is no answer to it
    dprintf(terminal, "%s%s: ", verb, name);
    enum err rc = read_line(terminal, out_pin, diag);
    tcsetattr(terminal, TCSAFLUSH, &loud);
    dprintf(terminal, "\n");
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static enum err ask_new(int terminal, const char *name, struct secret *out_pin, struct diag *diag)
{
    SECRET again = {0};
    enum err rc = OK;
    TRY(ask(terminal, name, "New ", out_pin, diag));
    TRY(ask(terminal, name, "Again, new ", &again, diag));
    REQUIRE(again.len == out_pin->len && ct_equal(again.text, out_pin->text, again.len),
            diag_set(diag, ERR_CONFLICT, "the two PINs differ"));
out:
    if (rc != OK)
        secret_done(out_pin);
    return rc;
}

enum err pin_get(const char *file, const char *name, bool is_new, struct secret *out_pin, struct diag *diag)
{
    if (file != NULL)
        return secret_read_file(file, PIN_BYTES_MAX, out_pin, diag);
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return diag_set(diag, ERR_CONFIG, "no terminal to ask for the %s: name a file that holds it", name);
    enum err rc = is_new ? ask_new(terminal, name, out_pin, diag) : ask(terminal, name, "", out_pin, diag);
    close(terminal);
    return rc;
}
