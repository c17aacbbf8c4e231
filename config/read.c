// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/read.h"

#include "config/tenant.h"
#include "config/url.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

// Limits of the limits: beyond them a value is a slip of the pen.
enum {
    LANES_MAX = 64,
    PRIORITY_MAX = 100,
    CALL_TIMEOUT_MIN_MS = 100,
    CALL_TIMEOUT_MAX_MS = 600000,
    CONNECTIONS_MAX = 16384, // a thread each
    HEADER_TIMEOUT_MAX_S = 300,
    TIMEOUT_MAX_S = 3600,
    BODY_MIN_BYTES = 1024,
    BODY_MAX_BYTES = 1024 * 1024 * 1024,
    SERIAL_DIGITS_MAX = 100,
    SESSION_IDLE_MIN_S = 60, // its use is noted to the minute
    SESSION_IDLE_MAX_S = 366 * 86400,
    TOKEN_LIFE_MIN_S = 60,
    TOKEN_LIFE_MAX_S = 30 * 86400,
    REALM_BYTES_MAX = 16,
    LIFETIME_MIN_S = 60,
    LIFETIME_MAX_S = 366 * 86400,
};
static const size_t serial_tokens_max = (size_t)1 << 40;
static const size_t memory_max_bytes = (size_t)64 * 1024 * 1024 * 1024;

// ---- addresses ------------------------------------------------------------------------------------

static bool is_numeric_host(const char *host, bool bracketed)
{
    struct in6_addr ignored;
    return inet_pton(bracketed ? AF_INET6 : AF_INET, host, &ignored) == 1;
}

// "127.0.0.1:8443" or "[::1]:8443".
static bool split_address(char *text, struct config_address *out)
{
    bool bracketed = text[0] == '[';
    char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text)
        return false;
    if (bracketed && colon[-1] != ']')
        return false;
    colon[bracketed ? -1 : 0] = '\0';
    const char *host = text + (bracketed ? 1 : 0);
    unsigned port = block_16_bits(colon + 1);
    if (port == 0 || !is_numeric_host(host, bracketed))
        return false;
    *out = (struct config_address){.host = strdup(host), .port = port};
    return true;
}

static struct config_address read_address(const struct block *root, const char *option)
{
    struct config_address address = {0};
    char *text = block_text(root, option, BLOCK_REQUIRED);
    if (text == NULL)
        return address;
    if (!split_address(text, &address))
        block_complain(root, option, "%s must be a numeric address and a port: 127.0.0.1:8443 or [::1]:8443",
                       option);
    else if (address.host == NULL)
        root->report->error = ERR_MEMORY;
    free(text);
    return address;
}

static bool is_loopback(const struct config_address *address)
{
    return address->host == NULL || strncmp(address->host, "127.", 4) == 0 ||
           strcmp(address->host, "::1") == 0;
}

static struct config_address default_operations(const struct block *root, const struct config_address *listen)
{
    struct config_address address = {.host = strdup("127.0.0.1"), .port = listen->port + 1};
    if (address.host == NULL)
        root->report->error = ERR_MEMORY;
    if (address.port > 65535)
        block_complain(root, "listen", "operations_listen is missing: there is no port after 65535");
    return address;
}

static void read_addresses(const struct block *root, struct config *config)
{
    config->plain_http = block_switch(root, "plain_http");
    config->listen = read_address(root, "listen");
    config->operations_listen = block_has(root, "operations_listen")
                                    ? read_address(root, "operations_listen")
                                    : default_operations(root, &config->listen);
    if (config->listen.port != 0 && config->listen.port == config->operations_listen.port)
        block_complain(root, "operations_listen", "operations_listen and listen must have different ports");
    if (config->plain_http && !is_loopback(&config->listen))
        block_complain(root, "listen", "listen must be a loopback address when plain_http is on");
    if (config->plain_http && !is_loopback(&config->operations_listen))
        block_complain(root, "operations_listen",
                       "operations_listen must be a loopback address when plain_http is on");
}

// ---- top level, tls, audit ------------------------------------------------------------------------

static void read_limits(const struct block *root, struct config *config)
{
    config->connections = (unsigned)block_number(root, "connections", 1, CONNECTIONS_MAX);
    config->connections_per_address =
        (unsigned)block_number(root, "connections_per_address", 1, CONNECTIONS_MAX);
    config->header_timeout_s = (unsigned)block_number(root, "header_timeout", 1, HEADER_TIMEOUT_MAX_S);
    config->idle_timeout_s = (unsigned)block_number(root, "idle_timeout", 1, TIMEOUT_MAX_S);
    config->drain_timeout_s = (unsigned)block_number(root, "drain_timeout", 1, TIMEOUT_MAX_S);
    config->body_limit_bytes = block_number(root, "body_limit", BODY_MIN_BYTES, BODY_MAX_BYTES);
    config->memory_in_flight_bytes = block_number(root, "memory_in_flight", BODY_MIN_BYTES, memory_max_bytes);
    if (config->memory_in_flight_bytes != 0 && config->memory_in_flight_bytes < config->body_limit_bytes)
        block_complain(root, "memory_in_flight", "memory_in_flight must not be less than body_limit");
}

static void note_lines(const struct block *root, struct config_lines *lines)
{
    lines->listen = block_line(root, "listen");
    lines->operations_listen = block_line(root, "operations_listen");
    lines->plain_http = block_line(root, "plain_http");
    lines->connections = block_line(root, "connections");
    lines->header_timeout = block_line(root, "header_timeout");
    lines->idle_timeout = block_line(root, "idle_timeout");
    lines->body_limit = block_line(root, "body_limit");
}

static void read_tls(const struct block *root, struct config *config)
{
    struct block tls = block_child(root, "tls", 0);
    enum block_need need = config->plain_http ? BLOCK_OPTIONAL : BLOCK_REQUIRED;
    config->certificate_file = block_path(&tls, "certificate", need);
    config->tls_key = block_text(&tls, "key", need);
    config->lines.tls_key = block_line(&tls, "key");
    config->client_ca_file = block_path(&tls, "client_ca", BLOCK_OPTIONAL);
    config->require_client_certificate = block_switch(&tls, "require_client_certificate");
    if (config->require_client_certificate && config->client_ca_file == NULL)
        block_complain(&tls, "require_client_certificate", "require_client_certificate needs client_ca");
}

static void read_audit(const struct block *root, struct config *config)
{
    struct block audit = block_child(root, "audit", 0);
    config->audit_file = block_path(&audit, "file", BLOCK_REQUIRED);
    config->audit_always = block_word(&audit, "sync", schema_audit_syncs) == 1;
    config->lines.audit_file = block_line(&audit, "file");
    config->lines.audit_sync = block_line(&audit, "sync");
}

static void read_store(const struct block *root, struct config *config)
{
    struct block store = block_child(root, "store", 0);
    config->store_file = block_path(&store, "file", BLOCK_OPTIONAL);
    config->lines.store_file = block_line(&store, "file");
}

static void read_serial(const struct block *root, struct config *config)
{
    struct block serial = block_child(root, "serial", 0);
    config->lines.serial = serial.line;
    config->serial = (struct config_serial){
        .min_tokens = block_number(&serial, "min_tokens", 1, serial_tokens_max),
        .max_tokens = block_number(&serial, "max_tokens", 1, serial_tokens_max),
        .min_digits = (unsigned)block_number(&serial, "min_digits", 1, SERIAL_DIGITS_MAX),
        .max_digits = (unsigned)block_number(&serial, "max_digits", 1, SERIAL_DIGITS_MAX),
        .max_cells = block_number(&serial, "max_cells", SERIAL_DIGITS_MAX, serial_tokens_max),
        .session_idle_s =
            (int64_t)block_number(&serial, "session_idle", SESSION_IDLE_MIN_S, SESSION_IDLE_MAX_S),
    };
    if (config->serial.min_tokens > config->serial.max_tokens)
        block_complain(&serial, "min_tokens", "min_tokens must not be more than max_tokens");
    if (config->serial.min_digits > config->serial.max_digits)
        block_complain(&serial, "min_digits", "min_digits must not be more than max_digits");
}

static void read_customers(const struct block *root, struct config *config)
{
    struct block customers = block_child(root, "customers", 0);
    config->customers = (struct config_customers){
        .issuer = url_read(&customers, "issuer"),
        .token_life_s = (int64_t)block_number(&customers, "token_life", TOKEN_LIFE_MIN_S, TOKEN_LIFE_MAX_S),
    };
}

static void read_requests(const struct block *root, struct config *config)
{
    struct block requests = block_child(root, "requests", 0);
    config->requests = (struct config_requests){
        .public_url = url_read(&requests, "public_url"),
        .realm = block_text(&requests, "realm", BLOCK_REQUIRED),
        .lifetime_s = (int64_t)block_number(&requests, "lifetime", LIFETIME_MIN_S, LIFETIME_MAX_S),
    };
    const char *realm = config->requests.realm;
    const size_t len = realm == NULL ? 0 : strlen(realm);
    if (len > REALM_BYTES_MAX ||
        (realm != NULL && strspn(realm, "abcdefghijklmnopqrstuvwxyz0123456789-") != len))
        block_complain(&requests, "realm", "realm must be 1..%d of a-z, 0-9 and '-'", REALM_BYTES_MAX);
    config->lines.realm = block_line(&requests, "realm");
}

// ---- slots and tenants ----------------------------------------------------------------------------

static void read_slot(const struct block *block, struct config_slot *slot)
{
    *slot = (struct config_slot){
        .name = block_title(block),
        .module = block_text(block, "module", BLOCK_REQUIRED),
        .arguments = block_text(block, "arguments", BLOCK_OPTIONAL),
        .token = block_text(block, "token", BLOCK_REQUIRED),
        .serial = block_text(block, "serial", BLOCK_OPTIONAL),
        .pin_file = block_path(block, "pin_file", BLOCK_REQUIRED),
        .lanes = (unsigned)block_number(block, "lanes", 1, LANES_MAX),
        .priority = (unsigned)block_number(block, "priority", 1, PRIORITY_MAX),
        .call_timeout_ms =
            block_milliseconds(block, "call_timeout", CALL_TIMEOUT_MIN_MS, CALL_TIMEOUT_MAX_MS),
        .replica = block_switch(block, "replica"),
        .isolate = block_switch(block, "isolate"),
        .line = block->line,
    };
    if (slot->module != NULL && slot->module[0] != '/')
        block_complain(block, "module", "module must be an absolute path");
}

static void read_slots(const struct block *root, struct config *config)
{
    config->slots = block_rows(root, "slot", sizeof *config->slots, &config->slot_count);
    for (unsigned i = 0; i < config->slot_count; i++) {
        struct block block = block_child(root, "slot", i);
        read_slot(&block, &config->slots[i]);
    }
    if (cfg_size(root->cfg, "slot") == 0)
        report_add(root->report, root->line, "there is no slot block");
}

static void read_tenants(const struct block *root, struct config *config)
{
    config->tenants = block_rows(root, "tenant", sizeof *config->tenants, &config->tenant_count);
    for (unsigned i = 0; i < config->tenant_count; i++) {
        struct block block = block_child(root, "tenant", i);
        tenant_read(&block, &config->tenants[i]);
    }
    if (cfg_size(root->cfg, "tenant") == 0)
        report_add(root->report, root->line, "there is no tenant block");
}

void read_config(const struct block *root, struct config *out_config)
{
    block_refuse_quoted_numbers(root);
    read_addresses(root, out_config);
    read_limits(root, out_config);
    note_lines(root, &out_config->lines);
    out_config->log_level = block_text(root, "log_level", BLOCK_REQUIRED);
    if (out_config->log_level != NULL)
        (void)block_word(root, "log_level", schema_log_levels);
    read_tls(root, out_config);
    read_audit(root, out_config);
    read_store(root, out_config);
    read_serial(root, out_config);
    read_customers(root, out_config);
    read_requests(root, out_config);
    read_slots(root, out_config);
    read_tenants(root, out_config);
}
