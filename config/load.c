// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/config.h"

#include "config/check.h"
#include "config/read.h"
#include "config/report.h"
#include "config/scan.h"
#include "config/schema.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1024 * 1024 };

// ---- the file -------------------------------------------------------------------------------------

// At most FILE_BYTES_MAX + 1 bytes; errno tells why it failed.
static enum err read_file(const char *path, struct buf *out_text)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return ERR_IO;
    char *room = buf_reserve(out_text, FILE_BYTES_MAX + 2);
    if (room != NULL)
        out_text->len = fread(room, 1, FILE_BYTES_MAX + 1, file);
    bool failed = ferror(file) != 0;
    int reason = errno;
    fclose(file);
    errno = reason;
    if (room == NULL)
        return ERR_MEMORY;
    return failed ? ERR_IO : OK;
}

static int line_at(const struct buf *text, size_t offset)
{
    int line = 1;
    for (size_t i = 0; i < offset; i++)
        line += text->at[i] == '\n';
    return line;
}

// Leaves a NUL-terminated text without NULs inside.
static enum err read_text(const char *path, struct report *report, struct buf *out_text)
{
    enum err rc = read_file(path, out_text);
    if (rc == ERR_IO)
        report_add(report, 0, "cannot be read: %s", strerror(errno));
    if (rc != OK)
        return rc;
    const char *nul = memchr(out_text->at, '\0', out_text->len);
    if (nul != NULL) {
        report_add(report, line_at(out_text, (size_t)(nul - out_text->at)), "the file holds a NUL byte");
        return ERR_CONFIG;
    }
    if (out_text->len > FILE_BYTES_MAX) {
        report_add(report, 0, "the file is larger than %d bytes", FILE_BYTES_MAX);
        return ERR_CONFIG;
    }
    buf_byte(out_text, '\0');
    return out_text->error;
}

static enum err folder_of(struct report *report, char **out_folder)
{
    char *copy = strdup(report->file);
    if (copy == NULL)
        return ERR_MEMORY;
    *out_folder = realpath(dirname(copy), NULL);
    free(copy);
    if (*out_folder != NULL)
        return OK;
    report_add(report, 0, "its folder cannot be found: %s", strerror(errno));
    return ERR_IO;
}

// ---- libconfuse -----------------------------------------------------------------------------------

// Its lexer keeps global state and its error function gets no context, so neither can we.
static struct report *parse_report;

static void report_parse_error(cfg_t *cfg, const char *format, va_list args)
{
    report_add_args(parse_report, cfg->line, format, args);
}

static enum err parse(const char *text, const struct scan *scan, struct report *report, cfg_t **out_cfg)
{
    cfg_t *cfg = schema_new();
    if (cfg == NULL)
        return ERR_MEMORY;
    size_t before = report->count;
    parse_report = report;
    cfg_set_error_function(cfg, report_parse_error);
    bool good = cfg_parse_buf(cfg, text) == CFG_SUCCESS;
    parse_report = NULL;
    // Either of the two may find what the other passes over; nothing is loaded unless both agree.
    if (good && scan->stopped_line == 0) {
        *out_cfg = cfg;
        return OK;
    }
    if (report->count == before)
        report_add(report, scan->stopped_line == 0 ? cfg->line : scan->stopped_line, "syntax error");
    cfg_free(cfg);
    return ERR_CONFIG;
}

// ---- loading --------------------------------------------------------------------------------------

static enum err build(cfg_t *cfg, const struct scan *scan, struct report *report, struct config **out_config)
{
    enum err rc = OK;
    char *folder = NULL;
    struct config *config = calloc(1, sizeof *config);
    REQUIRE(config != NULL, ERR_MEMORY);
    config->file = strdup(report->file);
    REQUIRE(config->file != NULL, ERR_MEMORY);
    TRY(folder_of(report, &folder));
    struct block root = {
        .cfg = cfg, .scan = scan, .report = report, .folder = folder, .index = SCAN_ROOT, .line = 1};
    read_config(&root, config);
    TRY(report->error);
    check_config(config, report);
    REQUIRE(report->count == 0, ERR_CONFIG);
    *out_config = config;
    config = NULL;
out:
    config_free(config);
    free(folder);
    return rc;
}

static enum err load(const char *path, struct report *report, struct config **out_config)
{
    enum err rc = OK;
    BUF text = {0};
    struct scan scan = {0};
    cfg_t *cfg = NULL;
    TRY(read_text(path, report, &text));
    TRY(scan_text(text.at, report, &scan));
    TRY(parse(text.at, &scan, report, &cfg));
    TRY(build(cfg, &scan, report, out_config));
out:
    if (cfg != NULL)
        cfg_free(cfg);
    scan_done(&scan);
    return rc;
}

enum err config_load(const char *path, struct config **out_config, struct buf *out_report)
{
    struct report report = {.file = path};
    struct config *config = NULL;
    enum err rc = load(path, &report, &config);
    enum err printed = report_print(&report, out_report);
    if (rc == OK || printed == ERR_MEMORY)
        rc = printed;
    report_done(&report);
    if (rc == OK)
        *out_config = config;
    else
        config_free(config);
    return rc;
}

// ---- freeing --------------------------------------------------------------------------------------

static void free_names(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

static void done_slot(struct config_slot *slot)
{
    free(slot->name);
    free(slot->module);
    free(slot->arguments);
    free(slot->token);
    free(slot->serial);
    free(slot->pin_file);
}

static void done_client(struct config_client *client)
{
    for (size_t i = 0; i < client->range_count; i++)
        free(client->ranges[i].prefix);
    free(client->ranges);
    free(client->name);
    free_names(client->roles);
    free_names(client->accounts);
    free_names(client->public_keys);
    free(client->display_name);
}

static void done_account(struct config_account *account)
{
    for (size_t i = 0; i < account->expiry_count; i++)
        free(account->expiries[i].status);
    free(account->expiries);
    free_names(account->customers);
    free(account->id);
}

static void done_transformation(struct config_transformation *transformation)
{
    free(transformation->name);
    free(transformation->template);
    free(transformation->of);
    free(transformation->pattern);
    free(transformation->alphabet);
}

static void done_tenant(struct config_tenant *tenant)
{
    for (size_t i = 0; i < tenant->alphabet_count; i++) {
        free(tenant->alphabets[i].name);
        free(tenant->alphabets[i].characters);
    }
    for (size_t i = 0; i < tenant->client_count; i++)
        done_client(&tenant->clients[i]);
    for (size_t i = 0; i < tenant->account_count; i++)
        done_account(&tenant->accounts[i]);
    for (size_t i = 0; i < tenant->transformation_count; i++)
        done_transformation(&tenant->transformations[i]);
    for (size_t i = 0; i < tenant->role_count; i++) {
        free(tenant->roles[i].name);
        free_names(tenant->roles[i].transformations);
    }
    free(tenant->name);
    free(tenant->generations);
    free(tenant->alphabets);
    free(tenant->clients);
    free(tenant->accounts);
    free(tenant->transformations);
    free(tenant->roles);
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < config->slot_count; i++)
        done_slot(&config->slots[i]);
    for (size_t i = 0; i < config->tenant_count; i++)
        done_tenant(&config->tenants[i]);
    free(config->file);
    free(config->listen.host);
    free(config->operations_listen.host);
    free(config->certificate_file);
    free(config->tls_key);
    free(config->client_ca_file);
    free(config->audit_file);
    free(config->store_file);
    free(config->customers.issuer);
    free(config->requests.public_url);
    free(config->requests.realm);
    free(config->log_level);
    free(config->slots);
    free(config->tenants);
    free(config);
}
