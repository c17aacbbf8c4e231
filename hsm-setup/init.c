// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm init: the ceremony by which a token comes into use. Two people choose their PINs, the token is
// initialized, the appliance's own keys and perhaps a tenant's first ones are generated, and a transcript
// tells of it.
#include "hsm-setup/keys.h"
#include "hsm-setup/transcript.h"

// A token without a mechanism for keys that sign can still serve the other APIs.
static bool can_do_without(enum key_use use)
{
    return use == KEY_SIGN_ED25519 || use == KEY_SIGN_P256 || use == KEY_TLS;
}

static enum err make_key(struct transcript *transcript, struct hsm *hsm, unsigned tenant_id, enum key_use use,
                         struct diag *diag)
{
    struct key_batch batch = {.tenant_id = tenant_id, .generation = 1, .uses = 1U << use, .quiet = true};
    enum err rc = keys_make(hsm, &batch, diag);
    if (rc == ERR_HSM_CONFIG && can_do_without(use)) {
        buf_printf(&transcript->text, "not made      %s\n", diag->text);
        *diag = (struct diag){0};
        return OK;
    }
    return rc == OK ? keys_describe(hsm, &batch, &transcript->text, diag) : rc;
}

static enum err make_keys(struct transcript *transcript, struct hsm *hsm, unsigned tenant_id,
                          struct diag *diag)
{
    enum err rc = OK;
    for (unsigned use = 0; use < KEY_USES && rc == OK; use++)
        if ((cli_usual_uses(tenant_id) & 1U << use) != 0)
            rc = make_key(transcript, hsm, tenant_id, use, diag);
    return rc;
}

static enum err choose_pins(struct transcript *transcript, const struct cli *cli, struct secret *so_pin,
                            struct diag *diag)
{
    enum err rc = OK;
    TRY(pin_get_new(PIN_OF_OFFICER, cli->so_pin_file, so_pin, diag));
    TRY(pin_get_new(PIN_OF_USER, cli->pin_file, cli->pin, diag));
    TRY(pin_require_different(so_pin, cli->pin, diag));
    transcript_pin(transcript, PIN_OF_OFFICER, cli->so_pin_file, true);
    transcript_pin(transcript, PIN_OF_USER, cli->pin_file, true);
out:
    return rc;
}

static enum err hold_ceremony(struct transcript *transcript, const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    SECRET so_pin = {0};
    transcript_module(transcript, cli->module);
    TRY(choose_pins(transcript, cli, &so_pin, diag));
    TRY(hsm_init_token(cli->module, cli->token, &so_pin, cli->pin, diag));
    transcript->changed = true;
    buf_printf(&transcript->text, "token \"%s\" initialized\n", cli->token);
    TRY(cli_open(cli, 1, &hsm, diag));
    TRY(transcript_token(transcript, cli, hsm, diag));
    if (cli->no_keys)
        goto out;
    TRY(make_keys(transcript, hsm, 0, diag));
    if (cli->tenant != CLI_NO_TENANT && cli->tenant != 0)
        rc = make_keys(transcript, hsm, cli->tenant, diag);
out:
    hsm_close(hsm);
    return rc;
}

enum err cli_init(const struct cli *cli, struct diag *diag)
{
    struct transcript transcript;
    if (cli->no_keys && cli->tenant != CLI_NO_TENANT)
        return diag_set(diag, ERR_INPUT, "--no-keys and --tenant contradict each other");
    enum err rc = transcript_open(&transcript, cli->transcript, "init", diag);
    if (rc != OK)
        return rc;
    rc = hold_ceremony(&transcript, cli, diag);
    return transcript_close(&transcript, rc, diag);
}
