// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Subjects, for the files that store what hangs on them.
#pragma once

#include "appliance/store/transact.h"

// As SUBJECT_COLUMNS has them. On failure nothing is left in it.
enum err subject_read(struct query *query, struct store_subject *out_subject);
// By tenant, account and index. ERR_NOT_FOUND.
enum err subject_find(struct db *db, const struct store_subject *like, struct store_subject *out_subject);
// The row of the subject, made if there is none.
enum err subject_take(struct db *db, const struct store_subject *subject, int64_t *out_row);
// Marks events of a subject deleted, event NULL: all; and forgets those that were deleted longest ago, so
// that as many stay as there may be others. ERR_NOT_FOUND: no such event.
enum err subject_delete_events(struct db *db, int64_t row, const char *event, int64_t now_ms);
