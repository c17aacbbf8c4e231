// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm keys destroy: what a key opened is lost with it, so it goes only when the appliance has let go
// of it, somebody has typed its label, and both the security officer and the user are there.
//
// The store of the appliance decides, since states of generations change there and nowhere else:
//   fpe      released
//   mac      all generations of the tenant released, and the tenant out of the configuration
//   tenant 0 no states; --force-system
//   unknown  to the store and to the configuration; --never-used
#include "hsm-setup/evidence.h"
#include "hsm-setup/terminal.h"
#include "hsm-setup/transcript.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doom {
    const struct cli *cli;
    enum key_use use;
    char label[KEY_LABEL_BYTES];
    struct key_states states;
};

// ---- arguments --------------------------------------------------------------------------------------

static enum err check_arguments(struct doom *doom, struct diag *diag)
{
    const struct cli *cli = doom->cli;
    if (cli->generation == 0 || cli->uses == 0 || (cli->uses & (cli->uses - 1)) != 0)
        return diag_set(diag, ERR_INPUT, "keys destroy takes one key: --tenant, --generation and one --use");
    if (cli->never_used && cli->force_system)
        return diag_set(diag, ERR_INPUT, "--never-used and --force-system contradict each other");
    if (cli->store_file == NULL && cli->config == NULL && cli->tenant != 0)
        return diag_set(diag, ERR_INPUT,
                        "whether the key is in use, the appliance's store knows: name it by "
                        "--store or --config");
    while ((cli->uses & 1U << doom->use) == 0)
        doom->use++;
    hsm_key_label(cli->tenant, doom->use, cli->generation, doom->label);
    if (cli->yes != NULL && strcmp(cli->yes, doom->label) != 0)
        return diag_set(diag, ERR_CONFLICT, "--yes says \"%s\", but the key is %s; nothing was destroyed",
                        cli->yes, doom->label);
    return OK;
}

// ---- whether it may go ------------------------------------------------------------------------------

static const struct config_tenant *configured_tenant(const struct cli *cli)
{
    for (size_t i = 0; cli->config != NULL && i < cli->config->tenant_count; i++)
        if (cli->config->tenants[i].id == cli->tenant)
            return &cli->config->tenants[i];
    return NULL;
}

// The line of the configuration that names the key, or 0.
static int configured_line(const struct doom *doom)
{
    const struct config_tenant *tenant = configured_tenant(doom->cli);
    for (size_t i = 0; tenant != NULL && doom->use == KEY_FPE && i < tenant->generation_count; i++)
        if (tenant->generations[i].number == doom->cli->generation)
            return tenant->generations[i].line;
    return tenant != NULL && doom->use == KEY_MAC ? tenant->line : 0;
}

static enum err judge_system_key(const struct doom *doom, struct diag *diag)
{
    const struct config *config = doom->cli->config;
    if (!doom->cli->force_system)
        return diag_set(
            diag, ERR_CONFLICT,
            "key %s belongs to the appliance itself; if it is out of use, or the appliance is given "
            "up, say so by --force-system",
            doom->label);
    if (config != NULL && doom->use == KEY_TLS && config->tls_key != NULL &&
        strcmp(config->tls_key, doom->label) == 0)
        return diag_set(diag, ERR_CONFLICT, "%s: the server's TLS key is %s", config->file, doom->label);
    return OK;
}

static enum err judge_unknown(const struct doom *doom, struct diag *diag)
{
    const char *store = doom->states.file != NULL ? doom->states.file : "there is none yet";
    const int line = configured_line(doom);
    if (line != 0)
        return diag_set(diag, ERR_CONFLICT, "%s:%d: the appliance uses key %s", doom->cli->config->file, line,
                        doom->label);
    if (!doom->cli->never_used)
        return diag_set(
            diag, ERR_CONFLICT,
            "key %s: the store (%s) does not know it; if no appliance has ever used it, say so by "
            "--never-used",
            doom->label, store);
    return OK;
}

// A tenant's mac key goes with the tenant: when nothing can be opened any more.
static enum err judge_mac(const struct doom *doom, struct diag *diag)
{
    const int line = configured_line(doom);
    if (line != 0)
        return diag_set(diag, ERR_CONFLICT, "%s:%d: the tenant is still there, and its clients with it",
                        doom->cli->config->file, line);
    for (size_t i = 0; i < doom->states.count; i++) {
        const struct store_key *key = &doom->states.keys[i];
        if (key->tenant_id == doom->cli->tenant && strcmp(key->use, "fpe") == 0 &&
            key->state != STORE_KEY_RELEASED)
            return diag_set(diag, ERR_CONFLICT, "key %s: generation %u of the tenant is %s, and goes first",
                            doom->label, key->generation, store_key_state_name(key->state));
    }
    return OK;
}

static enum err judge(const struct doom *doom, struct diag *diag)
{
    const struct cli *cli = doom->cli;
    const struct store_key *known = key_states_find(&doom->states, cli->tenant, doom->use, cli->generation);
    if (cli->tenant == 0)
        return judge_system_key(doom, diag);
    if (known == NULL)
        return judge_unknown(doom, diag);
    if (cli->never_used)
        return diag_set(diag, ERR_CONFLICT, "key %s: the store %s knows it: an appliance has used it",
                        doom->label, doom->states.file);
    if (doom->use == KEY_MAC)
        return judge_mac(doom, diag);
    if (known->state != STORE_KEY_RELEASED)
        return diag_set(diag, ERR_CONFLICT,
                        "key %s: is %s; release it first, in the running appliance: POST "
                        "/operations/keys/%u/%u/release",
                        doom->label, store_key_state_name(known->state), cli->tenant, cli->generation);
    return OK;
}

static enum err read_and_judge(struct doom *doom, struct diag *diag)
{
    key_states_done(&doom->states);
    const enum err rc = key_states_read(doom->cli, &doom->states, diag);
    return rc == OK ? judge(doom, diag) : rc;
}

// ---- what is lost -----------------------------------------------------------------------------------

static const char *const lost_of_tenant[KEY_USES] = {
    [KEY_FPE] =
        "every token made under this generation can never be opened again: card tokens, gift-card tokens, "
        "card numbers and other values of transform, serial tokens and their lines, customers' values and "
        "generated token ids",
    [KEY_MAC] =
        "all credentials of the tenant's clients are void (API keys, passwords, client secrets), and its "
        "customers' values cannot be looked up any more",
    [KEY_SIGN_ED25519] =
        "nothing can be signed with it any more; the appliance does not use such a key of a tenant",
    [KEY_SIGN_P256] =
        "nothing can be signed with it any more; the appliance does not use such a key of a tenant",
    [KEY_TLS] = "the appliance does not use such a key of a tenant",
};
static const char *const lost_of_system[KEY_USES] = {
    [KEY_FPE] =
        "session keys, login tokens, and ids of lines, requests and transfers of all tenants can never be "
        "opened again",
    [KEY_MAC] = "forms in use are void, and seals that it made cannot be verified any more",
    [KEY_SIGN_ED25519] =
        "results of token requests cannot be signed any more; those signed can still be verified",
    [KEY_SIGN_P256] = "access tokens cannot be signed any more; those issued can still be verified",
    [KEY_TLS] = "the certificates that were made for it are without a key",
};

static void tell_loss(const struct doom *doom, struct buf *out)
{
    const struct cli *cli = doom->cli;
    const char *const *lost = cli->tenant == 0 ? lost_of_system : lost_of_tenant;
    buf_printf(out, "to destroy    %s: tenant %u, use %s, generation %u\n  loss        %s\n", doom->label,
               cli->tenant, hsm_use_names[doom->use], cli->generation, lost[doom->use]);
}

// What else is to be done, which only the configuration tells.
static void tell_rest(const struct doom *doom, struct buf *out)
{
    const struct config *config = doom->cli->config;
    const int line = configured_line(doom);
    if (line != 0)
        buf_printf(out, "  note        %s:%d still names it\n", config->file, line);
    for (size_t i = 0; config != NULL && i < config->slot_count; i++)
        if (strcmp(config->slots[i].name, doom->cli->slot) != 0)
            buf_printf(out, "  note        slot %s may hold it too\n", config->slots[i].name);
}

// ---- the deed ---------------------------------------------------------------------------------------

static bool is_meant(const struct doom *doom, const struct hsm_key_info *key)
{
    return key->tenant_id == doom->cli->tenant && key->use == doom->use &&
           key->generation == doom->cli->generation;
}

// The label that was released may have come to name another key. out_found: whether there is a key at all,
// and not only what stood beside it.
static enum err look_at_key(const struct doom *doom, struct hsm *hsm, struct buf *out, bool *out_found,
                            struct diag *diag)
{
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    const struct store_key *known =
        key_states_find(&doom->states, doom->cli->tenant, doom->use, doom->cli->generation);
    bool found = false;
    enum err rc = hsm_list_keys(hsm, &keys, &count, diag);
    for (size_t i = 0; rc == OK && i < count; i++) {
        const struct key_evidence *evidence = &keys[i].evidence;
        if (!is_meant(doom, &keys[i]))
            continue;
        found = true;
        evidence_key_text(out, &keys[i]);
        if (known != NULL && evidence->has_check_value &&
            memcmp(known->check_value, evidence->check_value, sizeof known->check_value) != 0)
            rc =
                diag_set(diag, ERR_HSM_KEY,
                         "key %s: its check value is not the one that the store remembers: it is another key",
                         doom->label);
    }
    free(keys);
    if (rc == OK)
        *out_found = found;
    return rc;
}

static enum err confirm(const struct doom *doom, struct diag *diag)
{
    SECRET typed = {0};
    if (doom->cli->yes != NULL)
        return OK; // check_arguments has compared it
    const enum err rc = terminal_ask("Type its label to destroy it", false, &typed, diag);
    if (rc != OK)
        return rc;
    if (strcmp(typed.text, doom->label) == 0)
        return OK;
    return diag_set(diag, ERR_CONFLICT, "that is not the label; nothing was destroyed");
}

static enum err destroy(struct doom *doom, struct transcript *transcript, struct hsm *hsm, struct diag *diag)
{
    enum err rc = OK;
    const struct cli *cli = doom->cli;
    SECRET so_pin = {0};
    TRY(pin_get(PIN_OF_OFFICER, cli->so_pin_file, &so_pin, diag));
    TRY(read_and_judge(doom, diag)); // again: people have been typing meanwhile
    transcript_pin(transcript, PIN_OF_OFFICER, cli->so_pin_file, false);
    rc = hsm_destroy_key(hsm, cli->tenant, doom->use, cli->generation, &so_pin, diag);
    transcript->changed = rc != ERR_HSM_PIN && rc != ERR_NOT_FOUND;
    if (rc == OK)
        buf_printf(&transcript->text, "destroyed     %s\n", doom->label);
out:
    return rc;
}

static enum err hold_ceremony(struct doom *doom, struct transcript *transcript, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    bool found = false;
    BUF loss = {0};
    transcript_module(transcript, doom->cli->module);
    TRY(cli_open(doom->cli, 1, &hsm, diag));
    TRY(transcript_token(transcript, doom->cli, hsm, diag));
    transcript_pin(transcript, PIN_OF_USER, doom->cli->pin_file, false);
    TRY(look_at_key(doom, hsm, &transcript->text, &found, diag));
    tell_loss(doom, &loss);
    tell_rest(doom, &loss);
    if (found) {
        TRY(cli_print(&loss));
        fflush(stdout);
        TRY(confirm(doom, diag));
    }
    buf_append(&transcript->text, loss.at, loss.len);
    rc = destroy(doom, transcript, hsm, diag);
out:
    hsm_close(hsm);
    return rc;
}

enum err cli_keys_destroy(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct doom doom = {.cli = cli};
    struct transcript transcript;
    TRY(check_arguments(&doom, diag));
    TRY(read_and_judge(&doom, diag));
    TRY(transcript_open(&transcript, cli->transcript, "keys destroy", diag));
    rc = hold_ceremony(&doom, &transcript, diag);
    rc = transcript_close(&transcript, rc, diag);
out:
    key_states_done(&doom.states);
    return rc;
}
