// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A gzip file (RFC 1952) made piece by piece, by zlib. One owner, no locking.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>

struct gzip;

enum err gzip_new(struct gzip **out_gzip);
void gzip_free(struct gzip *gzip); // wipes its window; NULL is fine
// Takes the next piece and appends what can be said of it so far; with `last` the rest of the file.
enum err gzip_add(struct gzip *gzip, struct slice piece, bool last, struct buf *out);
