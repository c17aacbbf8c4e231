// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the configuration share: a small valid file of which one line is replaced, and a
// folder to write it to. Included once by each test program.
#pragma once

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

// A small valid file, line by line. Tests replace one line and look at what is said about it.
static const char *const valid[] = {
    "tls { certificate = \"t.pem\" }",
    "audit { file = \"a.log\" }",
    "slot \"main\" { module = \"/m.so\" token = \"t\" pin_file = \"pin\" }",
    "tenant \"demo\" { id = 1",
    "keys 1 { state = \"current\" }",
    "client \"shop\" { id = 11 apis = {\"card\", \"transform\"} roles = {\"pan\"} }",
    "transformation \"cc\" { id = 1 template = \"builtin/creditcardnumber\" }",
    "role \"pan\" { transformations = {\"cc\"} }",
    "}",
    "",
};
enum { TLS = 1, AUDIT, SLOT, TENANT, KEYS, CLIENT, TRANSFORMATION, ROLE, TENANT_END, TOP, LINES = TOP };

static char folder[64], path[96];

static inline int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/config_test_XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/c", folder);
    return 0;
}

static inline int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static inline void write_file(const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static inline void write_with(int line, const char *replacement)
{
    BUF text = {0};
    for (int i = 1; i <= LINES; i++) {
        buf_text(&text, i == line ? replacement : valid[i - 1]);
        buf_byte(&text, '\n');
    }
    write_file(text.at, text.len);
}

// Loads the file; *out_report is what was said, each line without the path, to be freed by the caller.
static inline enum err load(struct config **out_config, char **out_report)
{
    BUF report = {0};
    *out_config = NULL;
    enum err rc = config_load(path, out_config, &report);
    assert_int_equal(rc == OK, *out_config != NULL);
    buf_byte(&report, '\0');
    char *stripped = calloc(1, report.len), *to = stripped;
    for (const char *from = report.at; *from != '\0';) {
        assert_memory_equal(from, path, strlen(path));
        from += strlen(path) + 1;
        size_t len = strcspn(from, "\n") + 1;
        memcpy(to, from, len);
        to += len;
        from += len;
    }
    *out_report = stripped;
    return rc;
}

static inline struct config *load_good(void)
{
    struct config *config;
    char *report;
    if (load(&config, &report) != OK)
        fail_msg("%s", report);
    assert_string_equal(report, "");
    free(report);
    return config;
}

static inline void assert_file_refused(const char *expected)
{
    struct config *config;
    char *report;
    assert_int_equal(load(&config, &report), ERR_CONFIG);
    assert_string_equal(report, expected);
    free(report);
}

// A line of the valid file, what stands there instead, and what is then said.
struct wrong {
    int line;
    const char *text, *report;
};

static inline void assert_refused(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        write_with(wrong[i].line, wrong[i].text);
        assert_file_refused(wrong[i].report);
    }
}
#define ASSERT_REFUSED(table) assert_refused(table, sizeof(table) / sizeof *(table))
