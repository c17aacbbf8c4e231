// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/block.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES_MAX = 63 };

unsigned block_16_bits(const char *text)
{
    unsigned value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > 5 || text[0] == '0' || strspn(text, "0123456789") != len)
        return 0;
    for (; *text != '\0'; text++)
        value = value * 10 + (unsigned)(*text - '0');
    return value <= 65535 ? value : 0;
}

bool block_is_name(const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(text);
    return len > 0 && len <= NAME_BYTES_MAX && strchr("._-", text[0]) == NULL && strspn(text, allowed) == len;
}

static char *copy(const struct block *block, const char *text)
{
    char *fresh = strdup(text);
    if (fresh == NULL)
        block->report->error = ERR_MEMORY;
    return fresh;
}

static const struct scan_entry *find(const struct block *block, const char *option)
{
    return block->index == SIZE_MAX ? NULL : scan_find(block->scan, block->index, option, NULL);
}

void block_complain(const struct block *block, const char *option, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const struct scan_entry *entry = find(block, option);
    report_add(block->report, entry == NULL ? block->line : entry->line, "%s%s", block->label, text);
}

void block_refuse_quoted_numbers(const struct block *block)
{
    const cfg_opt_t *option;
    for (unsigned i = 0; (option = cfg_getnopt(block->cfg, i)) != NULL; i++) {
        if (option->type != CFGT_INT && option->type != CFGT_FLOAT)
            continue;
        const struct scan_entry *entry = find(block, option->name);
        if (entry != NULL && entry->is_quoted)
            block_complain(block, option->name, "%s: numbers stand without quotes", option->name);
    }
}

static struct block enter(const struct block *parent, const char *name, cfg_t *cfg,
                          const struct scan_entry *entry)
{
    struct block child = *parent;
    child.cfg = cfg;
    // A block that may stand once exists with its defaults even when the file does not have it.
    child.index = entry == NULL ? SIZE_MAX : (size_t)(entry - parent->scan->entries);
    child.line = entry == NULL ? parent->line : entry->line;
    const char *title = schema_title(cfg);
    if (title == NULL)
        snprintf(child.label, sizeof child.label, "%s: ", name);
    else
        snprintf(child.label, sizeof child.label, "%s \"%.63s\": ", name, title);
    block_refuse_quoted_numbers(&child);
    return child;
}

struct block block_child(const struct block *parent, const char *name, unsigned position)
{
    cfg_t *cfg = cfg_getnsec(parent->cfg, name, position);
    const char *title = schema_title(cfg);
    struct block child =
        enter(parent, name, cfg, scan_find(parent->scan, parent->index, name, title == NULL ? "" : title));
    if (title != NULL && !block_is_name(title))
        report_add(
            child.report, child.line,
            "%sthe title is no name: letters, digits, '.', '_', '-', at most %d, the first a letter or digit",
            child.label, NAME_BYTES_MAX);
    return child;
}

struct block block_repeated(const struct block *parent, const char *name, unsigned position)
{
    return enter(parent, name, cfg_getnsec(parent->cfg, name, position),
                 scan_nth(parent->scan, parent->index, name, position));
}

char *block_title(const struct block *block)
{
    return copy(block, schema_title(block->cfg));
}

void *block_rows(const struct block *parent, const char *name, size_t size, size_t *out_count)
{
    size_t count = cfg_size(parent->cfg, name);
    void *rows = count == 0 ? NULL : calloc(count, size);
    if (rows == NULL && count > 0)
        parent->report->error = ERR_MEMORY;
    *out_count = rows == NULL ? 0 : count;
    return rows;
}

bool block_has(const struct block *block, const char *option)
{
    return find(block, option) != NULL;
}

int block_line(const struct block *block, const char *option)
{
    const struct scan_entry *entry = find(block, option);
    return entry == NULL ? 0 : entry->line;
}

size_t block_number(const struct block *block, const char *option, size_t smallest, size_t largest)
{
    long value = cfg_getint(block->cfg, option);
    if (value >= 0 && (size_t)value >= smallest && (size_t)value <= largest)
        return (size_t)value;
    if (!block_has(block, option))
        block_complain(block, option, "%s is missing", option);
    else
        block_complain(block, option, "%s must be %zu..%zu", option, smallest, largest);
    return 0;
}

double block_fraction(const struct block *block, const char *option, double largest)
{
    double value = cfg_getfloat(block->cfg, option);
    if (value > 0 && value <= largest) // not so for NaN
        return value;
    block_complain(block, option, "%s must be above 0 and at most %g", option, largest);
    return 0;
}

unsigned block_milliseconds(const struct block *block, const char *option, unsigned smallest_ms,
                            unsigned largest_ms)
{
    double value_ms = cfg_getfloat(block->cfg, option) * 1000;
    if (value_ms >= smallest_ms && value_ms <= largest_ms) // not so for NaN
        return (unsigned)(value_ms + 0.5);
    block_complain(block, option, "%s must be %g..%g seconds", option, smallest_ms / 1000.0,
                   largest_ms / 1000.0);
    return 0;
}

bool block_switch(const struct block *block, const char *option)
{
    return cfg_getbool(block->cfg, option) == cfg_true;
}

// The text as libconfuse keeps it; NULL when it is absent or empty.
static const char *peek(const struct block *block, const char *option, enum block_need need)
{
    const char *text = cfg_getstr(block->cfg, option);
    if (text != NULL && text[0] != '\0')
        return text;
    if (need == BLOCK_REQUIRED)
        block_complain(block, option, "%s is %s", option, text == NULL ? "missing" : "empty");
    return NULL;
}

char *block_text(const struct block *block, const char *option, enum block_need need)
{
    const char *text = peek(block, option, need);
    return text == NULL ? NULL : copy(block, text);
}

static char *absolute(const struct block *block, const char *text)
{
    char *path = NULL;
    if (text[0] == '/')
        return copy(block, text);
    if (asprintf(&path, "%s/%s", block->folder, text) < 0) {
        block->report->error = ERR_MEMORY;
        return NULL;
    }
    return path;
}

char *block_path(const struct block *block, const char *option, enum block_need need)
{
    const char *text = peek(block, option, need);
    return text == NULL ? NULL : absolute(block, text);
}

static const struct schema_word *look_up(const struct block *block, const char *option, const char *text,
                                         const struct schema_word *table)
{
    const struct schema_word *word = schema_find(table, text);
    if (word != NULL)
        return word;
    char known[200] = "";
    for (size_t used = 0; table->name != NULL && used < sizeof known; table++)
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", used == 0 ? "" : ", ", table->name);
    block_complain(block, option, "%s: \"%s\" is none of: %s", option, text, known);
    return NULL;
}

unsigned block_word(const struct block *block, const char *option, const struct schema_word *table)
{
    const char *text = peek(block, option, BLOCK_REQUIRED);
    const struct schema_word *word = text == NULL ? NULL : look_up(block, option, text, table);
    return word == NULL ? 0 : word->value;
}

unsigned block_set(const struct block *block, const char *option, const struct schema_word *table)
{
    unsigned set = 0;
    for (unsigned i = 0; i < cfg_size(block->cfg, option); i++) {
        const struct schema_word *word = look_up(block, option, cfg_getnstr(block->cfg, option, i), table);
        if (word != NULL)
            set |= word->value;
    }
    return set;
}

static bool contains(char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static char **read_list(const struct block *block, const char *option,
                        char *(*make)(const struct block *, const char *), size_t *out_count)
{
    unsigned given = cfg_size(block->cfg, option);
    char **items = calloc((size_t)given + 1, sizeof *items);
    size_t count = 0;
    for (unsigned i = 0; i < given && items != NULL; i++) {
        char *item = make(block, cfg_getnstr(block->cfg, option, i));
        if (item == NULL)
            break;
        if (contains(items, count, item)) {
            block_complain(block, option, "%s: \"%s\" is listed twice", option, item);
            free(item);
            continue;
        }
        items[count++] = item;
    }
    if (items == NULL)
        block->report->error = ERR_MEMORY;
    *out_count = count;
    return items;
}

char **block_names(const struct block *block, const char *option, size_t *out_count)
{
    return read_list(block, option, copy, out_count);
}

char **block_paths(const struct block *block, const char *option, size_t *out_count)
{
    for (unsigned i = 0; i < cfg_size(block->cfg, option); i++) {
        if (cfg_getnstr(block->cfg, option, i)[0] == '\0')
            block_complain(block, option, "%s: a path is empty", option);
    }
    return read_list(block, option, absolute, out_count);
}
