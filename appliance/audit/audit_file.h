// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening the audit file: created with mode 0600, opened in append mode, locked, its last number found. A
// file that holds anything else than audit lines is left as it is. Thread-safe: there is no state.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

static const char audit_number_member[] = "{\"number\":"; // begins every line

// The caller closes the descriptor, which gives the lock back. out_last is 0 when no line bears a number. An
// incomplete last line is ended. ERR_CONFLICT: another process holds it; ERR_CONFIG: no audit file; ERR_IO.
enum err audit_file_open(const char *path, int *out_fd, uint64_t *out_last, struct diag *diag);

// Whether the path still leads to the open file: not after it was removed, moved or replaced.
bool audit_file_is_at(int fd, const char *path);

// Whether lines that are appended from now on find room: 0.5 MiB at least are set aside behind the end, where
// the file system can do that. *room_until is what is known of it; 0: nothing.
bool audit_file_has_room(int fd, int64_t *room_until);

// write(2), begun again when a signal came first.
ssize_t audit_file_write(int fd, const char *bytes, size_t count);
