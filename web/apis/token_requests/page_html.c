// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// HTML for people: no script, no style of its own, nothing from elsewhere. Every text that is not a literal
// of this file goes through html_text, and what was written by others through html_free_text.
#include "web/apis/token_requests/internal.h"
#include "web/apis/token_requests/rules.h"
#include "web/json_read.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static void html_string(struct buf *out, const char *text)
{
    html_text(out, (struct slice){text, strlen(text)});
}

// ---- the frame --------------------------------------------------------------------------------------------

// A tally broken in two: what the house is named after.
static const char tally[] =
    "<svg class=\"tally\" viewBox=\"0 0 24 24\" width=\"28\" height=\"28\" aria-hidden=\"true\">"
    "<path d=\"M11 2.5A9.5 9.5 0 1 0 11 21.5L9.6 17.2 11.8 14.4 8.9 11.2 11.6 8 9.8 5.6Z\"/>"
    "<path d=\"M14 2.7A9.5 9.5 0 0 1 14 21.3L12.6 17.2 14.8 14.4 11.9 11.2 14.6 8 12.8 5.6Z\"/></svg>";

static void write_head(struct buf *out, const char *title)
{
    buf_text(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                  "<meta name=\"color-scheme\" content=\"light dark\">\n"
                  "<meta name=\"robots\" content=\"noindex, nofollow\">\n<title>");
    html_string(out, title);
    buf_text(out, " · Symbolon</title>\n<link rel=\"stylesheet\" href=\"/app/style.css\">\n</head>\n<body>\n"
                  "<header>");
    buf_text(out, tally);
    buf_text(out, "<span>Symbolon</span></header>\n<main>\n");
}

// words: of the house; NULL: none.
static void write_foot(struct buf *out, const char *words)
{
    buf_text(out, "</main>\n");
    if (words != NULL)
        buf_printf(out, "<footer><p>%s</p></footer>\n", words);
    buf_text(out, "</body>\n</html>\n");
}

// ---- notices ----------------------------------------------------------------------------------------------

static const char *const marks[] = {
    [PAGE_MARK_DONE] = "<path d=\"M7.5 12.4l3.1 3.1 6-6.6\"/>",
    [PAGE_MARK_REJECTED] = "<path d=\"M8.6 8.6l6.8 6.8M15.4 8.6l-6.8 6.8\"/>",
    [PAGE_MARK_CLOCK] = "<path d=\"M12 7.4V12l3 2\"/>",
    [PAGE_MARK_UNKNOWN] = "<path d=\"M9.4 9.6a2.6 2.6 0 1 1 3.9 2.3c-.9.5-1.3 1-1.3 1.9M12 16.6v.1\"/>",
};

void html_notice(struct buf *out, const struct page_notice *notice)
{
    write_head(out, notice->title);
    buf_text(out, "<section class=\"notice\">\n<svg class=\"mark\" viewBox=\"0 0 24 24\" width=\"56\" "
                  "height=\"56\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" r=\"10.5\"/>");
    buf_text(out, marks[notice->mark]);
    buf_text(out, "</svg>\n<h1>");
    html_string(out, notice->title);
    buf_text(out, "</h1>\n<p>");
    html_string(out, notice->text);
    buf_text(out, "</p>\n");
    if (notice->link != NULL) {
        buf_text(out, "<p><a class=\"button\" rel=\"noreferrer\" href=\"");
        html_string(out, notice->link);
        buf_text(out, "\">");
        html_string(out, notice->link_text);
        buf_text(out, "</a></p>\n");
    }
    buf_text(out, "</section>\n");
    write_foot(out, NULL);
}

// ---- the rows of a question -------------------------------------------------------------------------------

static bool take(const struct json *object, const char *name, struct slice *out_text)
{
    return json_string(json_member(object, name), out_text) && out_text->len > 0;
}

// <bdi>: a text that runs from right to left must not turn its neighbours round.
static void write_isolated(struct buf *out, struct slice text)
{
    buf_text(out, "<bdi>");
    html_free_text(out, text);
    buf_text(out, "</bdi>");
}

static void open_row(struct buf *out, const char *label)
{
    buf_text(out, "<div><dt>");
    buf_text(out, label);
    buf_text(out, "</dt><dd>");
}

static void close_row(struct buf *out)
{
    buf_text(out, "</dd></div>\n");
}

static void write_row(struct buf *out, const char *label, const struct json *object, const char *name)
{
    struct slice text;
    if (!take(object, name, &text))
        return;
    open_row(out, label);
    write_isolated(out, text);
    close_row(out);
}

// "2 January 2030", from YYYY-MM-DD or YYYYMMDD.
static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};

static void write_day_row(struct buf *out, const char *label, const struct json *object, const char *name)
{
    struct slice text;
    char digits[9] = "";
    if (!take(object, name, &text))
        return;
    for (size_t i = 0, len = 0; i < text.len && len < 8; i++) {
        if (text.at[i] != '-')
            digits[len++] = text.at[i];
    }
    unsigned year, month, day;
    if (sscanf(digits, "%4u%2u%2u", &year, &month, &day) != 3 || month < 1 || month > 12)
        return;
    open_row(out, label);
    buf_printf(out, "<time datetime=\"%04u-%02u-%02u\">%u %s %u</time>", year, month, day, day,
               months[month - 1], year);
    close_row(out);
}

static void write_moment(struct buf *out, int64_t unix_s)
{
    struct tm tm;
    const time_t moment = (time_t)unix_s;
    if (gmtime_r(&moment, &tm) == NULL)
        return;
    buf_printf(out, "<time datetime=\"%04d-%02d-%02dT%02d:%02d:%02dZ\">%d %s %d, %02d:%02d\u00a0UTC</time>",
               tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_mday,
               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min);
}

// ---- where money goes -------------------------------------------------------------------------------------

// Dots and the last characters: four, or two of a short number. Screen readers hear it in words.
static void write_shortened(struct buf *out, struct slice number)
{
    const size_t shown = number.len >= 8 ? 4 : number.len >= 4 ? 2 : 0;
    buf_text(out, "<span class=\"number\"><span aria-hidden=\"true\">•••• </span>"
                  "<span class=\"heard\">ending in </span>");
    html_text(out, (struct slice){number.at + number.len - shown, shown});
    buf_text(out, "</span>");
}

static const struct {
    const char *name, *label, *members[2]; // the number that is shown: the first of these that is there
} accounts[] = {
    {"sepa", "IBAN", {"iban", NULL}},
    {"sepaInstant", "IBAN", {"iban", NULL}},
    {"fasterPayments", "Account", {"accountNumber", NULL}},
    {"elixir", "Account", {"accountNumber", NULL}},
    {"bankgiro", "Bankgiro", {"bankgiroNumber", NULL}},
    {"plusgiro", "PlusGiro", {"plusgiroNumber", NULL}},
    {"euDomesticNonEuro", "Account", {"iban", "bban"}},
    {"euDomesticNonEuroInstant", "Account", {"iban", "bban"}},
    {"virtualAccount", "Settlement account", {"id", NULL}},
    {"token", "Linked account", {"accountId", NULL}},
};

static void write_account(struct buf *out, const struct json *destination)
{
    struct slice number;
    for (size_t i = 0; i < sizeof accounts / sizeof accounts[0]; i++) {
        const struct json *account = json_member(destination, accounts[i].name);
        if (account == NULL)
            continue;
        buf_text(out, accounts[i].label);
        buf_byte(out, ' ');
        if (take(account, accounts[i].members[0], &number) ||
            (accounts[i].members[1] != NULL && take(account, accounts[i].members[1], &number)))
            write_shortened(out, number);
    }
}

static void write_destination(struct buf *out, const struct json *destination)
{
    struct slice name;
    const struct json *names = json_member(json_member(destination, "customerData"), "legalNames");
    for (const struct json *item = json_first(names); item != NULL; item = json_next(item)) {
        if (!json_string(item, &name))
            continue;
        if (item != json_first(names))
            buf_text(out, ", ");
        write_isolated(out, name);
    }
    if (json_first(names) != NULL)
        buf_text(out, "<br>");
    write_account(out, destination);
}

static void write_destinations(struct buf *out, const struct json *body)
{
    const struct json *list = json_member(json_member(body, "instructions"), "transferDestinations");
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        open_row(out, item == json_first(list) ? "To" : "or to");
        write_destination(out, item);
        close_row(out);
    }
    if (json_first(list) == NULL) {
        open_row(out, "To");
        buf_text(out, "an account that is named later");
        close_row(out);
    }
}

// ---- what is asked ----------------------------------------------------------------------------------------

static void write_amount(struct buf *out, const struct json *body, const char *member)
{
    struct slice amount, currency;
    if (!take(body, member, &amount) || !take(body, "currency", &currency))
        return;
    buf_text(out, "<p class=\"amount\">");
    html_text(out, amount);
    buf_text(out, " <span>");
    html_text(out, currency);
    buf_text(out, "</span></p>\n");
}

static const char *in_words(const struct json *node, const char *const (*words)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (json_string_is(node, words[i][0]))
            return words[i][1];
    }
    return NULL;
}

static void write_transfer(struct buf *out, const struct json *body)
{
    write_destinations(out, body);
    write_row(out, "Note", body, "remittanceReference");
    write_day_row(out, "On", body, "executionDate");
}

static void write_standing_order(struct buf *out, const struct json *body)
{
    static const char *const frequencies[][2] = {
        {"DAIL", "every day"},         {"WEEK", "every week"},    {"TOWK", "twice a week"},
        {"MNTH", "every month"},       {"TOMN", "twice a month"}, {"QUTR", "every three months"},
        {"SEMI", "every half a year"}, {"YEAR", "every year"},
    };
    const char *often = in_words(json_member(body, "frequency"), frequencies, 8);
    if (often != NULL) {
        open_row(out, "How often");
        buf_text(out, often);
        close_row(out);
    }
    write_day_row(out, "From", body, "startDate");
    write_day_row(out, "Until", body, "endDate");
    write_destinations(out, body);
    write_row(out, "Note", body, "remittanceReference");
}

static void write_access(struct buf *out, const struct json *body)
{
    static const char *const resources[][2] = {
        {"ACCOUNTS", "which accounts you have, and in whose name"},
        {"BALANCES", "how much is on them"},
        {"TRANSACTIONS", "what was paid and received"},
        {"TRANSFER_DESTINATIONS", "account numbers and sort codes"},
        {"STANDING_ORDERS", "your standing orders"},
    };
    int64_t days = 0;
    const struct json *list = json_member(json_member(body, "resourceTypeList"), "resources");
    open_row(out, "May read");
    buf_text(out, "<ul>");
    for (const struct json *item = json_first(list); item != NULL; item = json_next(item)) {
        const char *words = in_words(item, resources, 5);
        buf_printf(out, "<li>%s</li>", words != NULL ? words : "");
    }
    buf_text(out, "</ul>");
    close_row(out);
    if (json_integer(json_member(body, "transactionHistoryDays"), &days) && days > 0) {
        open_row(out, "History");
        buf_printf(out, days == 1 ? "the last day" : "the last %lld days", (long long)days);
        close_row(out);
    }
}

static void write_expiration(struct buf *out, const struct json *payload)
{
    struct slice text;
    long long second = 0;
    if (!take(payload, "tokenExpiration", &text) || sscanf(text.at, "%12lld", &second) != 1)
        return;
    open_row(out, "Valid until");
    write_moment(out, second);
    close_row(out);
}

// ---- the question -----------------------------------------------------------------------------------------

static const struct {
    const char *title, *verb, *body, *amount;
    void (*write)(struct buf *out, const struct json *body);
} kinds[] = {
    [STORE_REQUEST_TRANSFER] = {"Approve this payment?", "asks you for a payment", "transferBody",
                                "lifetimeAmount", write_transfer},
    [STORE_REQUEST_STANDING_ORDER] = {"Approve this standing order?", "asks you for regular payments",
                                      "standingOrderBody", "amount", write_standing_order},
    [STORE_REQUEST_ACCESS] = {"Allow this access?", "asks to read your account information", "accessBody",
                              NULL, write_access},
};

static void write_asker(struct buf *out, const struct page_question *question, const struct json *payload)
{
    struct slice name;
    buf_text(out, "<p class=\"asker\"><strong>");
    write_isolated(out, (struct slice){question->asker, strlen(question->asker)});
    buf_text(out, "</strong> ");
    buf_text(out, kinds[question->request->record.kind].verb);
    if (take(json_member(payload, "actingAs"), "displayName", &name)) {
        buf_text(out, ", on behalf of <strong>");
        write_isolated(out, name);
        buf_text(out, "</strong>");
    }
    buf_text(out, ".</p>\n");
}

static void write_rows(struct buf *out, const struct page_question *question, const struct json *payload)
{
    const struct request *request = question->request;
    const struct json *body = json_member(payload, kinds[request->record.kind].body);
    buf_text(out, "<dl>\n");
    write_row(out, "For", payload, "description");
    kinds[request->record.kind].write(out, body);
    if (request->record.kind == STORE_REQUEST_ACCESS)
        write_expiration(out, payload);
    if (request->record.bank_id != NULL) {
        open_row(out, "Bank");
        write_isolated(out, (struct slice){request->record.bank_id, strlen(request->record.bank_id)});
        close_row(out);
    }
    write_row(out, "Reference", payload, "refId");
    open_row(out, "Decide by");
    write_moment(out, request->record.expires_s);
    close_row(out);
    buf_text(out, "</dl>\n");
}

static void write_form(struct buf *out, const struct page_question *question)
{
    const char *redirect = question->request->record.redirect_url;
    buf_text(out, "<form method=\"post\" action=\"/app/request-token/");
    html_string(out, question->request->id);
    buf_text(out, "\">\n<input type=\"hidden\" name=\"csrf\" value=\"");
    html_string(out, question->form_token);
    buf_text(out, "\">\n"
                  "<button class=\"approve\" name=\"decision\" value=\"approve\">Approve</button>\n"
                  "<button class=\"reject\" name=\"decision\" value=\"reject\">Reject</button>\n</form>\n"
                  "<p class=\"hint\">Then you go back to <strong>");
    html_text(out, url_host((struct slice){redirect, strlen(redirect)}));
    buf_text(out, "</strong>. If you do not know who is asking, or did not expect this, reject it.</p>\n");
}

enum err html_question(struct buf *out, const struct page_question *question)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    const char *payload = question->request->record.payload;
    const size_t kind = question->request->record.kind;
    const enum err rc = json_read((struct slice){payload, strlen(payload)}, &document, &fault);
    if (rc != OK)
        return rc == ERR_INPUT ? ERR_INTERNAL : rc;
    const struct json *root = json_root(document);
    write_head(out, kinds[kind].title);
    buf_text(out, "<h1>");
    buf_text(out, kinds[kind].title);
    buf_text(out, "</h1>\n");
    write_asker(out, question, root);
    if (kinds[kind].amount != NULL)
        write_amount(out, json_member(root, kinds[kind].body), kinds[kind].amount);
    write_rows(out, question, root);
    write_form(out, question);
    write_foot(out, "Account numbers, and numbers that look like a card's, are not shown in full here.");
    return out->error;
}
