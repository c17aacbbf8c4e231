// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What may stand in the file: options, types and defaults as libconfuse wants them, and the words that
// options take. The tables are constant; one line for each option, which tests/lint compares with the
// example file and the manual page.
#pragma once

#include <confuse.h>
#include <stdbool.h>

// Top level of the file; cfg_init copies it.
extern cfg_opt_t schema_root[];

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
    bool has_owner;   // needs `of`
    bool takes_tweak; // tweak_source may be other than internal
};

extern const struct schema_template schema_templates[]; // ends with a NULL name
const struct schema_template *schema_find_template(const char *name);
