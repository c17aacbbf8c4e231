// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm: what the command line said, and the commands. A command prints its result on stdout and a
// reason for failure into diag; main turns its code into the exit status: 0, 1, or 78 when the PIN, the slot
// or the configuration is wrong.
#pragma once

#include "appliance/base/buf.h"
#include "config/config.h"
#include "pkcs11/hsm.h"

struct cli {
    const char *config_file, *slot, *store_file;
    const char *module, *token, *serial;
    const char *pin_file, *so_pin_file;
    struct secret *pin; // the user PIN once it was typed; never NULL
    const char *transcript;
    bool pin_retry, json, if_missing, no_keys;
    unsigned tenant;     // CLI_NO_TENANT when it was not given
    unsigned generation; // 0 when it was not given and the command has no default
    unsigned uses;       // a bit for each enum key_use; 0: the tenant's usual ones
    const char *yes;
    bool never_used, force_system;
    bool self_signed, csr, force;
    const char *install, *out, *subject, *san;
    unsigned days, seconds;
    // from the configuration
    struct config *config; // NULL: none was named
    const char *arguments; // of the slot's module
    bool replica;          // the slot is one
};
enum { CLI_NO_TENANT = UINT32_MAX };

enum err cli_init(const struct cli *cli, struct diag *diag);
enum err cli_keys_generate(const struct cli *cli, struct diag *diag);
enum err cli_keys_list(const struct cli *cli, struct diag *diag);
enum err cli_keys_destroy(const struct cli *cli, struct diag *diag);
enum err cli_cert(const struct cli *cli, struct diag *diag);
enum err cli_check(const struct cli *cli, struct diag *diag);
enum err cli_bench(const struct cli *cli, struct diag *diag);

// Loads --config, if it was named, and takes from it what the command line did not give: the slot, the store.
// What it takes belongs to cli->config.
enum err cli_apply_config(struct cli *cli, struct diag *diag);

// A key whose check value is not the one that the configuration pins is not ok any more.
void cli_compare_pins(const struct cli *cli, struct hsm_key_info *keys, size_t count);

// Opens the slot that the options name, asking for the user PIN when no file holds it.
enum err cli_open(const struct cli *cli, unsigned lanes, struct hsm **out_hsm, struct diag *diag);

// The uses that a tenant's keys have, as a set of bits; tenant 0 is the appliance itself.
unsigned cli_usual_uses(unsigned tenant_id);

// Six upper-case hexadecimal digits, or "-"; out holds CHECK_VALUE_TEXT_BYTES.
enum { CHECK_VALUE_TEXT_BYTES = 2 * KEY_CHECK_VALUE_BYTES + 1 };
void cli_check_value(const struct key_evidence *evidence, char *out_text);

// Writes a finished buffer to stdout.
enum err cli_print(const struct buf *text);
