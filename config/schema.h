// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What may stand in the file: options, types and defaults as libconfuse wants them, and the words that
// options take. The tables are constant; one line for each option, which tests/lint compares with the
// example file and the manual page.
#pragma once

#include "appliance/base/buf.h"

#include <confuse.h>
#include <stdbool.h>

// A parser for the file, for cfg_free; NULL: no memory.
cfg_t *schema_new(void);
// The title of a parsed block as it was written, or NULL; cfg_title may spell a repeated one differently.
const char *schema_title(cfg_t *block);

// Whether the strings of an option may hold UTF-8; all others are printable ASCII.
bool schema_is_unicode(struct slice option);
// Whether several blocks of this name may have the same title.
bool schema_titles_repeat(struct slice block);

// A word and its number: a bit of a set, or an enumerator. Tables end with a NULL name.
struct schema_word {
    const char *name;
    unsigned value;
};

extern const struct schema_word schema_apis[];        // bits of enum client_api in tokens/client.h
extern const struct schema_word schema_permissions[]; // bits of enum permission there
extern const struct schema_word schema_key_states[];
extern const struct schema_word schema_tweak_sources[];
extern const struct schema_word schema_log_levels[];
extern const struct schema_word schema_audit_syncs[]; // value: whether it is "always"

// NULL when the table has no such word.
const struct schema_word *schema_find(const struct schema_word *table, const char *name);

struct schema_template {
    const char *name;
    bool has_owner;        // needs `of`, a client of the API that is called like the template
    bool owner_is_account; // and that is an account instead
    bool takes_tweak;      // tweak_source may be other than internal
    bool is_pinned;        // needs `generation`
    bool has_pattern;      // needs `pattern` and `alphabet`
};

extern const struct schema_template schema_templates[]; // ends with a NULL name
const struct schema_template *schema_find_template(const char *name);

extern const char *const schema_alphabets[]; // that every tenant has; ends with a NULL
bool schema_is_builtin_alphabet(const char *name);
