// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/serials_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES_A_PIECE = 4 }; // of tokens that are short; a piece stays under about 64 KiB

struct line_stream {
    struct serials *serials;
    struct kept_space *space;
    uint64_t next_serial, end_serial;
    uint64_t skip; // bytes of the first token that are not wanted
    uint64_t left; // bytes still to come
};

bool line_is_seekable(const struct line *line)
{
    return serial_uniform_bytes(line->record.characters) != 0;
}

enum err line_stream_open(struct serials *serials, unsigned tenant_id, const struct line *line,
                          uint64_t first, uint64_t last, struct line_stream **out_stream)
{
    enum err rc = OK;
    const struct store_line *record = &line->record;
    const struct space_query query = {tenant_id, record->generation, record->characters, record->digits};
    const uint64_t row_bytes = serial_uniform_bytes(record->characters) * record->digits + 1;
    struct line_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return ERR_MEMORY;
    assert(first <= last && (first == 0 || row_bytes > 1));
    stream->serials = serials;
    stream->next_serial = record->first_serial;
    stream->end_serial = record->first_serial + record->size;
    stream->left = last - first + 1;
    if (first > 0) {
        stream->next_serial += first / row_bytes;
        stream->skip = first % row_bytes;
    }
    TRY(serials_take_space(serials, &query, &stream->space));
    *out_stream = stream;
    stream = NULL;
out:
    line_stream_close(stream);
    return rc;
}

void line_stream_close(struct line_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->space != NULL)
        serials_give_space(stream->serials, stream->space);
    free(stream);
}

static enum err append_slice(struct line_stream *stream, struct buf *out)
{
    const size_t before = out->len;
    const uint64_t tokens = stream->end_serial - stream->next_serial;
    const size_t count = tokens < SERIAL_SLICE ? (size_t)tokens : SERIAL_SLICE;
    const enum err rc = serial_make(stream->space->space, stream->next_serial, count, out);
    if (rc != OK)
        return rc;
    stream->next_serial += count;
    size_t made = out->len - before;
    if (stream->skip > 0) {
        memmove(out->at + before, out->at + before + stream->skip, made - stream->skip);
        made -= stream->skip;
        stream->skip = 0;
    }
    // Also cuts the last line feed: the file has none at its end.
    if (made > stream->left)
        made = (size_t)stream->left;
    stream->left -= made;
    out->len = before + made;
    return OK;
}

enum err line_stream_next(struct line_stream *stream, struct buf *out)
{
    enum err rc = OK;
    for (int i = 0; i < SLICES_A_PIECE && stream->left > 0 && rc == OK; i++) {
        assert(stream->next_serial < stream->end_serial);
        rc = append_slice(stream, out);
    }
    return rc;
}
