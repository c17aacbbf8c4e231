// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/apis/serial_tokens/internal.h"

#include "appliance/base/codec.h"

#include <stdlib.h>
#include <string.h>

// ---- rendering ---------------------------------------------------------------------------------------

static size_t characters_in(const char *characters)
{
    size_t count = 0;
    for (const char *at = characters, *end = characters + strlen(characters); at < end; count++)
        (void)serial_take_point(&at);
    return count;
}

// Members of attributes that every alphabet has, without braces.
static void write_attributes(struct buf *out, const struct alphabet_entry *entry)
{
    json_write_member(out, "chars", entry->characters);
    buf_printf(out, ",\"length\":%zu,\"bytes\":%zu,\"parity\":%u,\"style\":\"%s\"",
               characters_in(entry->characters), strlen(entry->characters), serial_parity(entry->characters),
               entry->custom ? "custom" : "preset");
}

static void write_alphabet(struct buf *out, const struct alphabet_entry *entry)
{
    buf_text(out, "{\"attributes\":{");
    write_attributes(out, entry);
    buf_text(out, "},");
    json_write_member(out, "id", entry->name);
    buf_text(out, ",\"type\":\"alphabet\"}");
}

static void write_document(struct exchange *exchange, unsigned status, const struct alphabet_entry *entry)
{
    struct buf *body = serial_open_document(exchange, status);
    buf_text(body, "{\"links\":{\"self\":\"/api/alphabets\"},\"data\":");
    write_alphabet(body, entry);
    buf_byte(body, '}');
}

// ---- lists and filters -------------------------------------------------------------------------------

struct filter {
    bool custom;
    bool has_length;
    uint64_t length;
    struct slice characters; // all of them must be in the alphabet
};

static bool take_filter(struct exchange *exchange, struct slice name, struct slice value,
                        struct filter *filter)
{
    if (slice_is(name, "filter[length]")) {
        if (filter->has_length)
            return serial_refuse_parameter(exchange, "parameter_invalid", name, "It is given twice.");
        filter->has_length = true;
        return serial_parse_number(value, &filter->length) ||
               serial_refuse_parameter(exchange, "parameter_invalid", name, "A length is a decimal number.");
    }
    if (slice_is(name, "filter[chars]")) {
        if (filter->characters.at != NULL)
            return serial_refuse_parameter(exchange, "parameter_invalid", name, "It is given twice.");
        filter->characters = value;
        return value.at != NULL ||
               serial_refuse_parameter(exchange, "parameter_invalid", name, "The characters are not UTF-8.");
    }
    if (slice_is(name, "filter[style]")) {
        filter->custom = slice_is(value, "custom");
        return filter->custom || slice_is(value, "preset") ||
               serial_refuse_parameter(exchange, "parameter_invalid", name, "A style is preset or custom.");
    }
    return serial_refuse_parameter(exchange, "parameter_unknown", name,
                                   "The filters are filter[length], filter[chars] and filter[style].");
}

static bool read_filter(struct exchange *exchange, struct filter *out_filter)
{
    size_t position = 0;
    struct slice name, value;
    *out_filter = (struct filter){0};
    while (http_query_next(&exchange->request, &position, &name, &value)) {
        if (!take_filter(exchange, name, value, out_filter))
            return false;
    }
    return true;
}

static bool has_point(const char *characters, uint32_t wanted)
{
    for (const char *at = characters, *end = characters + strlen(characters); at < end;) {
        if (serial_take_point(&at) == wanted)
            return true;
    }
    return false;
}

static bool passes(const struct filter *filter, const struct alphabet_entry *entry)
{
    if (filter->has_length && characters_in(entry->characters) != filter->length)
        return false;
    for (const char *at = filter->characters.at; at < filter->characters.at + filter->characters.len;) {
        if (!has_point(entry->characters, serial_take_point(&at)))
            return false;
    }
    return true;
}

static void write_list(struct exchange *exchange, struct alphabet_entry *entries, size_t count,
                       const struct filter *filter)
{
    bool first = true;
    struct buf *body = serial_open_document(exchange, 200);
    buf_text(body, "{\"links\":{\"self\":\"/api/alphabets\"},\"data\":[");
    for (size_t i = 0; i < count; i++) {
        if (passes(filter, &entries[i])) {
            if (!first)
                buf_byte(body, ',');
            write_alphabet(body, &entries[i]);
            first = false;
        }
        alphabet_entry_done(&entries[i]);
    }
    free(entries);
    buf_text(body, "]}");
}

void serial_list_alphabets(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct filter filter;
    struct alphabet_entry *entries;
    size_t count;
    if (!read_filter(exchange, &filter))
        return;
    const enum err rc = serials_list_alphabets(state->serials, exchange->request.caller.client_id,
                                               filter.custom, &entries, &count);
    if (rc == OK)
        write_list(exchange, entries, count, &filter);
    else
        serial_fail_from(exchange, rc);
}

// ---- one alphabet ------------------------------------------------------------------------------------

// The alphabet that the path names; otherwise the reply is written.
static bool path_alphabet(const struct serial_tokens *state, struct exchange *exchange,
                          struct alphabet_entry *out_entry)
{
    const enum err rc = serials_find_alphabet(state->serials, exchange->request.caller.client_id,
                                              exchange->request.params[0], out_entry);
    if (rc == OK)
        return true;
    if (rc == ERR_NOT_FOUND)
        serial_refuse(exchange, &(struct complaint){.status = 404,
                                                    .code = "alphabet_unknown",
                                                    .title = "Unknown alphabet",
                                                    .detail = "No preset or custom alphabet has this name."});
    else
        serial_fail_from(exchange, rc);
    return false;
}

void serial_get_alphabet(void *context, struct exchange *exchange)
{
    struct alphabet_entry entry;
    if (!path_alphabet(context, exchange, &entry))
        return;
    write_document(exchange, 200, &entry);
    alphabet_entry_done(&entry);
}

// The digits in the path, within the limits; otherwise 404 is written: there is no such resource.
static bool path_digits(const struct serial_tokens *state, struct exchange *exchange, unsigned *out_digits)
{
    const struct serial_limits *limits = serials_limits(state->serials);
    uint64_t digits;
    if (serial_parse_number(exchange->request.params[1], &digits) && digits >= limits->min_digits &&
        digits <= limits->max_digits) {
        *out_digits = (unsigned)digits;
        return true;
    }
    serial_refuse(exchange,
                  &(struct complaint){.status = 404,
                                      .code = "digits_out_of_range",
                                      .title = "No such number of digits",
                                      .detail = "The number of digits is outside this session's limits."});
    return false;
}

void serial_get_capacity(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct alphabet_entry entry;
    struct capacity capacity;
    unsigned digits;
    if (!path_digits(state, exchange, &digits) || !path_alphabet(state, exchange, &entry))
        return;
    const enum err rc = serials_capacity(state->serials, exchange->request.caller.tenant_id, entry.characters,
                                         digits, &capacity);
    if (rc == OK) {
        struct buf *body = serial_open_document(exchange, 200);
        buf_text(body, "{\"links\":{\"self\":\"/api/alphabets\"},\"data\":{\"attributes\":{");
        write_attributes(body, &entry);
        buf_byte(body, ',');
        serial_write_number(body, "digits", digits);
        buf_byte(body, ',');
        json_write_member(body, "available", capacity.available);
        buf_byte(body, ',');
        serial_write_number(body, "reachable", capacity.reachable);
        buf_text(body, "},");
        json_write_member(body, "id", entry.name);
        buf_text(body, ",\"type\":\"alphabet\"}}");
    } else {
        serial_fail_from(exchange, rc);
    }
    alphabet_entry_done(&entry);
}

// ---- custom alphabets --------------------------------------------------------------------------------

static void refuse_alphabet(struct exchange *exchange, enum err rc, bool name_is_wrong)
{
    if (rc == ERR_CONFLICT)
        serial_refuse(exchange, &(struct complaint){.status = 409,
                                                    .code = "alphabet_exists",
                                                    .title = "Alphabet exists",
                                                    .detail = "An alphabet of this name exists.",
                                                    .pointer = "/data/id"});
    else if (rc == ERR_INPUT && name_is_wrong)
        serial_refuse(
            exchange,
            &(struct complaint){.status = 422,
                                .code = "name_invalid",
                                .title = "Invalid name",
                                .detail = "A name is a capital and 1 to 31 capitals, digits or underscores.",
                                .pointer = "/data/id"});
    else if (rc == ERR_INPUT)
        serial_refuse(
            exchange,
            &(struct complaint){.status = 422,
                                .code = "chars_invalid",
                                .title = "Invalid characters",
                                .detail = "2 to 65536 distinct characters, no controls, no combining marks.",
                                .pointer = "/data/attributes/chars"});
    else
        serial_fail_from(exchange, rc);
}

// The resource's id is the name; chars its characters.
void serial_add_alphabet(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    JSON_DOCUMENT *document = NULL;
    struct slice name, characters;
    bool name_is_wrong = false;
    const struct json *data = serial_read_data(exchange, &document);
    if (data == NULL || !serial_check_type(exchange, data, "alphabet", "alphabets"))
        return;
    enum err rc = OK;
    if (!json_string(json_member(data, "id"), &name)) {
        rc = ERR_INPUT;
        name_is_wrong = true;
    } else if (!json_string(json_member(json_member(data, "attributes"), "chars"), &characters)) {
        rc = ERR_INPUT;
    } else {
        rc = serials_add_alphabet(state->serials, exchange->request.caller.client_id, name, characters,
                                  &name_is_wrong);
    }
    struct alphabet_entry entry;
    if (rc == OK)
        rc = serials_find_alphabet(state->serials, exchange->request.caller.client_id, name, &entry);
    if (rc != OK) {
        refuse_alphabet(exchange, rc, name_is_wrong);
        return;
    }
    http_reply_header(&exchange->reply, "Location", "/api/alphabets/%s", entry.name);
    write_document(exchange, 201, &entry);
    alphabet_entry_done(&entry);
}

void serial_delete_alphabet(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct alphabet_entry entry;
    const enum err rc = serials_delete_alphabet(state->serials, exchange->request.caller.client_id,
                                                exchange->request.params[0], &entry);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    write_document(exchange, 200, &entry);
    alphabet_entry_done(&entry);
}

// All custom ones; what is deleted is listed.
void serial_delete_alphabets(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    const unsigned client_id = exchange->request.caller.client_id;
    struct alphabet_entry *entries;
    size_t count, deleted = 0;
    const struct filter all = {0};
    if (!serial_has_no_query(exchange))
        return;
    enum err rc = serials_list_alphabets(state->serials, client_id, true, &entries, &count);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct alphabet_entry gone;
        const struct slice name = {entries[i].name, strlen(entries[i].name)};
        rc = serials_delete_alphabet(state->serials, client_id, name, &gone);
        alphabet_entry_done(&entries[i]);
        if (rc == OK)
            entries[deleted++] = gone;
    }
    write_list(exchange, entries, deleted, &all);
}

// ---- proof -------------------------------------------------------------------------------------------

static void write_proof(struct exchange *exchange, const struct alphabet_entry *entry,
                        const struct line *line, uint64_t serial)
{
    char id[UUID_TEXT_BYTES];
    struct buf *body = serial_open_document(exchange, 200);
    uuid_encode(line->record.id, id);
    buf_printf(body, "{\"links\":{\"info\":\"/api/tokens/%s\"},\"data\":{\"attributes\":{", id);
    json_write_member(body, "alphabet", entry->name);
    buf_byte(body, ',');
    serial_write_number(body, "digits", line->record.digits);
    buf_byte(body, ',');
    serial_write_number(body, "serial", serial);
    buf_byte(body, ',');
    serial_write_number(body, "position", serial - line->record.first_serial);
    buf_text(body, "},");
    json_write_member(body, "id", id);
    buf_text(body, ",\"type\":\"tokens\"}}");
}

void serial_prove(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    struct alphabet_entry entry;
    struct line line;
    uint64_t serial;
    unsigned digits;
    if (!path_digits(state, exchange, &digits) || !path_alphabet(state, exchange, &entry))
        return;
    exchange->note.items = 1;
    const struct proof_query query = {entry.characters, digits, exchange->request.params[2]};
    const enum err rc = serials_prove(state->serials, &exchange->request.caller, &query, &line, &serial);
    if (rc == OK) {
        exchange->note.generation = line.record.generation;
        write_proof(exchange, &entry, &line, serial);
        line_done(&line);
    } else {
        exchange->note.failed_items = 1;
        serial_refuse_closed_or_fail(exchange, rc);
    }
    alphabet_entry_done(&entry);
}
