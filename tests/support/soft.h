// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The crypto seams in memory, by OpenSSL, for tests and as the "key in RAM" peer of benchmarks.
// Counts its calls, and fails on request. Not thread-safe except encrypt and compute without faults.
#pragma once

#include "appliance/base/crypto.h"

#include <stdatomic.h>

struct soft_cipher {
    void *schedule;       // EVP_CIPHER_CTX
    atomic_size_t calls;  // encrypt calls so far
    atomic_size_t blocks; // blocks in them
    size_t fail_at_call;  // 1-based number of the call that fails with `failure`; 0: never
    enum err failure;
};

// key_bytes 16, 24 or 32. Aborts the test on failure. The struct must not move while in use.
void soft_cipher_init(struct soft_cipher *soft, const uint8_t *key, size_t key_bytes);
void soft_cipher_done(struct soft_cipher *soft);
struct cipher soft_cipher_seam(struct soft_cipher *soft);

struct soft_mac {
    uint8_t key[32];
};
struct mac soft_mac_seam(struct soft_mac *soft);

// Deterministic bytes from a seed (AES-CTR-like); the same seed gives the same bytes.
struct soft_rng {
    uint64_t state;
};
struct rng soft_rng_seam(struct soft_rng *soft);

// A signing key from 32 bytes: the seed of an Ed25519 key, or the private number of a P-256 key (1 up to the
// group's order). The same bytes give the same key. Thread-safe.
struct soft_signer {
    void *key; // EVP_PKEY; public half for a test that verifies by itself
    enum signer_kind kind;
};
void soft_signer_init(struct soft_signer *soft, enum signer_kind kind, const uint8_t key[32]);
void soft_signer_done(struct soft_signer *soft);
struct signer soft_signer_seam(struct soft_signer *soft);
