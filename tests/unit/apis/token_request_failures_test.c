// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What members and people are told when the HSM or the store fails: handlers over keys in memory that fail on
// purpose, without a server.
#include "tests/unit/tokens/requests_house.h"

#include "web/apis/token_requests/token_requests.h"

static struct request request;
static struct exchange exchange;
static struct clients *clients;
static struct registry registry;

static enum err signer_failure;

static enum err fail_to_sign(void *context, const uint8_t *message, size_t message_bytes,
                             uint8_t out_signature[SIGNATURE_BYTES])
{
    (void)context, (void)message, (void)message_bytes, (void)out_signature;
    return signer_failure;
}

static int open_all(void **state)
{
    house_open(state);
    const struct client_options options = {.name = "shop",
                                           .id = HOUSE_CLIENT,
                                           .tenant_id = HOUSE_TENANT,
                                           .generation = 1,
                                           .apis = CLIENT_API_CARD,
                                           .permissions = PERMISSION_READ | PERMISSION_TOKENIZE,
                                           .mac = soft_mac_seam(&house.mac)};
    assert_int_equal(clients_new(&options, 1, NULL, &clients, NULL), OK);
    static struct tenant *tenants[1];
    tenants[0] = house.tenant;
    registry = (struct registry){.clients = clients, .tenants = {tenants, 1}, .request_life_s = HOUSE_LIFE_S};
    const struct request_draft draft = house_draft(STORE_REQUEST_TRANSFER, "{\"refId\":\"r\"}");
    assert_int_equal(request_create(&house.requests, &draft, &request), OK);
    return 0;
}

static void forget_reply(void)
{
    buf_done(&exchange.reply.body);
    buf_done(&exchange.reply.long_headers);
    exchange = (struct exchange){0};
}

static int close_all(void **state)
{
    forget_reply();
    request_done(&request);
    clients_free(clients);
    return house_close(state);
}

// The handler of the row with this method and pattern, for the one request there is.
static unsigned call_with(enum http_method method, const char *pattern, const char *body)
{
    const struct api api = token_requests_api(&house.requests);
    forget_reply();
    exchange.request = (struct http_request){
        .method = method,
        .path = text_of(pattern),
        .body = text_of(body),
        .id = "a-request",
        .now_s = HOUSE_NOW_S,
        .registry = &registry,
        .caller = {.client = clients_find(clients, "shop"),
                   .name = "shop",
                   .client_id = HOUSE_CLIENT,
                   .tenant_id = HOUSE_TENANT,
                   .permissions = PERMISSION_READ | PERMISSION_TOKENIZE},
    };
    exchange.request.params[0] = text_of(request.id);
    for (size_t i = 0; i < api.route_count; i++) {
        if ((api.routes[i].methods & method) != 0 && strcmp(api.routes[i].pattern, pattern) == 0) {
            api.routes[i].handle(api.state, &exchange);
            buf_byte(&exchange.reply.body, '\0');
            return exchange.reply.status;
        }
    }
    fail_msg("no such row: %s", pattern);
    return 0;
}

static unsigned call(const char *pattern)
{
    return call_with(HTTP_GET, pattern, "");
}

static bool says(const char *words)
{
    return strstr(exchange.reply.body.at, words) != NULL;
}

static bool has_header(const char *name)
{
    for (size_t i = 0; i < exchange.reply.header_count; i++) {
        if (strcmp(exchange.reply.headers[i].name, name) == 0)
            return true;
    }
    return false;
}

#define RESULT "/token-requests/{id}/result"
#define PAGE   "/app/request-token/{id}"

static void approve(void)
{
    enum store_decision_outcome outcome;
    struct request_result result;
    const struct request_decision decision = {.approve = true, .now_s = HOUSE_NOW_S};
    assert_int_equal(request_decide(&house.requests, &decision, &request, &outcome, &result), OK);
}

static void a_signature_past_its_deadline_is_a_gateway_timeout(void **state)
{
    (void)state;
    approve();
    assert_int_equal(call(RESULT), 200);
    house.requests.signer.sign = fail_to_sign;
    signer_failure = ERR_TIMEOUT;
    assert_int_equal(call(RESULT), 504);
    assert_true(says("\"errorCode\":\"DEADLINE_EXCEEDED\"") && says("\"tokenTraceId\":\"a-request\""));
    assert_true(has_header("Retry-After"));
    assert_int_equal(exchange.note.outcome, ERR_TIMEOUT);
}

static void an_HSM_that_is_away_is_unavailable_and_a_broken_key_too(void **state)
{
    (void)state;
    static const enum err failures[] = {ERR_HSM_DOWN, ERR_BUSY, ERR_HSM_KEY, ERR_MEMORY};
    approve();
    house.requests.signer.sign = fail_to_sign;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        signer_failure = failures[i];
        assert_int_equal(call(RESULT), 503);
        assert_true(says("\"errorCode\":\"UNAVAILABLE\""));
        assert_true(has_header("Retry-After"));
        assert_false(says("tokenId\":"));
    }
}

static void what_cannot_happen_is_an_internal_error(void **state)
{
    (void)state;
    approve();
    house.requests.signer.sign = fail_to_sign;
    signer_failure = ERR_INTERNAL;
    assert_int_equal(call(RESULT), 500);
    assert_true(says("\"errorCode\":\"InternalServerError\""));
}

static void a_cipher_that_fails_opens_no_id(void **state)
{
    (void)state;
    struct soft_cipher *soft = &house.system.ciphers[0];
    static const char *const patterns[] = {"/token-requests/{id}", RESULT, PAGE};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        soft->failure = ERR_HSM_DOWN;
        soft->fail_at_call = soft->calls + 1;
        assert_int_equal(call(patterns[i]), 503);
    }
    assert_true(says("This did not work just now"));
    assert_null(strstr(exchange.reply.body.at, "<form"));
}

static void a_store_that_cannot_be_written_takes_no_request_and_no_decision(void **state)
{
    (void)state;
    static const char body[] =
        "{\"requestPayload\":{\"refId\":\"r\",\"to\":{\"id\":"
        "\"m:nP4w3u5y8ddrxDJkjimgSX9e4fZ:5zKtXEAq\"},\"redirectUrl\":\"https://a.example\","
        "\"accessBody\":{\"resourceTypeList\":{\"resources\":[\"ACCOUNTS\"]}}}}";
    char form[REQUEST_FORM_BYTES], fields[128];
    assert_int_equal(call_with(HTTP_POST, "/token-requests", body), 200);
    assert_int_equal(request_make_form_token(&house.requests, &request, HOUSE_NOW_S, form), OK);
    snprintf(fields, sizeof fields, "csrf=%s&decision=approve", form);
    assert_int_equal(unlink(house.store_path), 0); // from under the open store
    assert_int_equal(call_with(HTTP_POST, "/token-requests", body), 503);
    assert_true(says("\"errorCode\":\"UNAVAILABLE\"") && has_header("Retry-After"));
    assert_int_equal(exchange.note.outcome, ERR_IO);
    assert_int_equal(call_with(HTTP_POST, PAGE, fields), 503);
    assert_true(says("This did not work just now"));
}

static void an_approval_that_cannot_be_signed_is_not_taken(void **state)
{
    (void)state;
    char form[REQUEST_FORM_BYTES], fields[128];
    enum err (*sign)(void *, const uint8_t *, size_t, uint8_t *) = house.requests.signer.sign;
    assert_int_equal(request_make_form_token(&house.requests, &request, HOUSE_NOW_S, form), OK);
    snprintf(fields, sizeof fields, "csrf=%s&decision=approve", form);
    house.requests.signer.sign = fail_to_sign;
    signer_failure = ERR_TIMEOUT;
    assert_int_equal(call_with(HTTP_POST, PAGE, fields), 503);
    assert_int_equal(call(RESULT), 200);
    assert_true(says("\"status\":\"PENDING\""));
    house.requests.signer.sign = sign;
    assert_int_equal(call_with(HTTP_POST, PAGE, fields), 303);
    assert_int_equal(call_with(HTTP_POST, PAGE, fields), 409);
    assert_true(says("Already approved") && says("token-id=tt%3A") && says("Continue to shop.example"));
}

static void a_rejection_needs_no_signature(void **state)
{
    (void)state;
    char form[REQUEST_FORM_BYTES], fields[128];
    assert_int_equal(request_make_form_token(&house.requests, &request, HOUSE_NOW_S, form), OK);
    snprintf(fields, sizeof fields, "csrf=%s&decision=reject", form);
    house.requests.signer.sign = fail_to_sign;
    signer_failure = ERR_HSM_DOWN;
    assert_int_equal(call_with(HTTP_POST, PAGE, fields), 303);
    assert_int_equal(call(PAGE), 200);
    assert_true(says("Already rejected") && says("Back to shop.example"));
}

static void a_request_whose_client_was_removed_is_unknown(void **state)
{
    (void)state;
    struct clients *none = NULL;
    assert_int_equal(call(PAGE), 200);
    assert_int_equal(clients_new(NULL, 0, NULL, &none, NULL), OK);
    registry.clients = none;
    assert_int_equal(call(PAGE), 404);
    assert_true(says("We do not know this link"));
    clients_free(none);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)
    const struct CMUnitTest tests[] = {
        CASE(a_signature_past_its_deadline_is_a_gateway_timeout),
        CASE(an_HSM_that_is_away_is_unavailable_and_a_broken_key_too),
        CASE(what_cannot_happen_is_an_internal_error),
        CASE(a_cipher_that_fails_opens_no_id),
        CASE(a_store_that_cannot_be_written_takes_no_request_and_no_decision),
        CASE(an_approval_that_cannot_be_signed_is_not_taken),
        CASE(a_rejection_needs_no_signature),
        CASE(a_request_whose_client_was_removed_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
