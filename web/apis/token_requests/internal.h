// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the files of the token-request API.
#pragma once

#include "web/apis/token_requests/token_requests.h"

// The failure that an error of tokens/ or the store stands for: as failure_from, and FAIL_BUSY for a store
// that cannot be written now.
enum failure requests_failure(struct exchange *exchange, enum err code);

// Notes for the audit line which request it is about, and, on a page, whose.
void requests_note(struct exchange *exchange, const struct request *request);

// ---- where a person is sent back to (redirect.c) ----------------------------------------------------------

// {"memberId":..,"keyId":..,"signature":..}
void redirect_write_signature(const struct request_result *result, struct buf *out);
// The request's redirectUrl with its own query and what came of the request behind it: request-id, token-id,
// transfer-id or standing-order-submission-id, transfer-status, state and signature when it was approved;
// error, message, state and request-id when it was not. result is NULL unless it is processed.
void redirect_write_url(const struct request *request, const struct request_result *result, struct buf *out);
// The same with request-id alone, for whoever only has the link.
void redirect_write_bare_url(const struct request *request, struct buf *out);

// ---- the hosted page --------------------------------------------------------------------------------------

void page_show(void *context, struct exchange *exchange); // page.c
void page_decide(void *context, struct exchange *exchange);
void page_style(void *context, struct exchange *exchange); // page_style.c
// What the router found, as a page.
void page_fail(struct exchange *exchange, enum failure failure);

// ---- their texts (page_text.c) ----------------------------------------------------------------------------

// Text between tags and in quoted attributes: the one way in which anything from outside gets onto a page.
void html_text(struct buf *out, struct slice text);
// The same for what somebody wrote: of what looks like a card number (12..19 digits with spaces or hyphens
// between them that pass the Luhn check) only the last four digits are shown.
void html_free_text(struct buf *out, struct slice text);

// ---- their HTML (page_html.c) -----------------------------------------------------------------------------

// A page with a mark, a heading and a sentence or two, for all that is not a decision.
enum page_mark { PAGE_MARK_DONE, PAGE_MARK_REJECTED, PAGE_MARK_CLOCK, PAGE_MARK_UNKNOWN };
struct page_notice {
    enum page_mark mark;
    const char *title, *text;     // of the house
    const char *link, *link_text; // both or none; link is escaped
};
void html_notice(struct buf *out, const struct page_notice *notice);

// The page on which a person decides.
struct page_question {
    const struct request *request;
    const char *asker;      // display name
    const char *form_token; // of tokens/request
};
// Reads the request's stored payload. ERR_MEMORY; ERR_INTERNAL: that is not what was stored.
enum err html_question(struct buf *out, const struct page_question *question);
