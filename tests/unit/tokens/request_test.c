// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/requests_house.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>

static struct request create(const struct request_draft *draft)
{
    struct request request;
    assert_int_equal(request_create(&house.requests, draft, &request), OK);
    return request;
}

static struct request create_kind(enum store_request_kind kind)
{
    const struct request_draft draft = house_draft(kind, "{\"refId\":\"r\"}");
    return create(&draft);
}

static struct request find_at(const char *id, int64_t now_s)
{
    struct request request;
    assert_int_equal(request_find(&house.requests, text_of(id), now_s, &request), OK);
    return request;
}

static enum store_decision_outcome decide(struct request *request, bool approve, int64_t now_s)
{
    enum store_decision_outcome outcome;
    struct request_result result;
    const struct request_decision decision = {.approve = approve, .now_s = now_s};
    assert_int_equal(request_decide(&house.requests, &decision, request, &outcome, &result), OK);
    return outcome;
}

static enum request_status status_at(const char *id, int64_t now_s)
{
    struct request request = find_at(id, now_s);
    const enum request_status status = request.status;
    request_done(&request);
    return status;
}

// ---- life -------------------------------------------------------------------------------------------------

static void a_request_is_found_under_its_name_as_it_was_asked(void **state)
{
    (void)state;
    struct request_draft draft = house_draft(STORE_REQUEST_TRANSFER, "{\"refId\":\"r\"}");
    draft.options = text_of("{\"bankId\":\"b\"}");
    draft.bank_id = "b";
    struct request made = create(&draft), found = find_at(made.id, HOUSE_NOW_S + 1);
    assert_string_equal(found.id, made.id);
    assert_string_equal(found.record.options, "{\"bankId\":\"b\"}");
    assert_string_equal(found.record.payload, "{\"refId\":\"r\"}");
    assert_string_equal(found.record.redirect_url, "https://shop.example/cb");
    assert_string_equal(found.record.bank_id, "b");
    assert_int_equal(found.record.client_id, HOUSE_CLIENT);
    assert_int_equal(found.record.tenant_id, HOUSE_TENANT);
    assert_int_equal(found.record.expires_s, HOUSE_NOW_S + HOUSE_LIFE_S);
    assert_int_equal(found.status, REQUEST_PENDING);
    request_done(&made);
    request_done(&found);
}

static void equal_drafts_make_different_requests(void **state)
{
    (void)state;
    struct request one = create_kind(STORE_REQUEST_TRANSFER), two = create_kind(STORE_REQUEST_TRANSFER);
    assert_string_not_equal(one.id, two.id);
    request_done(&one);
    request_done(&two);
}

static void a_request_expires_with_its_last_second_and_a_decided_one_never(void **state)
{
    (void)state;
    struct request pending = create_kind(STORE_REQUEST_ACCESS), decided = create_kind(STORE_REQUEST_ACCESS);
    const int64_t end_s = HOUSE_NOW_S + HOUSE_LIFE_S;
    assert_int_equal(decide(&decided, false, end_s - 1), STORE_DECISION_TAKEN);
    assert_int_equal(status_at(pending.id, end_s - 1), REQUEST_PENDING);
    assert_int_equal(status_at(pending.id, end_s), REQUEST_EXPIRED);
    assert_int_equal(status_at(decided.id, end_s + 1000000), REQUEST_REJECTED);
    assert_int_equal(decide(&pending, true, end_s), STORE_DECISION_EXPIRED);
    assert_int_equal(pending.status, REQUEST_EXPIRED);
    request_done(&pending);
    request_done(&decided);
}

static void a_late_decision_sees_the_one_that_stands(void **state)
{
    (void)state;
    struct request request = create_kind(STORE_REQUEST_TRANSFER), late = find_at(request.id, HOUSE_NOW_S);
    assert_int_equal(decide(&request, true, HOUSE_NOW_S + 1), STORE_DECISION_TAKEN);
    assert_int_equal(request.status, REQUEST_PROCESSED);
    assert_int_equal(decide(&late, false, HOUSE_NOW_S + 2), STORE_DECISION_LATE);
    assert_int_equal(late.status, REQUEST_PROCESSED);
    assert_int_equal(late.record.decided_s, HOUSE_NOW_S + 1);
    request_done(&request);
    request_done(&late);
}

static void made_up_names_never_reach_the_store(void **state)
{
    (void)state;
    struct request request = {.status = REQUEST_EXPIRED};
    struct store *store = house.requests.store;
    house.requests.store = NULL; // whoever asks it crashes
    static const struct {
        const char *id;
        enum err rc;
    } names[] = {
        {"rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKtXEAq", ERR_NOT_GENUINE},
        {"rq:", ERR_NOT_GENUINE},
        {"tt:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKtXEAq", ERR_INPUT},
        {"", ERR_INPUT},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(request_find(&house.requests, text_of(names[i].id), HOUSE_NOW_S, &request),
                         names[i].rc);
    assert_int_equal(request.status, REQUEST_EXPIRED);
    house.requests.store = store;
}

static void a_genuine_name_that_the_store_does_not_know_is_not_found(void **state)
{
    (void)state;
    struct request request;
    char id[LONG_ID_TEXT_BYTES];
    const struct long_id name = {.client_id = HOUSE_CLIENT, .second = HOUSE_NOW_S, .random = 5};
    assert_int_equal(long_id_make(house.ids, LONG_ID_REQUEST, &name, id), OK);
    assert_int_equal(request_find(&house.requests, text_of(id), HOUSE_NOW_S, &request), ERR_NOT_FOUND);
}

static void a_request_outlives_the_process(void **state)
{
    (void)state;
    struct request request = create_kind(STORE_REQUEST_TRANSFER);
    assert_int_equal(decide(&request, true, HOUSE_NOW_S), STORE_DECISION_TAKEN);
    store_close(house.requests.store);
    house_open_store();
    assert_int_equal(status_at(request.id, HOUSE_NOW_S), REQUEST_PROCESSED);
    request_done(&request);
}

static void reasons_are_given_or_follow_from_the_status(void **state)
{
    (void)state;
    struct request request = create_kind(STORE_REQUEST_TRANSFER);
    enum store_decision_outcome outcome;
    struct request_result result;
    const struct request_decision decision = {.by = "desk",
                                              .by_client_id = 5,
                                              .source = "192.0.2.7",
                                              .reason = "unknown shop",
                                              .now_s = HOUSE_NOW_S};
    assert_string_equal(request_reason(&request), "Waiting for the user's consent.");
    assert_int_equal(request_decide(&house.requests, &decision, &request, &outcome, &result), OK);
    assert_string_equal(request_reason(&request), "unknown shop");
    assert_string_equal(request.record.decided_by, "desk");
    assert_int_equal(request.record.decided_client_id, 5);
    assert_string_equal(request.record.decided_source, "192.0.2.7");
    request_done(&request);
}

// ---- results ----------------------------------------------------------------------------------------------

static struct request_result result_of(const struct request *request)
{
    struct request_result result;
    assert_int_equal(request_result(&house.requests, request, &result), OK);
    return result;
}

static struct request approved(enum store_request_kind kind)
{
    struct request request = create_kind(kind);
    assert_int_equal(decide(&request, true, HOUSE_NOW_S), STORE_DECISION_TAKEN);
    return request;
}

static void a_signature_verifies_over_the_documented_text(void **state)
{
    (void)state;
    struct request request = approved(STORE_REQUEST_TRANSFER);
    const struct request_result result = result_of(&request);
    char message[256];
    uint8_t signature[SIGNATURE_BYTES];
    size_t count = 0;
    snprintf(message, sizeof message, "{\"state\":\"s-\\\"91\\\"\",\"tokenId\":\"%s\"}", result.token_id);
    assert_true(base64url_decode(text_of(result.signature), signature, sizeof signature, &count));
    assert_int_equal(count, SIGNATURE_BYTES);
    for (int forged = 0; forged < 2; forged++) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        assert_int_equal(EVP_DigestVerifyInit(context, NULL, NULL, NULL, house.signer.key), 1);
        assert_int_equal(
            EVP_DigestVerify(context, signature, count, (const uint8_t *)message, strlen(message)), !forged);
        EVP_MD_CTX_free(context);
        message[10] ^= 1;
    }
    request_done(&request);
}

static void a_result_names_the_member_that_asked_and_the_published_key(void **state)
{
    (void)state;
    struct request request = approved(STORE_REQUEST_TRANSFER);
    const struct request_result result = result_of(&request);
    struct long_id member;
    BUF keys = {0};
    assert_int_equal(long_id_open(house.ids, LONG_ID_MEMBER, text_of(result.member_id), &member), OK);
    assert_int_equal(member.client_id, HOUSE_CLIENT);
    requests_write_key_set(&house.requests, &keys);
    buf_byte(&keys, '\0');
    assert_int_equal(strlen(result.key_id), 16);
    assert_non_null(strstr(keys.at, result.key_id));
    request_done(&request);
}

static void each_kind_of_request_brings_its_ids_and_no_other(void **state)
{
    (void)state;
    static const struct {
        enum store_request_kind kind;
        bool transfer, submission;
    } kinds[] = {{STORE_REQUEST_TRANSFER, true, false},
                 {STORE_REQUEST_STANDING_ORDER, false, true},
                 {STORE_REQUEST_ACCESS, false, false}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct request request = approved(kinds[i].kind);
        const struct request_result result = result_of(&request);
        assert_memory_equal(result.token_id, "tt:", 3);
        assert_int_equal(strncmp(result.transfer_id, "t:", 2) == 0, kinds[i].transfer);
        assert_int_equal(strncmp(result.submission_id, "so:", 3) == 0, kinds[i].submission);
        assert_int_equal(result.transfer_id[0] == '\0', !kinds[i].transfer);
        assert_int_equal(result.submission_id[0] == '\0', !kinds[i].submission);
        request_done(&request);
    }
}

static void results_stay_the_same_when_the_system_key_is_followed_by_another(void **state)
{
    (void)state;
    struct request request = approved(STORE_REQUEST_TRANSFER);
    const struct request_result before = result_of(&request);
    const struct generation_options options[] = {
        {.number = 3, .state = GENERATION_CURRENT, .cipher = soft_cipher_seam(&house.other.ciphers[0])},
        {.number = 2, .state = GENERATION_RETIRED, .cipher = soft_cipher_seam(&house.system.ciphers[0])},
    };
    struct keyring *next = NULL;
    struct long_ids *ids = NULL;
    assert_int_equal(keyring_new(0, options, 2, &next, NULL), OK);
    assert_int_equal(long_ids_new(next, "tokn", &ids), OK);
    house.requests.ids = ids;
    struct request later = find_at(request.id, HOUSE_NOW_S + 5);
    const struct request_result after = result_of(&later);
    assert_string_equal(after.token_id, before.token_id);
    assert_string_equal(after.transfer_id, before.transfer_id);
    assert_string_equal(after.signature, before.signature);
    house.requests.ids = house.ids;
    request_done(&request);
    request_done(&later);
    long_ids_free(ids);
    keyring_free(next);
}

static enum err fail_to_sign(void *context, const uint8_t *message, size_t message_bytes,
                             uint8_t out_signature[SIGNATURE_BYTES])
{
    (void)context, (void)message, (void)message_bytes, (void)out_signature;
    return ERR_TIMEOUT;
}

static void a_signer_that_fails_gives_no_result(void **state)
{
    (void)state;
    struct request request = approved(STORE_REQUEST_TRANSFER);
    struct request_result result = {.token_id = "untouched"};
    house.requests.signer.sign = fail_to_sign;
    assert_int_equal(request_result(&house.requests, &request, &result), ERR_TIMEOUT);
    assert_string_equal(result.token_id, "untouched");
    request_done(&request);
}

// ---- card numbers -----------------------------------------------------------------------------------------

#define PAN    "4111111111111111"
#define OTHER  "4242424242424242"
#define BEFORE "{\"note\":\"\\\"pan\\\":\\\"" PAN "\\\"\",\"source\":{\"pan\":{\"pan\":\""
#define BETWEEN                                                                                              \
    "\"}},\"note\":\"\\\"schemeName\\\":\\\"CPAN\\\",\",\"identification\":\"" PAN                           \
    "\",\"id\":{\"schemeName\":\"CPAN\",\"identification\":\""
#define AFTER "\"},\"other\":{\"schemeName\":\"CPAN\"}}"

static struct request create_with_pans(void)
{
    static const struct request_pan pans[] = {
        {{PAN, sizeof PAN - 1}, sizeof BEFORE - 1},
        {{OTHER, sizeof OTHER - 1}, sizeof BEFORE BETWEEN - 1},
    };
    struct request_draft draft = house_draft(STORE_REQUEST_TRANSFER, BEFORE BETWEEN AFTER);
    draft.pans = pans;
    draft.pan_count = 2;
    return create(&draft);
}

static void card_numbers_are_kept_as_card_tokens_of_the_client(void **state)
{
    (void)state;
    struct request request = create_with_pans(), found = find_at(request.id, HOUSE_NOW_S);
    char expected[2 * CARD_TOKEN_LENGTH], text[512];
    const struct card cards[] = {{.pan = {PAN, 16}}, {.pan = {OTHER, 16}}};
    assert_int_equal(
        card_seal(house.requests.card_format, tenant_keyring(house.tenant), HOUSE_CLIENT, cards, 2, expected),
        OK);
    snprintf(text, sizeof text, BEFORE "%.48s" BETWEEN "%.48s" AFTER, expected, expected + CARD_TOKEN_LENGTH);
    assert_string_equal(found.record.payload, text);
    request_done(&request);
    request_done(&found);
}

static void the_store_holds_no_card_number(void **state)
{
    (void)state;
    struct request request = create_with_pans();
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        char name[128];
        static char bytes[1 << 20];
        snprintf(name, sizeof name, "%s%s", house.store_path, suffixes[i]);
        FILE *file = fopen(name, "rb");
        assert_non_null(file);
        const size_t count = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        assert_in_range(count, 1, sizeof bytes - 1);
        assert_null(memmem(bytes, count, OTHER, sizeof OTHER - 1));
    }
    request_done(&request);
}

static void card_numbers_come_back_where_they_stood_and_nowhere_else(void **state)
{
    (void)state;
    struct request request = create_with_pans();
    BUF clear = {0};
    assert_int_equal(request_write_clear_payload(&house.requests, house.tenant, &request, &clear), OK);
    assert_true(slice_is(buf_slice(&clear), BEFORE PAN BETWEEN OTHER AFTER));
    request_done(&request);
}

static void a_payload_without_card_numbers_comes_back_as_it_is(void **state)
{
    (void)state;
    const struct request_draft draft =
        house_draft(STORE_REQUEST_TRANSFER, "{\"a\":\"\\\"pan\\\":\\\"411\\\"\",\"pan\":\"short\"}");
    struct request request = create(&draft);
    BUF clear = {0};
    assert_int_equal(request_write_clear_payload(&house.requests, house.tenant, &request, &clear), OK);
    assert_true(slice_equal(buf_slice(&clear), draft.payload));
    request_done(&request);
}

// ---- forms ------------------------------------------------------------------------------------------------

static enum err check_form(const struct request *request, int64_t now_s, const char *text)
{
    return request_check_form_token(&house.requests, request, now_s, text_of(text));
}

static void a_form_token_is_good_for_its_request_and_half_an_hour(void **state)
{
    (void)state;
    char token[REQUEST_FORM_BYTES];
    struct request request = create_kind(STORE_REQUEST_TRANSFER), other = create_kind(STORE_REQUEST_TRANSFER);
    assert_int_equal(request_make_form_token(&house.requests, &request, HOUSE_NOW_S, token), OK);
    assert_int_equal(check_form(&request, HOUSE_NOW_S, token), OK);
    assert_int_equal(check_form(&request, HOUSE_NOW_S + REQUEST_FORM_LIFE_S - 1, token), OK);
    assert_int_equal(check_form(&request, HOUSE_NOW_S + REQUEST_FORM_LIFE_S, token), ERR_FORBIDDEN);
    assert_int_equal(check_form(&request, HOUSE_NOW_S - 61, token), ERR_FORBIDDEN);
    assert_int_equal(check_form(&other, HOUSE_NOW_S, token), ERR_FORBIDDEN);
    request_done(&request);
    request_done(&other);
}

static void changed_form_tokens_are_refused(void **state)
{
    (void)state;
    char token[REQUEST_FORM_BYTES];
    struct request request = create_kind(STORE_REQUEST_TRANSFER);
    assert_int_equal(request_make_form_token(&house.requests, &request, HOUSE_NOW_S, token), OK);
    for (size_t i = 0; token[i] != '\0'; i++) {
        const char was = token[i];
        token[i] = was == '1' ? '2' : '1';
        assert_int_equal(check_form(&request, HOUSE_NOW_S, token), ERR_FORBIDDEN);
        token[i] = was;
    }
    static const char *const others[] = {
        "", ".", "1900000000", "1900000000.", "99999999999999999999.AAAA", "-5.AAAA", "01900000000.AAAA"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(check_form(&request, HOUSE_NOW_S, others[i]), ERR_FORBIDDEN);
    request_done(&request);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, house_open, house_close)
    const struct CMUnitTest tests[] = {
        CASE(a_request_is_found_under_its_name_as_it_was_asked),
        CASE(equal_drafts_make_different_requests),
        CASE(a_request_expires_with_its_last_second_and_a_decided_one_never),
        CASE(a_late_decision_sees_the_one_that_stands),
        CASE(made_up_names_never_reach_the_store),
        CASE(a_genuine_name_that_the_store_does_not_know_is_not_found),
        CASE(a_request_outlives_the_process),
        CASE(reasons_are_given_or_follow_from_the_status),
        CASE(a_signature_verifies_over_the_documented_text),
        CASE(a_result_names_the_member_that_asked_and_the_published_key),
        CASE(each_kind_of_request_brings_its_ids_and_no_other),
        CASE(results_stay_the_same_when_the_system_key_is_followed_by_another),
        CASE(a_signer_that_fails_gives_no_result),
        CASE(card_numbers_are_kept_as_card_tokens_of_the_client),
        CASE(the_store_holds_no_card_number),
        CASE(card_numbers_come_back_where_they_stood_and_nowhere_else),
        CASE(a_payload_without_card_numbers_comes_back_as_it_is),
        CASE(a_form_token_is_good_for_its_request_and_half_an_hour),
        CASE(changed_form_tokens_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
