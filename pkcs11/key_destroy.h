// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Destroying what bears the label of a key: the key first, then the public key and the certificate beside it.
// hsm.h: hsm_destroy_key.
#pragma once

#include "pkcs11/slot.h"

struct key_label;

// How many objects there are. Both kinds of sign share a label, and each its own objects.
enum err key_destroy_count(struct slot *slot, const struct key_label *key, size_t *out_objects,
                           struct diag *diag);
// Destroys them one at a time. When it fails, what was destroyed is gone, and it may be called again.
enum err key_destroy(struct slot *slot, const struct key_label *key, struct diag *diag);
