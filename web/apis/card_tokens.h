// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Card tokens: POST /v2/tokens in the shape of Monri WebPay's Token API. Credential: WP3-v2.1 digest.
#pragma once

#include "appliance/tokens/card.h"
#include "appliance/tokens/tenant.h"
#include "web/router.h"

struct card_tokens {
    const struct format *format; // card_format_new
};

// The API over a state that must outlive it.
struct api card_tokens_api(struct card_tokens *state);
