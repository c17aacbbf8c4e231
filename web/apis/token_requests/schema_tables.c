// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Every member of a token request that is known, deepest first. What is not here is dropped.
#include "web/apis/token_requests/rules.h"
#include "web/apis/token_requests/schema.h"

#include <string.h>

enum { URL_MAX = 2048, STATE_MAX = 2048, LONG_TEXT_MAX = 1024, REMITTANCE_MAX = 140 };

#define TEXT(member, ...)                                                                                    \
    {                                                                                                        \
        .name = (member), .type = SCHEMA_TEXT, __VA_ARGS__                                                   \
    }
#define FLAG(member)                                                                                         \
    {                                                                                                        \
        .name = (member), .type = SCHEMA_FLAG                                                                \
    }
#define OBJECT(member, of, ...)                                                                              \
    {                                                                                                        \
        .name = (member), .type = SCHEMA_OBJECT, .object = &(of), __VA_ARGS__                                \
    }
#define TEXTS(member, ...)                                                                                   \
    {                                                                                                        \
        .name = (member), .type = SCHEMA_TEXTS, __VA_ARGS__                                                  \
    }
#define REQUIRED    .required = true
#define CHOICE      .choice = true
#define ROWS(table) .rows = (table), .count = sizeof(table) / sizeof((table)[0])

static bool has(const struct json *object, const char *name)
{
    const struct json *member = json_member(object, name);
    return member != NULL && json_type(member) != JSON_NULL;
}

// ---- members, addresses, names ----------------------------------------------------------------------------

static const struct schema_row alias_rows[] = {
    TEXT("realmId", .rule = rule_member),
    TEXT("type", .words = "EMAIL PHONE DOMAIN BANK CUSTOM EIDAS UNKNOWN"),
    TEXT("value"),
};
static const struct schema_object alias = {ROWS(alias_rows)};

static const struct schema_row member_rows[] = {
    OBJECT("alias", alias),
    TEXT("id", REQUIRED, .rule = rule_member),
};
static const struct schema_object member = {ROWS(member_rows)};

static const struct schema_row acting_as_rows[] = {
    TEXT("displayName", REQUIRED, .rule = rule_text),
    TEXT("refId", .rule = rule_reference),
    TEXT("secondaryName"),
};
static const struct schema_object acting_as = {ROWS(acting_as_rows)};

static const struct schema_row address_rows[] = {
    TEXT("city"),
    TEXT("conscriptionNumber"),
    TEXT("country", .rule = rule_country),
    TEXT("district"),
    TEXT("flats"),
    TEXT("full", .max = LONG_TEXT_MAX),
    TEXT("hamlet"),
    TEXT("houseName"),
    TEXT("houseNumber"),
    TEXT("place"),
    TEXT("postCode"),
    TEXT("province"),
    TEXT("state"),
    TEXT("street"),
    TEXT("subdistrict"),
    TEXT("suburb"),
};
static const struct schema_object address = {ROWS(address_rows)};

static const struct schema_row customer_rows[] = {
    TEXTS("legalNames", REQUIRED, .rule = rule_text),
    OBJECT("address", address),
};
static const struct schema_object customer = {ROWS(customer_rows)};

// ---- accounts ---------------------------------------------------------------------------------------------

static const struct schema_row iban_rows[] = {
    TEXT("iban", REQUIRED, .rule = rule_iban),
    TEXT("bic", .rule = rule_bic),
};
static const struct schema_object iban_account = {ROWS(iban_rows)};

static const struct schema_row uk_rows[] = {
    TEXT("sortCode", REQUIRED, .rule = rule_sort_code),
    TEXT("accountNumber", REQUIRED, .rule = rule_uk_account),
};
static const struct schema_object uk_account = {ROWS(uk_rows)};

static const struct schema_row elixir_rows[] = {TEXT("accountNumber", REQUIRED, .rule = rule_account)};
static const struct schema_object elixir_account = {ROWS(elixir_rows)};

static const struct schema_row bankgiro_rows[] = {
    TEXT("bankgiroNumber", REQUIRED, .rule = rule_bankgiro),
    TEXT("bic", .rule = rule_bic),
};
static const struct schema_object bankgiro_account = {ROWS(bankgiro_rows)};

static const struct schema_row plusgiro_rows[] = {
    TEXT("plusgiroNumber", REQUIRED, .rule = rule_plusgiro),
    TEXT("bic", .rule = rule_bic),
};
static const struct schema_object plusgiro_account = {ROWS(plusgiro_rows)};

static const char *check_domestic(const struct json *object)
{
    return has(object, "iban") || has(object, "bban") ? NULL : "must have an iban or a bban";
}

static const struct schema_row domestic_rows[] = {
    TEXT("iban", .rule = rule_iban),
    TEXT("bban", .rule = rule_bban),
    TEXT("bic", .rule = rule_bic),
    TEXT("clearingNumber", .rule = rule_clearing),
};
static const struct schema_object domestic_account = {ROWS(domestic_rows), .check = check_domestic};

static const struct schema_row virtual_rows[] = {
    TEXT("id", REQUIRED, .rule = rule_text),
    TEXT("localInstrument", REQUIRED, .words = "SEPA SEPA_INSTANT FASTER_PAYMENTS"),
};
static const struct schema_object virtual_account = {ROWS(virtual_rows)};

static const struct schema_row linked_rows[] = {
    TEXT("accountId"),
    TEXT("memberId", .rule = rule_member),
};
static const struct schema_object linked_account = {ROWS(linked_rows)};

static const struct schema_row bban_rows[] = {
    TEXT("bban", REQUIRED, .rule = rule_bban),
    TEXT("clearingNumber", .rule = rule_clearing),
};
static const struct schema_object bban_account = {ROWS(bban_rows)};

static const struct schema_row phone_rows[] = {TEXT("msisdn", REQUIRED, .rule = rule_phone)};
static const struct schema_object phone_account = {ROWS(phone_rows)};

static const struct schema_row card_rows[] = {{.name = "pan", .type = SCHEMA_CARD, REQUIRED}};
static const struct schema_object card_account = {ROWS(card_rows)};

static const struct schema_row identifier_rows[] = {
    OBJECT("bankgiro", bankgiro_account, CHOICE), OBJECT("bban", bban_account, CHOICE),
    OBJECT("gbDomestic", uk_account, CHOICE),     OBJECT("iban", iban_account, CHOICE),
    OBJECT("msisdn", phone_account, CHOICE),      OBJECT("pan", card_account, CHOICE),
    OBJECT("plusgiro", plusgiro_account, CHOICE), OBJECT("token", linked_account, CHOICE),
};
static const struct schema_object identifier = {ROWS(identifier_rows), .chooses = true};

// ---- what banks want to know, by standard -----------------------------------------------------------------

static const struct schema_row delivery_rows[] = {
    TEXTS("addressLine"),
    TEXT("addressType",
         .words = "BUSINESS CORRESPONDENCE DELIVERYTO MAILTO POBOX POSTAL RESIDENTIAL STATEMENT"),
    TEXT("buildingNumber"),
    TEXT("country", .rule = rule_country),
    TEXTS("countrySubDivision"),
    TEXT("department"),
    TEXT("postCode"),
    TEXT("streetName"),
    TEXT("subDepartment"),
    TEXT("townName"),
};
static const struct schema_object delivery = {ROWS(delivery_rows)};

static const struct schema_row risk_rows[] = {
    OBJECT("deliveryAddress", delivery),
    TEXT("merchantCustomerIdentification", .max = 70),
    TEXT("paymentContextCode",
         .words = "BILLING_GOODS_AND_SERVICES_IN_ADVANCE BILLING_GOODS_AND_SERVICES_IN_ARREARS PISP_PAYEE"
                  " ECOMMERCE_MERCHANT_INITIATED_PAYMENT FACE_TO_FACE_POINT_OF_SALE TRANSFER_TO_SELF"
                  " TRANSFER_TO_THIRD_PARTY"),
    TEXT("paymentPurposeCode", .rule = rule_code),
    TEXT("beneficiaryAccountType",
         .words = "PERSONAL JOINT_PERSONAL PERSONAL_SAVINGS_ACCOUNT BUSINESS BUSINESS_SAVINGS_ACCOUNT CHARITY"
                  " COLLECTION CORPORATE GOVERNMENT EWALLET INVESTMENT ISA PREMIER WEALTH PENSION"),
    TEXT("contractPresentIndicator", .words = "true false"),
    TEXT("beneficiaryPrepopulatedIndicator", .words = "true false"),
};
static const struct schema_object risk = {ROWS(risk_rows)};

static const struct schema_row cma9_rows[] = {
    TEXT("endToEndIdentification"),
    TEXT("instructionIdentification"),
    OBJECT("risk", risk),
};
static const struct schema_object cma9 = {ROWS(cma9_rows)};

static const struct schema_row berlin_rows[] = {
    TEXT("creditorAgent"),
    TEXT("creditorAgentName"),
    TEXT("endToEndIdentification"),
    TEXT("remittanceInformationStructured"),
};
static const struct schema_object berlin = {ROWS(berlin_rows)};

static const struct schema_row polish_rows[] = {
    TEXT("deliveryMode", .words = "STANDARD_D2 STANDARD_D1 URGENT_D1 EXPRESS_D0"),
    FLAG("hold"),
};
static const struct schema_object polish = {ROWS(polish_rows)};

static const struct schema_row stet_address_rows[] = {
    TEXTS("addressLine"),
    TEXT("country", .rule = rule_country),
};
static const struct schema_object stet_address = {ROWS(stet_address_rows)};

// The order matters: by it a card token is found again in what is kept.
static const struct schema_row generic_rows[] = {
    TEXT("schemeName", .rule = rule_scheme),
    TEXT("identification", .by_scheme = true),
    TEXT("issuer"),
};
static const struct schema_object generic = {ROWS(generic_rows)};

static const struct schema_row clearing_rows[] = {
    TEXT("clearingSystemId"),
    TEXT("memberId"),
};
static const struct schema_object clearing = {ROWS(clearing_rows)};

static const struct schema_row agent_rows[] = {
    TEXT("bicFi", .rule = rule_bic),
    OBJECT("clearingSystemMemberId", clearing),
    TEXT("name"),
    OBJECT("postalAddress", stet_address),
};
static const struct schema_object agent = {ROWS(agent_rows)};

static const struct schema_row party_rows[] = {
    TEXT("name"),
    OBJECT("organisationId", generic),
    OBJECT("postalAddress", stet_address),
    OBJECT("privateId", generic),
};
static const struct schema_object party = {ROWS(party_rows)};

static const struct schema_row stet_account_rows[] = {
    TEXT("currency", .rule = rule_currency),
    OBJECT("other", generic),
};
static const struct schema_object stet_account = {ROWS(stet_account_rows)};

static const struct schema_row beneficiary_rows[] = {
    OBJECT("creditor", party),
    OBJECT("creditorAccount", stet_account),
    OBJECT("creditorAgent", agent),
    TEXT("id"),
};
static const struct schema_object beneficiary = {ROWS(beneficiary_rows)};

static const struct schema_row payment_type_rows[] = {
    TEXT("categoryPurpose", .words = "CASH CORT DVPM INTC TREA SUPP"),
    TEXT("instructionPriority"),
    TEXT("localInstrument"),
    TEXT("serviceLevel"),
};
static const struct schema_object payment_type = {ROWS(payment_type_rows)};

static const struct schema_row reporting_rows[] = {TEXTS("regulatoryReportingCode")};
static const struct schema_object reporting = {ROWS(reporting_rows)};

static const struct schema_row stet_rows[] = {
    OBJECT("beneficiary", beneficiary),
    OBJECT("debtorAgent", agent),
    TEXT("endToEndId"),
    TEXT("executionRule"),
    OBJECT("paymentTypeInformation", payment_type),
    OBJECT("regulatoryReportingCodes", reporting),
};
static const struct schema_object stet = {ROWS(stet_rows)};

static const struct schema_row provider_rows[] = {
    OBJECT("cma9TransferMetadata", cma9, CHOICE),
    OBJECT("nextGenPsd2TransferMetadata", berlin, CHOICE),
    OBJECT("polishApiTransferMetadata", polish, CHOICE),
    OBJECT("stetTransferMetadata", stet, CHOICE),
};
static const struct schema_object provider = {ROWS(provider_rows), .chooses = true};

// ---- where money goes -------------------------------------------------------------------------------------

static const struct schema_row destination_rows[] = {
    OBJECT("sepa", iban_account, CHOICE),
    OBJECT("sepaInstant", iban_account, CHOICE),
    OBJECT("fasterPayments", uk_account, CHOICE),
    OBJECT("elixir", elixir_account, CHOICE),
    OBJECT("bankgiro", bankgiro_account, CHOICE),
    OBJECT("plusgiro", plusgiro_account, CHOICE),
    OBJECT("euDomesticNonEuro", domestic_account, CHOICE),
    OBJECT("euDomesticNonEuroInstant", domestic_account, CHOICE),
    OBJECT("virtualAccount", virtual_account, CHOICE),
    OBJECT("token", linked_account, CHOICE),
    OBJECT("customerData", customer),
    TEXT("type", .words = "BUSINESS PERSONAL UNKNOWN"),
};
static const struct schema_object destination = {ROWS(destination_rows), .chooses = true};

static const struct schema_row debtor_rows[] = {
    OBJECT("accountIdentifier", identifier, REQUIRED),
    TEXT("bankId"),
    TEXT("bic", .rule = rule_bic),
    OBJECT("customerData", customer),
};
static const struct schema_object debtor = {ROWS(debtor_rows)};

static const struct schema_row metadata_rows[] = {
    TEXT("chargeBearer", .words = "CRED DEBT SHAR SLEV"),
    OBJECT("providerTransferMetadata", provider),
    TEXT("purposeCode", .rule = rule_code),
    TEXT("ultimateCreditor"),
    TEXT("ultimateDebtor"),
};
static const struct schema_object metadata = {ROWS(metadata_rows)};

static const struct schema_row instructions_rows[] = {
    OBJECT("metadata", metadata),
    OBJECT("source", debtor),
    {.name = "transferDestinations", .type = SCHEMA_OBJECTS, .object = &destination},
};
static const struct schema_object instructions = {ROWS(instructions_rows)};

// ---- what is asked ----------------------------------------------------------------------------------------

// Destinations may come later, from a URL.
static const char *check_transfer(const struct json *object)
{
    if (has(object, "setTransferDestinationsUrl") ||
        has(json_member(object, "instructions"), "transferDestinations"))
        return NULL;
    return "must have instructions.transferDestinations, or setTransferDestinationsUrl";
}

static const struct schema_row transfer_rows[] = {
    FLAG("confirmFunds"),
    TEXT("currency", REQUIRED, .rule = rule_currency),
    TEXT("executionDate", .rule = rule_date),
    OBJECT("instructions", instructions, REQUIRED),
    TEXT("lifetimeAmount", REQUIRED, .rule = rule_amount),
    TEXT("remittanceReference", .max = REMITTANCE_MAX),
    FLAG("returnRefundAccount"),
    TEXT("setTransferDestinationsUrl", .rule = rule_text, .max = URL_MAX),
};
static const struct schema_object transfer = {ROWS(transfer_rows), .check = check_transfer};

// A date without its hyphens.
static void compact(const struct json *object, const char *name, char out_date[9])
{
    struct slice text = {0};
    size_t len = 0;
    json_string(json_member(object, name), &text);
    for (size_t i = 0; i < text.len && len < 8; i++) {
        if (text.at[i] != '-')
            out_date[len++] = text.at[i];
    }
    out_date[len] = '\0';
}

static const char *check_standing_order(const struct json *object)
{
    char start[9], end[9];
    compact(object, "startDate", start);
    compact(object, "endDate", end);
    if (start[0] != '\0' && end[0] != '\0' && strcmp(end, start) < 0)
        return "must not have an endDate before its startDate";
    return has(json_member(object, "instructions"), "transferDestinations")
               ? NULL
               : "must have instructions.transferDestinations";
}

static const struct schema_row standing_order_rows[] = {
    TEXT("amount", REQUIRED, .rule = rule_amount),
    TEXT("currency", REQUIRED, .rule = rule_currency),
    TEXT("endDate", .rule = rule_compact_date),
    TEXT("frequency", .words = "DAIL WEEK TOWK MNTH TOMN QUTR SEMI YEAR"),
    OBJECT("instructions", instructions, REQUIRED),
    TEXT("remittanceReference", .max = REMITTANCE_MAX),
    FLAG("returnRefundAccount"),
    TEXT("startDate", .rule = rule_compact_date),
};
static const struct schema_object standing_order = {ROWS(standing_order_rows), .check = check_standing_order};

static const struct schema_row source_rows[] = {
    OBJECT("accountIdentifier", identifier),
    TEXT("currency", .rule = rule_currency),
};
static const struct schema_object source = {ROWS(source_rows)};

static const struct schema_row resources_rows[] = {
    TEXTS("resources", REQUIRED,
          .words = "ACCOUNTS BALANCES TRANSACTIONS TRANSFER_DESTINATIONS STANDING_ORDERS"),
    OBJECT("source", source),
};
static const struct schema_object resources = {ROWS(resources_rows)};

static const struct schema_row access_rows[] = {
    OBJECT("resourceTypeList", resources, REQUIRED),
    {.name = "transactionHistoryDays", .type = SCHEMA_NUMBER},
};
static const struct schema_object access = {ROWS(access_rows)};

static const struct schema_row payload_rows[] = {
    TEXT("refId", REQUIRED, .rule = rule_reference),
    OBJECT("to", member, REQUIRED),
    OBJECT("actingAs", acting_as),
    TEXT("redirectUrl", REQUIRED, .rule = rule_url, .max = URL_MAX),
    TEXT("callbackState", .max = STATE_MAX),
    TEXTS("countries", .rule = rule_country),
    TEXT("description"),
    FLAG("disableFutureDatedPaymentConversion"),
    TEXT("userRefId"),
    OBJECT("transferBody", transfer, CHOICE),
    OBJECT("standingOrderBody", standing_order, CHOICE),
    OBJECT("accessBody", access, CHOICE),
    TEXT("tokenExpiration", .rule = rule_unix_seconds),
};
const struct schema_object schema_payload = {ROWS(payload_rows), .chooses = true};

static const struct schema_row internal_rows[] = {
    TEXT("redirectUrl", .rule = rule_url, .max = URL_MAX),
    FLAG("usingWebApp"),
};
static const struct schema_object internal = {ROWS(internal_rows)};

static const struct schema_row options_rows[] = {
    TEXT("bankId"),
    OBJECT("from", member),
    TEXT("psuId"),
    FLAG("receiptRequested"),
    OBJECT("tokenInternal", internal),
};
const struct schema_object schema_options = {ROWS(options_rows)};
