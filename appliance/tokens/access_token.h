// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Access tokens of the customer-token API: JWTs (RFC 7519) that the appliance signs with its P-256 key in the
// HSM (ES256, RFC 7518 3.4; R and S side by side) and verifies itself with the public half, without the HSM.
// Header: alg ES256, typ JWT, kid (RFC 7638 thumbprint). Claims: iss, sub (the client's name), aud (as asked
// for), iat, nbf, exp, jti, scope, and the client's id and generation, so that a token dies with its client's
// secret.
//
// Immutable; any thread. Nothing of a token that was not verified is looked at beyond what names the key.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/crypto.h"
#include "appliance/tokens/client.h"

// What a token's bearer may do to the customers of its account.
enum access_scope {
    SCOPE_ADMIN_CUSTOMERS = 1 << 0, // admin:customers
    SCOPE_READ_CUSTOMERS = 1 << 1,  // read:customers
    SCOPE_WRITE_CUSTOMERS = 1 << 2, // write:customers
};
// admin from `admin`, read from `read`, write from `tokenize`.
unsigned access_scopes_of(unsigned permissions);
// "admin:customers read:customers".
void access_scopes_write(unsigned scopes, struct buf *out);

// P or T and 8 digits.
bool account_is_well_formed(struct slice text);

struct access_tokens_options {
    struct signer signer; // SIGNER_ES256
    const char *issuer;   // copied
    int64_t life_s;
};

struct access_tokens;
enum err access_tokens_new(const struct access_tokens_options *options, struct access_tokens **out_tokens);
void access_tokens_free(struct access_tokens *tokens);
int64_t access_tokens_life_s(const struct access_tokens *tokens);

// What a token says.
struct access_claims {
    unsigned client_id, client_generation;
    char account[ACCOUNT_BYTES]; // of its audience
    unsigned scopes;
    int64_t issued_s, expires_s;
};

// Appends a token for caller to out. audience is the URL that was asked for, whose path is
// /v1/accounts/{aid}: ERR_INPUT when it is not; ERR_FORBIDDEN when the client has not been given that
// account. HSM errors.
enum err access_token_make(const struct access_tokens *tokens, const struct caller *caller,
                           struct slice audience, struct rng rng, int64_t now_s, struct buf *out);
// ERR_CREDENTIAL for whatever this appliance did not sign, has expired or is not valid yet (60 s of leeway).
enum err access_token_open(const struct access_tokens *tokens, struct slice text, int64_t now_s,
                           struct access_claims *out_claims);
// The public key as a JWK set (RFC 7517).
void access_tokens_write_jwks(const struct access_tokens *tokens, struct buf *out);
