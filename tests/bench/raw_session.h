// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Bare AES-ECB: a session of its own in an open hsm's token with one open C_EncryptInit, fed by
// C_EncryptUpdate without any of our code between. The same module, login and key as the hsm's only AES key.
#pragma once

#include "appliance/base/crypto.h"
#include "pkcs11/hsm.h"

// Ends the program on failure. The seam is for one thread and lives as long as the hsm; once only.
struct cipher raw_session_open(const struct hsm *hsm);
