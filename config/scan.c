// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/scan.h"

#include "config/schema.h"

#include <stdlib.h>
#include <string.h>

enum token { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_MARK, TOKEN_REFUSED };

struct scanner {
    char *at;
    int line;
    struct report *report;
    struct scan *scan;
    size_t block; // the innermost open one
    bool unicode; // strings of this statement may hold more than ASCII
    // the token read last
    enum token token;
    struct slice text; // a string's without its quotes
    int token_line;
};

static bool is_word_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-' || byte == '.';
}

static bool is_printable(char byte)
{
    return byte >= 0x20 && byte <= 0x7e;
}

// ---- tokens ---------------------------------------------------------------------------------------

static void skip_blank(struct scanner *scanner)
{
    for (; *scanner->at == ' ' || *scanner->at == '\t' || *scanner->at == '\n' || *scanner->at == '#';
         scanner->at++) {
        if (*scanner->at == '\n')
            scanner->line++;
        if (*scanner->at != '#')
            continue;
        size_t len = strcspn(scanner->at, "\n");
        memset(scanner->at, ' ', len);
        scanner->at += len - 1;
    }
}

static enum token refuse_byte(struct scanner *scanner, char byte)
{
    const char *why = "use plain words and \"...\"";
    if (byte == '$')
        why = "environment variables are not expanded; to mean the character, use single quotes";
    else if (byte == '\\')
        why = "there are no escape sequences; to mean the character, use single quotes";
    if (is_printable(byte))
        report_add(scanner->report, scanner->line, "unexpected character '%c': %s", byte, why);
    else
        report_add(scanner->report, scanner->line,
                   "unexpected byte 0x%02x: only ASCII text, tabs and line "
                   "feeds may stand outside comments",
                   (unsigned char)byte);
    return TOKEN_REFUSED;
}

// In double quotes libconfuse expands $ and drops backslashes; in single quotes it leaves both alone.
static bool may_stand_in_string(const struct scanner *scanner, char quote)
{
    char byte = *scanner->at;
    if ((unsigned char)byte >= 0x80)
        return scanner->unicode;
    return is_printable(byte) && (quote == '\'' || (byte != '$' && byte != '\\'));
}

static enum token take_string(struct scanner *scanner)
{
    char quote = *scanner->at;
    const char *start = ++scanner->at;
    for (; *scanner->at != quote; scanner->at++) {
        if (*scanner->at == '\n' || *scanner->at == '\0') {
            report_add(scanner->report, scanner->line, "the string does not end on its line");
            return TOKEN_REFUSED;
        }
        if (!may_stand_in_string(scanner, quote))
            return refuse_byte(scanner, *scanner->at);
        // The two escape sequences of single quotes.
        if (*scanner->at == '\\' && (scanner->at[1] == quote || scanner->at[1] == '\\'))
            scanner->at++;
    }
    scanner->text = (struct slice){start, (size_t)(scanner->at - start)};
    scanner->at++;
    return TOKEN_STRING;
}

static enum token take_word(struct scanner *scanner)
{
    const char *start = scanner->at;
    while (is_word_byte(*scanner->at))
        scanner->at++;
    scanner->text = (struct slice){start, (size_t)(scanner->at - start)};
    return TOKEN_WORD;
}

static enum token next_token(struct scanner *scanner)
{
    skip_blank(scanner);
    scanner->token_line = scanner->line;
    char byte = *scanner->at;
    if (byte == '\0')
        return scanner->token = TOKEN_END;
    if (byte == '"' || byte == '\'')
        return scanner->token = take_string(scanner);
    if (is_word_byte(byte))
        return scanner->token = take_word(scanner);
    if (strchr("{}=,", byte) == NULL)
        return scanner->token = refuse_byte(scanner, byte);
    scanner->text = (struct slice){scanner->at++, 1};
    return scanner->token = TOKEN_MARK;
}

static bool is_mark(const struct scanner *scanner, char mark)
{
    return scanner->token == TOKEN_MARK && *scanner->text.at == mark;
}

static bool is_value(const struct scanner *scanner)
{
    return scanner->token == TOKEN_WORD || scanner->token == TOKEN_STRING;
}

// ---- entries --------------------------------------------------------------------------------------

static const struct scan_entry *find(const struct scan *scan, const struct scan_entry *like)
{
    for (size_t i = scan->count; i-- > like->parent + 1;) { // children stand behind their block
        const struct scan_entry *entry = &scan->entries[i];
        if (entry->parent == like->parent && entry->is_block == like->is_block &&
            slice_equal(entry->name, like->name) && slice_equal(entry->title, like->title))
            return entry;
    }
    return NULL;
}

const struct scan_entry *scan_find(const struct scan *scan, size_t parent, const char *name,
                                   const char *title)
{
    struct scan_entry like = {.name = {name, strlen(name)}, .is_block = title != NULL, .parent = parent};
    if (title != NULL)
        like.title = (struct slice){title, strlen(title)};
    return find(scan, &like);
}

const struct scan_entry *scan_nth(const struct scan *scan, size_t parent, const char *name, size_t position)
{
    struct slice wanted = {name, strlen(name)};
    for (size_t i = parent + 1; i < scan->count; i++) {
        const struct scan_entry *entry = &scan->entries[i];
        if (entry->parent == parent && entry->is_block && slice_equal(entry->name, wanted) && position-- == 0)
            return entry;
    }
    return NULL;
}

static void report_duplicate(struct scanner *scanner, const struct scan_entry *entry, int first_line)
{
    const char *space = entry->title.len > 0 ? " \"" : "", *quote = entry->title.len > 0 ? "\"" : "";
    report_add(scanner->report, entry->line, "%.*s%s%.*s%s is already set on line %d", (int)entry->name.len,
               entry->name.at, space, (int)entry->title.len, entry->title.at, quote, first_line);
}

static enum err push(struct scan *scan, const struct scan_entry *entry)
{
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity * 2 + 64;
        struct scan_entry *more = reallocarray(scan->entries, capacity, sizeof *more);
        if (more == NULL)
            return ERR_MEMORY;
        scan->entries = more;
        scan->capacity = capacity;
    }
    scan->entries[scan->count++] = *entry;
    return OK;
}

static enum err note(struct scanner *scanner, struct scan_entry *entry)
{
    entry->parent = scanner->block;
    bool repeats = entry->is_block && schema_titles_repeat(entry->name);
    const struct scan_entry *earlier = repeats ? NULL : find(scanner->scan, entry);
    if (earlier != NULL)
        report_duplicate(scanner, entry, earlier->line);
    return push(scanner->scan, entry);
}

// ---- statements -----------------------------------------------------------------------------------

// libconfuse would read 010 as eight.
static void check_decimal(struct scanner *scanner)
{
    struct slice text = scanner->text;
    bool octal_or_hex = text.len > 1 && text.at[0] == '0' && text.at[1] != '.';
    if (scanner->token == TOKEN_WORD && octal_or_hex)
        report_add(scanner->report, scanner->token_line, "%.*s: numbers are decimal, without leading zeros",
                   (int)text.len, text.at);
}

// Returns whether a value, or a list of values in braces, was read to its end.
static bool take_value(struct scanner *scanner)
{
    next_token(scanner);
    if (is_value(scanner)) {
        check_decimal(scanner);
        return true;
    }
    if (!is_mark(scanner, '{'))
        return false;
    do
        next_token(scanner);
    while (is_value(scanner) || is_mark(scanner, ','));
    return is_mark(scanner, '}');
}

static void stop(struct scanner *scanner)
{
    scanner->scan->stopped_line = scanner->token_line;
    scanner->token = scanner->token == TOKEN_REFUSED ? TOKEN_REFUSED : TOKEN_END;
}

// The scanner stands on the statement's name: "name = value", "name {" or "name title {".
static enum err take_statement(struct scanner *scanner)
{
    enum err rc = OK;
    struct scan_entry entry = {.name = scanner->text, .line = scanner->token_line};
    next_token(scanner);
    if (is_mark(scanner, '=')) {
        TRY(note(scanner, &entry));
        scanner->unicode = schema_is_unicode(entry.name);
        if (!take_value(scanner))
            stop(scanner);
        scanner->unicode = false;
        scanner->scan->entries[scanner->scan->count - 1].is_quoted = scanner->token == TOKEN_STRING;
        goto out;
    }
    if (is_value(scanner)) {
        entry.title = scanner->text;
        if (scanner->text.at[-1] == '\'') // it could hold escape sequences
            report_add(scanner->report, scanner->token_line, "titles stand in double quotes or in none");
        next_token(scanner);
    }
    entry.is_block = true;
    TRY(note(scanner, &entry));
    scanner->block = scanner->scan->count - 1;
    if (!is_mark(scanner, '{'))
        stop(scanner);
out:
    return rc;
}

// libconfuse takes the end of the file for a closing brace.
static void report_unclosed(struct scanner *scanner)
{
    const struct scan_entry *block = &scanner->scan->entries[scanner->block];
    report_add(scanner->report, block->line, "the block %.*s is not closed", (int)block->name.len,
               block->name.at);
}

static enum err take_all(struct scanner *scanner)
{
    enum err rc = OK;
    do {
        next_token(scanner);
        if (scanner->token == TOKEN_WORD)
            TRY(take_statement(scanner));
        else if (is_mark(scanner, '}') && scanner->block != SCAN_ROOT)
            scanner->block = scanner->scan->entries[scanner->block].parent;
        else if (scanner->token != TOKEN_END)
            stop(scanner);
        else if (scanner->block != SCAN_ROOT)
            report_unclosed(scanner);
    } while (scanner->token != TOKEN_END && scanner->token != TOKEN_REFUSED);
    REQUIRE(scanner->token != TOKEN_REFUSED, ERR_CONFIG);
out:
    return rc;
}

enum err scan_text(char *text, struct report *report, struct scan *out_scan)
{
    enum err rc = OK;
    struct scan scan = {0};
    struct scanner scanner = {.at = text, .line = 1, .report = report, .scan = &scan, .block = SCAN_ROOT};
    TRY(push(&scan, &(struct scan_entry){.is_block = true, .line = 1}));
    TRY(take_all(&scanner));
    *out_scan = scan;
    scan = (struct scan){0};
out:
    scan_done(&scan);
    return rc;
}

void scan_done(struct scan *scan)
{
    free(scan->entries);
    *scan = (struct scan){0};
}
