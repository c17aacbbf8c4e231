// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A person at the terminal, which is /dev/tty: standard input may be a script.
#pragma once

#include "appliance/base/secret.h"

enum { TERMINAL_LINE_BYTES_MAX = 255 };

// Asks "QUESTION: " and waits for a line. secretly: it is not shown. What was typed before the question is no
// answer to it. ERR_CONFIG: there is no terminal; ERR_CONFLICT: an empty or too long line, or none.
enum err terminal_ask(const char *question, bool secretly, struct secret *out_line, struct diag *diag);
