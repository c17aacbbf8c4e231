// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration file, read whole into plain data. It names things and never holds a secret, so it
// can be kept in git. Syntax errors, unknown names and wrong types stop at the first, with file and
// line; all other bad values, duplicates and dangling references are collected and reported together.
// A struct config is immutable once loaded and owned by whoever loaded it.
//
// Every block remembers its line, so that rooms which find fault later can still name it.
#pragma once

#include "appliance/base/buf.h"
#include "appliance/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONFIG_ID_MAX = 65535 };

struct config_slot {
    char *name, *module, *token, *serial, *pin_file; // serial may be NULL
    char *arguments;                                 // for the module's C_Initialize, or NULL
    unsigned lanes;                                  // 1..64
    unsigned priority;                               // lower is used first
    unsigned call_timeout_ms;                        // 100..600000
    bool replica;
    bool isolate; // the module runs in a process of its own
    int line;
};

// Where there is a store, it knows the states of generations that were seen before, and this one counts only
// for a generation that it sees for the first time.
enum config_generation_state { CONFIG_KEY_NEW, CONFIG_KEY_CURRENT, CONFIG_KEY_RETIRED };

struct config_generation {              // keys NUMBER { ... } in a tenant: one FF1 key
    unsigned number;                    // 1..65535
    enum config_generation_state state; // exactly one of a tenant is current
    bool has_check_value;
    uint8_t check_value[3]; // pinned: the key in the slot must have it
    int line;
};

struct config_alphabet { // alphabet NAME { ... } in a tenant, for templates of regex
    char *name;
    char *characters; // UTF-8, 2..65536 distinct code points without controls, in the order of numerals
    int line;
};

// issuer_range PREFIX { ... } in a client of the API giftcard: cards that begin with the prefix.
struct config_issuer_range {
    char *prefix;          // 1..18 decimal digits
    unsigned digits;       // of the card number, 12..19, so many that a range has several cards
    bool luhn;             // the card number passes the Luhn check
    unsigned code_digits;  // of the security code; 0: cards of this range have none
    unsigned token_digits; // 16..40; 0: as many as the client's forgery_odds need
    int line;
};

struct config_client {
    char *name;
    unsigned id;          // 1..65535, unique over all tenants
    unsigned generation;  // of its secret, 1..65535
    bool accept_previous; // the secret of generation - 1 still opens
    unsigned apis;        // set of enum client_api (tokens/client.h has the same bits)
    unsigned permissions; // set of enum permission
    bool luhn;
    char **roles; // transform roles it may use
    size_t role_count;
    double forgery_odds;                // giftcard: a made-up token opens at most this often; > 0, <= 0.01
    bool other_cards;                   // giftcard: cards outside every range are taken, without their code
    struct config_issuer_range *ranges; // (prefix, digits, code_digits) differ; only with API giftcard
    size_t range_count;
    char **accounts; // customers: the accounts of its tenant that it may ask for
    size_t account_count;
    char **public_keys; // requests: PEM files (SubjectPublicKeyInfo) with which it signs its requests
    size_t public_key_count;
    char *display_name; // requests: who asks, as a person reads it; NULL: the name
    unsigned rate;      // requests a second it may make, with bursts of a second's worth; 0: any
    int line;
};

// account AID { ... } in a tenant: customers of the customer-token API.
struct config_event_expiry { // event_expiry STATUS { seconds = N }: how long an event of this status holds
    char *status;
    int64_t seconds;
    int line;
};
struct config_account {
    char *id;           // P or T and 8 digits, unique over all tenants
    bool auto_customer; // every customer id exists; else only those of the list
    char **customers;
    size_t customer_count;
    struct config_event_expiry *expiries;
    size_t expiry_count;
    int line;
};

enum config_tweak_source { CONFIG_TWEAK_INTERNAL, CONFIG_TWEAK_SUPPLIED, CONFIG_TWEAK_GENERATED };

struct config_transformation {
    char *name;
    unsigned id;    // 1..65535, unique in its tenant, immutable: it is part of the tweak
    char *template; // "builtin/creditcardnumber", "regex", ...: see schema_templates
    char *of;       // name of the client whose tokens it makes and opens (templates card, giftcard); of
                    // template customer: an account
    enum config_tweak_source tweak_source;
    unsigned generation; // pinned FF1 key, for formats without a slot to name it; 0: none
    char *pattern;       // POSIX extended regular expression; NULL unless template regex
    char *alphabet;      // one of the tenant's, or builtin/...; NULL unless template regex
    int line;
};

struct config_role {
    char *name;
    char **transformations; // names, at least one
    size_t transformation_count;
    int line;
};

struct config_tenant {
    char *name;
    unsigned id; // 1..65535
    struct config_generation *generations;
    size_t generation_count;
    struct config_alphabet *alphabets;
    size_t alphabet_count;
    struct config_client *clients;
    size_t client_count;
    struct config_account *accounts;
    size_t account_count;
    struct config_transformation *transformations;
    size_t transformation_count;
    struct config_role *roles;
    size_t role_count;
    int line;
};

struct config_address {
    char *host;    // without brackets
    unsigned port; // 1..65535
};

struct config_serial {               // limits of the serial-token API
    uint64_t min_tokens, max_tokens; // of a line
    unsigned min_digits, max_digits; // of a token, 1..100
    uint64_t max_cells;              // tokens times digits of a line
    int64_t session_idle_s;          // a session unused for so long has ended
};

struct config_customers { // customers { ... }
    char *issuer; // URL of the appliance as clients know it: "iss" of access tokens; NULL: https://<listen>
    int64_t token_life_s; // of an access token
};

struct config_requests { // requests { ... }
    char *public_url;    // as members and people know this API; NULL: not told
    char *realm;         // behind the last colon of ids, before encoding: 1..16 of a-z 0-9 -
    int64_t lifetime_s;  // of a request that nobody decides
};

// Where options stand that only a restart can change; 0: not in the file.
struct config_lines {
    int listen, operations_listen, plain_http, connections, header_timeout, idle_timeout, body_limit;
    int tls_key, audit_file, audit_sync, store_file, serial, realm;
};

struct config {
    char *file;
    struct config_address listen, operations_listen;
    bool plain_http;                  // only with a loopback listen address
    char *certificate_file, *tls_key; // tls_key: label or RFC 7512 URI
    char *client_ca_file;             // NULL: no client certificates
    bool require_client_certificate;
    char *audit_file;
    bool audit_always; // fdatasync before every reply
    char *log_level;   // "error", "warning", "info", "debug"
    unsigned connections, connections_per_address;
    unsigned header_timeout_s, idle_timeout_s, drain_timeout_s;
    size_t body_limit_bytes, memory_in_flight_bytes;
    char *store_file; // NULL: none, which is fine while no client has the API serial
    struct config_serial serial;
    struct config_customers customers;
    struct config_requests requests;
    struct config_slot *slots;
    size_t slot_count;
    struct config_tenant *tenants;
    size_t tenant_count;
    struct config_lines lines;
};

// Reads and checks a file. ERR_CONFIG: out_report holds every complaint found, one a line, each as
// "FILE:LINE: what is wrong"; ERR_IO: it cannot be read, and out_report says why. Relative paths in the
// file come out absolute. One call at a time: libconfuse's lexer keeps global state.
enum err config_load(const char *path, struct config **out_config, struct buf *out_report);
void config_free(struct config *config);
