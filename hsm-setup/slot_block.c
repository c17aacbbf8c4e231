// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// --config: the slot that the appliance's configuration names, so that both mean the same token.
#include "hsm-setup/cli.h"

#include <string.h>

static enum err load(struct cli *cli, struct diag *diag)
{
    BUF report = {0};
    enum err rc = config_load(cli->config_file, &cli->config, &report);
    if (rc == OK)
        return OK;
    if (report.error != OK)
        return report.error;
    const size_t len = report.len > 0 && report.at[report.len - 1] == '\n' ? report.len - 1 : report.len;
    return diag_set(diag, ERR_CONFIG, "%.*s", (int)len, report.at);
}

static enum err name_them(const struct cli *cli, struct diag *diag)
{
    BUF names = {0};
    for (size_t i = 0; i < cli->config->slot_count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", cli->config->slots[i].name);
    if (names.error != OK)
        return names.error;
    if (cli->slot != NULL)
        return diag_set(diag, ERR_CONFIG, "%s: has no slot \"%s\", but %.*s", cli->config_file, cli->slot,
                        (int)names.len, names.at);
    return diag_set(diag, ERR_INPUT, "%s: has several slots; name one by --slot: %.*s", cli->config_file,
                    (int)names.len, names.at);
}

static enum err choose(const struct cli *cli, const struct config_slot **out_slot, struct diag *diag)
{
    const struct config *config = cli->config;
    for (size_t i = 0; i < config->slot_count; i++) {
        const bool named = cli->slot != NULL && strcmp(config->slots[i].name, cli->slot) == 0;
        if (named || (cli->slot == NULL && config->slot_count == 1)) {
            *out_slot = &config->slots[i];
            return OK;
        }
    }
    return name_them(cli, diag);
}

static bool is_other(const char *given, const char *configured)
{
    return given != NULL && strcmp(given, configured) != 0;
}

static void set_default(const char **value, const char *otherwise)
{
    if (*value == NULL)
        *value = otherwise;
}

// What options say wins. The serial and the PIN are those of this token: they are no defaults for another
// one, where a PIN would be a wrong try.
enum err cli_apply_config(struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    const struct config_slot *slot = NULL;
    if (cli->config_file == NULL && cli->slot != NULL)
        return diag_set(diag, ERR_INPUT, "--slot needs --config");
    if (cli->config_file == NULL)
        return OK;
    TRY(load(cli, diag));
    TRY(choose(cli, &slot, diag));
    if (!is_other(cli->module, slot->module) && !is_other(cli->token, slot->token)) {
        set_default(&cli->serial, slot->serial);
        set_default(&cli->pin_file, slot->pin_file);
        set_default(&cli->arguments, slot->arguments);
        cli->replica = slot->replica;
    }
    set_default(&cli->slot, slot->name);
    set_default(&cli->module, slot->module);
    set_default(&cli->token, slot->token);
    set_default(&cli->store_file, cli->config->store_file);
out:
    return rc;
}

static void compare_pin(const struct cli *cli, const struct config_tenant *tenant,
                        const struct config_generation *pinned, struct hsm_key_info *key)
{
    if (!pinned->has_check_value || key->use != KEY_FPE || key->tenant_id != tenant->id ||
        key->generation != pinned->number || !key->ok ||
        memcmp(pinned->check_value, key->evidence.check_value, sizeof pinned->check_value) == 0)
        return;
    key->ok = false;
    (void)diag_set(&key->why, ERR_HSM_KEY, "key %s: %s:%d pins another check value", key->evidence.label,
                   cli->config->file, pinned->line);
}

void cli_compare_pins(const struct cli *cli, struct hsm_key_info *keys, size_t count)
{
    for (size_t t = 0; cli->config != NULL && t < cli->config->tenant_count; t++) {
        const struct config_tenant *tenant = &cli->config->tenants[t];
        for (size_t g = 0; g < tenant->generation_count; g++)
            for (size_t i = 0; i < count; i++)
                compare_pin(cli, tenant, &tenant->generations[g], &keys[i]);
    }
}
