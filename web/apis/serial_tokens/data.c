// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The tokens of a line, computed while they are sent: plain with an exact length and ranges, or as a gzip
// file made on the way.
#include "web/apis/serial_tokens/internal.h"

#include "appliance/base/gzip.h"
#include "web/range.h"

#include <stdlib.h>

// One download. Plain when gzip is NULL.
struct download {
    struct line_stream *stream;
    struct gzip *gzip;
    struct buf plain; // the piece before it is compressed
    bool ended;
};

static enum err produce_plain(void *context, struct buf *out)
{
    struct download *download = context;
    return line_stream_next(download->stream, out);
}

// Goes on until the compressor has something to say, or all is said.
static enum err produce_gzip(void *context, struct buf *out)
{
    enum err rc = OK;
    struct download *download = context;
    while (out->len == 0 && !download->ended) {
        buf_reset(&download->plain);
        TRY(line_stream_next(download->stream, &download->plain));
        download->ended = download->plain.len == 0;
        TRY(gzip_add(download->gzip, buf_slice(&download->plain), download->ended, out));
    }
out:
    return rc;
}

static void download_done(void *context)
{
    struct download *download = context;
    line_stream_close(download->stream);
    gzip_free(download->gzip);
    buf_done(&download->plain);
    free(download);
}

static void start(struct exchange *exchange, struct download *download, bool gzip, uint64_t length)
{
    exchange->reply.stream = (struct http_stream){
        .produce = gzip ? produce_gzip : produce_plain,
        .done = download_done,
        .context = download,
        .has_length = !gzip,
        .length = length,
    };
}

// What of the file is wanted. The reply is written when the range cannot be had.
static bool choose_range(struct exchange *exchange, const struct line *line, bool gzip,
                         struct range *out_range)
{
    const uint64_t length = line->record.file_bytes;
    const bool seekable = !gzip && line_is_seekable(line);
    *out_range = seekable ? range_of(&exchange->request, NULL, length) : (struct range){.kind = RANGE_WHOLE};
    if (out_range->kind == RANGE_UNSATISFIABLE) {
        http_reply_header(&exchange->reply, "Content-Range", "bytes */%llu", (unsigned long long)length);
        serial_refuse(exchange, &(struct complaint){.status = 416,
                                                    .code = "range_unsatisfiable",
                                                    .title = "Range not satisfiable",
                                                    .detail = "The range lies beyond the data.",
                                                    .header = "Range"});
        return false;
    }
    if (out_range->kind == RANGE_WHOLE) {
        out_range->first = 0;
        out_range->last = length - 1;
    }
    return true;
}

static void announce(struct exchange *exchange, const struct line *line, bool gzip, const struct range *range)
{
    const bool part = range->kind == RANGE_PART;
    exchange->reply.status = part ? 206 : 200;
    http_reply_header(&exchange->reply, "Accept-Ranges", !gzip && line_is_seekable(line) ? "bytes" : "none");
    if (part)
        http_reply_header(&exchange->reply, "Content-Range", "bytes %llu-%llu/%llu",
                          (unsigned long long)range->first, (unsigned long long)range->last,
                          (unsigned long long)line->record.file_bytes);
}

static enum err open_download(const struct serial_tokens *state, struct exchange *exchange,
                              const struct line *line, bool gzip, const struct range *range)
{
    enum err rc = OK;
    struct download *download = calloc(1, sizeof *download);
    if (download == NULL)
        return ERR_MEMORY;
    if (gzip)
        TRY(gzip_new(&download->gzip));
    TRY(line_stream_open(state->serials, exchange->request.caller.tenant_id, line, range->first, range->last,
                         &download->stream));
    exchange->reply.content_type = gzip ? "application/gzip" : "application/json; charset=utf-8";
    start(exchange, download, gzip, range->last - range->first + 1);
    download = NULL;
out:
    if (download != NULL)
        download_done(download);
    return rc;
}

static void send_data(const struct serial_tokens *state, struct exchange *exchange, const struct line *line,
                      bool gzip)
{
    struct range range;
    exchange->note.items = line->record.size;
    exchange->note.generation = line->record.generation;
    if (line->record.status < STORE_LINE_ENDED) {
        serial_refuse(exchange,
                      &(struct complaint){.status = 404,
                                          .code = "status_not_reached",
                                          .title = "Status not reached",
                                          .detail = "The line has not ended; ask for its current info."});
        return;
    }
    if (!choose_range(exchange, line, gzip, &range))
        return;
    const enum err rc = open_download(state, exchange, line, gzip, &range);
    if (rc == OK)
        announce(exchange, line, gzip, &range);
    else
        serial_refuse_closed_or_fail(exchange, rc);
}

// false: the reply is written.
static bool wants_gzip(struct exchange *exchange, bool *out_gzip)
{
    size_t position = 0;
    struct slice name, value;
    *out_gzip = false;
    while (http_query_next(&exchange->request, &position, &name, &value)) {
        if (slice_is(name, "format") && slice_is(value, "gz")) {
            *out_gzip = true;
            continue;
        }
        return serial_refuse_parameter(exchange, "parameter_unknown", name, "Only format=gz is known.");
    }
    return true;
}

void serial_get_data(void *context, struct exchange *exchange)
{
    const struct serial_tokens *state = context;
    uint8_t id[STORE_ID_BYTES];
    struct line line;
    bool gzip;
    if (!wants_gzip(exchange, &gzip) || !serial_path_id(exchange, 0, id))
        return;
    const enum err rc = serials_get_line(state->serials, &exchange->request.caller, id, &line);
    if (rc != OK) {
        serial_fail_from(exchange, rc);
        return;
    }
    send_data(state, exchange, &line, gzip);
    line_done(&line);
}
