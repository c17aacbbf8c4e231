// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Making keys in the token, with the attributes of key_rules.h, and certificates beside them.
#pragma once

#include "pkcs11/slot.h"

// See hsm_generate_key. The caller sees to it that objects are made one at a time.
enum err key_generate(struct slot *slot, unsigned tenant_id, enum key_use use, unsigned generation,
                      struct key_evidence *out_evidence, struct diag *diag);
