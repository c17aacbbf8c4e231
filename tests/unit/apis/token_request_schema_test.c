// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "web/apis/token_requests/schema.h"

#include <stdio.h>
#include <string.h>

#define MEMBER         "m:nP4w3u5y8ddrxDJkjimgSX9e4fZ:5zKtXEAq"
#define HEAD           "\"refId\":\"r\",\"to\":{\"id\":\"" MEMBER "\"},\"redirectUrl\":\"https://shop.example/cb\""
#define SEPA           "{\"sepa\":{\"iban\":\"DE02120300000000202051\"}}"
#define TO             "\"instructions\":{\"transferDestinations\":[" SEPA "]}"
#define TRANSFER(more) "\"transferBody\":{\"currency\":\"EUR\"," TO ",\"lifetimeAmount\":\"25.00\"" more "}"
#define STANDING(more) "\"standingOrderBody\":{\"amount\":\"5\",\"currency\":\"EUR\"," TO more "}"
#define ACCESS(more)   "\"accessBody\":{\"resourceTypeList\":{\"resources\":[\"ACCOUNTS\"]}" more "}"

struct outcome {
    bool read;
    struct schema_reading reading;
    struct buf out;
    struct json_document *document; // pans point into it
};

static void outcome_done(struct outcome *outcome)
{
    json_free(outcome->document);
    buf_done(&outcome->out);
}

#define OUTCOME [[gnu::cleanup(outcome_done)]] struct outcome

static void read_as(const char *text, const struct schema_object *object, struct outcome *outcome)
{
    struct json_fault fault;
    *outcome = (struct outcome){.reading.luhn = true};
    outcome->reading.out = &outcome->out;
    if (json_read((struct slice){text, strlen(text)}, &outcome->document, &fault) != OK)
        fail_msg("%s: %s", fault.what, text);
    outcome->read = schema_read(json_root(outcome->document), "p", object, &outcome->reading);
}

static void assert_writes(const char *text, const char *expected)
{
    OUTCOME outcome;
    read_as(text, &schema_payload, &outcome);
    if (!outcome.read)
        fail_msg("%s %s", outcome.reading.fault.path, outcome.reading.fault.message);
    if (!slice_is(buf_slice(&outcome.out), expected))
        fail_msg("%.*s", (int)outcome.out.len, outcome.out.at);
}

static void assert_kept(const char *text)
{
    assert_writes(text, text);
}

// The fault as "path message", or its beginning.
static void assert_refused(const char *text, const char *expected)
{
    OUTCOME outcome;
    char fault[SCHEMA_PATH_BYTES + SCHEMA_MESSAGE_BYTES + 2];
    read_as(text, &schema_payload, &outcome);
    if (outcome.read)
        fail_msg("taken: %s", text);
    snprintf(fault, sizeof fault, "%s %s", outcome.reading.fault.path, outcome.reading.fault.message);
    if (strncmp(fault, expected, strlen(expected)) != 0)
        fail_msg("\"%s\" instead of \"%s\"", fault, expected);
}

static void each_kind_of_body_is_kept_as_it_was_sent(void **state)
{
    (void)state;
    assert_kept("{" HEAD "," TRANSFER("") "}");
    assert_kept("{" HEAD "," STANDING("") "}");
    assert_kept("{" HEAD "," ACCESS(",\"transactionHistoryDays\":90") "}");
}

static void unknown_and_null_members_are_dropped_at_every_depth(void **state)
{
    (void)state;
    assert_writes(
        "{\"x\":1,\"id\":\"y\"," HEAD ",\"description\":null,\"transferBody\":{\"z\":{},\"currency\":\"EUR\","
        "\"instructions\":{\"q\":[],\"transferDestinations\":[{\"sepa\":{\"iban\":"
        "\"DE02120300000000202051\",\"pan\":\"4111111111111111\"},\"v\":0}]},\"lifetimeAmount\":\"25.00\"},"
        "\"accessBody\":null}",
        "{" HEAD "," TRANSFER("") "}");
}

static void everything_that_is_known_is_echoed(void **state)
{
    (void)state;
    assert_kept(
        "{\"refId\":\"r\",\"to\":{\"alias\":{\"realmId\":\"" MEMBER
        "\",\"type\":\"EMAIL\",\"value\":\"a@b\"},\"id\":\"" MEMBER
        "\"},\"actingAs\":{\"displayName\":\"Bakery\",\"refId\":\"q\",\"secondaryName\":\"b@c\"},"
        "\"redirectUrl\":\"https://shop.example/cb\",\"callbackState\":\"s\",\"countries\":[\"DE\",\"IT\"],"
        "\"description\":\"d\",\"disableFutureDatedPaymentConversion\":true,\"userRefId\":\"u\","
        "\"transferBody\":{"
        "\"confirmFunds\":false,\"currency\":\"EUR\",\"executionDate\":\"2030-02-28\",\"instructions\":{"
        "\"metadata\":{"
        "\"chargeBearer\":\"SLEV\",\"providerTransferMetadata\":{\"polishApiTransferMetadata\":{"
        "\"deliveryMode\":"
        "\"EXPRESS_D0\",\"hold\":false}},\"purposeCode\":\"DVPM\",\"ultimateCreditor\":\"c\","
        "\"ultimateDebtor\":\"d\"},"
        "\"source\":{\"accountIdentifier\":{\"gbDomestic\":{\"sortCode\":\"123456\",\"accountNumber\":"
        "\"12345678\"}},"
        "\"bankId\":\"b\",\"bic\":\"BOFIIE2D\",\"customerData\":{\"legalNames\":[\"n\"]}},"
        "\"transferDestinations\":[{"
        "\"fasterPayments\":{\"sortCode\":\"123456\",\"accountNumber\":\"12345678\"},\"customerData\":{"
        "\"legalNames\":["
        "\"Shop Ltd\"],\"address\":{\"city\":\"Berlin\",\"country\":\"DE\"}},\"type\":\"BUSINESS\"}]},"
        "\"lifetimeAmount\":\"25.0000\",\"remittanceReference\":\"m\",\"returnRefundAccount\":true}}");
}

static void one_body_is_asked_for_and_no_other(void **state)
{
    (void)state;
    static const char fault[] = "p must have exactly one of transferBody standingOrderBody accessBody";
    assert_refused("{" HEAD "}", fault);
    assert_refused("{" HEAD "," TRANSFER("") "," ACCESS("") "}", fault);
    assert_refused("{" HEAD "," TRANSFER("") "," STANDING("") "," ACCESS("") "}", fault);
    assert_refused("{" HEAD ",\"transferBody\":null}", fault);
    assert_refused("{" HEAD ",\"transferBody\":\"x\"}", "p.transferBody must be an object");
    assert_refused("{" HEAD ",\"transferBody\":[]}", "p.transferBody must be an object");
    assert_refused("[]", "p must be an object");
}

static void required_members_are_named_where_they_are_missing(void **state)
{
    (void)state;
    assert_refused("{\"to\":{\"id\":\"" MEMBER "\"},\"redirectUrl\":\"https://a.example\"," TRANSFER("") "}",
                   "p.refId is required");
    assert_refused("{\"refId\":\"r\",\"redirectUrl\":\"https://a.example\"," TRANSFER("") "}",
                   "p.to is required");
    assert_refused("{\"refId\":\"r\",\"to\":{},\"redirectUrl\":\"https://a.example\"," TRANSFER("") "}",
                   "p.to.id is required");
    assert_refused("{\"refId\":\"r\",\"to\":{\"id\":\"" MEMBER "\"}," TRANSFER("") "}",
                   "p.redirectUrl is required");
    assert_refused("{" HEAD ",\"transferBody\":{" TO ",\"lifetimeAmount\":\"1\"}}",
                   "p.transferBody.currency is required");
    assert_refused("{" HEAD ",\"transferBody\":{\"currency\":\"EUR\"," TO "}}",
                   "p.transferBody.lifetimeAmount is required");
    assert_refused("{" HEAD ",\"transferBody\":{\"currency\":\"EUR\",\"lifetimeAmount\":\"1\"}}",
                   "p.transferBody.instructions is required");
    assert_refused("{" HEAD ",\"accessBody\":{}}", "p.accessBody.resourceTypeList is required");
    assert_refused("{" HEAD ",\"accessBody\":{\"resourceTypeList\":{}}}",
                   "p.accessBody.resourceTypeList.resources is required");
}

static void destinations_are_some_and_each_is_of_one_kind(void **state)
{
    (void)state;
#define BODY(list)                                                                                           \
    "{" HEAD ",\"transferBody\":{\"currency\":\"EUR\",\"instructions\":{" list "},\"lifetimeAmount\":\"1\"}" \
    "}"
#define AT "p.transferBody.instructions.transferDestinations"
    assert_refused(BODY(""), "p.transferBody must have instructions.transferDestinations");
    assert_refused(BODY("\"transferDestinations\":[]"), AT " must not be empty");
    assert_refused(BODY("\"transferDestinations\":{}"), AT " must be an array");
    assert_refused(BODY("\"transferDestinations\":[" SEPA ",{}]"),
                   AT "[1] must have exactly one of sepa sepaInstant");
    assert_refused(BODY("\"transferDestinations\":[" SEPA ",7]"), AT "[1] must be an object");
    assert_refused(
        BODY("\"transferDestinations\":[{\"sepa\":{\"iban\":\"DE02120300000000202051\"},\"elixir\":{"
             "\"accountNumber\":\"1\"}}]"),
        AT "[0] must have exactly one of");
    assert_refused(BODY("\"transferDestinations\":[{\"sepa\":{\"iban\":\"DE03120300000000202051\"}}]"),
                   AT "[0].sepa.iban must be an IBAN whose check digits are right");
    assert_refused(BODY("\"transferDestinations\":[{\"euDomesticNonEuro\":{\"bic\":\"BOFIIE2D\"}}]"),
                   AT "[0].euDomesticNonEuro must have an iban or a bban");
    assert_kept("{" HEAD
                ",\"transferBody\":{\"currency\":\"EUR\",\"instructions\":{},\"lifetimeAmount\":\"1\","
                "\"setTransferDestinationsUrl\":\"destination.example\"}}");
}

static void values_must_be_of_their_type(void **state)
{
    (void)state;
    assert_refused("{" HEAD ",\"transferBody\":{\"currency\":\"EUR\"," TO ",\"lifetimeAmount\":25}}",
                   "p.transferBody.lifetimeAmount must be a string");
    assert_refused("{" HEAD "," TRANSFER(",\"confirmFunds\":\"true\"") "}",
                   "p.transferBody.confirmFunds must be true or false");
    assert_refused("{" HEAD "," TRANSFER(",\"returnRefundAccount\":1") "}",
                   "p.transferBody.returnRefundAccount must be true or false");
    assert_refused("{" HEAD "," ACCESS(",\"transactionHistoryDays\":\"4\"") "}",
                   "p.accessBody.transactionHistoryDays must be an integer");
    assert_refused("{" HEAD "," ACCESS(",\"transactionHistoryDays\":-1") "}",
                   "p.accessBody.transactionHistoryDays must be an integer");
    assert_refused("{" HEAD "," ACCESS(",\"transactionHistoryDays\":2147483648") "}",
                   "p.accessBody.transactionHistoryDays must be an integer");
    assert_refused("{" HEAD "," ACCESS("") ",\"tokenExpiration\":1679009247}",
                   "p.tokenExpiration must be a string");
    assert_refused("{" HEAD "," ACCESS("") ",\"countries\":\"DE\"}", "p.countries must be an array");
    assert_refused("{" HEAD "," ACCESS("") ",\"countries\":[]}", "p.countries must not be empty");
    assert_refused("{" HEAD "," ACCESS("") ",\"countries\":[\"DE\",\"UK\"]}",
                   "p.countries[1] must be a country code");
    assert_refused(
        "{" HEAD ",\"accessBody\":{\"resourceTypeList\":{\"resources\":[\"BALANCES\",\"MONEY\"]}}}",
        "p.accessBody.resourceTypeList.resources[1] must be one of ACCOUNTS BALANCES TRANSACTIONS");
    assert_refused("{" HEAD ",\"accessBody\":{\"resourceTypeList\":{\"resources\":[\"\"]}}}",
                   "p.accessBody.resourceTypeList.resources[0] must be one of");
}

static void texts_are_bounded_and_have_no_control_characters(void **state)
{
    (void)state;
    char text[2048], long_text[300];
    memset(long_text, 'd', 256);
    long_text[256] = '\0';
    snprintf(text, sizeof text, "{" HEAD "," ACCESS("") ",\"description\":\"%s\"}", long_text);
    assert_refused(text, "p.description must not be longer than 255 characters");
    long_text[255] = '\0';
    snprintf(text, sizeof text, "{" HEAD ",\"description\":\"%s\"," ACCESS("") "}", long_text);
    assert_kept(text);
    assert_refused("{" HEAD "," ACCESS("") ",\"description\":\"a\\nb\"}",
                   "p.description must not have control characters");
    assert_refused("{" HEAD "," ACCESS("") ",\"description\":\"a\\u0085b\"}",
                   "p.description must not have control characters");
    assert_refused("{" HEAD "," ACCESS("") ",\"description\":\"a\\u202eb\"}",
                   "p.description must not have control characters");
    assert_refused("{" HEAD "," ACCESS("") ",\"description\":\"a\\u2067b\"}",
                   "p.description must not have control characters");
    assert_refused("{" HEAD "," ACCESS("") ",\"callbackState\":\"\\u0007\"}",
                   "p.callbackState must not have control");
}

static void a_standing_order_does_not_end_before_it_begins(void **state)
{
    (void)state;
    assert_refused("{" HEAD "," STANDING(",\"startDate\":\"2030-02-01\",\"endDate\":\"20300131\"") "}",
                   "p.standingOrderBody must not have an endDate before its startDate");
    assert_writes("{" HEAD "," STANDING(",\"startDate\":\"2030-02-01\",\"endDate\":\"20300201\"") "}",
                  "{" HEAD
                  ",\"standingOrderBody\":{\"amount\":\"5\",\"currency\":\"EUR\",\"endDate\":\"20300201\"," TO
                  ",\"startDate\":\"2030-02-01\"}}");
    assert_refused("{" HEAD "," STANDING(",\"frequency\":\"DAILY\"") "}",
                   "p.standingOrderBody.frequency must be one of DAIL WEEK");
}

// ---- card numbers -----------------------------------------------------------------------------------------

#define PAN "4111111111111111"
#define SOURCE(pan)                                                                                          \
    "{" HEAD ",\"accessBody\":{\"resourceTypeList\":{\"resources\":[\"ACCOUNTS\"],\"source\":{"              \
    "\"accountIdentifier\":{\"pan\":{\"pan\":\"" pan "\"}}}}}}"

static void a_card_number_is_taken_out_and_its_place_remembered(void **state)
{
    (void)state;
    OUTCOME outcome;
    read_as(SOURCE(PAN), &schema_payload, &outcome);
    assert_true(outcome.read);
    assert_true(slice_is(buf_slice(&outcome.out), SOURCE("")));
    assert_int_equal(outcome.reading.pan_count, 1);
    assert_memory_equal(outcome.reading.pans[0].digits.text, PAN, sizeof PAN - 1);
    assert_int_equal(outcome.reading.pans[0].digits.len, sizeof PAN - 1);
    assert_memory_equal(outcome.out.at + outcome.reading.pans[0].at - 7, "\"pan\":\"\"", 8);
}

static void what_is_no_card_number_is_refused_and_not_repeated(void **state)
{
    (void)state;
#define WHERE "p.accessBody.resourceTypeList.source.accountIdentifier.pan.pan must be"
    assert_refused(SOURCE("4111111111111"), WHERE " a card number of 14..16 digits");
    assert_refused(SOURCE("41111111111111111"), WHERE " a card number of 14..16 digits");
    assert_refused(SOURCE("4111 1111 1111 1"), "p.accessBody");
    assert_refused(SOURCE("4111111111111112"), "p.accessBody");
    OUTCOME outcome;
    read_as(SOURCE("4111111111111112"), &schema_payload, &outcome);
    assert_null(strstr(outcome.reading.fault.message, "4111"));
}

#define STET(creditor, account)                                                                              \
    "{" HEAD ",\"transferBody\":{\"currency\":\"EUR\",\"instructions\":{\"metadata\":{"                      \
    "\"providerTransferMetadata\":{\"stetTransferMetadata\":{\"beneficiary\":{\"creditor\":" creditor        \
    ",\"creditorAccount\":{\"other\":" account "}}}}},\"transferDestinations\":[" SEPA                       \
    "]},\"lifetimeAmount\":\"25.00\"}}"
#define BY(scheme, number, more) "{\"schemeName\":\"" scheme "\",\"identification\":\"" number "\"" more "}"

static void an_identification_whose_scheme_is_CPAN_is_a_card_number(void **state)
{
    (void)state;
    OUTCOME outcome;
    read_as(STET("{\"organisationId\":" BY("CPAN", "6011000990139424",
                                           "") ",\"privateId\":{\"issuer\":\"FR\","
                                               "\"identification\":\"" PAN "\",\"schemeName\":\"CPAN\"}}",
                 BY("BANK", "4242424242424242", "")),
            &schema_payload, &outcome);
    assert_true(outcome.read);
    assert_true(
        slice_is(buf_slice(&outcome.out), STET("{\"organisationId\":" BY("CPAN", "", "") ",\"privateId\":" BY(
                                                   "CPAN", "", ",\"issuer\":\"FR\"") "}",
                                               BY("BANK", "4242424242424242", ""))));
    assert_int_equal(outcome.reading.pan_count, 2);
    assert_memory_equal(outcome.reading.pans[0].digits.text, "6011000990139424", 16);
    assert_memory_equal(outcome.reading.pans[1].digits.text, PAN, 16);
    for (size_t i = 0; i < 2; i++)
        assert_memory_equal(outcome.out.at + outcome.reading.pans[i].at - 18, "\"identification\":\"\"", 19);
}

static void another_spelling_of_CPAN_hides_no_card_number(void **state)
{
    (void)state;
#define OTHER                                                                                                \
    "p.transferBody.instructions.metadata.providerTransferMetadata.stetTransferMetadata.beneficiary."        \
    "creditorAccount.other."
    assert_refused(STET("{}", BY("cpan", PAN, "")), OTHER "schemeName must be CPAN in capitals");
    assert_refused(STET("{}", BY("CPAN", "4111 1111 1111 1111", "")), OTHER "identification must");
    assert_refused(STET("{}", BY("CPAN", "4111111111111112", "")), OTHER "identification fails");
    assert_kept(STET("{}", "{\"schemeName\":\"CPAN\"}"));
}

static void options_have_their_own_table(void **state)
{
    (void)state;
    OUTCOME outcome;
    static const char text[] =
        "{\"bankId\":\"b\",\"from\":{\"id\":\"" MEMBER "\"},\"psuId\":\"p\",\"receiptRequested\":true,"
        "\"tokenInternal\":{\"redirectUrl\":\"https://a.example\",\"usingWebApp\":false}}";
    read_as(text, &schema_options, &outcome);
    assert_true(outcome.read);
    assert_true(slice_is(buf_slice(&outcome.out), text));
    OUTCOME wrong;
    read_as("{\"tokenInternal\":{\"redirectUrl\":\"javascript:x\"}}", &schema_options, &wrong);
    assert_false(wrong.read);
    assert_string_equal(wrong.reading.fault.path, "p.tokenInternal.redirectUrl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_body_is_kept_as_it_was_sent),
        cmocka_unit_test(unknown_and_null_members_are_dropped_at_every_depth),
        cmocka_unit_test(everything_that_is_known_is_echoed),
        cmocka_unit_test(one_body_is_asked_for_and_no_other),
        cmocka_unit_test(required_members_are_named_where_they_are_missing),
        cmocka_unit_test(destinations_are_some_and_each_is_of_one_kind),
        cmocka_unit_test(values_must_be_of_their_type),
        cmocka_unit_test(texts_are_bounded_and_have_no_control_characters),
        cmocka_unit_test(a_standing_order_does_not_end_before_it_begins),
        cmocka_unit_test(a_card_number_is_taken_out_and_its_place_remembered),
        cmocka_unit_test(what_is_no_card_number_is_refused_and_not_repeated),
        cmocka_unit_test(an_identification_whose_scheme_is_CPAN_is_a_card_number),
        cmocka_unit_test(another_spelling_of_CPAN_hides_no_card_number),
        cmocka_unit_test(options_have_their_own_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
