// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What an open key must answer: the same as when it was opened, or a signature that its public key verifies.
// A key that was exchanged, and a module that computes wrongly, are found so before many tokens are made with
// it.
#pragma once

#include "pkcs11/hsm_private.h"

// At opening, when the check value has been found right. ERR_HSM_KEY: the key answers something else than it.
enum err known_answer_keep(struct open_key *key);
// Makes the key work once. out_wrong: it answered, and wrongly, which is an ERR_HSM_KEY too.
enum err known_answer_check(const struct open_key *key, bool *out_wrong);
