// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// encode, decode, validate, rewrap: one value or a batch. A batch is worked through in slices with
// reused buffers; the status is decided after the last slice, so a failing HSM never leaves half a reply.
#include "appliance/base/clock.h"
#include "appliance/tokens/role.h"
#include "web/apis/transform/item.h"
#include "web/apis/transform/transform_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RESULT_BYTES = 80 }; // of a result, about, without its value

// What one request asks for.
struct job {
    struct exchange *exchange;
    enum role_operation operation;
    bool metadata_only; // a decode that answers without the value
    const struct role *role;
    struct batch batch;
    struct buf results;
    struct token_item *items; // one slice
    struct slice *references;
    struct item_trees trees;
};

// Why an item failed, as a sentence.
static void write_fault(struct buf *out, const char *text)
{
    char sentence[128];
    snprintf(sentence, sizeof sentence, "value %s", text);
    json_write_text(out, sentence);
}

// What a record says besides the value. first: no member stands before it.
static void write_metadata(struct buf *out, const struct job *job, const struct token_item *item, bool first)
{
    char time_text[CLOCK_RFC3339_BYTES];
    const char *comma = first ? "" : ",";
    if (item->type_len > 0) {
        buf_printf(out, "%s\"metadata\":{\"type\":", comma);
        json_write_string(out, (struct slice){job->results.at + item->type_at, item->type_len});
        buf_byte(out, '}');
        comma = ",";
    }
    if (item->expiration[0] != '\0') {
        buf_printf(out, "%s\"metadata\":{", comma);
        json_write_member(out, "expiration_date", item->expiration);
        buf_byte(out, '}');
        comma = ",";
    } else if (item->opened_code[0] != '\0') {
        buf_printf(out, "%s\"metadata\":{\"securitycode\":", comma);
        json_write_clear(out, (struct clear){item->opened_code, strlen(item->opened_code)});
        buf_byte(out, '}');
        comma = ",";
    }
    if (item->expires_s != 0) {
        clock_rfc3339_s(item->expires_s, time_text);
        buf_text(out, comma);
        json_write_member(out, "expiration_time", time_text);
    }
}

// The members of one result, without braces.
static void write_result(const struct job *job, const struct token_item *item)
{
    struct buf *out = &job->exchange->reply.body;
    const char *result = item->result_len == 0 ? "" : job->results.at + item->result_at;
    switch (job->operation) {
    case ROLE_ENCODE:
    case ROLE_REWRAP:
        buf_text(out, "\"encoded_value\":");
        json_write_string(out, (struct slice){result, item->result_len});
        if (item->generated_tweak[0] != '\0') {
            buf_byte(out, ',');
            json_write_member(out, "tweak", item->generated_tweak);
        }
        break;
    case ROLE_DECODE:
        if (!job->metadata_only) {
            buf_text(out, "\"decoded_value\":");
            json_write_clear(out, (struct clear){result, item->result_len});
        }
        write_metadata(out, job, item, job->metadata_only);
        break;
    case ROLE_VALIDATE:
        buf_text(out, item->fault == NULL ? "\"valid\":true" : "\"valid\":false");
        break;
    }
}

static void write_item(const struct job *job, const struct token_item *item, struct slice reference)
{
    struct buf *out = &job->exchange->reply.body;
    buf_byte(out, '{');
    const size_t start = out->len;
    if (item->fault != NULL && job->operation != ROLE_VALIDATE) {
        buf_text(out, "\"error\":");
        write_fault(out, item->fault);
    } else {
        write_result(job, item);
    }
    if (reference.len > 0) {
        if (out->len > start)
            buf_byte(out, ',');
        buf_text(out, "\"reference\":");
        json_write_string(out, reference);
    }
    buf_byte(out, '}');
}

// Counts for the audit line: the generation is named when all items share it.
static void note_items(struct http_note *note, const struct token_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const bool first = note->items++ == note->failed_items;
        if (items[i].fault != NULL)
            note->failed_items++;
        else if (first)
            note->generation = items[i].generation;
        else if (note->generation != items[i].generation)
            note->generation = 0;
    }
}

static enum err run_slice(struct job *job, size_t count)
{
    buf_reset(&job->results);
    const enum err rc = role_run(job->role, job->operation, &job->batch, job->items, count);
    if (rc == OK)
        note_items(&job->exchange->note, job->items, count);
    return rc;
}

// Takes up to a slice of items; the text of the next one, if there is any, is in next.
static enum err take_slice(struct job *job, struct json_raw_walk *walk, struct slice *next, bool *more,
                           size_t *out_count)
{
    enum err rc = OK;
    size_t count = 0;
    for (; *more && count < FF1_SLICE; count++) {
        TRY(item_take(*next, &job->trees, &job->items[count], &job->references[count]));
        *more = json_raw_next(walk, NULL, next);
    }
    *out_count = count;
out:
    return rc;
}

static enum err run_batch(struct job *job, struct json_raw_walk *walk, struct slice first)
{
    enum err rc = OK;
    struct buf *out = &job->exchange->reply.body;
    struct slice next = first;
    bool more = true;
    buf_text(out, "{\"batch_results\":[");
    while (more) {
        size_t count;
        TRY(take_slice(job, walk, &next, &more, &count));
        TRY(run_slice(job, count));
        // Items without a value are the shortest ones, and each gets an error of this size.
        REQUIRE(http_charge(job->exchange, job->results.len + count * RESULT_BYTES), ERR_BUSY);
        for (size_t i = 0; i < count; i++) {
            write_item(job, &job->items[i], job->references[i]);
            if (i + 1 < count || more)
                buf_byte(out, ',');
        }
        item_trees_done(&job->trees);
    }
    buf_text(out, "]}");
out:
    return rc;
}

// A lone value that fails is a 400, unless the question was whether it is valid.
static enum err run_single(struct job *job, struct slice body)
{
    struct exchange *exchange = job->exchange;
    enum err rc = item_take(body, &job->trees, &job->items[0], &job->references[0]);
    if (rc == OK)
        rc = run_slice(job, 1);
    if (rc != OK)
        return rc;
    const struct token_item *item = &job->items[0];
    if (item->fault != NULL && (job->operation != ROLE_VALIDATE || item->value.text == NULL)) {
        char sentence[128];
        snprintf(sentence, sizeof sentence, "value %s", item->fault);
        exchange->note.outcome = ERR_INPUT;
        transform_refuse(exchange, 400, sentence);
        return ERR_INPUT;
    }
    write_item(job, item, job->references[0]);
    return OK;
}

static enum err run_values(struct job *job, struct slice body)
{
    struct slice batch, first;
    struct json_raw_walk walk;
    if (!json_raw_open(body, '{', &walk)) {
        transform_refuse(job->exchange, 400, "request body must be a JSON object");
        return ERR_INPUT;
    }
    const bool has_batch = json_raw_find(body, "batch_input", &batch);
    if (has_batch && (!json_raw_open(batch, '[', &walk) || !json_raw_next(&walk, NULL, &first))) {
        transform_refuse(job->exchange, 400, "batch_input must be an array of one item or more");
        return ERR_INPUT;
    }
    transform_open_data(job->exchange);
    const enum err rc = has_batch ? run_batch(job, &walk, first) : run_single(job, body);
    if (rc != OK)
        return rc;
    transform_close_data(job->exchange);
    return job->exchange->reply.body.error;
}

// Every item is set before it is used.
static enum err run_job(struct job *job, struct slice body)
{
    const size_t capacity = FF1_SLICE;
    job->items = malloc(capacity * sizeof *job->items);
    job->references = malloc(capacity * sizeof *job->references);
    const bool there_is_room = job->items != NULL && job->references != NULL;
    const enum err rc = there_is_room ? run_values(job, body) : ERR_MEMORY;
    if (job->items != NULL)
        wipe(job->items, capacity * sizeof *job->items);
    free(job->items);
    free(job->references);
    item_trees_done(&job->trees);
    buf_done(&job->results);
    return rc;
}

// The role that the path names, if the caller may use it; otherwise the reply is written.
static const struct role *permitted_role(const struct tenant *tenant, struct exchange *exchange)
{
    const struct role *role = tenant_role(tenant, exchange->request.params[0]);
    if (role == NULL) {
        exchange->note.outcome = ERR_NOT_FOUND;
        transform_refuse(exchange, 404, "no such role");
        return NULL;
    }
    exchange->note.role = role->name;
    if (!caller_may_use_role(&exchange->request.caller, role->name)) {
        exchange->note.outcome = ERR_FORBIDDEN;
        transform_refuse(exchange, 403, "permission denied");
        return NULL;
    }
    return role;
}

static void run(struct exchange *exchange, enum role_operation operation, bool metadata_only)
{
    const struct tenant *tenant = http_tenant(&exchange->request);
    struct job job = {.exchange = exchange, .operation = operation, .metadata_only = metadata_only};
    struct json_fault json_fault;
    job.role = permitted_role(tenant, exchange);
    if (job.role == NULL)
        return;
    job.batch = (struct batch){tenant, exchange->request.now_s, &job.results};

    enum err rc = json_raw_accept(exchange->request.body, &json_fault);
    if (rc == ERR_INPUT) {
        char sentence[128];
        snprintf(sentence, sizeof sentence, "request body is not valid JSON: %s", json_fault.what);
        transform_refuse(exchange, 400, sentence);
    }
    if (rc == OK)
        rc = run_job(&job, exchange->request.body);
    if (rc == ERR_INPUT)
        exchange->note.outcome = ERR_INPUT;
    else if (rc != OK)
        transform_fail(exchange, failure_from(exchange, rc));
}

void transform_encode([[maybe_unused]] void *state, struct exchange *exchange)
{
    run(exchange, ROLE_ENCODE, false);
}

void transform_decode([[maybe_unused]] void *state, struct exchange *exchange)
{
    run(exchange, ROLE_DECODE, false);
}

void transform_metadata([[maybe_unused]] void *state, struct exchange *exchange)
{
    run(exchange, ROLE_DECODE, true);
}

void transform_validate([[maybe_unused]] void *state, struct exchange *exchange)
{
    run(exchange, ROLE_VALIDATE, false);
}

void transform_rewrap([[maybe_unused]] void *state, struct exchange *exchange)
{
    run(exchange, ROLE_REWRAP, false);
}
