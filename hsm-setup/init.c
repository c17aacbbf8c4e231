// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm init: the ceremony by which a token comes into use. Two people choose their PINs, the token is
// initialized, the appliance's own keys and perhaps a tenant's first ones are generated, and a transcript
// tells of it.
#include "hsm-setup/keys.h"
#include "hsm-setup/transcript.h"

static enum err make_keys(struct transcript *transcript, struct hsm *hsm, unsigned tenant_id,
                          struct diag *diag)
{
    struct key_batch batch = {
        .tenant_id = tenant_id, .generation = 1, .uses = cli_usual_uses(tenant_id), .quiet = true};
    const enum err rc = keys_make(hsm, &batch, diag);
    const enum err told = keys_describe(hsm, &batch, &transcript->text, diag);
    return rc != OK ? rc : told;
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
