// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Customer tokens in the shapes of Dintero's Customers API: access tokens for client credentials, tokens of a
// customer, events of a (type, value). Credential: an access token (Bearer, ES256) that the appliance itself
// gave for the account in the path; for one of those, Basic.
//
// Scopes: write:customers for what makes and deletes, read:customers for what lists; admin:customers for
// both. The clear value is shown to clients with the permission detokenize only; to others the member is
// absent.
//
// Limits: a type 255 bytes, a value 1024, metadata 16384 and 16 levels with the body around it, a customer or
// token id 255 characters of which none is a control character. token_exists (400) is what a value or a token
// id gets that a live token of the account has.
#pragma once

#include "appliance/tokens/customers.h"
#include "web/router.h"

struct customer_tokens {
    struct customers customers;
};

// The API over a state that must outlive it.
struct api customer_tokens_api(struct customer_tokens *state);
