// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be shown of a token and its keys: as JSON for `keys list` and `check`, as lines for a transcript.
#pragma once

#include "hsm-setup/cli.h"
#include "hsm-setup/key_states.h"

// One key as a JSON object: names, check value, the attributes that the token tells, the state that the store
// knows, whether it was made there and never left, and whether the appliance would use it.
void evidence_key_json(struct buf *out, const struct hsm_key_info *key, const struct key_states *states);

// The token as a JSON object.
void evidence_slot_json(struct buf *out, const struct cli *cli, const struct hsm_facts *facts);

// Some lines each, for people.
void evidence_slot_text(struct buf *out, const struct cli *cli, const struct hsm_facts *facts);
void evidence_key_text(struct buf *out, const struct hsm_key_info *key);

// ,"name":true
void evidence_json_bool(struct buf *out, const char *name, bool value);
