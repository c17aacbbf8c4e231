// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The serial-token service: alphabets, sessions and production lines over the store. A line is (space, first
// serial, size); its tokens are computed whenever they are asked for, as a stream, and none is stored. A
// background producer works out each line's checksum, size and hash.
//
// Threads: all functions may be called from any thread between serials_new and serials_free; the producer is
// a thread of its own.
#pragma once

#include "appliance/base/clock.h"
#include "appliance/store/store.h"
#include "appliance/tokens/registry.h"
#include "appliance/tokens/sealed_id.h"
#include "appliance/tokens/serial.h"

struct serials;

struct serial_limits {
    uint64_t min_tokens, max_tokens; // of a line
    unsigned min_digits, max_digits;
    uint64_t max_cells; // tokens x digits of a line
};

struct serials_options {
    struct store *store;
    struct registries *registries;
    const struct sealed_ids *session_ids, *line_ids;
    struct rng rng; // draws ids
    struct clock clock;
    struct serial_limits limits;
};

// The kinds of sealed id that sessions and lines have.
extern const struct sealed_id_kind session_kind, line_kind;

// Starts the producer. Everything in the options outlives the service.
enum err serials_new(const struct serials_options *options, struct serials **out_serials);
// Stops the producer; no stream may be alive.
void serials_free(struct serials *serials);
// After the registry was replaced: lets go of what is kept of the one before, as soon as no stream needs it.
void serials_forget(struct serials *serials);
const struct serial_limits *serials_limits(const struct serials *serials);

// What the store knows of a session instead of its key: (client, random number), which only the HSM can turn
// into the key. A stolen store opens nothing.
void session_row(const struct sealed_id *session, uint8_t out_row[STORE_ID_BYTES]);

// ---- sessions -----------------------------------------------------------------------------------------

struct session_order {
    unsigned client_id;
    const char *note, *peer, *agent; // NULL: none
};
// The session handed out has its key as id.
enum err serials_open_session(struct serials *serials, const struct session_order *order,
                              struct store_session *out_session);
// As store_session_list and store_session_revoke, by keys instead of rows; out_session has revoked_ms set.
enum err serials_list_sessions(struct serials *serials, unsigned client_id,
                               struct store_session **out_sessions, size_t *out_count);
enum err serials_revoke_session(struct serials *serials, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                                struct store_session *out_session);

// ---- alphabets ----------------------------------------------------------------------------------------

struct alphabet_entry {
    char *name, *characters;
    bool custom;
};
void alphabet_entry_done(struct alphabet_entry *entry);

// A preset, or the client's own. ERR_NOT_FOUND.
enum err serials_find_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                               struct alphabet_entry *out_entry);
// All presets, or all of the client's own, by name. The caller frees each and the array.
enum err serials_list_alphabets(struct serials *serials, unsigned client_id, bool custom,
                                struct alphabet_entry **out_entries, size_t *out_count);
// ERR_INPUT: characters are not 2..65536 distinct code points without controls and combining marks, or the
// name is not a capital letter and 1..31 capitals, digits and underscores; ERR_CONFLICT: the name is taken.
enum err serials_add_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                              struct slice characters, bool *out_name_is_wrong);
// ERR_NOT_FOUND. Presets cannot be deleted.
enum err serials_delete_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                                 struct alphabet_entry *out_entry);

// What a space still has.
struct capacity {
    char available[SERIAL_DECIMAL_BYTES]; // decimal
    uint64_t reachable;                   // of them, in one line
};
// digits within the limits (assert).
enum err serials_capacity(struct serials *serials, unsigned tenant_id, const char *characters,
                          unsigned digits, struct capacity *out_capacity);

// ---- lines ----------------------------------------------------------------------------------------------

struct line_order {
    const struct caller *caller;
    struct slice alphabet;
    unsigned digits;                               // within the limits
    uint64_t size;                                 // wanted
    const char *payment_id, *payment_ident, *seed; // seed may be NULL
};

enum line_outcome {
    LINE_TAKEN,
    LINE_ALPHABET_UNKNOWN,
    LINE_SIZE_TOO_SMALL, // under min_tokens, and not all that the space has left
    LINE_SPACE_EXHAUSTED,
    LINE_SPACE_CLOSED, // its key generation was released
    LINE_IDENT_USED,
};

// A line as callers see it: the record, and what can be computed of it.
struct line {
    struct store_line record;
    double progress; // 0..100, for a line that is started
};
void line_done(struct line *line);

enum err serials_order_line(struct serials *serials, const struct line_order *order,
                            enum line_outcome *out_outcome, struct line *out_line);
// ERR_NOT_FOUND unless the id is genuine, of a line of this client, and not deleted.
enum err serials_get_line(struct serials *serials, const struct caller *caller,
                          const uint8_t id[STORE_ID_BYTES], struct line *out_line);
// The lines of the caller's session.
enum err serials_list_lines(struct serials *serials, const struct caller *caller, struct line **out_lines,
                            size_t *out_count);
enum err serials_delete_line(struct serials *serials, const struct caller *caller,
                             const uint8_t id[STORE_ID_BYTES], struct line *out_line);
// Available and reachable as of a status: just before the line, or with its tokens taken off.
void serials_line_capacity(const struct serials *serials, const struct line *line,
                           enum store_line_status as_of, struct capacity *out_capacity);

// A string that should be a token of a space.
struct proof_query {
    const char *characters;
    unsigned digits; // within the limits
    struct slice token;
};
// Proves it genuine: its line and serial. ERR_NOT_FOUND when it was not issued to this client.
enum err serials_prove(struct serials *serials, const struct caller *caller, const struct proof_query *query,
                       struct line *out_line, uint64_t *out_serial);

// ---- data -------------------------------------------------------------------------------------------------

// The tokens of a line, a line feed between them and none at the end.
struct line_stream;

// Bytes first..last of the data file (last is included). ERR_HSM_KEY: the space's generation was released.
enum err line_stream_open(struct serials *serials, unsigned tenant_id, const struct line *line,
                          uint64_t first, uint64_t last, struct line_stream **out_stream);
void line_stream_close(struct line_stream *stream);
// Appends the next piece, at most a slice; nothing at the end. Errors of the cipher.
enum err line_stream_next(struct line_stream *stream, struct buf *out);
// Whether every character has one width, so that a place in the file can be computed.
bool line_is_seekable(const struct line *line);
