// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 module in the process: one instance for each path, shared by every slot of it and by libp11,
// which is handed the same path and therefore the same function list and login state. An isolated module
// (isolate.h) is one slot's own, and libp11 does not know it.
//
// The module is initialized by ourselves first, with CKF_OS_LOCKING_OK (SoftHSM crashes under threads
// without it), so that the CKR code of a failure is known; libp11 then takes CKR_CRYPTOKI_ALREADY_INITIALIZED
// for success. PKCS11_CTX_unload finalizes the module whoever initialized it, so it is the last act of the
// last user. The code stays mapped to the end of the process: modules leave exit handlers behind.
// Locking: open, close and the libp11 functions take one lock of their own.
#pragma once

#include "appliance/base/err.h"
#include "pkcs11/hsm.h"
#include "pkcs11/isolate.h"

#include <libp11.h>
#include <p11-kit/pkcs11.h>
#include <stdatomic.h>

// One reading of the slots by libp11. All are kept until the module is closed: releasing one closes every
// session of every slot, and PKCS11_update_slots of libp11 0.4.12 frees twice.
struct libp11_slots {
    PKCS11_SLOT *list;
    unsigned count;
    struct libp11_slots *next;
};

struct module {
    const CK_FUNCTION_LIST *f;
    char *path; // as it was first named
    // the rest belongs to module.c
    char *real_path; // tells whether two names mean one module
    void *code;
    PKCS11_CTX *libp11;
    struct libp11_slots *slots;
    char *arguments;         // for C_Initialize, or NULL
    struct isolate *isolate; // NULL: it runs in our process
    unsigned users;          // of one that is not isolated
    unsigned waiting;        // of them, in module_wait
    atomic_uint logins;      // how often a slot of it has begun one
    struct module *next;
};

// path must be absolute and the file owned by root or ourselves, not writable by everybody. Sets SIGPIPE to
// be ignored before the module's code runs. ERR_CONFIG, ERR_HSM_CONFIG, ERR_HSM_DOWN.
enum err module_open(const char *path, struct module **out_module, struct diag *diag);
// The same for a slot: `arguments` and `isolate` of its options apply too. ERR_CONFIG also when the module is
// in use with other arguments, which it was initialized with once for all, and for arguments of an isolated
// one.
enum err module_open_for(const struct hsm_options *options, struct module **out_module, struct diag *diag);
// NULL is fine. The last close of a module closes its sessions and finalizes it.
void module_close(struct module *module);

// Finalizes and initializes, which makes SoftHSM read its directory again; of an isolated module, in another
// process. Does nothing when others use the module too, unless they all wait for it.
enum err module_restart(struct module *module, struct diag *diag);
// From one to the other a user has nothing open and is not inside, so that another may restart the module.
void module_wait(struct module *module);
void module_wait_no_more(struct module *module);

// Of an isolated module: kills its process. From any thread. Does nothing otherwise.
void module_kill(const struct module *module);

// Reads the slots anew, of a module that is not isolated. Valid until the module is closed; libp11's tokens
// and keys likewise.
enum err module_read_slots(struct module *module, const struct libp11_slots **out_slots, struct diag *diag);
