// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// PINs for symbolon-hsm: from a file that nobody else can read, or typed without echo.
#pragma once

#include "appliance/base/secret.h"

// From the file, or when file is NULL from the terminal: asked for by name, twice if it is a new one.
enum err pin_get(const char *file, const char *name, bool is_new, struct secret *out_pin, struct diag *diag);
