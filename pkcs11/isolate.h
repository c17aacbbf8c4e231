// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 module that runs in a `p11-kit server` of its own instead of our process, so that one that hangs
// can be killed and one that goes astray touches no memory but its own. Calls go through p11-kit-client.so.
//
// That client takes its server's address from the environment when it hands out a function list, and keeps
// it. A list is therefore made once for each *place*, of which there are ISOLATED_MAX in a process, with a
// server for each; the list of a place given back serves again. It is called by one thread at a time only, as
// the server does anyway: the client (0.24.1) closes its socket under the threads that wait for an answer,
// and selects on descriptors that may lie beyond an fd_set.
//
// Only mechanisms that p11-kit knows pass: EdDSA does from version 0.25 on. A PIN passes through buffers of
// p11-kit, here and in the server, which are not wiped.
//
// Threads: isolate_kill from any. The others one at a time; the first isolate_open before others read the
// environment, as it adds to it.
#pragma once

#include "appliance/base/err.h"

#include <p11-kit/pkcs11.h>

enum { ISOLATED_MAX = 8 };

struct isolate;

// The functions of the module at this path, which the caller has checked, ready for C_Initialize after
// isolate_start. ERR_CONFIG: no place is left. ERR_HSM_CONFIG, ERR_IO.
enum err isolate_open(const char *module, struct isolate **out_isolate, const CK_FUNCTION_LIST **out_f,
                      struct diag *diag);
// Finalizes the module, kills the server and gives the place back. Nobody may be inside the functions; of a
// module that hangs, isolate_kill comes first. NULL is fine.
void isolate_close(struct isolate *isolate);

// Kills what is left of the server, starts another and initializes the module in it. out_rv is
// what C_Initialize said when that is why it failed, CKR_OK otherwise.
enum err isolate_start(struct isolate *isolate, CK_C_INITIALIZE_ARGS *args, CK_RV *out_rv, struct diag *diag);
// Every call inside returns soon with an error, and so does each later one, until isolate_start.
void isolate_kill(struct isolate *isolate);
