// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads the options of one parsed block into plain values. A bad value is reported with its line and
// comes back as 0 or NULL, so that reading goes on and everything wrong is found in one run. Texts and
// lists belong to the caller. Running out of memory is sticky in the report.
#pragma once

#include "config/report.h"
#include "config/scan.h"
#include "config/schema.h"

#include <stdbool.h>
#include <stddef.h>

struct block {
    cfg_t *cfg;
    const struct scan *scan;
    struct report *report;
    const char *folder; // absolute, for relative paths
    size_t index;       // of its entry in the scan
    int line;
    char label[96]; // "client \"shop\": ", or "" at the top
};

// The position-th block of this name within another; a title that is no name is reported.
struct block block_child(const struct block *parent, const char *name, unsigned position);
// The same for blocks whose titles repeat and need not be names.
struct block block_repeated(const struct block *parent, const char *name, unsigned position);
// In quotes, libconfuse would read "010" as eight. For the top level; other blocks are looked at on the way
// in.
void block_refuse_quoted_numbers(const struct block *block);
// A copy of the title.
char *block_title(const struct block *block);
// Room for every block of this name; NULL and a count of 0 when there are none or no memory.
void *block_rows(const struct block *parent, const char *name, size_t size, size_t *out_count);

bool block_has(const struct block *block, const char *option);
// The line of an option; 0 when it is not given.
int block_line(const struct block *block, const char *option);
// Reports at the option's line, or at the block's when it is not given. The label comes first.
[[gnu::format(printf, 3, 4)]] void block_complain(const struct block *block, const char *option,
                                                  const char *format, ...);

// A number of smallest..largest; 0 when it is not.
size_t block_number(const struct block *block, const char *option, size_t smallest, size_t largest);
// A number above 0; 0 when it is not.
double block_fraction(const struct block *block, const char *option, double largest);
bool block_switch(const struct block *block, const char *option);
// A copy of the text; NULL when it is absent or empty, which is reported unless `optional`.
enum block_need { BLOCK_OPTIONAL, BLOCK_REQUIRED };
char *block_text(const struct block *block, const char *option, enum block_need need);
// The same for a path, made absolute.
char *block_path(const struct block *block, const char *option, enum block_need need);
// The word's value; 0 when there is no such word.
unsigned block_word(const struct block *block, const char *option, const struct schema_word *table);
// A list of words as the union of their values.
unsigned block_set(const struct block *block, const char *option, const struct schema_word *table);
// A list of names without repetition; the array ends with a NULL.
char **block_names(const struct block *block, const char *option, size_t *out_count);
// The same of paths, made absolute.
char **block_paths(const struct block *block, const char *option, size_t *out_count);
// Seconds, which may have a fraction, as milliseconds; 0 when they are not smallest..largest.
unsigned block_milliseconds(const struct block *block, const char *option, unsigned smallest_ms,
                            unsigned largest_ms);

// A whole string of digits, without leading zeros, 1..65535; otherwise 0.
unsigned block_16_bits(const char *text);
// Letters, digits, '.', '_' and '-', at most 63, beginning with a letter or digit.
bool block_is_name(const char *text);
