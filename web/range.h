// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// One byte range of a body whose length is known (RFC 9110, 14). Pure. Only a single range is served:
// several, another unit and whatever is malformed are ignored, as the RFC allows, and mean the whole body.
// The handler answers
//   RANGE_WHOLE          200 and everything
//   RANGE_PART           206, `Content-Range: bytes first-last/length`, and last - first + 1 bytes
//   RANGE_UNSATISFIABLE  416 and `Content-Range: bytes */length`
#pragma once

#include "web/http.h"

enum range_kind { RANGE_WHOLE, RANGE_PART, RANGE_UNSATISFIABLE };

struct range {
    enum range_kind kind;
    uint64_t first, last; // RANGE_PART only: first <= last < length
};

// Reads the values of Range and If-Range; NULL `at`: absent. etag: the body's, with its quotes; NULL: it has
// none. An If-Range that is not exactly this strong etag makes Range ignored.
struct range range_parse(struct slice range, struct slice if_range, const char *etag, uint64_t length);

// What a request asks for. HEAD, and a Range or If-Range sent twice, ask for the whole.
struct range range_of(const struct http_request *request, const char *etag, uint64_t length);
