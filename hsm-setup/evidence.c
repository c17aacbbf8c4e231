// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/evidence.h"
#include "appliance/base/json_write.h"

static void json_member(struct buf *out, const char *name, const char *text)
{
    buf_byte(out, ',');
    json_write_member(out, name, text);
}

void evidence_key_json(struct buf *out, const struct hsm_key_info *key, const struct key_states *states)
{
    const struct store_key *known = key_states_find(states, key->tenant_id, key->use, key->generation);
    buf_byte(out, '{');
    hsm_key_write(key, out);
    if (states->file != NULL)
        buf_printf(out, ",\"known_to_store\":%s", known != NULL ? "true" : "false");
    if (known != NULL && known->state != STORE_KEY_NO_STATE)
        json_member(out, "state", store_key_state_name(known->state));
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
               hsm_use_names[key->use], check_value);
    write_attributes(out, key, true);
    write_attributes(out, key, false);
    buf_printf(out, "  verdict     %s\n",
               !key->ok                             ? key->why.text
               : hsm_key_never_left(&key->evidence) ? "made here and never left"
                                                    : "in order, but not made here");
}
