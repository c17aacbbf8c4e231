// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/schema.h"

#include "config/config.h"

#include <string.h>

// Titles are unique; scan.c says so with both lines, and the later block stands in for both here.
#define BLOCKS (CFGF_MULTI | CFGF_TITLE)

// libconfuse takes a second block of the same title for the first one again. A title that it will not meet
// a second time keeps both: bytes of typed titles are ASCII.
static int set_title_apart(cfg_t *parent, cfg_opt_t *blocks)
{
    (void)parent;
    cfg_t *latest = cfg_opt_getnsec(blocks, cfg_opt_size(blocks) - 1);
    latest->title[0] = (char)(latest->title[0] | 0x80);
    return 0;
}

// Defaults of zero and NULL mean "must be given" or are filled in by load.c.

static cfg_opt_t tls_options[] = {
    CFG_STR("certificate", NULL, CFGF_NONE),
    CFG_STR("key", "symbolon:0:tls:1", CFGF_NONE),
    CFG_STR("client_ca", NULL, CFGF_NONE),
    CFG_BOOL("require_client_certificate", cfg_false, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t audit_options[] = {
    CFG_STR("file", NULL, CFGF_NONE),
    CFG_STR("sync", "interval", CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t store_options[] = {
    CFG_STR("file", NULL, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t serial_options[] = {
    CFG_INT("min_tokens", 1000, CFGF_NONE),
    CFG_INT("max_tokens", 100000, CFGF_NONE),
    CFG_INT("min_digits", 3, CFGF_NONE),
    CFG_INT("max_digits", 100, CFGF_NONE),
    CFG_INT("max_cells", 1048576, CFGF_NONE),
    CFG_INT("session_idle", 86400, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t customers_options[] = {
    CFG_STR("issuer", NULL, CFGF_NONE),
    CFG_INT("token_life", 86400, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t requests_options[] = {
    CFG_STR("public_url", NULL, CFGF_NONE),
    CFG_STR("realm", "symbolon", CFGF_NONE),
    CFG_INT("lifetime", 86400, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t slot_options[] = {
    CFG_STR("module", NULL, CFGF_NONE),
    CFG_STR("arguments", NULL, CFGF_NONE),
    CFG_STR("token", NULL, CFGF_NONE),
    CFG_STR("serial", NULL, CFGF_NONE),
    CFG_STR("pin_file", NULL, CFGF_NONE),
    CFG_INT("lanes", 1, CFGF_NONE),
    CFG_INT("priority", 1, CFGF_NONE),
    CFG_FLOAT("call_timeout", 5, CFGF_NONE),
    CFG_BOOL("replica", cfg_false, CFGF_NONE),
    CFG_BOOL("isolate", cfg_false, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t keys_options[] = {
    CFG_STR("state", NULL, CFGF_NONE),
    CFG_STR("check_value", NULL, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t alphabet_options[] = {
    CFG_STR("characters", NULL, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t issuer_range_options[] = {
    CFG_INT("digits", 16, CFGF_NONE),
    CFG_BOOL("luhn", cfg_true, CFGF_NONE),
    CFG_INT("code", 0, CFGF_NONE),
    CFG_INT("token_digits", 0, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t client_options[] = {
    CFG_INT("id", 0, CFGF_NONE),
    CFG_INT("generation", 1, CFGF_NONE),
    CFG_BOOL("accept_previous", cfg_false, CFGF_NONE),
    CFG_STR_LIST("apis", NULL, CFGF_NONE),
    CFG_STR_LIST("permissions", NULL, CFGF_NONE),
    CFG_BOOL("luhn", cfg_true, CFGF_NONE),
    CFG_STR_LIST("roles", NULL, CFGF_NONE),
    CFG_FLOAT("forgery_odds", 0.00001, CFGF_NONE),
    CFG_BOOL("other_cards", cfg_true, CFGF_NONE),
    CFG_SEC("issuer_range", issuer_range_options, BLOCKS),
    CFG_STR_LIST("accounts", NULL, CFGF_NONE),
    CFG_STR_LIST("public_keys", NULL, CFGF_NONE),
    CFG_STR("display_name", NULL, CFGF_NONE),
    CFG_INT("rate", 0, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t event_expiry_options[] = {
    CFG_INT("seconds", 0, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t account_options[] = {
    CFG_BOOL("auto_customer", cfg_true, CFGF_NONE),
    CFG_STR_LIST("customers", NULL, CFGF_NONE),
    CFG_SEC("event_expiry", event_expiry_options, BLOCKS),
    CFG_END(),
};

static cfg_opt_t transformation_options[] = {
    CFG_INT("id", 0, CFGF_NONE),          CFG_STR("template", NULL, CFGF_NONE),
    CFG_STR("of", NULL, CFGF_NONE),       CFG_STR("tweak_source", "internal", CFGF_NONE),
    CFG_INT("generation", 0, CFGF_NONE),  CFG_STR("pattern", NULL, CFGF_NONE),
    CFG_STR("alphabet", NULL, CFGF_NONE), CFG_END(),
};

static cfg_opt_t role_options[] = {
    CFG_STR_LIST("transformations", NULL, CFGF_NONE),
    CFG_END(),
};

static cfg_opt_t tenant_options[] = {
    CFG_INT("id", 0, CFGF_NONE),
    CFG_SEC("keys", keys_options, BLOCKS),
    CFG_SEC("alphabet", alphabet_options, BLOCKS),
    CFG_SEC("client", client_options, BLOCKS),
    CFG_SEC("account", account_options, BLOCKS),
    CFG_SEC("transformation", transformation_options, BLOCKS),
    CFG_SEC("role", role_options, BLOCKS),
    CFG_END(),
};

static cfg_opt_t schema_root[] = {
    CFG_STR("listen", "127.0.0.1:8443", CFGF_NONE),
    CFG_STR("operations_listen", NULL, CFGF_NONE),
    CFG_BOOL("plain_http", cfg_false, CFGF_NONE),
    CFG_INT("connections", 512, CFGF_NONE),
    CFG_INT("connections_per_address", 64, CFGF_NONE),
    CFG_INT("header_timeout", 5, CFGF_NONE),
    CFG_INT("idle_timeout", 15, CFGF_NONE),
    CFG_INT("drain_timeout", 30, CFGF_NONE),
    CFG_INT("body_limit", 8388608, CFGF_NONE),
    CFG_INT("memory_in_flight", 268435456, CFGF_NONE),
    CFG_STR("log_level", "info", CFGF_NONE),
    CFG_SEC("tls", tls_options, CFGF_NONE),
    CFG_SEC("audit", audit_options, CFGF_NONE),
    CFG_SEC("store", store_options, CFGF_NONE),
    CFG_SEC("serial", serial_options, CFGF_NONE),
    CFG_SEC("customers", customers_options, CFGF_NONE),
    CFG_SEC("requests", requests_options, CFGF_NONE),
    CFG_SEC("slot", slot_options, BLOCKS),
    CFG_SEC("tenant", tenant_options, BLOCKS),
    CFG_END(),
};

const struct schema_word schema_apis[] = {
    {"card", 1 << 0},      {"giftcard", 1 << 1}, {"transform", 1 << 2},  {"serial", 1 << 3},
    {"customers", 1 << 4}, {"requests", 1 << 5}, {"operations", 1 << 6}, {NULL, 0},
};

const struct schema_word schema_permissions[] = {
    {"tokenize", 1 << 2}, {"detokenize", 1 << 3}, {"produce", 1 << 4}, {"read", 1 << 5},
    {"approve", 1 << 6},  {"admin", 1 << 7},      {NULL, 0},
};

const struct schema_word schema_key_states[] = {
    {"new", CONFIG_KEY_NEW},
    {"current", CONFIG_KEY_CURRENT},
    {"retired", CONFIG_KEY_RETIRED},
    {NULL, 0},
};

const struct schema_word schema_tweak_sources[] = {
    {"internal", CONFIG_TWEAK_INTERNAL},
    {"supplied", CONFIG_TWEAK_SUPPLIED},
    {"generated", CONFIG_TWEAK_GENERATED},
    {NULL, 0},
};

const struct schema_word schema_log_levels[] = {
    {"error", 0}, {"warning", 1}, {"info", 2}, {"debug", 3}, {NULL, 0},
};

const struct schema_word schema_audit_syncs[] = {{"interval", 0}, {"always", 1}, {NULL, 0}};

const struct schema_word *schema_find(const struct schema_word *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

const struct schema_template schema_templates[] = {
    {.name = "builtin/creditcardnumber", .takes_tweak = true},
    {.name = "pan-first-six", .takes_tweak = true},
    {.name = "pan-last-four", .takes_tweak = true},
    {.name = "pan-first-six-last-four", .takes_tweak = true, .is_pinned = true},
    {.name = "builtin/socialsecuritynumber", .takes_tweak = true, .is_pinned = true},
    {.name = "regex", .takes_tweak = true, .is_pinned = true, .has_pattern = true},
    {.name = "card", .has_owner = true},
    {.name = "giftcard", .has_owner = true},
    {.name = "customer", .has_owner = true, .owner_is_account = true},
    {.name = NULL},
};

const struct schema_template *schema_find_template(const char *name)
{
    for (const struct schema_template *row = schema_templates; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0)
            return row;
    }
    return NULL;
}

const char *const schema_alphabets[] = {
    "builtin/numeric",           "builtin/alphalower",   "builtin/alphaupper", "builtin/alphanumericlower",
    "builtin/alphanumericupper", "builtin/alphanumeric", "builtin/hexlower",   NULL,
};

bool schema_is_builtin_alphabet(const char *name)
{
    for (const char *const *builtin = schema_alphabets; *builtin != NULL; builtin++) {
        if (strcmp(*builtin, name) == 0)
            return true;
    }
    return false;
}

bool schema_is_unicode(struct slice option)
{
    return slice_is(option, "characters") || slice_is(option, "customers") ||
           slice_is(option, "display_name");
}

bool schema_titles_repeat(struct slice block)
{
    return slice_is(block, "issuer_range");
}

cfg_t *schema_new(void)
{
    cfg_t *cfg = cfg_init(schema_root, CFGF_NONE);
    if (cfg != NULL)
        cfg_set_validate_func(cfg, "tenant|client|issuer_range", set_title_apart);
    return cfg;
}

const char *schema_title(cfg_t *block)
{
    if (block->title != NULL)
        block->title[0] = (char)(block->title[0] & 0x7f);
    return block->title;
}
