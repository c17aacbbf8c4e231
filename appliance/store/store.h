// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The appliance's durable state: only what cannot be computed. Verbs of the domain, each one transaction:
// when a writing verb returns OK its effect survives kill -9 and power loss; when it fails nothing of it
// remains. Nobody outside begins or commits. No token, card number, code or credential is ever stored.
//
// Threads: all verbs may be called from any thread. Writers that wait together are committed together.
// Errors: ERR_CONFLICT, ERR_NOT_FOUND as each verb says; ERR_IO when the disk is full, read-only or
// broken (the request answers 503); ERR_BUSY when another process holds the store; ERR_MEMORY.
// Texts handed out belong to the caller's struct and are freed by its *_done.
#pragma once

#include "appliance/base/crypto.h"
#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum {
    STORE_ID_BYTES = 16, // of a line: the bytes of its UUID; of a session: its row, from which no key follows
    STORE_SPACE_BYTES = 32, // SHA-256 that names a space within its tenant
    STORE_HASH_BYTES = 32,
};

// Opens or creates the file with mode 0600, applies migrations, checks its integrity. ERR_CONFIG: not
// ours, newer than this program, or damaged; ERR_BUSY: another appliance has it open. diag says which and
// what to do.
enum err store_open(const char *path, struct store **out_store, struct diag *diag);
void store_close(struct store *store); // NULL is fine

// ---- keys ---------------------------------------------------------------------------------------------

// The life of an FF1 key; keys of other uses have none. DESIGN: new -> current -> retired -> released.
enum store_key_state {
    STORE_KEY_NO_STATE,
    STORE_KEY_NEW,      // can be opened; not issued
    STORE_KEY_CURRENT,  // new tokens use it; at most one of a tenant
    STORE_KEY_RETIRED,  // only opens
    STORE_KEY_RELEASED, // closed; may be destroyed
};
const char *store_key_state_name(enum store_key_state state); // "new", ...; "" for none

struct store_key {
    unsigned tenant_id;
    unsigned generation;
    char use[16]; // "fpe", "mac"
    enum store_key_state state;
    uint8_t check_value[KEY_CHECK_VALUE_BYTES];
};
// Remembers a key the first time it is seen; later ERR_CONFLICT unless its check value is the same, so that a
// key replaced under the same label is found. out_state: the state that the store knows, which is key->state
// only at first sight, and then STORE_KEY_NEW for one that would be a second current one.
enum err store_key_pin(struct store *store, const struct store_key *key, enum store_key_state *out_state);
// All of them, by tenant, use and generation; the caller frees the array.
enum err store_key_list(struct store *store, struct store_key **out_keys, size_t *out_count);
// Moves an FF1 key's generation from one state into another; when it becomes current, the one that was is
// retired in the same transaction. ERR_NOT_FOUND: never seen; ERR_CONFLICT: its state is not `from`.
enum err store_key_move(struct store *store, unsigned tenant_id, unsigned generation,
                        enum store_key_state from, enum store_key_state to);
// What is in the store under a generation and cannot be opened any more without it.
struct store_generation_use {
    uint64_t spaces; // of serials, pinned to it
    uint64_t values; // of customers, sealed under it
};
enum err store_generation_use(struct store *store, unsigned tenant_id, unsigned generation,
                              struct store_generation_use *out_use);
// The same list from the file, without opening the store: beside a running appliance too. Nothing is written.
// ERR_NOT_FOUND: no such file; ERR_CONFIG: not ours.
enum err store_read_keys(const char *path, struct store_key **out_keys, size_t *out_count, struct diag *diag);

// ---- sessions -----------------------------------------------------------------------------------------

struct store_session {
    uint8_t id[STORE_ID_BYTES];
    unsigned client_id;
    char *note, *peer, *agent; // NULL: none
    int64_t granted_ms;        // Unix milliseconds
    int64_t revoked_ms;        // 0: not revoked
    int64_t used_minute;       // Unix minute of the last use
};
void store_session_done(struct store_session *session);

// ERR_CONFLICT when the id exists.
enum err store_session_create(struct store *store, const struct store_session *session);
// ERR_NOT_FOUND. Revoked sessions are found too.
enum err store_session_get(struct store *store, const uint8_t id[STORE_ID_BYTES],
                           struct store_session *out_session);
// Notes the minute of use; cheap when it is already noted.
enum err store_session_touch(struct store *store, const uint8_t id[STORE_ID_BYTES], int64_t minute);
// ERR_NOT_FOUND when it is not the client's or already revoked.
enum err store_session_revoke(struct store *store, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                              int64_t now_ms);
// The client's sessions that are not revoked, oldest first. The caller frees each and the array.
enum err store_session_list(struct store *store, unsigned client_id, struct store_session **out_sessions,
                            size_t *out_count);

// ---- custom alphabets ---------------------------------------------------------------------------------

struct store_alphabet {
    char *name;       // unique for the client
    char *characters; // UTF-8
};
void store_alphabet_done(struct store_alphabet *alphabet);

// ERR_CONFLICT when the client has one of this name.
enum err store_alphabet_create(struct store *store, unsigned client_id, const char *name,
                               const char *characters);
// ERR_NOT_FOUND.
enum err store_alphabet_get(struct store *store, unsigned client_id, const char *name,
                            struct store_alphabet *out_alphabet);
enum err store_alphabet_delete(struct store *store, unsigned client_id, const char *name);
// By name.
enum err store_alphabet_list(struct store *store, unsigned client_id, struct store_alphabet **out_alphabets,
                             size_t *out_count);

// ---- spaces and lines -----------------------------------------------------------------------------------

// A space: all strings of one character set and length, of a tenant, pinned for life to the generation that
// was current when it was opened. `issued` serials, 0..issued-1, have been handed out to lines.
struct store_space {
    int64_t row; // its number in the store
    unsigned generation;
    uint64_t issued;
};
// ERR_NOT_FOUND when no line was ever made in it.
enum err store_space_get(struct store *store, unsigned tenant_id, const uint8_t space[STORE_SPACE_BYTES],
                         struct store_space *out_space);
// After an older copy of the store was restored: leaves out the next `by` serials of every space, those
// opened later included, because lines that the copy does not know may own them. A space with fewer than
// that has nothing left.
enum err store_advance_all_spaces(struct store *store, uint64_t by);

// The serial at which a space that is opened now begins: 0, or what was skipped after a restore.
enum err store_space_opening(struct store *store, uint64_t *out_serial);

enum store_line_status { STORE_LINE_REQUESTED, STORE_LINE_STARTED, STORE_LINE_ENDED, STORE_LINE_FINISHED };

struct store_line {
    uint8_t id[STORE_ID_BYTES];
    unsigned client_id;
    unsigned tenant_id; // of the space; an order gives it beside
    uint8_t session_id[STORE_ID_BYTES];
    int64_t space_row;
    unsigned generation; // of the space
    char *alphabet;      // the name it was ordered by
    char *characters;    // of that alphabet then, in its own order
    unsigned digits;
    uint64_t first_serial, size;
    uint64_t issued_before;           // in the space, just before this line
    char *payment_id, *payment_ident; // as sent
    char *seed;                       // meta.seed, or NULL
    enum store_line_status status;
    int64_t requested_ms, started_ms, ended_ms, finished_ms, deleted_ms; // 0: not yet
    // Known from "ended" on:
    char *checksum; // bits, as text
    uint64_t file_bytes;
    uint8_t file_hash[STORE_HASH_BYTES]; // SHA-256 of the data file
};
void store_line_done(struct store_line *line);

// What a new line asks for. Texts are copied.
struct store_line_order {
    struct store_line line; // id, client, session, alphabet, characters, digits, payment, seed,
                            // requested_ms; the rest is ignored
    unsigned tenant_id;
    uint8_t space[STORE_SPACE_BYTES];
    unsigned generation;    // to pin the space to, if it is new
    uint64_t space_size;    // strings in the space, UINT64_MAX when there are more
    uint64_t wanted, limit; // tokens: wanted is scaled down to min(limit, what the space still has)
    uint64_t minimum;       // fewer than this are refused, unless the space has no more
};

enum store_order_outcome {
    STORE_ORDER_TAKEN,
    STORE_ORDER_IDENT_USED, // this payment ident was used before by this client
    STORE_ORDER_EXHAUSTED,  // the space has nothing left
    STORE_ORDER_ID_EXISTS,  // draw another id
};

// One durable transaction: opens the space if it is new, takes the next block of serials and records the
// line and its payment ident. Nothing is taken unless the outcome is STORE_ORDER_TAKEN; out_line then
// holds first_serial, size, issued_before and all else, to be given back by store_line_done. ERR_INPUT:
// fewer than the minimum, or 0; ERR_CONFLICT: the space was opened with another space_size.
enum err store_line_create(struct store *store, const struct store_line_order *order,
                           enum store_order_outcome *out_outcome, struct store_line *out_line);
// ERR_NOT_FOUND when there is none, or it was deleted.
enum err store_line_get(struct store *store, const uint8_t id[STORE_ID_BYTES], struct store_line *out_line);
// The line that owns a serial of a space, deleted or not.
enum err store_line_of_serial(struct store *store, int64_t space_row, uint64_t serial,
                              struct store_line *out_line);
// Lines made by a session, oldest first, not deleted.
enum err store_line_list(struct store *store, const uint8_t session_id[STORE_ID_BYTES],
                         struct store_line **out_lines, size_t *out_count);
// Deletes the record's visibility, never its serials. ERR_NOT_FOUND.
enum err store_line_delete(struct store *store, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                           int64_t now_ms);

// The producer's steps; a line may be started again after a crash. ERR_NOT_FOUND when the line was deleted
// meanwhile, ERR_CONFLICT when it is finished.
enum err store_line_started(struct store *store, const uint8_t id[STORE_ID_BYTES], int64_t now_ms);
struct store_line_result {
    const char *checksum;
    uint64_t file_bytes;
    uint8_t file_hash[STORE_HASH_BYTES];
    int64_t ended_ms, finished_ms;
};
enum err store_line_finished(struct store *store, const uint8_t id[STORE_ID_BYTES],
                             const struct store_line_result *result);
// The smallest line of fewer than `below` tokens that is requested or started, the oldest of its size, after
// `passed_over` others; for the producer. ERR_NOT_FOUND: none.
enum err store_line_next_unfinished(struct store *store, uint64_t below, uint64_t passed_over,
                                    struct store_line *out_line);

// ---- customers ------------------------------------------------------------------------------------------

enum { STORE_ACCOUNT_BYTES = 10, STORE_INDEX_BYTES = 16 };

// A (type, value) of an account, of which tokens and events speak. The value is there as FF1 ciphertext only,
// and found by its blind index.
struct store_subject {
    int64_t row; // its number in the store; 0: none yet
    uint8_t id[STORE_ID_BYTES];
    unsigned tenant_id;
    char account[STORE_ACCOUNT_BYTES];
    uint8_t index[STORE_INDEX_BYTES];
    char *type;
    unsigned generation; // of the key that sealed it
    uint8_t *sealed;
    size_t sealed_bytes;
};
void store_subject_done(struct store_subject *subject);

struct store_customer_token {
    uint8_t id[STORE_ID_BYTES];
    struct store_subject subject;
    char *customer_id, *token_id;
    char *metadata;                // JSON, or NULL
    char *created_by, *deleted_by; // deleted_by: NULL until then
    int64_t created_ms, updated_ms, deleted_ms;
};
void store_customer_token_done(struct store_customer_token *token);

enum store_customer_outcome {
    STORE_CUSTOMER_CREATED,
    STORE_CUSTOMER_VALUE_EXISTS,    // a live token of the account has this (type, value)
    STORE_CUSTOMER_TOKEN_ID_EXISTS, // a live token of the account is named so
    STORE_CUSTOMER_ID_EXISTS,       // draw other ids
};
// One transaction: marks the subject's events deleted when told so, makes the subject unless it is known
// (what the store has sealed stays), and the token. Nothing is done unless it was created.
enum err store_customer_token_create(struct store *store, const struct store_customer_token *token,
                                     bool delete_events, enum store_customer_outcome *out_outcome);

struct store_customer_query {
    unsigned tenant_id;
    const char *account, *customer_id;
    const char *type; // NULL: any
    bool with_deleted;
    const uint8_t *after; // id of the token after which the page begins; NULL: the newest
    unsigned limit;
};
// Newest first. ERR_NOT_FOUND: no such `after`. The caller gives back each and frees the array.
enum err store_customer_token_list(struct store *store, const struct store_customer_query *query,
                                   struct store_customer_token **out_tokens, size_t *out_count);
// How many the query has without its limit and after.
enum err store_customer_token_count(struct store *store, const struct store_customer_query *query,
                                    uint64_t *out_count);
// The live token of this name. ERR_NOT_FOUND.
enum err store_customer_token_find(struct store *store, unsigned tenant_id, const char *account,
                                   const char *token_id, struct store_customer_token *out_token);
struct store_customer_deletion {
    unsigned tenant_id;
    const char *account, *customer_id, *token_id, *deleted_by;
    int64_t now_ms;
};
// out_token is the token as it is now. ERR_NOT_FOUND: none that is live.
enum err store_customer_token_delete(struct store *store, const struct store_customer_deletion *deletion,
                                     struct store_customer_token *out_token);

struct store_token_event {
    char *event, *status; // status: NULL when none was given
    char *metadata;       // JSON, or NULL
    char *created_by;
    int64_t created_ms, expires_ms, deleted_ms; // expires_ms: 0 never
};

// A subject with its live token, if any, and its events that are not deleted, oldest first.
struct store_token_detail {
    struct store_subject subject;
    char *customer_id, *token_id; // NULL: no live token
    struct store_token_event *events;
    size_t event_count;
};
void store_token_detail_done(struct store_token_detail *detail);

// Makes the subject unless it is known, and the event unless it is NULL. ERR_CONFLICT: draw another id.
// ERR_TOO_LARGE: the subject has STORE_EVENTS_MAX events that are not deleted, or their metadata fill
// STORE_EVENTS_BYTES_MAX.
enum { STORE_EVENTS_MAX = 100, STORE_EVENTS_BYTES_MAX = 64 * 1024 };
enum err store_token_event_add(struct store *store, const struct store_subject *subject,
                               const struct store_token_event *event, struct store_token_detail *out_detail);
// Marks deleted the subject's events of this name, or all when it is NULL. How many; ERR_NOT_FOUND: no
// subject. Of its deleted events, too, it keeps STORE_EVENTS_MAX with STORE_EVENTS_BYTES_MAX of metadata, the
// latest: nobody who records and deletes by turns fills the store, or a reply.
enum err store_token_event_delete(struct store *store, const struct store_subject *subject, const char *event,
                                  int64_t now_ms, uint64_t *out_count);
struct store_event_query {
    unsigned tenant_id;
    const char *account;
    const uint8_t *after;     // id of a subject; NULL: the newest
    int64_t since_ms;         // with an event made then or later; 0: any
    int64_t deleted_since_ms; // with an event deleted then or later, which is shown; 0: none of those
    unsigned limit;
};
// Subjects that have events, newest first. ERR_NOT_FOUND: no such `after`.
enum err store_token_event_list(struct store *store, const struct store_event_query *query,
                                struct store_token_detail **out_details, size_t *out_count);

struct store_subject_query {
    unsigned tenant_id, generation;
    int64_t above; // row
    unsigned limit;
};
// For moving values to another key: subjects under a generation, in the order of rows. The caller gives back
// each and frees the array.
enum err store_subject_list_under(struct store *store, const struct store_subject_query *query,
                                  struct store_subject **out_subjects, size_t *out_count);
// One transaction: replaces what is sealed of each, if it is still sealed under `from`. How many were.
enum err store_subject_reseal(struct store *store, const struct store_subject *resealed, size_t count,
                              unsigned from, uint64_t *out_moved);

// ---- token requests -------------------------------------------------------------------------------------

enum store_request_kind { STORE_REQUEST_TRANSFER, STORE_REQUEST_STANDING_ORDER, STORE_REQUEST_ACCESS };
enum store_request_state { STORE_REQUEST_PENDING, STORE_REQUEST_PROCESSED, STORE_REQUEST_REJECTED };

// What a client asks of a person. Card numbers in it are card tokens.
struct store_token_request {
    uint64_t number;            // never used for another
    uint8_t id[STORE_ID_BYTES]; // what its name was sealed from
    unsigned client_id, tenant_id;
    enum store_request_kind kind;
    char *options, *payload; // JSON; options: NULL when there are none
    char *redirect_url;      // the payload's
    char *callback_state;    // the payload's, or NULL
    char *bank_id;           // the options', or NULL
    int64_t created_s, expires_s;
    enum store_request_state state;
    int64_t decided_s;          // 0: not yet; then the rest has nothing
    char *decided_by;           // a client's name, or STORE_BY_PAGE
    unsigned decided_client_id; // 0: on the page, by who had the link
    char *decided_source;       // address of the peer, or NULL
    char *reason;               // NULL: none
};
void store_token_request_done(struct store_token_request *request);

#define STORE_BY_PAGE "page"

// number, state and what was decided are ignored. ERR_CONFLICT when the id exists.
enum err store_token_request_create(struct store *store, const struct store_token_request *request,
                                    uint64_t *out_number);
// ERR_NOT_FOUND.
enum err store_token_request_get(struct store *store, const uint8_t id[STORE_ID_BYTES],
                                 struct store_token_request *out_request);

struct store_request_decision {
    const uint8_t *id;
    enum store_request_state state; // PROCESSED or REJECTED
    int64_t now_s;
    const char *by, *source, *reason; // as decided_by and so on in struct store_token_request
    unsigned by_client_id;
};
enum store_decision_outcome {
    STORE_DECISION_TAKEN,
    STORE_DECISION_LATE,    // somebody has decided before: the state says what
    STORE_DECISION_EXPIRED, // nobody can any more
};
// One transaction, so that of any number of decisions one is taken; what is decided stays. out_request is the
// request as it is now. ERR_NOT_FOUND.
enum err store_token_request_decide(struct store *store, const struct store_request_decision *decision,
                                    enum store_decision_outcome *out_outcome,
                                    struct store_token_request *out_request);
