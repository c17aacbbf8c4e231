// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The URLs of an appliance, as others know it (RFC 3986).
#pragma once

#include "config/block.h"

// A copy of the option's URL: https://HOST[:PORT][/PATH], with http only for loopback hosts, without user
// info, query, fragment and slash at the end. NULL when it is absent or not so, which is reported.
char *url_read(const struct block *block, const char *option);
