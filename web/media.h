// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Media types that a request sends and accepts, against what a row demands (RFC 9110, 8.3 and 12.5.1;
// JSON:API 1.1, content negotiation). Pure.
#pragma once

#include "web/guard.h"
#include "web/router.h"

// Whether the body's one Content-Type is what the row demands. Without a body MEDIA_JSON_API demands
// nothing; MEDIA_JSON does.
bool media_sent_fits(enum media media, const struct head *head, const struct shape *shape);

// Whether the body has a content coding, which no row takes (RFC 9110, 8.4).
bool media_is_coded(const struct head *head, const struct shape *shape);

// Whether the client can take the answer. Only MEDIA_JSON_API asks: false when Accept names the JSON:API
// type, and each time with a parameter other than profile (and q, which is no part of the type).
bool media_is_accepted(enum media media, const struct head *head);
