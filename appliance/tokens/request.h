// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Token requests: what a client asks of a person, kept in the store, decided once, and answered with ids and
// a signature that are computed. A request lives from PENDING to PROCESSED or REJECTED, which stay; a pending
// one is EXPIRED from its last second on, which nobody writes.
//
// The store row's id is the record of the request's name: client (2 bytes), second (8), random (6). The ids
// that a processed request brings are made of the same record, under the generation that sealed its name:
// they never change and are not stored. The signature is Ed25519 over {"state":S,"tokenId":T}, compact and in
// this order, where S is the callback state ("" without one); memberId is the asking client's, whom the
// signature is for; keyId and the public key are published.
//
// Threads: a struct requests is read-only; all functions from any thread.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/store/store.h"
#include "appliance/tokens/card.h"
#include "appliance/tokens/long_id.h"
#include "appliance/tokens/member.h"
#include "appliance/tokens/tenant.h"

// What requests are made with. All outlive it.
struct requests {
    struct store *store;
    const struct long_ids *ids;
    const struct format *card_format;
    struct signer signer; // SIGNER_ED25519
    struct mac mac;       // the system tenant's, for CSRF tokens
    struct rng rng;
};

enum request_status { REQUEST_PENDING, REQUEST_PROCESSED, REQUEST_REJECTED, REQUEST_EXPIRED };
const char *request_status_name(enum request_status status); // "PENDING", ...

struct request {
    struct long_id name;
    char id[LONG_ID_TEXT_BYTES]; // rq:...
    struct store_token_request record;
    enum request_status status;
};
void request_done(struct request *request);

// A card number of a draft: 12..19 digits, and where in the payload its card token is put.
struct request_pan {
    struct clear digits;
    size_t at;
};
enum { REQUEST_PANS_MAX = 8, REQUEST_REASON_MAX = 256 };
#define REQUEST_CARD_SCHEME "CPAN"

// What is asked, checked and in the form in which it is kept, but for card numbers, which are not in it: the
// card token of each is put where pans says, in this order. That is always the value of a member "pan", or of
// an "identification" right behind a "schemeName" of REQUEST_CARD_SCHEME, which is "" until then.
struct request_draft {
    const struct tenant *tenant;
    unsigned client_id;
    enum store_request_kind kind;
    struct slice options, payload; // JSON; options may be empty
    const struct request_pan *pans;
    size_t pan_count;
    const char *redirect_url, *callback_state, *bank_id; // the last two may be NULL
    int64_t now_s, life_s;
};

// Durable when it returns OK. Errors of the HSM, ERR_IO and ERR_BUSY of the store.
enum err request_create(const struct requests *requests, const struct request_draft *draft,
                        struct request *out_request);
// ERR_INPUT: another prefix than rq; ERR_NOT_GENUINE: made up, which no store is asked about;
// ERR_NOT_FOUND; errors of the HSM and the store.
enum err request_find(const struct requests *requests, struct slice id, int64_t now_s,
                      struct request *out_request);

struct request_decision {
    bool approve;
    const char *by;        // an operator's name; NULL: who had the link
    unsigned by_client_id; // 0: who had the link
    const char *source;    // address of the peer; NULL: unknown
    const char *reason;    // NULL: none
    int64_t now_s;
};
enum { REQUEST_SIGNATURE_BYTES = 87 };
// What a processed request brings; deterministic. An id of another kind of request is "".
struct request_result {
    char token_id[LONG_ID_TEXT_BYTES];      // tt:
    char transfer_id[LONG_ID_TEXT_BYTES];   // t: of transfers
    char submission_id[LONG_ID_TEXT_BYTES]; // so: of standing orders
    char member_id[LONG_ID_TEXT_BYTES];
    char key_id[MEMBER_KEY_ID_BYTES];
    char signature[REQUEST_SIGNATURE_BYTES]; // base64url
};
// Of a request that is processed, or about to be: it depends on nothing that a decision changes. Errors of
// the HSM.
enum err request_result(const struct requests *requests, const struct request *request,
                        struct request_result *out_result);
// One transaction. request is then as the store has it, whoever decided; out_result is what it brings if it
// is processed, else untouched. The result of an approval is made first, so that none is taken that cannot be
// answered.
enum err request_decide(const struct requests *requests, const struct request_decision *decision,
                        struct request *request, enum store_decision_outcome *out_outcome,
                        struct request_result *out_result);
// Why it has its status, in words for a person: the reason that was given, or what the status means.
const char *request_reason(const struct request *request);

// Appends the payload with card numbers in place of their tokens; tenant is that of the request. Only for
// callers who may detokenize. Errors of the cipher; ERR_NOT_GENUINE: the card's key has been released.
enum err request_write_clear_payload(const struct requests *requests, const struct tenant *tenant,
                                     const struct request *request, struct buf *out);

// A form's proof that it came from the request's own page: "<second>.<base64url of a MAC>".
enum { REQUEST_FORM_BYTES = 72, REQUEST_FORM_LIFE_S = 30 * 60 };
enum err request_make_form_token(const struct requests *requests, const struct request *request,
                                 int64_t now_s, char out_text[REQUEST_FORM_BYTES]);
// ERR_FORBIDDEN: another request's, made up, or too old; errors of the HSM.
enum err request_check_form_token(const struct requests *requests, const struct request *request,
                                  int64_t now_s, struct slice text);

// The public key as a JWK set (RFC 7517, RFC 8037).
void requests_write_key_set(const struct requests *requests, struct buf *out);
