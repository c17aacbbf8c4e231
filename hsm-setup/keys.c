// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm keys generate, keys list.
#include "hsm-setup/keys.h"
#include "hsm-setup/evidence.h"
#include "hsm-setup/transcript.h"

#include <stdio.h>
#include <stdlib.h>

enum { USES_OF_TENANT = 1U << KEY_FPE | 1U << KEY_MAC, USES_OF_SYSTEM = (1U << KEY_USES) - 1 };

unsigned cli_usual_uses(unsigned tenant_id)
{
    return tenant_id == 0 ? USES_OF_SYSTEM : USES_OF_TENANT;
}

// ---- making -----------------------------------------------------------------------------------------

static enum err make_one(struct hsm *hsm, struct key_batch *batch, enum key_use use, struct diag *diag)
{
    struct key_evidence evidence;
    char label[KEY_LABEL_BYTES], check_value[CHECK_VALUE_TEXT_BYTES];
    hsm_key_label(batch->tenant_id, use, batch->generation, label);
    enum err rc = hsm_generate_key(hsm, batch->tenant_id, use, batch->generation, &evidence, diag);
    if (rc == ERR_CONFLICT && batch->keep_existing) {
        if (!batch->quiet)
            printf("%-24s %-12s exists already\n", label, hsm_use_names[use]);
        *diag = (struct diag){0};
        return OK;
    }
    if (rc != OK)
        return rc;
    batch->made |= 1U << use;
    cli_check_value(&evidence, check_value);
    if (!batch->quiet)
        printf("%-24s %-12s generated, check value %s\n", label, hsm_use_names[use], check_value);
    return OK;
}

enum err keys_make(struct hsm *hsm, struct key_batch *batch, struct diag *diag)
{
    enum err rc = OK;
    for (unsigned use = 0; use < KEY_USES && rc == OK; use++)
        if ((batch->uses & 1U << use) != 0)
            rc = make_one(hsm, batch, use, diag);
    return rc;
}

enum err keys_describe(struct hsm *hsm, const struct key_batch *batch, struct buf *out, struct diag *diag)
{
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    const enum err rc = hsm_list_keys(hsm, &keys, &count, diag);
    for (size_t i = 0; rc == OK && i < count; i++)
        if (keys[i].tenant_id == batch->tenant_id && keys[i].generation == batch->generation &&
            (batch->made & 1U << keys[i].use) != 0)
            evidence_key_text(out, &keys[i]);
    free(keys);
    return rc;
}

// ---- keys generate ----------------------------------------------------------------------------------

static enum err generate(const struct cli *cli, struct transcript *transcript, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    struct key_batch batch = {.tenant_id = cli->tenant,
                              .generation = cli->generation,
                              .uses = cli->uses != 0 ? cli->uses : cli_usual_uses(cli->tenant),
                              .keep_existing = cli->if_missing,
                              .quiet = transcript != NULL};
    TRY(cli_open(cli, 1, &hsm, diag));
    if (transcript != NULL) {
        transcript_module(transcript, cli->module);
        TRY(transcript_token(transcript, cli, hsm, diag));
        transcript_pin(transcript, PIN_OF_USER, cli->pin_file, false);
    }
    rc = keys_make(hsm, &batch, diag);
    if (transcript != NULL && batch.made != 0) {
        transcript->changed = true;
        const enum err told = keys_describe(hsm, &batch, &transcript->text, diag);
        rc = rc != OK ? rc : told;
    } else if (transcript != NULL && rc == OK) {
        printf("all keys exist already; there is nothing to record\n");
    }
out:
    hsm_close(hsm);
    return rc;
}

enum err cli_keys_generate(const struct cli *cli, struct diag *diag)
{
    struct transcript transcript;
    if (cli->transcript == NULL)
        return generate(cli, NULL, diag);
    enum err rc = transcript_open(&transcript, cli->transcript, "keys generate", diag);
    if (rc != OK)
        return rc;
    rc = generate(cli, &transcript, diag);
    return transcript_close(&transcript, rc, diag);
}

// ---- keys list --------------------------------------------------------------------------------------

static void print_key(struct buf *out, const struct hsm_key_info *key, const struct key_states *states)
{
    char check_value[CHECK_VALUE_TEXT_BYTES];
    const struct store_key *known = key_states_find(states, key->tenant_id, key->use, key->generation);
    const char *state = known != NULL ? store_key_state_name(known->state) : "";
    cli_check_value(&key->evidence, check_value);
    buf_printf(out, "%-24s %-12s %-6s %s%s%s\n", key->evidence.label, hsm_use_names[key->use], check_value,
               state, state[0] != '\0' ? ", " : "", key->ok ? "ok" : key->why.text);
}

enum err cli_keys_list(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    struct hsm_key_info *keys = NULL;
    struct key_states states = {0};
    size_t count = 0;
    BUF out = {0};
    TRY(key_states_read(cli, &states, diag));
    TRY(cli_open(cli, 1, &hsm, diag));
    TRY(hsm_list_keys(hsm, &keys, &count, diag));
    key_states_compare(&states, keys, count);
    cli_compare_pins(cli, keys, count);
    buf_text(&out, cli->json ? "{\"keys\":[" : "");
    for (size_t i = 0; i < count; i++) {
        if (cli->json) {
            buf_text(&out, i > 0 ? "," : "");
            evidence_key_json(&out, &keys[i], &states);
        } else {
            print_key(&out, &keys[i], &states);
        }
    }
    buf_text(&out, cli->json ? "]}\n" : "");
    rc = cli_print(&out);
out:
    free(keys);
    key_states_done(&states);
    hsm_close(hsm);
    return rc;
}
