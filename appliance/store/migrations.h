// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The schema's history. Text n brings a store from version n to n + 1; texts that have shipped never
// change, a new version appends one. The rules of uniqueness stand here, not only in the code.
#pragma once

#include <stddef.h>

enum {
    STORE_APPLICATION_ID = 0x53796d62, // "Symb", in the file's header
    STORE_VERSION = 3,                 // texts in store_migrations
};

extern const char *const store_migrations[STORE_VERSION];
