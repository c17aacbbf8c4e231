// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/key_set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct key_set_entry {
    enum key_use use;
    char label[KEY_LABEL_BYTES];
};

// ---- seams without keys ------------------------------------------------------------------------------

static enum err no_cipher([[maybe_unused]] void *context, [[maybe_unused]] uint8_t *blocks, size_t count)
{
    return count == 0 ? OK : ERR_HSM_DOWN;
}

// Nobody can present the credentials that hang on it.
static enum err no_mac([[maybe_unused]] void *context, [[maybe_unused]] const uint8_t *message,
                       [[maybe_unused]] size_t message_bytes, uint8_t out_mac[MAC_BYTES])
{
    memset(out_mac, 0, MAC_BYTES);
    return OK;
}

static enum err no_signature([[maybe_unused]] void *context, [[maybe_unused]] const uint8_t *message,
                             [[maybe_unused]] size_t message_bytes,
                             [[maybe_unused]] uint8_t out_signature[SIGNATURE_BYTES])
{
    return ERR_HSM_DOWN;
}

// ---- the set -----------------------------------------------------------------------------------------

// Room for one more, so that what was opened can always be noted.
static enum err make_room(struct key_set *set)
{
    struct key_set_entry *grown = reallocarray(set->entries, set->count + 1, sizeof *grown);
    if (grown == NULL)
        return ERR_MEMORY;
    set->entries = grown;
    return OK;
}

static void note(struct key_set *set, const struct hsm_key_ref *ref)
{
    struct key_set_entry *entry = &set->entries[set->count++];
    entry->use = ref->use;
    snprintf(entry->label, sizeof entry->label, "%s", ref->name);
}

static enum err pin(struct key_set *set, struct store_key *key, const struct key_evidence *evidence,
                    enum store_key_state *out_state, struct diag *diag)
{
    *out_state = key->state;
    if (set->store == NULL || !evidence->has_check_value)
        return OK;
    memcpy(key->check_value, evidence->check_value, sizeof key->check_value);
    const enum err rc = store_key_pin(set->store, key, out_state);
    if (rc == ERR_CONFLICT)
        return diag_set(diag, ERR_HSM_KEY,
                        "key %s: its check value is not the one that the store remembers: it was replaced",
                        evidence->label);
    return rc == OK ? OK : diag_set(diag, rc, "the store cannot be written");
}

enum err key_set_generation(struct key_set *set, const struct key_set_generation *generation,
                            struct cipher *out_cipher, struct key_evidence *out_evidence,
                            enum store_key_state *out_state, struct diag *diag)
{
    enum err rc = OK;
    char label[KEY_LABEL_BYTES];
    struct store_key key = {.tenant_id = generation->tenant_id,
                            .generation = generation->number,
                            .use = "fpe",
                            .state = generation->first_state};
    hsm_key_label(generation->tenant_id, KEY_FPE, generation->number, label);
    const struct hsm_key_ref ref = {KEY_FPE, label, generation->check_value};
    *out_cipher = (struct cipher){.encrypt = no_cipher};
    *out_state = generation->first_state;
    if (set->hsms == NULL)
        return OK;
    TRY(make_room(set));
    TRY(hsm_set_open_cipher(set->hsms, &ref, out_cipher, out_evidence, diag));
    note(set, &ref);
    rc = pin(set, &key, out_evidence, out_state, diag);
out:
    return rc;
}

enum err key_set_mac(struct key_set *set, unsigned tenant_id, struct mac *out_mac, struct diag *diag)
{
    enum err rc = OK;
    char label[KEY_LABEL_BYTES];
    struct key_evidence evidence;
    enum store_key_state state;
    struct store_key key = {.tenant_id = tenant_id, .generation = 1, .use = "mac"};
    hsm_key_label(tenant_id, KEY_MAC, 1, label);
    const struct hsm_key_ref ref = {KEY_MAC, label, NULL};
    *out_mac = (struct mac){.compute = no_mac};
    if (set->hsms == NULL)
        return OK;
    TRY(make_room(set));
    TRY(hsm_set_open_mac(set->hsms, &ref, out_mac, &evidence, diag));
    note(set, &ref);
    rc = pin(set, &key, &evidence, &state, diag);
out:
    return rc;
}

enum err key_set_signer(struct key_set *set, enum key_use use, struct signer *out_signer, struct diag *diag)
{
    enum err rc = OK;
    char label[KEY_LABEL_BYTES];
    hsm_key_label(0, use, 1, label);
    const struct hsm_key_ref ref = {use, label, NULL};
    *out_signer = (struct signer){.sign = no_signature,
                                  .kind = use == KEY_SIGN_ED25519 ? SIGNER_ED25519 : SIGNER_ES256};
    if (set->hsms == NULL)
        return OK;
    TRY(make_room(set));
    TRY(hsm_set_open_signer(set->hsms, &ref, out_signer, NULL, diag));
    note(set, &ref);
out:
    return rc;
}

void key_set_done(struct key_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct hsm_key_ref ref = {set->entries[i].use, set->entries[i].label, NULL};
        hsm_set_release_key(set->hsms, &ref);
    }
    free(set->entries);
    set->entries = NULL;
    set->count = 0;
}
