// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What is signed and sealed about token requests: results, and the forms on which people decide.
#include "appliance/tokens/request.h"

#include "appliance/base/codec.h"
#include "appliance/base/json_write.h"
#include "appliance/tokens/fields.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { FORM_LEEWAY_S = 60 }; // nodes' clocks differ
enum { ED25519_PUBLIC_BYTES = 32, KEY_TEXT_BYTES = (ED25519_PUBLIC_BYTES * 8 + 5) / 6 + 1 };

// ---- results ----------------------------------------------------------------------------------------------

static enum err make_ids(const struct requests *requests, const struct request *request,
                         struct request_result *result)
{
    enum err rc = OK;
    const struct long_id *name = &request->name;
    const struct long_id member = {.client_id = request->record.client_id};
    const enum store_request_kind kind = request->record.kind;
    TRY(long_id_make(requests->ids, LONG_ID_TOKEN, name, result->token_id));
    TRY(long_id_make(requests->ids, LONG_ID_MEMBER, &member, result->member_id));
    if (kind == STORE_REQUEST_TRANSFER)
        TRY(long_id_make(requests->ids, LONG_ID_TRANSFER, name, result->transfer_id));
    if (kind == STORE_REQUEST_STANDING_ORDER)
        TRY(long_id_make(requests->ids, LONG_ID_SUBMISSION, name, result->submission_id));
out:
    return rc;
}

static enum err sign(const struct requests *requests, const struct request *request,
                     struct request_result *result)
{
    enum err rc = OK;
    BUF message = {0};
    uint8_t signature[SIGNATURE_BYTES];
    const char *state = request->record.callback_state;
    buf_byte(&message, '{');
    json_write_member(&message, "state", state != NULL ? state : "");
    buf_byte(&message, ',');
    json_write_member(&message, "tokenId", result->token_id);
    buf_byte(&message, '}');
    TRY(message.error);
    TRY(signer_sign(&requests->signer, (const uint8_t *)message.at, message.len, signature));
    base64url_encode(signature, sizeof signature, result->signature);
    member_key_id(requests->signer.public_key, ED25519_PUBLIC_BYTES, result->key_id);
out:
    return rc;
}

enum err request_result(const struct requests *requests, const struct request *request,
                        struct request_result *out_result)
{
    enum err rc = OK;
    struct request_result result = {0};
    assert(requests->signer.kind == SIGNER_ED25519);
    TRY(make_ids(requests, request, &result));
    TRY(sign(requests, request, &result));
    *out_result = result;
out:
    return rc;
}

void requests_write_key_set(const struct requests *requests, struct buf *out)
{
    char key[KEY_TEXT_BYTES], id[MEMBER_KEY_ID_BYTES];
    base64url_encode(requests->signer.public_key, ED25519_PUBLIC_BYTES, key);
    member_key_id(requests->signer.public_key, ED25519_PUBLIC_BYTES, id);
    buf_printf(out,
               "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"kid\":\"%s\","
               "\"use\":\"sig\",\"alg\":\"EdDSA\"}]}",
               key, id);
}

// ---- forms ------------------------------------------------------------------------------------------------

static enum err derive(const struct requests *requests, const struct request *request, int64_t second,
                       uint8_t out_mac[MAC_BYTES])
{
    uint8_t number[8];
    for (size_t i = 0; i < sizeof number; i++)
        number[i] = (uint8_t)((uint64_t)second >> (8 * (sizeof number - 1 - i)));
    const struct field fields[] = {FIELD_ARRAY(request->record.id), FIELD_ARRAY(number)};
    return mac_derive(&requests->mac, "csrf", fields, 2, out_mac);
}

enum err request_make_form_token(const struct requests *requests, const struct request *request,
                                 int64_t now_s, char out_text[REQUEST_FORM_BYTES])
{
    uint8_t mac[MAC_BYTES];
    const enum err rc = derive(requests, request, now_s, mac);
    if (rc != OK)
        return rc;
    const int len = snprintf(out_text, REQUEST_FORM_BYTES, "%lld.", (long long)now_s);
    base64url_encode(mac, sizeof mac, out_text + len);
    return OK;
}

// "<second>." in front; at most 12 digits, none of them a leading zero.
static bool take_second(struct slice *text, int64_t *out_second)
{
    enum { DIGITS_MAX = 12 };
    size_t len = 0;
    int64_t second = 0;
    for (; len < text->len && len < DIGITS_MAX && text->at[len] >= '0' && text->at[len] <= '9'; len++)
        second = second * 10 + (text->at[len] - '0');
    if (len == 0 || len == text->len || text->at[len] != '.' || text->at[0] == '0')
        return false;
    *text = (struct slice){text->at + len + 1, text->len - len - 1};
    *out_second = second;
    return true;
}

enum err request_check_form_token(const struct requests *requests, const struct request *request,
                                  int64_t now_s, struct slice text)
{
    int64_t second = 0;
    uint8_t shown[MAC_BYTES], expected[MAC_BYTES];
    size_t count = 0;
    if (!take_second(&text, &second) || second > now_s + FORM_LEEWAY_S ||
        now_s - second >= REQUEST_FORM_LIFE_S || !base64url_decode(text, shown, sizeof shown, &count) ||
        count != sizeof shown)
        return ERR_FORBIDDEN;
    const enum err rc = derive(requests, request, second, expected);
    if (rc != OK)
        return rc;
    return ct_equal(shown, expected, sizeof shown) ? OK : ERR_FORBIDDEN;
}
