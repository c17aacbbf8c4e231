// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Serial tokens: production lines in the shape of Unique Tokens' API (JSON:API 1.1). Credentials: Api-Key for
// sessions, Session-Key for the rest. No call is made to a payment provider: the payment's form is checked
// and an ident is accepted once.
#pragma once

#include "appliance/tokens/serials.h"
#include "web/router.h"

struct serial_tokens {
    struct serials *serials;
};

// The API over a state that must outlive it.
struct api serial_tokens_api(struct serial_tokens *state);
