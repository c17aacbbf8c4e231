// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A PKCS#11 token, opened once for the life of the process, and the keys in it. With hsm_set.h (several
// tokens as one) the only header of pkcs11/ that other rooms may include; no CK_* type leaves the room. The
// words: a *slot* here is what PKCS#11 calls a token in a slot.
//
// Threads: everything but hsm_open and hsm_close may be called from any thread. hsm_close finalizes the
// module: no thread may be inside a seam then. After hsm_open the process must not fork.
// Secrets: a PIN from a file lives in a struct secret during login only and is read again if the login is
// lost; one that was typed is kept in a struct secret until hsm_close. Keys never leave the token.
// Errors: ERR_HSM_* as in err.h; functions with a diag name module, slot, object and CKR code in it.
#pragma once

#include "appliance/base/crypto.h"
#include "appliance/base/secret.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct hsm;

struct hsm_options {
    const char *name;         // for messages
    const char *module;       // absolute path of the PKCS#11 module
    const char *token_label;  // CKA label of the token, exact
    const char *serial;       // token serial, or NULL for any
    const char *arguments;    // handed to the module's C_Initialize as pReserved (NSS softokn), or NULL
    const char *pin_file;     // mode 0400 or 0600; NULL: `pin` is used
    const struct secret *pin; // from a prompt; NULL: pin_file is used
    unsigned lanes;           // parallel ECB operations a key may have open; 0 means 1
    bool pin_retry;           // log in although the token has seen failed tries (never on the last one)
    bool replica;             // keys may lack CKA_LOCAL if their check value is pinned
    bool isolate;             // the module runs in a p11-kit server of its own, which can be killed
    unsigned call_timeout_ms; // a call that takes longer: the slot is down; 0 means HSM_CALL_TIMEOUT_MS
    unsigned priority;        // of hsm_set.h: lower is used first
};
enum { HSM_CALL_TIMEOUT_MS = 5000 };

// Loads the module, finds the token by label (looking again for up to a second: SoftHSM
// rewrites its token file at every login elsewhere), refuses a token whose PIN flags show failed tries
// (see pin_retry) and logs in once. ERR_HSM_PIN, ERR_HSM_CONFIG, ERR_HSM_DOWN, ERR_CONFIG, ERR_IO.
enum err hsm_open(const struct hsm_options *options, struct hsm **out_hsm, struct diag *diag);
// Closes lanes and sessions, the last of which ends the login, finalizes and unloads. NULL is fine. The
// process then leaves by _exit. With a call in the module that does not return, nothing is closed or freed,
// after a wait of about twice call_timeout_ms.
void hsm_close(struct hsm *hsm);
// Whether the slot answers and its keys work: no call has found it gone or hangs in it since it was last
// (re)opened, and every open key answered rightly in the last hsm_check.
bool hsm_is_up(const struct hsm *hsm);

// Asks the token and each open key for an answer that is known (Ed25519 keys and all lanes: each 30th time).
// A slot that is down is reopened first: new sessions, one login, and if that does not help and no other slot
// uses the module, C_Finalize and C_Initialize; then every open key is found, verified and asked before
// anybody is let in. A key that answers wrongly takes the slot down. OK: all works. diag names the first that
// does not.
enum err hsm_check(struct hsm *hsm, struct diag *diag);
// Calls hsm_check every HSM_CHECK_INTERVAL_S seconds in a thread of its own until hsm_close. Another marks
// the slot down when a call (the watcher's too) takes longer than call_timeout_ms: all others fail at once,
// and the slot is reopened when that call has come back, which it is made to if the slot is isolated.
// `changed` is called from either whenever hsm_is_up has become another (it begins as up); why is empty when
// up. Once only; not beside the functions of administration. ERR_IO: no thread.
enum { HSM_CHECK_INTERVAL_S = 2 };
enum err hsm_watch(struct hsm *hsm, void (*changed)(void *context, bool up, const char *why), void *context);

// ---- keys in use ----------------------------------------------------------------------------------

enum key_use { KEY_FPE, KEY_MAC, KEY_SIGN_ED25519, KEY_SIGN_P256, KEY_TLS };
enum { KEY_USES = KEY_TLS + 1 };
// As people read and write them: fpe, mac, sign-ed25519, sign-p256, tls.
extern const char *const hsm_use_names[KEY_USES];

// Names a key: "symbolon:<tenant id>:<use>:<generation>" made by hsm_key_label, or an RFC 7512 URI.
struct hsm_key_ref {
    enum key_use use;
    const char *name;
    const uint8_t *check_value; // pinned KEY_CHECK_VALUE_BYTES, or NULL
};

// The label of a key: use is spelled fpe, mac, sign (both kinds) or tls. out_label holds KEY_LABEL_BYTES.
void hsm_key_label(unsigned tenant_id, enum key_use use, unsigned generation, char *out_label);

// Each opens one key for use for the life of hsm: exactly one object must match; its class, type, size
// and attributes must be those of its use (see pkcs11/README.md), its check value the pinned one.
// ERR_HSM_KEY otherwise, and diag says which attribute and why. out_evidence may be NULL.
// Callers of a cipher share its lanes: who finds none idle shares the next call to the module with all who
// wait.
enum err hsm_open_cipher(struct hsm *hsm, const struct hsm_key_ref *ref, struct cipher *out_cipher,
                         struct key_evidence *out_evidence, struct diag *diag);
enum err hsm_open_mac(struct hsm *hsm, const struct hsm_key_ref *ref, struct mac *out_mac,
                      struct key_evidence *out_evidence, struct diag *diag);
// An EC P-256 private key as an OpenSSL key; the caller frees it before hsm_close.
enum err hsm_open_private_key(struct hsm *hsm, const struct hsm_key_ref *ref, EVP_PKEY **out_key,
                              struct key_evidence *out_evidence, struct diag *diag);
// A key that signs: KEY_SIGN_ED25519 or KEY_SIGN_P256, with its public half.
enum err hsm_open_signer(struct hsm *hsm, const struct hsm_key_ref *ref, struct signer *out_signer,
                         struct key_evidence *out_evidence, struct diag *diag);
// Gives back one opening of a key. With the last one its lanes and sessions are closed, since a long-lived
// operation outlives the object in some modules; no copy of its seam may be used any more then.
void hsm_release_key(struct hsm *hsm, const struct hsm_key_ref *ref);
// C_GenerateRandom.
struct rng hsm_rng(struct hsm *hsm);

// Test programs only: an AES key of 16, 24 or 32 known bytes as a session object (it would fail the
// checks that production keys must pass). Vectors are checked through the real module with it.
enum err hsm_import_test_cipher(struct hsm *hsm, const uint8_t *key, size_t key_bytes,
                                struct cipher *out_cipher, struct diag *diag);

// ---- administration (symbolon-hsm) ----------------------------------------------------------------

// Initializes the first uninitialized token of the module with this label, then its user PIN.
// ERR_CONFLICT when a token of this label exists; nothing is ever re-initialized. If it has no user PIN yet,
// it gets one.
enum err hsm_init_token(const char *module, const char *label, const struct secret *so_pin,
                        const struct secret *pin, struct diag *diag);

// Generates a key of the given use in the token, with the attributes that hsm_open_* demands.
// ERR_CONFLICT when the label is taken; ERR_HSM_CONFIG when the token lacks the mechanism.
enum err hsm_generate_key(struct hsm *hsm, unsigned tenant_id, enum key_use use, unsigned generation,
                          struct key_evidence *out_evidence, struct diag *diag);

// Destroys a key, the public key and the certificate of the same label. Two people are needed: the security
// officer's PIN is proved by a login of its own (which ends), then the user, who is logged in already,
// destroys. ERR_HSM_PIN, ERR_NOT_FOUND. The caller has made sure that nobody needs the key. No key may be
// open: every session of the process in this token ends.
enum err hsm_destroy_key(struct hsm *hsm, unsigned tenant_id, enum key_use use, unsigned generation,
                         const struct secret *so_pin, struct diag *diag);

// A boolean attribute as the token tells it: "never_extractable" for CKA_NEVER_EXTRACTABLE.
struct hsm_key_attribute {
    const char *name;
    bool known, value; // not known: the token has no such attribute for this key
};
enum { HSM_KEY_ATTRIBUTES = 18 };

// One line of a listing. ok is false when the key would be refused by hsm_open_*; why then says it. In a
// replica it is ok without CKA_LOCAL: whether its check value is the pinned one is seen at opening.
struct hsm_key_info {
    enum key_use use;
    unsigned tenant_id, generation;
    struct key_evidence evidence;
    struct hsm_key_attribute attributes[HSM_KEY_ATTRIBUTES];
    bool ok;
    struct diag why;
};
// Whether the key was generated in the token and could never leave it, by what the token says.
static inline bool hsm_key_never_left(const struct key_evidence *evidence)
{
    return evidence->local && evidence->always_sensitive && evidence->never_extractable;
}
// Appends what is shown of it as members of a JSON object, whose braces are the caller's: label, tenant, use,
// generation, check_value, the attributes that are known, made_here_and_never_left, ok, why.
void hsm_key_write(const struct hsm_key_info *key, struct buf *out);
// All keys labelled symbolon:*, sorted by tenant, use and generation; the caller frees *out_keys with free().
enum err hsm_list_keys(struct hsm *hsm, struct hsm_key_info **out_keys, size_t *out_count, struct diag *diag);

// What the token says of itself.
struct hsm_facts {
    char library[80]; // description and version of the module
    char manufacturer[40], model[24], serial[24], firmware[16];
    bool pin_count_low, pin_final_try, pin_locked, pin_to_be_changed;
    bool aes_ecb, aes_keygen, hmac_sha256, generic_keygen, ec_keygen, ecdsa, eddsa; // mechanisms
    bool stream; // C_EncryptUpdate returns every block at once and agrees with C_Encrypt
};
enum err hsm_read_facts(struct hsm *hsm, struct hsm_facts *out_facts, struct diag *diag);

// Puts a DER certificate beside the TLS key (CKO_CERTIFICATE with the key's label), in place of an older one.
// ERR_INPUT when it is none.
enum err hsm_store_certificate(struct hsm *hsm, const char *label, const uint8_t *der, size_t der_bytes,
                               struct diag *diag);
