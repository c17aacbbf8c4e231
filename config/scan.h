// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A first look at the file's text, before libconfuse parses it. It refuses what libconfuse would accept
// in silence (environment variables, escapes in double quotes, includes, octal numbers, stray characters,
// second assignments), and notes on which line each option and block stands, which libconfuse does not keep.
// Plain syntax errors and unknown names are left to libconfuse.
#pragma once

#include "appliance/base/buf.h"
#include "config/report.h"

#include <stdbool.h>
#include <stddef.h>

enum { SCAN_ROOT = 0 }; // index of the entry that encloses all others

struct scan_entry {           // an assignment or the head of a block
    struct slice name, title; // they point into the text; title is empty when there is none
    bool is_block;
    bool is_quoted; // the value of an assignment stands in quotes
    int line;
    size_t parent; // index of the enclosing block
};

struct scan {
    struct scan_entry *entries;
    size_t count, capacity;
    int stopped_line; // of the first thing that is not "name = value" or a block; 0: all understood
};

// Looks through a NUL-terminated text and blanks its comments. ERR_CONFIG when it holds something that
// must not be parsed at all; ERR_MEMORY. Duplicates are reported but are no failure here.
enum err scan_text(char *text, struct report *report, struct scan *out_scan);
void scan_done(struct scan *scan);

// The last entry of this name (and title, for blocks; NULL for options) within a block, or NULL.
const struct scan_entry *scan_find(const struct scan *scan, size_t parent, const char *name,
                                   const char *title);
// The position-th block of this name within a block, for blocks whose titles may repeat; or NULL.
const struct scan_entry *scan_nth(const struct scan *scan, size_t parent, const char *name, size_t position);
