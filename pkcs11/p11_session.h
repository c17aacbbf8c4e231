// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Sessions for single calls (HMAC, random bytes): taken, then given back or reported broken, which closes
// them. Threads never share one. At most SESSION_POOL_MAX are open; callers beyond that wait, until the slot
// is down.
#pragma once

#include "pkcs11/slot.h"

enum { SESSION_POOL_MAX = 32 };

struct session_pool {
    struct slot *slot;
    pthread_mutex_t lock;
    pthread_cond_t given;
    CK_SESSION_HANDLE idle[SESSION_POOL_MAX];
    unsigned idle_count, open_count;
};

void session_pool_init(struct session_pool *pool, struct slot *slot);
// All sessions must have been given back.
void session_pool_done(struct session_pool *pool);

// After slot_reopen: none of the sessions stands. Nobody may have one.
void session_pool_forget(struct session_pool *pool);

enum err session_take(struct session_pool *pool, CK_SESSION_HANDLE *out_session);
void session_give(struct session_pool *pool, CK_SESSION_HANDLE session);
void session_broken(struct session_pool *pool, CK_SESSION_HANDLE session);
