// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/reload.h"

#include <stdio.h>
#include <string.h>

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_address(const struct config_address *a, const struct config_address *b)
{
    return same_text(a->host, b->host) && a->port == b->port;
}

// session_idle is looked at by every request.
static bool same_serial(const struct config_serial *a, const struct config_serial *b)
{
    return a->min_tokens == b->min_tokens && a->max_tokens == b->max_tokens &&
           a->min_digits == b->min_digits && a->max_digits == b->max_digits && a->max_cells == b->max_cells;
}

static bool same_slot(const struct config_slot *a, const struct config_slot *b)
{
    return same_text(a->module, b->module) && same_text(a->arguments, b->arguments) &&
           same_text(a->token, b->token) && same_text(a->serial, b->serial) &&
           same_text(a->pin_file, b->pin_file) && a->lanes == b->lanes && a->priority == b->priority &&
           a->call_timeout_ms == b->call_timeout_ms && a->replica == b->replica && a->isolate == b->isolate;
}

// Always returns true.
static bool tell(const struct config *config, int line, const char *what, const char *title,
                 struct diag *diag)
{
    char place[16] = "";
    if (line != 0)
        snprintf(place, sizeof place, ":%d", line);
    (void)diag_add(diag, ERR_CONFIG, "%s%s: %s%s changes with a restart only", config->file, place, what,
                   title);
    return true;
}

static const struct config_slot *find_slot(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->slot_count; i++) {
        if (strcmp(config->slots[i].name, name) == 0)
            return &config->slots[i];
    }
    return NULL;
}

static bool slots_differ(const struct config *running, const struct config *next, struct diag *diag)
{
    bool differ = false;
    for (size_t i = 0; i < next->slot_count; i++) {
        const struct config_slot *slot = &next->slots[i], *before = find_slot(running, slot->name);
        if (before == NULL || !same_slot(before, slot))
            differ = tell(next, slot->line, "slot ", slot->name, diag);
    }
    for (size_t i = 0; i < running->slot_count; i++) {
        if (find_slot(next, running->slots[i].name) == NULL)
            differ = tell(next, 0, "removing slot ", running->slots[i].name, diag);
    }
    return differ;
}

bool config_needs_restart(const struct config *running, const struct config *next, struct diag *diag)
{
    const struct config *a = running, *b = next;
    const struct config_lines *lines = &next->lines;
    const struct {
        const char *option;
        int line;
        bool same;
    } rows[] = {
        {"listen", lines->listen, same_address(&a->listen, &b->listen)},
        {"operations_listen", lines->operations_listen,
         same_address(&a->operations_listen, &b->operations_listen)},
        {"plain_http", lines->plain_http, a->plain_http == b->plain_http},
        {"connections", lines->connections, a->connections == b->connections},
        {"header_timeout", lines->header_timeout, a->header_timeout_s == b->header_timeout_s},
        {"idle_timeout", lines->idle_timeout, a->idle_timeout_s == b->idle_timeout_s},
        {"body_limit", lines->body_limit, a->body_limit_bytes == b->body_limit_bytes},
        {"tls key", lines->tls_key, same_text(a->tls_key, b->tls_key)},
        {"audit file", lines->audit_file, same_text(a->audit_file, b->audit_file)},
        {"audit sync", lines->audit_sync, a->audit_always == b->audit_always},
        {"store file", lines->store_file, same_text(a->store_file, b->store_file)},
        {"serial (but for session_idle)", lines->serial, same_serial(&a->serial, &b->serial)},
        {"requests realm", lines->realm, same_text(a->requests.realm, b->requests.realm)},
    };
    bool needed = false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].same)
            needed = tell(next, rows[i].line, rows[i].option, "", diag);
    }
    return slots_differ(running, next, diag) || needed;
}
