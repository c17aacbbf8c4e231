// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be shown of a token and its keys: as JSON for `keys list` and `check`, as lines for a transcript.
#pragma once

#include "hsm-setup/cli.h"
#include "hsm-setup/key_states.h"

// One key as a JSON object: what hsm_key_write says of it, and the state that the store knows.
void evidence_key_json(struct buf *out, const struct hsm_key_info *key, const struct key_states *states);

// The token as a JSON object.
void evidence_slot_json(struct buf *out, const struct cli *cli, const struct hsm_facts *facts);

// Some lines each, for people.
void evidence_slot_text(struct buf *out, const struct cli *cli, const struct hsm_facts *facts);
void evidence_key_text(struct buf *out, const struct hsm_key_info *key);
