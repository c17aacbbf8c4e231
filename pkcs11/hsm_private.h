// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// struct hsm, for the files of this room that implement hsm.h.
#pragma once

#include "pkcs11/hsm.h"
#include "pkcs11/lane.h"
#include "pkcs11/p11_session.h"
#include "pkcs11/signer.h"
#include "pkcs11/slot.h"

// A key that is in use until hsm_close. Opening it again (a reload) gives the same one.
struct open_key {
    struct hsm_key_ref ref; // check_value is unused
    char *name;
    struct lane_pool *lanes; // KEY_FPE
    struct signer *signer;   // the others
    struct key_evidence evidence;
    struct open_key *next;
};

struct hsm {
    struct slot slot;
    struct session_pool sessions;
    unsigned lanes;
    bool replica;
    pthread_mutex_t lock; // keys; making and destroying objects, which is done one at a time
    struct open_key *keys;
};
