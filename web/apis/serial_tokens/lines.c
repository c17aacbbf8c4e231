// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/serial_tokens/internal.h"

#include "appliance/base/codec.h"

#include <stdlib.h>
#include <string.h>

// ---- rendering ---------------------------------------------------------------------------------------

static const char *const status_names[] = {
    [STORE_LINE_REQUESTED] = "requested",
    [STORE_LINE_STARTED] = "started",
    [STORE_LINE_ENDED] = "ended",
    [STORE_LINE_FINISHED] = "finished",
};

static void write_timestamps(struct buf *out, const struct store_line *record, enum store_line_status as_of)
{
    buf_text(out, "\"timestamps\":{");
    serial_write_time(out, "requested", record->requested_ms);
    if (as_of >= STORE_LINE_STARTED) {
        buf_byte(out, ',');
        serial_write_time(out, "started", record->started_ms);
    }
    if (as_of >= STORE_LINE_ENDED) {
        buf_byte(out, ',');
        serial_write_time(out, "ended", record->ended_ms);
    }
    if (as_of >= STORE_LINE_FINISHED) {
        buf_byte(out, ',');
        serial_write_time(out, "finished", record->finished_ms);
    }
    if (record->deleted_ms != 0) {
        buf_byte(out, ',');
        serial_write_time(out, "deleted", record->deleted_ms);
    }
    buf_byte(out, '}');
}

// Characters a second over the time that production took, a millisecond at least.
static double rate_of(const struct store_line *record)
{
    const int64_t took_ms = record->ended_ms - record->started_ms;
    return (double)record->size * record->digits * 1000 / (double)(took_ms > 0 ? took_ms : 1);
}

static void write_results(struct buf *out, const struct line *line, enum store_line_status as_of)
{
    const struct store_line *record = &line->record;
    if (as_of == STORE_LINE_STARTED)
        buf_printf(out, ",\"progress\":%.1f", line->progress);
    if (as_of < STORE_LINE_ENDED)
        return;
    buf_text(out, ",\"progress\":100");
    if (as_of < STORE_LINE_FINISHED)
        return;
    buf_printf(out, ",\"rate\":%.0f,\"partial\":false,", rate_of(record));
    json_write_member(out, "checksum", record->checksum);
    buf_printf(out, ",\"filesizes\":{\"data\":%llu}", (unsigned long long)record->file_bytes);
    if (record->seed != NULL) {
        char hash[2 * STORE_HASH_BYTES + 1];
        hex_encode(record->file_hash, STORE_HASH_BYTES, hash);
        buf_text(out, ",\"filehashes\":{");
        json_write_member(out, "data", hash);
        buf_byte(out, '}');
    }
}

static void write_attributes(struct buf *out, const struct serials *serials, const struct line *line,
                             enum store_line_status as_of)
{
    const struct store_line *record = &line->record;
    struct capacity capacity;
    serials_line_capacity(serials, line, as_of, &capacity);
    buf_text(out, "\"attributes\":{");
    json_write_member(out, "available", capacity.available);
    buf_byte(out, ',');
    json_write_member(out, "status", record->deleted_ms != 0 ? "deleted" : status_names[as_of]);
    buf_text(out, ",\"analysis\":\"none\",");
    serial_write_number(out, "size", record->size);
    buf_byte(out, ',');
    serial_write_number(out, "reachable", capacity.reachable);
    buf_byte(out, ',');
    json_write_member(out, "alphabet", record->alphabet);
    buf_byte(out, ',');
    write_timestamps(out, record, as_of);
    buf_byte(out, ',');
    serial_write_number(out, "digits", record->digits);
    write_results(out, line, as_of);
    buf_byte(out, '}');
}

static void write_resource(struct buf *out, const struct serials *serials, const struct line *line,
                           enum store_line_status as_of)
{
    char id[UUID_TEXT_BYTES];
    uuid_encode(line->record.id, id);
    buf_byte(out, '{');
    write_attributes(out, serials, line, as_of);
    buf_byte(out, ',');
    json_write_member(out, "id", id);
    buf_text(out, ",\"type\":\"tokens\",\"relationships\":{\"payment\":{\"data\":{");
    json_write_member(out, "id", line->record.payment_id);
    buf_byte(out, ',');
    json_write_member(out, "ident", line->record.payment_ident);
    buf_text(out, ",\"type\":\"transaction\"}}}}");
}

static void write_document(struct exchange *exchange, unsigned status, const struct serials *serials,
                           const struct line *line, enum store_line_status as_of)
{
    char id[UUID_TEXT_BYTES];
    struct buf *body = serial_open_document(exchange, status);
    uuid_encode(line->record.id, id);
    buf_printf(body, "{\"links\":{\"self\":\"/api/tokens\",\"info\":\"/api/tokens/%s\"", id);
    if (as_of >= STORE_LINE_ENDED && line->record.deleted_ms == 0)
        buf_printf(body, ",\"data\":\"/api/tokens/%s/data\"", id);
    buf_text(body, "},\"data\":");
    write_resource(body, serials, line, as_of);
    if (line->record.seed != NULL) {
        buf_text(body, ",\"meta\":{");
        json_write_member(body, "seed", line->record.seed);
        buf_byte(body, '}');
    }
    buf_byte(body, '}');
    exchange->note.items = line->record.size;
    exchange->note.generation = line->record.generation;
}

// ---- ordering ----------------------------------------------------------------------------------------

// A request that has passed every check of form. Texts point into the JSON document.
struct order {
    struct slice alphabet, payment_id, payment_ident, seed;
    uint64_t size, digits;
};

static bool refuse(struct exchange *exchange, const char *code, const char *title, const char *detail,
                   const char *pointer)
{
    serial_refuse(exchange,
                  &(struct complaint){
                      .status = 422, .code = code, .title = title, .detail = detail, .pointer = pointer});
    return false;
}

// A number as a string of digits, or as a JSON integer.
static bool take_number(const struct json *node, uint64_t *out_number)
{
    struct slice text;
    int64_t integer;
    if (json_string(node, &text))
        return serial_parse_number(text, out_number);
    if (!json_integer(node, &integer) || integer < 0)
        return false;
    *out_number = (uint64_t)integer;
    return true;
}

static bool read_attributes(struct exchange *exchange, const struct serial_limits *limits,
                            const struct json *data, struct order *order)
{
    const struct json *attributes = json_member(data, "attributes");
    const struct json *size = json_member(attributes, "size"), *digits = json_member(attributes, "digits");
    const struct json *alphabet = json_member(attributes, "alphabet");
    if (attributes == NULL || json_type(attributes) != JSON_OBJECT)
        return refuse(exchange, "attributes_invalid", "Attributes missing", "attributes must be an object.",
                      attributes == NULL ? "/data" : "/data/attributes");
    if (size == NULL || digits == NULL || alphabet == NULL)
        return refuse(exchange, "attribute_missing", "Attribute missing",
                      "size, digits and alphabet are required.", "/data/attributes");
    if (!take_number(size, &order->size) || order->size == 0)
        return refuse(exchange, "size_invalid", "Invalid size", "size is a decimal number of 1 to 20 digits.",
                      "/data/attributes/size");
    if (!take_number(digits, &order->digits) || order->digits < limits->min_digits ||
        order->digits > limits->max_digits)
        return refuse(exchange, "digits_invalid", "Invalid digits",
                      "digits is a decimal number within the limits of the session.",
                      "/data/attributes/digits");
    if (!json_string(alphabet, &order->alphabet))
        return refuse(exchange, "alphabet_invalid", "Invalid alphabet",
                      "alphabet is the name of an alphabet.", "/data/attributes/alphabet");
    return true;
}

// "pi_" and 24 letters or digits.
static bool ident_is_well_formed(struct slice ident)
{
    if (ident.len != 27 || memcmp(ident.at, "pi_", 3) != 0)
        return false;
    for (size_t i = 3; i < ident.len; i++) {
        const char c = ident.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

// Of a member of the payment: itself, or its parent when it is absent.
static const char *payment_pointer(const struct json *member, const char *pointer)
{
    return member == NULL ? "/data/relationships/payment/data" : pointer;
}

static bool read_payment(struct exchange *exchange, const struct json *data, struct order *order)
{
    uint8_t id[16];
    const struct json *relationships = json_member(data, "relationships");
    const struct json *payment = json_member(relationships, "payment"),
                      *linkage = json_member(payment, "data");
    if (linkage == NULL || json_type(linkage) != JSON_OBJECT)
        return refuse(exchange, "payment_missing", "Payment missing",
                      "relationships.payment.data must be an object.",
                      relationships == NULL ? "/data"
                      : payment == NULL     ? "/data/relationships"
                                            : "/data/relationships/payment");
    const struct json *type = json_member(linkage, "type"), *payment_id = json_member(linkage, "id");
    const struct json *ident = json_member(linkage, "ident");
    if (!json_string_is(type, "transaction"))
        return refuse(exchange, "payment_type_invalid", "Invalid payment",
                      "The payment's type must be transaction.",
                      payment_pointer(type, "/data/relationships/payment/data/type"));
    if (!json_string(payment_id, &order->payment_id) || !uuid_decode(order->payment_id, id))
        return refuse(exchange, "payment_id_invalid", "Invalid payment",
                      "The payment's id is 8-4-4-4-12 hex digits.",
                      payment_pointer(payment_id, "/data/relationships/payment/data/id"));
    if (!json_string(ident, &order->payment_ident) || !ident_is_well_formed(order->payment_ident))
        return refuse(exchange, "payment_ident_invalid", "Invalid payment",
                      "The payment's ident is pi_ and 24 letters or digits.",
                      payment_pointer(ident, "/data/relationships/payment/data/ident"));
    return true;
}

static bool read_seed(struct exchange *exchange, const struct json *root, struct order *order)
{
    uint8_t uuid[16];
    const struct json *meta = json_member(root, "meta"), *seed = json_member(meta, "seed");
    if (meta != NULL && json_type(meta) != JSON_OBJECT)
        return refuse(exchange, "meta_invalid", "Invalid meta", "meta must be an object.", "/meta");
    if (seed == NULL)
        return true;
    if (json_string(seed, &order->seed) && uuid_decode(order->seed, uuid))
        return true;
    return refuse(exchange, "seed_invalid", "Invalid seed", "meta.seed is 8-4-4-4-12 hex digits.",
                  "/meta/seed");
}

// Only analysis=none is known; parameters of small letters are reserved by JSON:API.
static bool check_query(struct exchange *exchange)
{
    size_t position = 0;
    struct slice name, value;
    while (http_query_next(&exchange->request, &position, &name, &value)) {
        if (slice_is(name, "analysis") && slice_is(value, "none"))
            continue;
        return serial_refuse_parameter(exchange, "parameter_unknown", name, "Only analysis=none is served.");
    }
    return true;
}

static const struct complaint *complaint_of(enum line_outcome outcome)
{
    static const struct complaint complaints[] = {
        [LINE_ALPHABET_UNKNOWN] = {.status = 422,
                                   .code = "alphabet_unknown",
                                   .title = "Unknown alphabet",
                                   .detail = "No preset or custom alphabet has this name.",
                                   .pointer = "/data/attributes/alphabet"},
        [LINE_SIZE_TOO_SMALL] = {.status = 422,
                                 .code = "size_too_small",
                                 .title = "Size too small",
                                 .detail =
                                     "size is under the limit of the session and not all that is available.",
                                 .pointer = "/data/attributes/size"},
        [LINE_SPACE_EXHAUSTED] = {.status = 409,
                                  .code = "space_exhausted",
                                  .title = "Space exhausted",
                                  .detail =
                                      "Every token of this alphabet and number of digits has been made.",
                                  .pointer = "/data/attributes"},
        [LINE_SPACE_CLOSED] = {.status = 409,
                               .code = "space_closed",
                               .title = "Space closed",
                               .detail = "The key of this alphabet and number of digits has been released.",
                               .pointer = "/data/attributes"},
        [LINE_IDENT_USED] = {.status = 409,
                             .code = "payment_used",
                             .title = "Payment used",
                             .detail = "This payment ident was used for another line.",
                             .pointer = "/data/relationships/payment/data/ident"},
    };
    return &complaints[outcome];
}

static char *copy(struct slice text)
{
    return text.len == 0 ? NULL : strndup(text.at, text.len);
}

static void place(const struct serial_tokens *state, struct exchange *exchange, const struct order *order)
{
    enum line_outcome outcome;
    struct line line;
    char *payment_id = copy(order->payment_id), *ident = copy(order->payment_ident),
         *seed = copy(order->seed);
    const struct line_order line_order = {
        .caller = &exchange->request.caller,
        .alphabet = order->alphabet,
        .digits = (unsigned)order->digits,
        .size = order->size,
        .payment_id = payment_id,
        .payment_ident = ident,
        .seed = seed,
    };
    const bool copied = payment_id != NULL && ident != NULL && (seed != NULL || order->seed.len == 0);
    const enum err rc =
        copied ? serials_order_line(state->serials, &line_order, &outcome, &line) : ERR_MEMORY;
    free(payment_id);
    free(ident);
    free(seed);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    if (outcome != LINE_TAKEN) {
        serial_refuse(exchange, complaint_of(outcome));
        return;
    }
    char id[UUID_TEXT_BYTES];
    uuid_encode(line.record.id, id);
    write_document(exchange, 201, state->serials, &line, STORE_LINE_REQUESTED);
    http_reply_header(&exchange->reply, "Location", "/api/tokens/%s", id);
    line_done(&line);
}

void serial_order_line(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    JSON_DOCUMENT *document = NULL;
    struct order order = {0};
    if (!check_query(exchange))
        return;
    const struct json *data = serial_read_data(exchange, &document);
    if (data == NULL || !serial_check_type(exchange, data, "tokens", NULL))
        return;
    if (!serial_check_no_id(exchange, data))
        return;
    if (read_attributes(exchange, serials_limits(state->serials), data, &order) &&
        read_payment(exchange, data, &order) && read_seed(exchange, json_root(document), &order))
        place(state, exchange, &order);
}

// ---- reading and deleting ----------------------------------------------------------------------------

static bool path_line(const struct serial_tokens *state, struct exchange *exchange, struct line *out_line)
{
    uint8_t id[STORE_ID_BYTES];
    if (!serial_path_id(exchange, 0, id))
        return false;
    const enum err rc = serials_get_line(state->serials, &exchange->request.caller, id, out_line);
    if (rc != OK)
        serial_fail_from(exchange, rc);
    return rc == OK;
}

void serial_get_line(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct line line;
    if (!serial_has_no_query(exchange))
        return;
    if (!path_line(state, exchange, &line))
        return;
    write_document(exchange, 200, state->serials, &line, line.record.status);
    line_done(&line);
}

static bool status_from_name(struct slice name, enum store_line_status *out_status)
{
    for (int status = STORE_LINE_REQUESTED; status <= STORE_LINE_FINISHED; status++) {
        if (slice_is(name, status_names[status])) {
            *out_status = (enum store_line_status)status;
            return true;
        }
    }
    return false;
}

void serial_get_line_as_of(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct line line;
    enum store_line_status as_of;
    if (!serial_has_no_query(exchange))
        return;
    if (!status_from_name(exchange->request.params[1], &as_of)) {
        serial_fail_from(exchange, ERR_NOT_FOUND);
        return;
    }
    if (!path_line(state, exchange, &line))
        return;
    if (line.record.status < as_of)
        serial_refuse(exchange, &(struct complaint){
                                    .status = 404,
                                    .code = "status_not_reached",
                                    .title = "Status not reached",
                                    .detail = "The line has not come so far; ask for its current info."});
    else
        write_document(exchange, 200, state->serials, &line, as_of);
    line_done(&line);
}

// Writes the list and gives the lines back.
static void write_list(struct exchange *exchange, const struct serials *serials, struct line *lines,
                       size_t count)
{
    struct buf *body = serial_open_document(exchange, 200);
    buf_text(body, "{\"links\":{\"self\":\"/api/tokens\"},\"data\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_byte(body, ',');
        write_resource(body, serials, &lines[i], lines[i].record.status);
        line_done(&lines[i]);
    }
    buf_text(body, "]}");
    free(lines);
}

void serial_list_lines(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct line *lines;
    size_t count;
    const enum err rc = serials_list_lines(state->serials, &exchange->request.caller, &lines, &count);
    if (!serial_has_no_query(exchange))
        return;
    if (rc == OK)
        write_list(exchange, state->serials, lines, count);
    else
        serial_fail_from(exchange, rc);
}

void serial_delete_line(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    uint8_t id[STORE_ID_BYTES];
    struct line line;
    if (!serial_has_no_query(exchange))
        return;
    if (!serial_path_id(exchange, 0, id))
        return;
    const enum err rc = serials_delete_line(state->serials, &exchange->request.caller, id, &line);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    write_document(exchange, 200, state->serials, &line, line.record.status);
    line_done(&line);
}

// All lines of the session; what is deleted is listed.
void serial_delete_lines(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    const struct caller *caller = &exchange->request.caller;
    struct line *lines;
    size_t count, deleted = 0;
    if (!serial_has_no_query(exchange))
        return;
    enum err rc = serials_list_lines(state->serials, caller, &lines, &count);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct line gone;
        rc = serials_delete_line(state->serials, caller, lines[i].record.id, &gone);
        line_done(&lines[i]);
        if (rc == OK)
            lines[deleted++] = gone;
    }
    write_list(exchange, state->serials, lines, deleted);
}
