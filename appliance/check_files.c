// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/check_files.h"

#include "appliance/base/secret.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIN_BYTES_MAX = 255 };

struct findings {
    const char *config_file;
    struct buf *report;
    size_t count;
};

static void add(struct findings *findings, int line, const char *what, const char *path, const char *why)
{
    buf_text(findings->report, findings->config_file);
    if (line > 0)
        buf_printf(findings->report, ":%d", line);
    buf_text(findings->report, ": warning: ");
    buf_text(findings->report, what);
    buf_text(findings->report, " ");
    buf_text(findings->report, path);
    buf_text(findings->report, ": ");
    buf_text(findings->report, why);
    buf_text(findings->report, "\n");
    findings->count++;
}

static void look_at_file(struct findings *findings, int line, const char *what, const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0)
        add(findings, line, what, path, strerror(errno));
    else if (!S_ISREG(status.st_mode))
        add(findings, line, what, path, "not a regular file");
    else if (access(path, R_OK) != 0)
        add(findings, line, what, path, strerror(errno));
}

// Read as serving reads it, so that the same things are wrong with it.
static void look_at_pin(struct findings *findings, const struct config_slot *slot)
{
    SECRET pin = {0};
    struct diag diag = {0};
    if (secret_read_file(slot->pin_file, PIN_BYTES_MAX, &pin, &diag) == OK)
        return;
    const size_t path_len = strlen(slot->pin_file);
    const bool named = strncmp(diag.text, slot->pin_file, path_len) == 0 && diag.text[path_len] == ':';
    add(findings, slot->line, "PIN file", slot->pin_file,
        named ? diag.text + path_len + 2 : "cannot be read");
}

// A file that serving creates, and whose neighbours it may create.
static void look_at_folder_of(struct findings *findings, const char *what, const char *path)
{
    struct stat status;
    char *copy = strdup(path);
    const char *folder = copy != NULL ? dirname(copy) : ".";
    if (stat(folder, &status) != 0)
        add(findings, 0, what, path, strerror(errno));
    else if (access(folder, W_OK | X_OK) != 0)
        add(findings, 0, what, path, "its folder cannot be written to");
    else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        add(findings, 0, what, path, "not a regular file");
    else if (access(path, F_OK) == 0 && access(path, R_OK | W_OK) != 0)
        add(findings, 0, what, path, strerror(errno));
    free(copy);
}

size_t check_files(const struct config *config, struct buf *out_report)
{
    struct findings findings = {.config_file = config->file, .report = out_report};
    if (!config->plain_http)
        look_at_file(&findings, 0, "certificate", config->certificate_file);
    if (!config->plain_http && config->client_ca_file != NULL)
        look_at_file(&findings, 0, "client_ca", config->client_ca_file);
    for (size_t i = 0; i < config->slot_count; i++) {
        look_at_file(&findings, config->slots[i].line, "module", config->slots[i].module);
        look_at_pin(&findings, &config->slots[i]);
    }
    look_at_folder_of(&findings, "audit file", config->audit_file);
    if (config->store_file != NULL)
        look_at_folder_of(&findings, "store", config->store_file);
    return findings.count;
}
