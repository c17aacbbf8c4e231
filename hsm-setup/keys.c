// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm keys generate, keys list.
#include "appliance/base/json_write.h"
#include "hsm-setup/cli.h"

#include <stdio.h>
#include <stdlib.h>

enum { USES_OF_TENANT = 1U << KEY_FPE | 1U << KEY_MAC, USES_OF_SYSTEM = (1U << KEY_USES) - 1 };

static enum err generate(struct hsm *hsm, const struct cli *cli, enum key_use use, struct diag *diag)
{
    struct key_evidence evidence;
    char label[KEY_LABEL_BYTES], check_value[CHECK_VALUE_TEXT_BYTES];
    hsm_key_label(cli->tenant, use, cli->generation, label);
    enum err rc = hsm_generate_key(hsm, cli->tenant, use, cli->generation, &evidence, diag);
    if (rc == ERR_CONFLICT && cli->if_missing) {
        printf("%-24s %-12s exists already\n", label, cli_use_names[use]);
        *diag = (struct diag){0};
        return OK;
    }
    if (rc != OK)
        return rc;
    cli_check_value(&evidence, check_value);
    printf("%-24s %-12s generated, check value %s\n", label, cli_use_names[use], check_value);
    return OK;
}

enum err cli_keys_generate(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    unsigned uses = cli->uses;
    if (uses == 0)
        uses = cli->tenant == 0 ? USES_OF_SYSTEM : USES_OF_TENANT;
    TRY(cli_open(cli, 1, &hsm, diag));
    for (unsigned use = 0; use < KEY_USES; use++)
        if ((uses & 1U << use) != 0)
            TRY(generate(hsm, cli, use, diag));
out:
    hsm_close(hsm);
    return rc;
}

static void print_key(struct buf *out, const struct hsm_key_info *key)
{
    char check_value[CHECK_VALUE_TEXT_BYTES];
    cli_check_value(&key->evidence, check_value);
    buf_printf(out, "%-24s %-12s %-6s %s\n", key->evidence.label, cli_use_names[key->use], check_value,
               key->ok ? "ok" : key->why.text);
}

static void json_bool(struct buf *out, const char *name, bool value)
{
    buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void print_key_json(struct buf *out, const struct hsm_key_info *key)
{
    char check_value[CHECK_VALUE_TEXT_BYTES];
    cli_check_value(&key->evidence, check_value);
    buf_text(out, "{");
    json_write_member(out, "label", key->evidence.label);
    buf_printf(out, ",\"tenant\":%u,\"use\":\"%s\",\"generation\":%u", key->tenant_id,
               cli_use_names[key->use], key->generation);
    if (key->evidence.has_check_value)
        buf_printf(out, ",\"check_value\":\"%s\"", check_value);
    json_bool(out, "sensitive", key->evidence.sensitive);
    json_bool(out, "always_sensitive", key->evidence.always_sensitive);
    json_bool(out, "never_extractable", key->evidence.never_extractable);
    json_bool(out, "local", key->evidence.local);
    json_bool(out, "ok", key->ok);
    if (!key->ok) {
        buf_text(out, ",");
        json_write_member(out, "why", key->why.text);
    }
    buf_text(out, "}");
}

enum err cli_keys_list(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    BUF out = {0};
    TRY(cli_open(cli, 1, &hsm, diag));
    TRY(hsm_list_keys(hsm, &keys, &count, diag));
    buf_text(&out, cli->json ? "{\"keys\":[" : "");
    for (size_t i = 0; i < count; i++) {
        if (cli->json) {
            buf_text(&out, i > 0 ? "," : "");
            print_key_json(&out, &keys[i]);
        } else {
            print_key(&out, &keys[i]);
        }
    }
    buf_text(&out, cli->json ? "]}\n" : "");
    rc = cli_print(&out);
out:
    free(keys);
    hsm_close(hsm);
    return rc;
}
