// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/fields.h"

#include "appliance/base/buf.h"
#include "appliance/base/secret.h"

#include <openssl/sha.h>
#include <string.h>

static void put_label(struct buf *out, const char *label)
{
    buf_text(out, label);
    buf_byte(out, 0x01);
}

static void put_field(struct buf *out, struct field field)
{
    const uint8_t length[4] = {(uint8_t)(field.count >> 24), (uint8_t)(field.count >> 16),
                               (uint8_t)(field.count >> 8), (uint8_t)field.count};
    buf_append(out, length, sizeof length);
    buf_append(out, field.bytes, field.count);
}

static void put_fields(struct buf *out, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_field(out, fields[i]);
}

static enum err digest_16(const struct buf *message, uint8_t out_digest[16])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    WIPE_AT_EXIT(digest);
    if (message->error != OK)
        return message->error;
    SHA256((const uint8_t *)message->at, message->len, digest);
    memcpy(out_digest, digest, 16);
    return OK;
}

enum err tweak_derive(const char *purpose, unsigned tenant_id, const struct field *fields, size_t count,
                      uint8_t out_tweak[TWEAK_BYTES])
{
    BUF message = {0};
    const struct field_u16 tenant = field_u16(tenant_id);
    put_label(&message, "symbolon");
    put_field(&message, (struct field){purpose, strlen(purpose)});
    put_field(&message, FIELD_ARRAY(tenant.bytes));
    put_fields(&message, fields, count);
    return digest_16(&message, out_tweak);
}

enum err layout_derive(const struct field *fields, size_t count, uint8_t out_layout[LAYOUT_BYTES])
{
    BUF message = {0};
    put_label(&message, "symbolon layout");
    put_fields(&message, fields, count);
    return digest_16(&message, out_layout);
}

enum err mac_derive(const struct mac *mac, const char *purpose, const struct field *fields, size_t count,
                    uint8_t out_mac[MAC_BYTES])
{
    BUF message = {0};
    put_label(&message, "symbolon mac");
    put_field(&message, (struct field){purpose, strlen(purpose)});
    put_fields(&message, fields, count);
    if (message.error != OK)
        return message.error;
    return mac_compute(mac, (const uint8_t *)message.at, message.len, out_mac);
}
