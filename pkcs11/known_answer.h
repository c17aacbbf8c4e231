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

// A glance: one lane, no Ed25519. Each minute: all lanes that are idle. Of a slot that was reopened and is
// still down, so that nobody uses it yet: all, and every key is found and verified anew.
enum known_answer_depth { KNOWN_ANSWER_GLANCE, KNOWN_ANSWER_MINUTE, KNOWN_ANSWER_REOPENED };
// Makes the key work. out_wrong: it answered, and wrongly, which is an ERR_HSM_KEY too. But for a reopened
// slot, the caller has entered it.
enum err known_answer_check(const struct open_key *key, enum known_answer_depth depth, bool *out_wrong);
