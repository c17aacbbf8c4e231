// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The audit file: one numbered JSON line for each request that touches account data, keys or
// configuration: who, what, how many, outcome, generation; never a value, token or credential. The
// event is a struct of fixed members, so nothing else can be written. A line is written before the
// reply leaves; when that fails the request must fail with 503.
//
// Threads: audit_write may be called from any thread (one lock around the file). Files are opened in
// append mode with mode 0600; numbering continues after the last complete line of an existing file.
//
// Rotation: when the path no longer leads to the open file, because that was moved or removed, the next
// write creates and locks a new one, whose first line is an AUDIT_REOPENED. Numbers go on, so that a
// removed file leaves a gap in them.
#pragma once

#include "appliance/base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum audit_event {
    AUDIT_NONE, // a route that touches nothing worth a line
    AUDIT_START,
    AUDIT_STOP,
    AUDIT_REOPENED, // written by audit_write itself
    AUDIT_CARD_TOKENIZE,
    AUDIT_TRANSFORM_ENCODE,
    AUDIT_TRANSFORM_DECODE,
    AUDIT_TRANSFORM_VALIDATE,
    AUDIT_TRANSFORM_REWRAP,
    AUDIT_TRANSFORM_METADATA,
    AUDIT_GIFTCARD_TOKENIZE,
    AUDIT_LOGIN,
    AUDIT_SERIAL_SESSION,
    AUDIT_SERIAL_ALPHABET,
    AUDIT_SERIAL_ORDER,
    AUDIT_SERIAL_DELETE,
    AUDIT_SERIAL_DATA,
    AUDIT_SERIAL_PROVE,
    AUDIT_ACCESS_TOKEN,
    AUDIT_CUSTOMER_TOKEN_CREATE,
    AUDIT_CUSTOMER_TOKEN_LIST,
    AUDIT_CUSTOMER_TOKEN_DELETE,
    AUDIT_TOKEN_EVENT_CREATE,
    AUDIT_TOKEN_EVENT_LIST,
    AUDIT_TOKEN_EVENT_DELETE,
    AUDIT_TOKEN_REQUEST_CREATE,
    AUDIT_TOKEN_REQUEST_READ,
    AUDIT_TOKEN_REQUEST_PAGE,
    AUDIT_TOKEN_REQUEST_APPROVE,
    AUDIT_TOKEN_REQUEST_REJECT,
    AUDIT_KEYS_READ,
    AUDIT_KEY_LOAD,
    AUDIT_KEY_ACTIVATE,
    AUDIT_KEY_RETIRE,
    AUDIT_KEY_RELEASE,
    AUDIT_KEY_REWRAP,
    AUDIT_RELOAD,
    AUDIT_AUTHENTICATION_FAILED,
};

struct audit_record {
    enum audit_event event;
    const char *request_id;        // X-Request-Id, or NULL
    const char *source;            // peer address, or NULL
    const char *client;            // configured name of the client, or of the one whose page it is; or NULL
    unsigned client_id, tenant_id; // 0: none
    const char *role;              // configured role name, or NULL: never a name taken from the request
    uint64_t items, failed_items;
    unsigned generation;     // of the FF1 key used; 0: none or several
    unsigned key_tenant_id;  // whose key was changed; 0: none
    uint64_t request_number; // the store's, of the token request; 0: none
    unsigned status;         // HTTP status; 0: none
    enum err outcome;
};

enum audit_sync {
    AUDIT_SYNC_INTERVAL, // fdatasync about every second
    AUDIT_SYNC_ALWAYS,   // fdatasync before audit_write returns
};

struct audit;

// Opens or creates the file and locks it: ERR_CONFLICT when another process holds it, ERR_CONFIG when it
// is no audit file. An incomplete last line (power loss) is ended with a line feed and kept.
enum err audit_open(const char *path, enum audit_sync sync, struct audit **out_audit, struct diag *diag);
void audit_close(struct audit *audit); // syncs; NULL is fine

// Before something is done of which a line must tell: whether one can be written now. ERR_IO as below. What
// fails in between, the file or the disk, is found by audit_write only.
enum err audit_ready(struct audit *audit);

// Appends one line with time (RFC 3339, UTC, ms) and number. ERR_IO when it could not be written whole
// (a part already written is cut off again), or when the file is gone and cannot be created again.
enum err audit_write(struct audit *audit, const struct audit_record *record);
