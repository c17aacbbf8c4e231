// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Credentials as they travel in headers, parsed and not judged: tokens/client decides. Anything
// malformed, and a credential presented twice, counts as none at all.
#pragma once

#include "web/guard.h"

// Looks for the one scheme a route demands:
//   CREDENTIAL_WP3    Authorization: WP3-v2.1 SP id SP 10 digits SP 128 hex digits; covers path and body
//   CREDENTIAL_TOKEN  X-Vault-Token, or Authorization: Bearer (RFC 6750)
//   CREDENTIAL_BASIC  Authorization: Basic (RFC 7617); the decoded pair is put into scratch
//   CREDENTIAL_ACCESS_TOKEN   Authorization: Bearer (RFC 6750)
//   CREDENTIAL_MEMBER   Authorization: Basic, or Bearer, which covers method, Host, path, query and body
//   CREDENTIAL_API_KEY, CREDENTIAL_SESSION_KEY   Api-Key, Session-Key: a UUID in hex of either case
// Slices of the result point into head, body and scratch.
struct presented auth_parse(enum credential_kind kind, const struct head *head, struct slice body,
                            struct buf *scratch);
