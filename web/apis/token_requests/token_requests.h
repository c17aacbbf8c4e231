// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Token requests in the shapes of Token.io's "Requests - SIP v1 & AIS": a member asks, a person or an
// operator decides, the member reads the result. Credential: a member's (Basic, or Bearer with a detached
// JWS). On the main listener also the hosted page, which whoever has the link may use, and the public key of
// signatures (GET /.well-known/jwks.json). POST .../authorization answers 501: there is no bank here.
//
// The display name of the asking client, the life of a request and the keys come from the registry in force.
#pragma once

#include "appliance/tokens/request.h"
#include "web/router.h"

// Needs clients of the API requests in the registry; state must outlive the API.
struct api token_requests_api(struct requests *state);
// For the operations listener: POST /operations/token-requests/{id}, by clients of the API operations with
// the permission approve, for requests of their own tenant.
struct api token_request_decisions_api(struct requests *state);
