// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm: the tables of commands and options, from which the usage is printed too.
#include "hsm-setup/cli.h"
#include "hsm-setup/pin.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { EXIT_FAILED = 1 };

// ---- commands ---------------------------------------------------------------------------------------

enum {
    INIT = 1,
    GENERATE = 2,
    LIST = 4,
    CERT = 8,
    CHECK = 16,
    BENCH = 32,
    DESTROY = 64,
    ALL = 127,
    KEYED = ALL & ~INIT,
    TENANTED = GENERATE | DESTROY, // a tenant must be named
};

struct command {
    unsigned bit;
    const char *words[2];
    enum err (*run)(const struct cli *cli, struct diag *diag);
    const char *help;
};

static const struct command commands[] = {
    {INIT,
     {"init", NULL},
     cli_init,
     "initialize an empty token, set its PINs, generate the appliance's keys"},
    {GENERATE, {"keys", "generate"}, cli_keys_generate, "generate a tenant's keys in the token"},
    {LIST, {"keys", "list"}, cli_keys_list, "list the keys and whether the appliance would use them"},
    {DESTROY, {"keys", "destroy"}, cli_keys_destroy, "destroy a key that the appliance has released"},
    {CERT, {"cert", NULL}, cli_cert, "make or install the certificate of the TLS key"},
    {CHECK, {"check", NULL}, cli_check, "check module, token, mechanisms and keys"},
    {BENCH, {"bench", NULL}, cli_bench, "measure how fast the token encrypts, and FF1 on it"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

// ---- options ----------------------------------------------------------------------------------------

enum option_kind { TEXT, FLAG, NUMBER, USE };

struct option_row {
    const char *name, *argument;
    enum option_kind kind;
    size_t offset; // into struct cli
    unsigned smallest, largest;
    unsigned commands;
    const char *help;
};

#define AT(field) offsetof(struct cli, field)

static const struct option_row options[] = {
    {"config", "FILE", TEXT, AT(config_file), 0, 0, ALL,
     "the appliance's configuration: module, token, serial, pin-file and store come from it"},
    {"slot", "NAME", TEXT, AT(slot), 0, 0, ALL, "which of its slots, when there are several"},
    {"module", "FILE", TEXT, AT(module), 0, 0, ALL, "the PKCS#11 module, an absolute path"},
    {"token", "LABEL", TEXT, AT(token), 0, 0, ALL, "the token's label"},
    {"serial", "TEXT", TEXT, AT(serial), 0, 0, KEYED, "its serial number, when labels are not unique"},
    {"pin-file", "FILE", TEXT, AT(pin_file), 0, 0, ALL,
     "holds the user PIN, mode 0600; else it is asked for"},
    {"so-pin-file", "FILE", TEXT, AT(so_pin_file), 0, 0, INIT | DESTROY,
     "holds the PIN of the security officer, mode 0600; else it is asked for"},
    {"pin-retry", NULL, FLAG, AT(pin_retry), 0, 0, KEYED, "log in although a wrong PIN was tried before"},
    {"tenant", "ID", NUMBER, AT(tenant), 0, 65535, INIT | TENANTED,
     "whose keys; 0 is the appliance itself; init: those of this tenant too"},
    {"generation", "N", NUMBER, AT(generation), 1, 65535, GENERATE | CERT | DESTROY,
     "number of the keys; default 1, destroy has none"},
    {"use", "USE", USE, AT(uses), 0, 0, GENERATE | DESTROY,
     "fpe, mac, sign-ed25519, sign-p256 or tls; generate: may be repeated; default fpe and mac, for tenant 0 "
     "all"},
    {"if-missing", NULL, FLAG, AT(if_missing), 0, 0, GENERATE, "leave keys that exist as they are"},
    {"no-keys", NULL, FLAG, AT(no_keys), 0, 0, INIT, "generate none: others will be cloned into the token"},
    {"transcript", "FILE", TEXT, AT(transcript), 0, 0, INIT | GENERATE | DESTROY,
     "save what was done, for an auditor; never overwritten"},
    {"store", "FILE", TEXT, AT(store_file), 0, 0, LIST | CHECK | DESTROY,
     "the appliance's store, which knows the states of keys"},
    {"yes", "LABEL", TEXT, AT(yes), 0, 0, DESTROY, "the key's label, which otherwise must be typed"},
    {"never-used", NULL, FLAG, AT(never_used), 0, 0, DESTROY,
     "the store does not know the key, and that is right"},
    {"force-system", NULL, FLAG, AT(force_system), 0, 0, DESTROY, "a key of tenant 0, whatever needs it"},
    {"self-signed", NULL, FLAG, AT(self_signed), 0, 0, CERT, "make a certificate signed by its own key"},
    {"csr", NULL, FLAG, AT(csr), 0, 0, CERT, "make a certificate request (PKCS#10)"},
    {"install", "FILE", TEXT, AT(install), 0, 0, CERT,
     "take a certificate from a CA (PEM), if it fits the key"},
    {"out", "FILE", TEXT, AT(out), 0, 0, CERT, "where to write it, default stdout"},
    {"force", NULL, FLAG, AT(force), 0, 0, CERT, "replace that file if it exists"},
    {"subject", "CN", TEXT, AT(subject), 0, 0, CERT, "common name, default localhost"},
    {"san", "LIST", TEXT, AT(san), 0, 0, CERT, "DNS:name,IP:address,... default DNS: and the subject"},
    {"days", "N", NUMBER, AT(days), 1, 3650, CERT, "how long it is valid, default 365"},
    {"seconds", "N", NUMBER, AT(seconds), 0, 600, BENCH,
     "for each measurement, default 1; 0 is a glance of 10 ms"},
    {"json", NULL, FLAG, AT(json), 0, 0, LIST | CHECK | BENCH, "write JSON"},
};
enum { OPTIONS = sizeof options / sizeof options[0], OPTION_HELP = 1000 };

static void print_options(FILE *out, bool (*wanted)(const struct option_row *row, unsigned bit), unsigned bit)
{
    char text[64];
    for (int i = 0; i < OPTIONS; i++) {
        if (!wanted(&options[i], bit))
            continue;
        snprintf(text, sizeof text, "--%s %s", options[i].name,
                 options[i].argument ? options[i].argument : "");
        fprintf(out, "      %-20s %s\n", text, options[i].help);
    }
}

static bool is_common(const struct option_row *row, unsigned bit)
{
    (void)bit;
    return (row->commands & KEYED) == KEYED;
}

static bool is_of_command(const struct option_row *row, unsigned bit)
{
    return (row->commands & bit) != 0 && !is_common(row, bit);
}

static void print_usage(FILE *out)
{
    fprintf(out, "usage: symbolon-hsm COMMAND --module FILE --token LABEL [OPTION]...\n"
                 "       symbolon-hsm COMMAND --config FILE [--slot NAME] [OPTION]...\n\n");
    print_options(out, is_common, 0);
    for (int i = 0; i < COMMANDS; i++) {
        const char *second = commands[i].words[1];
        fprintf(out, "\n  %s%s%s: %s\n", commands[i].words[0], second ? " " : "", second ? second : "",
                commands[i].help);
        print_options(out, is_of_command, commands[i].bit);
    }
    fprintf(out,
            "\nexit status: 0 done, 1 failed, 64 wrong usage, 78 PIN, token or module not as they must be\n");
}

static bool parse_number(const struct option_row *row, const char *text, void *field)
{
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < row->smallest ||
        value > row->largest) {
        fprintf(stderr, "symbolon-hsm: --%s must be %u..%u\n", row->name, row->smallest, row->largest);
        return false;
    }
    *(unsigned *)field = (unsigned)value;
    return true;
}

static bool parse_use(const char *text, void *field)
{
    for (unsigned use = 0; use < KEY_USES; use++) {
        if (strcmp(hsm_use_names[use], text) == 0) {
            *(unsigned *)field |= 1U << use;
            return true;
        }
    }
    fprintf(stderr, "symbolon-hsm: --use must be fpe, mac, sign-ed25519, sign-p256 or tls\n");
    return false;
}

static bool set_option(const struct option_row *row, const char *argument, struct cli *cli)
{
    void *field = (char *)cli + row->offset;
    switch (row->kind) {
    case TEXT:
        *(const char **)field = argument;
        return true;
    case FLAG:
        *(bool *)field = true;
        return true;
    case NUMBER:
        return parse_number(row, argument, field);
    case USE:
        return parse_use(argument, field);
    }
    return false;
}

static void fill_long_options(unsigned command, struct option *out_longs)
{
    int count = 0;
    for (int i = 0; i < OPTIONS; i++)
        if ((options[i].commands & command) != 0)
            out_longs[count++] = (struct option){
                options[i].name, options[i].argument != NULL ? required_argument : no_argument, NULL, i};
    out_longs[count++] = (struct option){"help", no_argument, NULL, OPTION_HELP};
    out_longs[count] = (struct option){0};
}

// EX_OK to go on, -1 when help was given, EX_USAGE.
static int parse_options(const struct command *command, int argc, char **argv, struct cli *cli)
{
    struct option longs[OPTIONS + 2];
    fill_long_options(command->bit, longs);
    opterr = 1;
    for (int i; (i = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (i == OPTION_HELP) {
            print_usage(stdout);
            return -1;
        }
        if (i == '?' || !set_option(&options[i], optarg, cli))
            return EX_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "symbolon-hsm: what is \"%s\"?\n", argv[optind]);
        return EX_USAGE;
    }
    return EX_OK;
}

static const struct command *find_command(int argc, char **argv, int *out_words)
{
    for (int i = 0; i < COMMANDS; i++) {
        int words = commands[i].words[1] != NULL ? 2 : 1;
        if (argc > words && strcmp(argv[1], commands[i].words[0]) == 0 &&
            (words == 1 || strcmp(argv[2], commands[i].words[1]) == 0)) {
            *out_words = words;
            return &commands[i];
        }
    }
    return NULL;
}

// The second word belongs to a command of two words only, and may be missing.
static void name_unknown_command(int argc, char **argv)
{
    bool first_known = false;
    for (int i = 0; argc > 1 && i < COMMANDS; i++)
        first_known = first_known || strcmp(argv[1], commands[i].words[0]) == 0;
    if (argc > 2 && first_known)
        fprintf(stderr, "symbolon-hsm: unknown command \"%s %s\"\n", argv[1], argv[2]);
    else if (argc > 1)
        fprintf(stderr, "symbolon-hsm: unknown command \"%s\"\n", argv[1]);
}

// ---- what commands share ----------------------------------------------------------------------------

void cli_check_value(const struct key_evidence *evidence, char *out_text)
{
    const uint8_t *v = evidence->check_value;
    if (evidence->has_check_value)
        snprintf(out_text, CHECK_VALUE_TEXT_BYTES, "%02X%02X%02X", v[0], v[1], v[2]);
    else
        snprintf(out_text, CHECK_VALUE_TEXT_BYTES, "-");
}

enum err cli_print(const struct buf *text)
{
    if (text->error != OK)
        return text->error;
    return fwrite(text->at, 1, text->len, stdout) == text->len ? OK : ERR_IO;
}

enum err cli_open(const struct cli *cli, unsigned lanes, struct hsm **out_hsm, struct diag *diag)
{
    if (cli->pin_file == NULL && cli->pin->len == 0) {
        enum err rc = pin_get(PIN_OF_USER, NULL, cli->pin, diag);
        if (rc != OK)
            return rc;
    }
    const struct hsm_options options_of_slot = {.name = cli->slot != NULL ? cli->slot : cli->token,
                                                .module = cli->module,
                                                .token_label = cli->token,
                                                .serial = cli->serial,
                                                .arguments = cli->arguments,
                                                .pin_file = cli->pin_file,
                                                .pin = cli->pin,
                                                .lanes = lanes,
                                                .pin_retry = cli->pin_retry,
                                                .replica = cli->replica};
    return hsm_open(&options_of_slot, out_hsm, diag);
}

// ---- main -------------------------------------------------------------------------------------------

static int exit_status(enum err code)
{
    if (code == OK)
        return EX_OK;
    if (code == ERR_INPUT)
        return EX_USAGE;
    return code == ERR_HSM_PIN || code == ERR_HSM_CONFIG || code == ERR_CONFIG ? EX_CONFIG : EXIT_FAILED;
}

static int report(enum err code, const struct diag *diag)
{
    if (code != OK)
        fprintf(stderr, "symbolon-hsm: %s\n", diag->text[0] != '\0' ? diag->text : err_name(code));
    return exit_status(code);
}

static int run(const struct command *command, struct cli *cli)
{
    struct diag diag = {0};
    enum err rc = command->run(cli, &diag);
    if (rc == OK && fflush(stdout) != 0)
        rc = ERR_IO;
    return report(rc, &diag);
}

// What the configuration may fill in, and what is missing even then.
static int complete_options(const struct command *command, struct cli *cli)
{
    struct diag diag = {0};
    const enum err rc = cli_apply_config(cli, &diag);
    if (rc != OK)
        return report(rc, &diag);
    if (cli->generation == 0 && command->bit != DESTROY)
        cli->generation = 1;
    const bool needs_tenant = (command->bit & TENANTED) != 0;
    if (cli->module != NULL && cli->token != NULL && (!needs_tenant || cli->tenant != CLI_NO_TENANT))
        return EX_OK;
    fprintf(stderr, "symbolon-hsm: --module and --token, or --config,%s are needed\n",
            needs_tenant ? " and --tenant" : "");
    return EX_USAGE;
}

static int parse_and_run(int argc, char **argv)
{
    SECRET pin = {0};
    struct cli cli = {.days = 365, .seconds = 1, .tenant = CLI_NO_TENANT, .pin = &pin};
    int words = 0;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_usage(stdout);
        return EX_OK;
    }
    const struct command *command = find_command(argc, argv, &words);
    if (command == NULL) {
        name_unknown_command(argc, argv);
        print_usage(stderr);
        return EX_USAGE;
    }
    int status = parse_options(command, argc - words, argv + words, &cli);
    if (status == EX_OK)
        status = complete_options(command, &cli);
    if (status == EX_OK)
        status = run(command, &cli);
    config_free(cli.config);
    return status == -1 ? EX_OK : status;
}

// Leaves by _exit: exit handlers of PKCS#11 modules are not to be trusted.
int main(int argc, char **argv)
{
    secret_harden_process();
    int status = parse_and_run(argc, argv);
    fflush(NULL);
    _exit(status);
}
