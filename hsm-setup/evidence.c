// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/evidence.h"
#include "appliance/base/json_write.h"

void evidence_json_bool(struct buf *out, const char *name, bool value)
{
    buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void json_member(struct buf *out, const char *name, const char *text)
{
    buf_byte(out, ',');
    json_write_member(out, name, text);
}

void evidence_key_json(struct buf *out, const struct hsm_key_info *key, const struct key_states *states)
{
    char check_value[CHECK_VALUE_TEXT_BYTES];
    const struct store_key *known = key_states_find(states, key->tenant_id, key->use, key->generation);
    cli_check_value(&key->evidence, check_value);
    buf_byte(out, '{');
    json_write_member(out, "label", key->evidence.label);
    buf_printf(out, ",\"tenant\":%u,\"use\":\"%s\",\"generation\":%u", key->tenant_id,
               cli_use_names[key->use], key->generation);
    if (key->evidence.has_check_value)
        json_member(out, "check_value", check_value);
    if (states->file != NULL)
        evidence_json_bool(out, "known_to_store", known != NULL);
    if (known != NULL && known->state != STORE_KEY_NO_STATE)
        json_member(out, "state", store_key_state_name(known->state));
    for (size_t i = 0; i < HSM_KEY_ATTRIBUTES; i++)
        if (key->attributes[i].known)
            evidence_json_bool(out, key->attributes[i].name, key->attributes[i].value);
    evidence_json_bool(out, "made_here_and_never_left", hsm_key_never_left(&key->evidence));
    evidence_json_bool(out, "ok", key->ok);
    if (!key->ok)
        json_member(out, "why", key->why.text);
    buf_byte(out, '}');
}

void evidence_slot_json(struct buf *out, const struct cli *cli, const struct hsm_facts *facts)
{
    buf_byte(out, '{');
    json_write_member(out, "name", cli->slot != NULL ? cli->slot : cli->token);
    json_member(out, "module", cli->module);
    json_member(out, "library", facts->library);
    json_member(out, "token", cli->token);
    json_member(out, "serial", facts->serial);
    json_member(out, "manufacturer", facts->manufacturer);
    json_member(out, "model", facts->model);
    json_member(out, "firmware", facts->firmware);
    buf_byte(out, '}');
}

void evidence_slot_text(struct buf *out, const struct cli *cli, const struct hsm_facts *facts)
{
    buf_printf(out,
               "library       %s\ntoken         %s\nserial        %s\nmanufacturer  %s\nmodel         %s\n"
               "firmware      %s\n",
               facts->library, cli->token, facts->serial, facts->manufacturer, facts->model, facts->firmware);
}

static void write_attributes(struct buf *out, const struct hsm_key_info *key, bool value)
{
    buf_text(out, value ? "  true       " : "  false      ");
    for (size_t i = 0; i < HSM_KEY_ATTRIBUTES; i++)
        if (key->attributes[i].known && key->attributes[i].value == value)
            buf_printf(out, " %s", key->attributes[i].name);
    buf_byte(out, '\n');
}

void evidence_key_text(struct buf *out, const struct hsm_key_info *key)
{
    char check_value[CHECK_VALUE_TEXT_BYTES];
    cli_check_value(&key->evidence, check_value);
    buf_printf(out, "key           %s\n  use         %s\n  check value %s\n", key->evidence.label,
               cli_use_names[key->use], check_value);
    write_attributes(out, key, true);
    write_attributes(out, key, false);
    buf_printf(out, "  verdict     %s\n",
               !key->ok                             ? key->why.text
               : hsm_key_never_left(&key->evidence) ? "made here and never left"
                                                    : "in order, but not made here");
}
