// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 module that is SoftHSM with faults on request: tests load it by its path and reach the same
// instance's controls through its symbol fault_control. They are changed while no call is under way, but for
// those that are atomic. A copy of the file is another module, with a SoftHSM of its own if it is told of a
// copy of that too.
#pragma once

#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FAULT_LOGGED = 64, FAULT_SESSIONS = 8 };

enum fault_call {
    FAULT_OPEN_SESSION,
    FAULT_LOGIN,
    FAULT_FIND,
    FAULT_ENCRYPT_INIT,
    FAULT_ENCRYPT,
    FAULT_UPDATE,
    FAULT_SIGN_INIT,
    FAULT_SIGN,
    FAULT_RANDOM,
    FAULT_GENERATE,
    FAULT_INITIALIZE,
    FAULT_FINALIZE,
    FAULT_SLOT_LIST,
    FAULT_TOKEN_INFO,
    FAULT_SESSION_INFO,
    FAULT_CLOSE_SESSION,
    FAULT_CLOSE_ALL,
    FAULT_FIND_NEXT,
    FAULT_FIND_FINAL,
    FAULT_ATTRIBUTES,
    FAULT_CALLS,
};

struct fault {
    atomic_size_t calls; // so far
    atomic_size_t at;    // the call of this number fails, counted as `calls` is; 0: none
    atomic_uint pattern; // bit 0: the next call fails, bit 1: the one after it, ...
    atomic_bool always;  // all of them do
    _Atomic CK_RV rv;    // with this
};

struct fault_control {
    // Before the module is asked for its functions:
    const char *softhsm;        // NULL: Debian's
    const char *conf;           // put into SOFTHSM2_CONF whenever it is initialized; NULL: what stands there
    pthread_mutex_t *conf_lock; // shared by modules that are told of different ones

    struct fault fault[FAULT_CALLS];
    atomic_size_t hold_from[FAULT_CALLS]; // the call of this number and later ones wait first; 0: none
    atomic_uint held[FAULT_CALLS];        // that wait so now
    atomic_bool scribble;                 // a failing C_EncryptUpdate has begun to write
    bool hold_back;                       // C_EncryptUpdate keeps the last block to itself
    atomic_bool wrong_in_stream;          // C_EncryptUpdate flips a bit
    _Atomic CK_SESSION_HANDLE sessions[FAULT_SESSIONS]; // the last ones, by the numbers of the calls
    _Atomic CK_SESSION_HANDLE wrong_session;            // its C_EncryptUpdate flips a bit; 0: none
    atomic_bool wrong_signature;                        // C_Sign flips a bit
    CK_ATTRIBUTE_TYPE refused;                          // C_GenerateKey does not know this attribute; 0: none
    bool too_powerful;                                  // it makes keys that decrypt, whatever it is told
    CK_ATTRIBUTE_TYPE flipped;           // C_GetAttributeValue tells the contrary of this one; 0: none
    CK_ATTRIBUTE_TYPE hidden;            // C_GetAttributeValue does not know this attribute; 0: none
    CK_MECHANISM_TYPE missing_mechanism; // the token lacks it; 0: none
    bool bare_point;                     // CKA_EC_POINT comes without its OCTET STRING
    bool bad_point;                      // CKA_EC_POINT is not on the curve
    unsigned sign_ms;                    // how long C_Sign takes
    atomic_uint signing, most_signing;   // threads inside C_Sign now, and at most

    unsigned update_us;            // how long C_EncryptUpdate takes at least
    atomic_bool hold_updates;      // it does nothing yet; other controls may be changed while all wait there
    atomic_uint updating;          // threads inside it now
    const uint8_t *update_bytes;   // where the last call wrote
    uint16_t blocks[FAULT_LOGGED]; // how many in each call, from the one of number log_from on
    size_t log_from;               // 0: no log; one lane only
};

struct fault_control *fault_control(void);
