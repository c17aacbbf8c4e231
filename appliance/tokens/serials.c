// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/serials_internal.h"

#include "appliance/fpe/alphabet.h"
#include "appliance/tokens/preset_alphabets.h"

#include <assert.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

const struct sealed_id_kind session_kind = {.name = "session", .high = 1, .low = 1ull << 32};
const struct sealed_id_kind line_kind = {.name = "line", .high = 1, .low = 1ull << 32};

enum err serials_new(const struct serials_options *options, struct serials **out_serials)
{
    struct serials *serials = calloc(1, sizeof *serials);
    if (serials == NULL)
        return ERR_MEMORY;
    serials->options = *options;
    pthread_mutex_init(&serials->lock, NULL);
    const enum err rc = producer_start(serials);
    if (rc == OK)
        *out_serials = serials;
    else
        serials_free(serials);
    return rc;
}

void serials_free(struct serials *serials)
{
    if (serials == NULL)
        return;
    producer_stop(serials);
    for (size_t i = 0; i < SPACES_KEPT; i++)
        assert(serials->spaces[i] == NULL || serials->spaces[i]->users == 0);
    serials_forget(serials);
    pthread_mutex_destroy(&serials->lock);
    free(serials);
}

const struct serial_limits *serials_limits(const struct serials *serials)
{
    return &serials->options.limits;
}

int64_t serials_now_ms(const struct serials *serials)
{
    const struct clock *clock = &serials->options.clock;
    return clock->now_ns(clock->context) / 1000000;
}

enum err serials_draw_id(const struct serials *serials, unsigned client_id, struct sealed_id *out_id)
{
    uint32_t random;
    const enum err rc = rng_fill(&serials->options.rng, (uint8_t *)&random, sizeof random);
    if (rc == OK)
        *out_id = (struct sealed_id){.client_id = client_id, .low = random};
    return rc;
}

// ---- the cache of spaces -------------------------------------------------------------------------------

static struct kept_space *find_kept(struct serials *serials, const struct kept_space *wanted)
{
    for (size_t i = 0; i < SPACES_KEPT; i++) {
        struct kept_space *kept = serials->spaces[i];
        if (kept != NULL && kept->registry == wanted->registry && kept->tenant_id == wanted->tenant_id &&
            kept->generation == wanted->generation &&
            memcmp(kept->id, wanted->id, SERIAL_SPACE_ID_BYTES) == 0)
            return kept;
    }
    return NULL;
}

// A place for one more: a free one, or the one that nobody has used for longest. NULL: all are in use.
static struct kept_space **find_place(struct serials *serials)
{
    struct kept_space **best = NULL;
    for (size_t i = 0; i < SPACES_KEPT; i++) {
        struct kept_space **place = &serials->spaces[i];
        if (*place == NULL)
            return place;
        if ((*place)->users == 0 && (best == NULL || (*place)->used < (*best)->used))
            best = place;
    }
    return best;
}

static void kept_space_free(struct serials *serials, struct kept_space *kept)
{
    if (kept == NULL)
        return;
    serial_space_free(kept->space);
    registries_give(serials->options.registries, kept->registry);
    free(kept);
}

static enum err build_space(const struct space_query *query, struct kept_space *kept)
{
    const struct tenant *tenant = tenants_find(&kept->registry->tenants, query->tenant_id);
    const struct generation *generation =
        tenant == NULL ? NULL : keyring_by_number(tenant_keyring(tenant), query->generation);
    if (generation == NULL)
        return ERR_HSM_KEY;
    const struct serial_options options = {query->characters, query->digits, query->tenant_id, generation};
    return serial_space_new(&options, &kept->space);
}

// Where every place is in use, the space is the taker's own and goes when it is given back.
static void keep(struct serials *serials, struct kept_space *fresh)
{
    struct kept_space **place = find_place(serials);
    if (place == NULL)
        return;
    kept_space_free(serials, *place);
    *place = fresh;
    fresh->kept = true;
}

// Either fresh itself, completed, or one that is kept already; fresh is gone then, and on failure.
static enum err take_locked(struct serials *serials, const struct space_query *query,
                            struct kept_space *fresh, struct kept_space **out_kept)
{
    struct kept_space *kept = find_kept(serials, fresh);
    if (kept == NULL) {
        const enum err rc = build_space(query, fresh);
        if (rc != OK) {
            kept_space_free(serials, fresh);
            return rc;
        }
        keep(serials, fresh);
        kept = fresh;
    } else {
        kept_space_free(serials, fresh);
    }
    kept->users++;
    kept->used = ++serials->takings;
    *out_kept = kept;
    return OK;
}

enum err serials_take_space(struct serials *serials, const struct space_query *query,
                            struct kept_space **out_kept)
{
    struct kept_space *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL)
        return ERR_MEMORY;
    fresh->tenant_id = query->tenant_id;
    fresh->generation = query->generation;
    enum err rc = serial_space_id(query->characters, query->digits, fresh->id);
    if (rc != OK) {
        free(fresh);
        return rc;
    }
    fresh->registry = registries_take(serials->options.registries);
    pthread_mutex_lock(&serials->lock);
    rc = take_locked(serials, query, fresh, out_kept);
    pthread_mutex_unlock(&serials->lock);
    return rc;
}

void serials_give_space(struct serials *serials, struct kept_space *kept)
{
    pthread_mutex_lock(&serials->lock);
    const bool last = --kept->users == 0 && !kept->kept;
    pthread_mutex_unlock(&serials->lock);
    if (last)
        kept_space_free(serials, kept);
}

void serials_forget(struct serials *serials)
{
    pthread_mutex_lock(&serials->lock);
    for (size_t i = 0; i < SPACES_KEPT; i++) {
        struct kept_space *kept = serials->spaces[i];
        serials->spaces[i] = NULL;
        if (kept == NULL)
            continue;
        kept->kept = false;
        if (kept->users == 0)
            kept_space_free(serials, kept);
    }
    pthread_mutex_unlock(&serials->lock);
}

// ---- sessions ------------------------------------------------------------------------------------------

enum { ID_DRAWS = 8 }; // an id that exists already is one in 2^32

static char *copy_or_null(const char *text)
{
    return text == NULL ? NULL : strdup(text);
}

void session_row(const struct sealed_id *session, uint8_t out_row[STORE_ID_BYTES])
{
    memset(out_row, 0, STORE_ID_BYTES);
    out_row[0] = (uint8_t)(session->client_id >> 8);
    out_row[1] = (uint8_t)session->client_id;
    for (size_t i = 0; i < 4; i++)
        out_row[2 + i] = (uint8_t)(session->low >> (24 - 8 * i));
}

static struct sealed_id session_of_row(const uint8_t row[STORE_ID_BYTES])
{
    struct sealed_id session = {.client_id = (unsigned)row[0] << 8 | row[1]};
    for (size_t i = 0; i < 4; i++)
        session.low = session.low << 8 | row[2 + i];
    return session;
}

// Puts the key in the place of the row.
static enum err show_key(const struct serials *serials, struct store_session *session)
{
    const struct sealed_id id = session_of_row(session->id);
    return sealed_id_make(serials->options.session_ids, &id, session->id);
}

enum err serials_open_session(struct serials *serials, const struct session_order *order,
                              struct store_session *out_session)
{
    enum err rc = ERR_CONFLICT;
    const int64_t now_ms = serials_now_ms(serials);
    struct store_session session = {
        .client_id = order->client_id,
        .note = copy_or_null(order->note),
        .peer = copy_or_null(order->peer),
        .agent = copy_or_null(order->agent),
        .granted_ms = now_ms,
        .used_minute = now_ms / 60000,
    };
    if ((order->note != NULL && session.note == NULL) || (order->peer != NULL && session.peer == NULL) ||
        (order->agent != NULL && session.agent == NULL))
        rc = ERR_MEMORY;
    for (int draw = 0; draw < ID_DRAWS && rc == ERR_CONFLICT; draw++) {
        struct sealed_id id;
        rc = serials_draw_id(serials, order->client_id, &id);
        if (rc != OK)
            break;
        session_row(&id, session.id);
        rc = store_session_create(serials->options.store, &session);
    }
    if (rc == OK)
        rc = show_key(serials, &session);
    if (rc == OK)
        *out_session = session;
    else
        store_session_done(&session);
    return rc;
}

enum err serials_list_sessions(struct serials *serials, unsigned client_id,
                               struct store_session **out_sessions, size_t *out_count)
{
    struct store_session *sessions;
    size_t count;
    enum err rc = store_session_list(serials->options.store, client_id, &sessions, &count);
    if (rc != OK)
        return rc;
    for (size_t i = 0; i < count && rc == OK; i++)
        rc = show_key(serials, &sessions[i]);
    if (rc == OK) {
        *out_sessions = sessions;
        *out_count = count;
        return OK;
    }
    for (size_t i = 0; i < count; i++)
        store_session_done(&sessions[i]);
    free(sessions);
    return rc;
}

enum err serials_revoke_session(struct serials *serials, const uint8_t id[STORE_ID_BYTES], unsigned client_id,
                                struct store_session *out_session)
{
    struct sealed_id opened;
    uint8_t row[STORE_ID_BYTES];
    enum err rc = sealed_id_open(serials->options.session_ids, id, &opened);
    if (rc != OK)
        return rc == ERR_NOT_GENUINE ? ERR_NOT_FOUND : rc;
    session_row(&opened, row);
    rc = store_session_revoke(serials->options.store, row, client_id, serials_now_ms(serials));
    if (rc == OK)
        rc = store_session_get(serials->options.store, row, out_session);
    if (rc == OK)
        memcpy(out_session->id, id, STORE_ID_BYTES);
    return rc;
}

// ---- alphabets -----------------------------------------------------------------------------------------

enum { ALPHABET_NAME_MAX = 32 };

void alphabet_entry_done(struct alphabet_entry *entry)
{
    free(entry->name);
    free(entry->characters);
    *entry = (struct alphabet_entry){0};
}

static enum err entry_init(struct alphabet_entry *entry, const char *name, const char *characters,
                           bool custom)
{
    *entry = (struct alphabet_entry){strdup(name), strdup(characters), custom};
    if (entry->name != NULL && entry->characters != NULL)
        return OK;
    alphabet_entry_done(entry);
    return ERR_MEMORY;
}

// A capital letter, then 1 to 31 capitals, digits and underscores.
static bool name_is_well_formed(struct slice name)
{
    if (name.len < 2 || name.len > ALPHABET_NAME_MAX || name.at[0] < 'A' || name.at[0] > 'Z')
        return false;
    for (size_t i = 1; i < name.len; i++) {
        const char c = name.at[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return true;
}

static const struct preset_alphabet *find_preset(struct slice name)
{
    for (size_t i = 0; i < preset_alphabet_count(); i++) {
        const struct preset_alphabet *preset = preset_alphabet_at(i);
        if (slice_is(name, preset->name))
            return preset;
    }
    return NULL;
}

// The name as text, or ERR_NOT_FOUND when no alphabet can be called so.
static enum err name_text(struct slice name, char out_text[ALPHABET_NAME_MAX + 1])
{
    if (!name_is_well_formed(name))
        return ERR_NOT_FOUND;
    memcpy(out_text, name.at, name.len);
    out_text[name.len] = '\0';
    return OK;
}

enum err serials_find_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                               struct alphabet_entry *out_entry)
{
    char text[ALPHABET_NAME_MAX + 1];
    struct store_alphabet custom;
    const struct preset_alphabet *preset = find_preset(name);
    if (preset != NULL)
        return entry_init(out_entry, preset->name, preset->characters, false);
    enum err rc = name_text(name, text);
    if (rc != OK)
        return rc;
    rc = store_alphabet_get(serials->options.store, client_id, text, &custom);
    if (rc == OK)
        *out_entry = (struct alphabet_entry){custom.name, custom.characters, true};
    return rc;
}

static enum err list_presets(struct alphabet_entry **out_entries, size_t *out_count)
{
    const size_t count = preset_alphabet_count();
    struct alphabet_entry *entries = calloc(count, sizeof *entries);
    if (entries == NULL)
        return ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct preset_alphabet *preset = preset_alphabet_at(i);
        if (entry_init(&entries[i], preset->name, preset->characters, false) == OK)
            continue;
        while (i-- > 0)
            alphabet_entry_done(&entries[i]);
        free(entries);
        return ERR_MEMORY;
    }
    *out_entries = entries;
    *out_count = count;
    return OK;
}

enum err serials_list_alphabets(struct serials *serials, unsigned client_id, bool custom,
                                struct alphabet_entry **out_entries, size_t *out_count)
{
    struct store_alphabet *stored;
    size_t count;
    if (!custom)
        return list_presets(out_entries, out_count);
    const enum err rc = store_alphabet_list(serials->options.store, client_id, &stored, &count);
    if (rc != OK)
        return rc;
    struct alphabet_entry *entries = calloc(count + 1, sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        if (entries != NULL)
            entries[i] = (struct alphabet_entry){stored[i].name, stored[i].characters, true};
        else
            store_alphabet_done(&stored[i]);
    }
    free(stored);
    if (entries == NULL)
        return ERR_MEMORY;
    *out_entries = entries;
    *out_count = count;
    return OK;
}

// A token must show its digits: what takes no place of its own (combining marks, joiners, marks of direction)
// or ends the line cannot be one. wcwidth(3) knows the former, in the thread's locale.
static bool takes_no_place(uint32_t point)
{
    return wcwidth((wchar_t)point) == 0 || point == 0x2028 || point == 0x2029;
}

static enum err check_places(struct slice characters)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (utf8 == (locale_t)0)
        return ERR_INTERNAL;
    const locale_t before = uselocale(utf8);
    const bool hidden = serial_any_point(characters, takes_no_place);
    uselocale(before);
    freelocale(utf8);
    return hidden ? ERR_INPUT : OK;
}

static enum err check_characters(struct slice characters)
{
    struct alphabet *alphabet;
    const enum err rc = alphabet_new(characters.at, characters.len, &alphabet);
    if (rc != OK)
        return rc;
    alphabet_free(alphabet);
    return check_places(characters);
}

enum err serials_add_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                              struct slice characters, bool *out_name_is_wrong)
{
    char text[ALPHABET_NAME_MAX + 1];
    *out_name_is_wrong = name_text(name, text) != OK;
    if (*out_name_is_wrong)
        return ERR_INPUT;
    if (find_preset(name) != NULL)
        return ERR_CONFLICT;
    enum err rc = check_characters(characters);
    if (rc != OK)
        return rc;
    char *copy = strndup(characters.at, characters.len);
    rc = copy == NULL ? ERR_MEMORY : store_alphabet_create(serials->options.store, client_id, text, copy);
    free(copy);
    return rc;
}

enum err serials_delete_alphabet(struct serials *serials, unsigned client_id, struct slice name,
                                 struct alphabet_entry *out_entry)
{
    struct alphabet_entry entry;
    enum err rc = serials_find_alphabet(serials, client_id, name, &entry);
    if (rc != OK)
        return rc;
    rc = entry.custom ? store_alphabet_delete(serials->options.store, client_id, entry.name) : ERR_NOT_FOUND;
    if (rc == OK)
        *out_entry = entry;
    else
        alphabet_entry_done(&entry);
    return rc;
}
