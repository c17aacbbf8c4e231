// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static enum err read_line(int terminal, const char *question, struct secret *out_line, struct diag *diag)
{
    char line[TERMINAL_LINE_BYTES_MAX + 2];
    WIPE_AT_EXIT(line);
    ssize_t got;
    do
        got = read(terminal, line, sizeof line);
    while (got < 0 && errno == EINTR);
    if (got <= 1 || line[got - 1] != '\n')
        return diag_set(diag, ERR_CONFLICT, "%s: an answer has 1..%d bytes", question,
                        TERMINAL_LINE_BYTES_MAX);
    return secret_set(out_line, line, (size_t)got - 1);
}

// Signals wait until the echo is back. What was typed before the question is no answer to it.
static enum err ask(int terminal, const char *question, bool secretly, struct secret *out_line,
                    struct diag *diag)
{
    struct termios before, asking;
    sigset_t all, unblocked;
    if (tcgetattr(terminal, &before) != 0)
        return diag_set(diag, ERR_IO, "the terminal: %s", strerror(errno));
    asking = before;
    if (secretly)
        asking.c_lflag &= ~(tcflag_t)ECHO;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &unblocked);
    tcsetattr(terminal, TCSAFLUSH, &asking);
    dprintf(terminal, "%s: ", question);
    enum err rc = read_line(terminal, question, out_line, diag);
    tcsetattr(terminal, TCSAFLUSH, &before);
    if (secretly)
        dprintf(terminal, "\n");
    sigprocmask(SIG_SETMASK, &unblocked, NULL);
    return rc;
}

enum err terminal_ask(const char *question, bool secretly, struct secret *out_line, struct diag *diag)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return diag_set(diag, ERR_CONFIG,
                        "no terminal to ask for \"%s\": --help names the option that gives it", question);
    enum err rc = ask(terminal, question, secretly, out_line, diag);
    close(terminal);
    return rc;
}
