// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// PINs for symbolon-hsm: from a file that nobody else can read, or typed without echo.
#pragma once

#include "appliance/base/secret.h"

enum pin_of { PIN_OF_USER, PIN_OF_OFFICER };

// From the file, or when file is NULL from the terminal.
enum err pin_get(enum pin_of whose, const char *file, struct secret *out_pin, struct diag *diag);
// A new one; typed, it is asked for twice. Both must agree. ERR_CONFIG: too short.
enum err pin_get_new(enum pin_of whose, const char *file, struct secret *out_pin, struct diag *diag);
// Two people have two PINs: ERR_CONFIG when they are the same.
enum err pin_require_different(const struct secret *so_pin, const struct secret *pin, struct diag *diag);
