// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Who is calling, and what they may do. web/auth parses headers into a struct presented; this file alone
// decides. No secret is configured or stored: each is HMAC(mac key, "credential", client id, client
// generation), computed in the HSM when the table is built and kept in locked memory. Unknown and wrong
// credentials cannot be told apart, by answer or (but for signatures, whose key ids are public) by time.
//
// Threads: a struct clients is immutable once built; any number of threads may authenticate.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/crypto.h"
#include "appliance/base/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a route demands and a client is granted. A route names exactly one; a client has a set.
enum permission {
    PERMISSION_PUBLIC = 1 << 0, // no credential looked at
    PERMISSION_CALLER = 1 << 1, // any client of the API
    PERMISSION_TOKENIZE = 1 << 2,
    PERMISSION_DETOKENIZE = 1 << 3,
    PERMISSION_PRODUCE = 1 << 4,
    PERMISSION_READ = 1 << 5,
    PERMISSION_APPROVE = 1 << 6,
    PERMISSION_ADMIN = 1 << 7,
};

// The APIs a client may be registered for; it may call no other.
enum client_api {
    CLIENT_API_CARD = 1 << 0,
    CLIENT_API_GIFTCARD = 1 << 1,
    CLIENT_API_TRANSFORM = 1 << 2,
    CLIENT_API_SERIAL = 1 << 3,
    CLIENT_API_CUSTOMERS = 1 << 4,
    CLIENT_API_REQUESTS = 1 << 5,
    CLIENT_API_OPERATIONS = 1 << 6,
};

// A credential scheme, as it travels in headers.
enum credential_kind {
    CREDENTIAL_NONE,         // nothing was presented
    CREDENTIAL_WP3,          // Authorization: WP3-v2.1 <id> <timestamp> <hex SHA-512 over secret and request>
    CREDENTIAL_TOKEN,        // X-Vault-Token or Authorization: Bearer: a client's token, or a login token
    CREDENTIAL_BASIC,        // RFC 7617: id and secret
    CREDENTIAL_API_KEY,      // Api-Key: 8-4-4-4-12 hex digits; the secret
    CREDENTIAL_SESSION_KEY,  // Session-Key: 8-4-4-4-12 hex digits; the secret
    CREDENTIAL_ACCESS_TOKEN, // Authorization: Bearer <a JWT made by access_token.h> (RFC 6750)
    CREDENTIAL_MEMBER,       // Authorization: Basic <member id, API key>, or Bearer <detached JWS> (member.h)
};

enum { ACCOUNT_BYTES = 10 }; // P or T, 8 digits, NUL

// A parsed credential; slices point into the request and are trusted by nobody yet.
struct presented {
    enum credential_kind kind;
    struct slice id, secret;
    struct slice timestamp;           // WP3: Unix seconds, 10 digits
    struct slice path, body;          // WP3, MEMBER: the bytes that digest or signature cover
    struct slice method, host, query; // MEMBER: what the signature's header must name; host: of the
                                      // configured public URL, else as in Host
};

struct client; // opaque; lives as long as its struct clients

// The answer to "who is this".
struct caller {
    const struct client *client;
    const char *name; // for log and audit
    unsigned client_id, tenant_id;
    unsigned apis, permissions;  // sets of enum client_api, enum permission
    int64_t expires_s;           // of a login token; 0: the credential does not expire
    uint8_t session_id[16];      // of a session key: its row in the store
    char account[ACCOUNT_BYTES]; // of an access token: the only account it is good for; else ""
    unsigned scopes;             // of an access token: set of enum access_scope (access_token.h)
};

// One client as configured.
struct client_options {
    const char *name;
    unsigned id, tenant_id; // 1..65535
    unsigned generation;    // of its secret, 1..65535
    bool accept_previous;   // the secret of generation - 1 still opens
    unsigned apis, permissions;
    bool luhn;                // card API: PANs must pass Luhn
    const char *const *roles; // transform roles it may use
    size_t role_count;
    const char *const *accounts; // customer accounts that it may ask an access token for
    size_t account_count;
    const char *display_name;             // requests: who asks, as a person reads it; NULL: name
    const struct member_key *member_keys; // requests: public keys with which it signs; copied
    size_t member_key_count;
    unsigned rate;  // requests a second; 0: any
    struct mac mac; // its tenant's mac key
};

struct clients;
struct sealed_ids;    // sealed_id.h
struct access_tokens; // access_token.h
struct members;       // member.h
struct member_key;
struct store; // store.h

// What opens credentials that are ids. All outlive the table; NULL where there are none of a kind.
struct clients_services {
    const struct sealed_ids *logins, *sessions;
    const struct access_tokens *access_tokens; // opens access tokens
    const struct members *members;             // knows member ids and signed requests
    struct store *store;                       // knows sessions
    int64_t session_idle_s;                    // a session unused for so long has ended
};

// Derives every secret and member id through the HSM. ERR_CONFLICT when an id or name occurs twice (diag
// names it), ERR_CONFIG as member_keys_new, HSM errors as in crypto.h. Copies what it keeps.
// services may be NULL.
enum err clients_new(const struct client_options *options, size_t count,
                     const struct clients_services *services, struct clients **out_clients,
                     struct diag *diag);
void clients_free(struct clients *clients);

// Decides who presented a credential for `api` at Unix second now_s. ERR_CREDENTIAL when it is missing,
// malformed, unknown, wrong, stale (WP3: 300 s; login token: its life) or of a client of other APIs. Login
// tokens and session keys are opened in the HSM, and sessions are looked up: errors come through.
enum err clients_authenticate(const struct clients *clients, enum client_api api,
                              const struct presented *presented, int64_t now_s, struct caller *out_caller);

// Trades the name and token of a client of the transform API for a login token; out_text holds
// LOGIN_TEXT_BYTES. ERR_CREDENTIAL as above; errors of the cipher.
enum err clients_login(const struct clients *clients, struct slice name, struct slice token, int64_t now_s,
                       struct caller *out_caller, char *out_text);

static inline bool caller_may(const struct caller *caller, enum permission permission)
{
    return (caller->permissions & permission) != 0;
}
bool caller_may_use_role(const struct caller *caller, const char *role);
bool client_wants_luhn(const struct client *client);
unsigned client_generation(const struct client *client); // of its secret
const char *client_name(const struct client *client);
// As a person reads it: its name unless configured otherwise.
const char *client_display_name(const struct client *client);
unsigned client_rate(const struct client *client); // requests a second; 0: any
// "m:..." of a client of the API requests; else "".
const char *client_member_id(const struct client *client);
// Whether it may ask for an access token of this account.
bool client_has_account(const struct client *client, const char *account);

// The client of this name, or id; NULL: there is none.
const struct client *clients_find(const struct clients *clients, const char *name);
const struct client *clients_find_id(const struct clients *clients, unsigned id);
unsigned client_id(const struct client *client);
unsigned client_apis(const struct client *client);

// What `symbolon credential show` prints and a client presents, for one API. Of the public part (WP3
// authenticity token, Basic user name; of a member with '-' for ':') and the secret part, either may be
// empty.
enum err client_credential(const struct client *client, enum client_api api, struct secret *out_id,
                           struct secret *out_secret);
