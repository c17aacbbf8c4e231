// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/gift_card.h"

#include "appliance/base/clock.h"
#include "appliance/base/json_write.h"
#include "appliance/tokens/giftcard.h"
#include "web/json_read.h"

#include <string.h>

enum { BODY_LIMIT = 16 * 1024 };

// The source documents two status codes, success and "partial amount approved"; those of failures are ours:
// 000 and the HTTP status.
static void write_status(struct exchange *exchange, unsigned http_status, const char *description)
{
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = http_status;
    exchange->reply.content_type = "application/json";
    buf_printf(body, "{\"statuscode\":\"%06u\",", http_status == 200 ? 0 : http_status);
    json_write_member(body, "description", description);
    buf_byte(body, '}');
}

static const char *failure_description(enum failure failure)
{
    switch (failure) {
    case FAIL_NOT_FOUND:
        return "Not Found";
    case FAIL_METHOD:
        return "Method Not Allowed";
    case FAIL_BODY_SIZE:
        return "Body is too large";
    case FAIL_BODY_MISSING:
        return "Body is missing";
    case FAIL_BODY_BROKEN:
        return "Body is shorter than announced or badly chunked";
    case FAIL_TIMEOUT:
        return "Body did not arrive in time";
    case FAIL_CREDENTIAL:
        return "Unauthorized";
    case FAIL_THROTTLED:
        return "Too many requests";
    case FAIL_PERMISSION:
        return "Forbidden";
    case FAIL_MEDIA:
        return "Content-Type must be application/json";
    case FAIL_ACCEPT:
        return "Not Acceptable";
    case FAIL_BUSY:
    case FAIL_HSM:
    case FAIL_STOPPING:
    case FAIL_AUDIT:
        return "Service Unavailable";
    case FAIL_INTERNAL:
        return "Internal Server Error";
    }
    return "Internal Server Error";
}

static void fail(struct exchange *exchange, enum failure failure)
{
    if (failure == FAIL_CREDENTIAL)
        http_reply_header(&exchange->reply, "WWW-Authenticate",
                          "Basic realm=\"giftcard\", charset=\"UTF-8\"");
    write_status(exchange, failure_status(failure), failure_description(failure));
}

static void refuse(struct exchange *exchange, const char *description)
{
    exchange->note.outcome = ERR_INPUT;
    exchange->note.failed_items = 1;
    write_status(exchange, 400, description);
}

// Schema and form. NULL, or what is wrong.
static const char *read_request(const struct json *root, struct giftcard_sealing *out_sealing)
{
    struct slice number, code;
    const struct json *number_member = json_member(root, "cardnumber"),
                      *code_member = json_member(root, "securitycode");
    if (json_type(root) != JSON_OBJECT)
        return "Body must be a JSON object";
    if (number_member == NULL)
        return "cardnumber is required";
    if (!json_string(number_member, &number))
        return "cardnumber must be a string";
    if (code_member == NULL)
        return "securitycode is required";
    if (!json_string(code_member, &code))
        return "securitycode must be a string";
    if (!giftcard_strip((struct clear){number.at, number.len}, out_sealing->digits))
        return "cardnumber must be 12 to 19 digits";
    if (!giftcard_code_is_well_formed((struct clear){code.at, code.len}))
        return "securitycode must be 0 to 8 digits";
    memcpy(out_sealing->code, code.at, code.len);
    return NULL;
}

// Success, with the expiry as the vendor's .NET prints it: seven fractional digits and an offset.
static void render(struct exchange *exchange, const struct giftcard_sealing *sealing)
{
    char expires[CLOCK_RFC3339_BYTES];
    struct buf *body = &exchange->reply.body;
    clock_rfc3339_s(sealing->expires_s, expires);
    expires[strlen(expires) - 1] = '\0'; // the Z
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_text(body, "{\"statuscode\":\"000000\",\"description\":\"Success\",\"token\":");
    json_write_text(body, sealing->token);
    buf_printf(body, ",\"exp\":\"%s.0000000+00:00\"}", expires);
}

static void seal(struct exchange *exchange, struct giftcard_sealing *sealing)
{
    const struct caller *caller = &exchange->request.caller;
    const struct tenant *tenant = http_tenant(&exchange->request);
    const struct keyring *keyring = tenant_keyring(tenant);
    const enum err rc = giftcards_seal(tenant_giftcards(tenant, caller->client_id), keyring,
                                       exchange->request.now_s, sealing, 1);
    exchange->note.generation = keyring_at(keyring, 0)->number;
    if (rc != OK)
        fail(exchange, failure_from(exchange, rc));
    else if (sealing->refused)
        refuse(exchange, "cardnumber is outside the issuer ranges of this client");
    else
        render(exchange, sealing);
}

static void create(void *state, struct exchange *exchange)
{
    (void)state;
    JSON_DOCUMENT *document = NULL;
    struct json_fault json_fault;
    struct giftcard_sealing sealing = {0};
    WIPE_AT_EXIT(sealing);
    exchange->note.items = 1;
    const enum err rc = json_read(exchange->request.body, &document, &json_fault);
    const char *fault = NULL;
    if (rc == ERR_INPUT)
        fault = "Body is not valid JSON";
    else if (rc == OK)
        fault = read_request(json_root(document), &sealing);
    if (fault != NULL)
        refuse(exchange, fault);
    else if (rc != OK)
        fail(exchange, failure_from(exchange, rc));
    else
        seal(exchange, &sealing);
}

static void health(void *state, struct exchange *exchange)
{
    (void)state;
    write_status(exchange, 200, "Healthy");
}

static void verify(void *state, struct exchange *exchange)
{
    (void)state;
    write_status(exchange, 200, "Success");
}

struct api gift_card_api(void)
{
    static const struct route routes[] = {
        {HTTP_POST, "/v1/Token", PERMISSION_TOKENIZE, AUDIT_GIFTCARD_TOKENIZE, BODY_LIMIT, MEDIA_JSON,
         create},
        {HTTP_GET, "/Health", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, health},
        {HTTP_PUT, "/Auth/verify", PERMISSION_CALLER, AUDIT_NONE, BODY_LIMIT, MEDIA_NONE, verify},
    };
    static const char *const prefixes[] = {"/v1/Token", "/Health", "/Auth/", NULL};
    return (struct api){
        .name = "gift_card",
        .client_api = CLIENT_API_GIFTCARD,
        .credential = CREDENTIAL_BASIC,
        .prefixes = prefixes,
        .routes = routes,
        .route_count = sizeof routes / sizeof routes[0],
        .fail = fail,
    };
}
