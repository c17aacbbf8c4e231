// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is shown of a key, here alone: an auditor must read the same from the appliance and from symbolon-hsm.
#include "appliance/base/json_write.h"
#include "pkcs11/hsm.h"

const char *const hsm_use_names[KEY_USES] = {
    [KEY_FPE] = "fpe", [KEY_MAC] = "mac", [KEY_SIGN_ED25519] = "sign-ed25519", [KEY_SIGN_P256] = "sign-p256",
    [KEY_TLS] = "tls",
};

static void write_flag(struct buf *out, const char *name, bool value)
{
    buf_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

static void write_check_value(struct buf *out, const struct key_evidence *evidence)
{
    if (!evidence->has_check_value)
        return;
    buf_text(out, ",\"check_value\":\"");
    for (size_t i = 0; i < KEY_CHECK_VALUE_BYTES; i++)
        buf_printf(out, "%02X", evidence->check_value[i]);
    buf_byte(out, '"');
}

void hsm_key_write(const struct hsm_key_info *key, struct buf *out)
{
    const struct key_evidence *evidence = &key->evidence;
    json_write_member(out, "label", evidence->label);
    buf_printf(out, ",\"tenant\":%u,\"use\":\"%s\",\"generation\":%u", key->tenant_id,
               hsm_use_names[key->use], key->generation);
    write_check_value(out, evidence);
    for (size_t i = 0; i < HSM_KEY_ATTRIBUTES; i++) {
        if (key->attributes[i].known)
            write_flag(out, key->attributes[i].name, key->attributes[i].value);
    }
    write_flag(out, "made_here_and_never_left", hsm_key_never_left(evidence));
    write_flag(out, "ok", key->ok);
    if (key->ok)
        return;
    buf_byte(out, ',');
    json_write_member(out, "why", key->why.text);
}
