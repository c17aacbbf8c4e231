// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon: commands as a table, and the way out. The HSM module's own threads and exit handlers make
// exit(3) unsafe once it is loaded, so the process leaves by _exit.
#include "appliance/appliance.h"
#include "appliance/base/json_write.h"
#include "appliance/base/log.h"
#include "appliance/check_files.h"
#include "appliance/serve.h"
#include "appliance/tokens/template.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

struct command_line {
    const char *config_file;
    bool pin_retry;
    char **arguments; // after the command's name
    int argument_count;
};

struct command {
    const char *name, *arguments, *help;
    int argument_count;
    int (*run)(const struct command_line *line);
};

// What a supervisor should make of a failure: 78 is not worth a restart.
static int exit_status(enum err code)
{
    switch (code) {
    case OK:
        return EX_OK;
    case ERR_CONFIG:
    case ERR_HSM_PIN:
    case ERR_HSM_KEY:
    case ERR_HSM_CONFIG:
    case ERR_CONFLICT:
    case ERR_NOT_FOUND:
    case ERR_DOMAIN:
    case ERR_INPUT:
        return EX_CONFIG;
    case ERR_HSM_DOWN:
    case ERR_BUSY:
    case ERR_TIMEOUT:
        return EX_UNAVAILABLE;
    case ERR_IO:
        return EX_IOERR;
    case ERR_MEMORY:
        return EX_OSERR;
    case ERR_NOT_GENUINE:
    case ERR_CREDENTIAL:
    case ERR_FORBIDDEN:
    case ERR_TOO_LARGE:
    case ERR_CLOSED:
    case ERR_INTERNAL:
        return EX_SOFTWARE;
    }
    return EX_SOFTWARE;
}

static int complain(enum err code, const struct diag *diag)
{
    // What is wrong with the configuration stands as FILE:LINE: like the loader's own complaints.
    const char *program = code == ERR_CONFLICT || code == ERR_DOMAIN || code == ERR_INPUT ? "" : "symbolon: ";
    fprintf(stderr, "%s%s\n", program, diag->text[0] != '\0' ? diag->text : err_name(code));
    return exit_status(code);
}

static enum err load_config(const struct command_line *line, struct config **out_config)
{
    BUF report = {0};
    const enum err rc = config_load(line->config_file, out_config, &report);
    if (rc != OK)
        fprintf(stderr, "%.*s", (int)report.len, report.len > 0 ? report.at : "");
    return rc;
}

// How much of the appliance a command needs.
enum need { NEED_SHAPES, NEED_KEYS, NEED_ALL };

// All that a command works with. What it takes for itself it sets to NULL.
struct house {
    struct config *config;
    struct appliance appliance;
    struct registry *registry;
};

static enum err house_build(const struct command_line *line, enum need need, struct house *house,
                            struct diag *diag)
{
    const struct appliance_options options = {
        .config = house->config,
        .with_keys = need >= NEED_KEYS,
        .with_store = need >= NEED_ALL,
        .pin_retry = line->pin_retry,
    };
    const enum err rc = appliance_build(&options, &house->appliance, diag);
    if (rc != OK)
        return rc;
    return appliance_build_registry(&house->appliance, house->config, NULL, &house->registry, diag);
}

// Loads the configuration, builds the house and hands it to `use`; gives everything back.
static int with_house(const struct command_line *line, enum need need,
                      int (*use)(const struct command_line *line, struct house *house))
{
    struct house house = {0};
    struct diag diag = {0};
    enum err rc = load_config(line, &house.config);
    if (rc != OK)
        return exit_status(rc);
    rc = house_build(line, need, &house, &diag);
    const int status = rc == OK ? use(line, &house) : complain(rc, &diag);
    registry_free(house.registry);
    appliance_done(&house.appliance);
    config_free(house.config);
    return status;
}

// ---- serve -----------------------------------------------------------------------------------------

static void block_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a full audit file is an error of its write, not the end
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
}

static int use_serve([[maybe_unused]] const struct command_line *line, struct house *house)
{
    enum log_level level;
    struct diag diag = {0};
    if (log_level_from_name(house->config->log_level, &level))
        log_set_level(level);
    const struct serve_options options = {&house->appliance, house->config, house->registry};
    house->config = NULL;
    house->registry = NULL;
    const enum err rc = serve(&options, &diag);
    return rc == OK ? EX_OK : complain(rc, &diag);
}

static int run_serve(const struct command_line *line)
{
    block_signals();
    if (!secret_harden_process())
        log_warning("memory_not_locked", LOG_TEXT("advice", "raise RLIMIT_MEMLOCK, or turn swap off"));
    return with_house(line, NEED_ALL, use_serve);
}

// ---- check and formats -------------------------------------------------------------------------------

static int use_check(const struct command_line *line, struct house *house)
{
    size_t clients = 0;
    BUF report = {0};
    if (check_files(house->config, &report) > 0) {
        fprintf(stderr, "%.*s", (int)report.len, report.at);
        return EX_CONFIG;
    }
    for (size_t i = 0; i < house->config->tenant_count; i++)
        clients += house->config->tenants[i].client_count;
    printf("%s: ok: %zu tenants, %zu clients\n", line->config_file, house->config->tenant_count, clients);
    return EX_OK;
}

static int run_check(const struct command_line *line)
{
    return with_house(line, NEED_SHAPES, use_check);
}

static void print_odds(double odds)
{
    if (odds >= 1)
        printf("%-9s", "1");
    else
        printf("%-9.1e", odds);
}

static void print_format(const struct tenant *tenant, const struct transformation *transformation,
                         const struct template_facts *facts)
{
    char name[80], length[16] = "any";
    snprintf(name, sizeof name, "%s%s%s", transformation->name, facts->name[0] != '\0' ? "/" : "",
             facts->name);
    if (facts->longest > 0)
        snprintf(length, sizeof length, facts->shortest == facts->longest ? "%u" : "%u-%u", facts->shortest,
                 facts->longest);
    const double generations = facts->odds_per_generation ? (double)keyring_count(tenant_keyring(tenant)) : 1;
    printf("%-10s %-24s %-28s %-7s ", tenant_name(tenant), name, transformation->template->name, length);
    if (isinf(facts->space_bits))
        printf("%-8s ", "any");
    else
        printf("2^%-6.1f ", facts->space_bits);
    print_odds(facts->odds * generations);
    if (isinf(facts->candidates_log10))
        printf(" %-10s", "any");
    else
        printf(" 10^%-7.1f", facts->candidates_log10);
    printf(" %-5s %-10s ", facts->slot ? "yes" : "no", tweak_source_name(transformation->tweak_source));
    if (transformation->generation != 0)
        printf("%-4u", transformation->generation);
    else
        printf("%-4s", "-");
    printf(" %s\n", facts->note);
}

static int use_formats(const struct command_line *line, struct house *house)
{
    (void)line;
    struct template_facts facts;
    printf("%-10s %-24s %-28s %-7s %-8s %-9s %-10s %-5s %-10s %-4s %s\n", "TENANT", "TRANSFORMATION",
           "TEMPLATE", "LENGTH", "DOMAIN", "ODDS", "CANDIDATES", "SLOT", "TWEAK", "GEN", "NOTE");
    for (size_t i = 0; i < house->registry->tenants.count; i++) {
        const struct tenant *tenant = house->registry->tenants.members[i];
        for (size_t t = 0; t < tenant_transformation_count(tenant); t++) {
            const struct transformation *transformation = tenant_transformation_at(tenant, t);
            for (size_t f = 0; transformation->template->describe(transformation, f, &facts); f++)
                print_format(tenant, transformation, &facts);
        }
    }
    return EX_OK;
}

static int run_formats(const struct command_line *line)
{
    return with_house(line, NEED_SHAPES, use_formats);
}

// ---- credential show -----------------------------------------------------------------------------------

// How each API calls the two parts of its credential.
static const struct {
    enum client_api api;
    const char *name, *id_member, *secret_member;
} credential_shapes[] = {
    {CLIENT_API_CARD, "card", "authenticity_token", "merchant_key"},
    {CLIENT_API_GIFTCARD, "giftcard", "username", "password"},
    {CLIENT_API_TRANSFORM, "transform", NULL, "token"},
    {CLIENT_API_SERIAL, "serial", NULL, "api_key"},
    {CLIENT_API_CUSTOMERS, "customers", "client_id", "client_secret"},
    {CLIENT_API_REQUESTS, "requests", "member_id", "api_key"},
    {CLIENT_API_OPERATIONS, "operations", NULL, "token"},
};

static enum err add_credential(const struct client *client, size_t shape, struct buf *out)
{
    enum err rc = OK;
    SECRET id = {0}, secret = {0};
    TRY(client_credential(client, credential_shapes[shape].api, &id, &secret));
    if (out->len > 1)
        buf_byte(out, ',');
    json_write_text(out, credential_shapes[shape].name);
    buf_text(out, ":{");
    if (credential_shapes[shape].id_member != NULL) {
        json_write_member(out, credential_shapes[shape].id_member, id.text);
        buf_byte(out, ',');
    }
    json_write_text(out, credential_shapes[shape].secret_member);
    buf_byte(out, ':');
    json_write_clear(out, (struct clear){secret.text, secret.len});
    buf_byte(out, '}');
out:
    return rc;
}

static enum err print_credentials(const struct client *client)
{
    enum err rc = OK;
    BUF out = {0};
    buf_byte(&out, '{');
    for (size_t i = 0; i < sizeof credential_shapes / sizeof credential_shapes[0]; i++) {
        if ((client_apis(client) & credential_shapes[i].api) != 0)
            TRY(add_credential(client, i, &out));
    }
    buf_text(&out, "}\n");
    TRY(out.error);
    if (write(STDOUT_FILENO, out.at, out.len) != (ssize_t)out.len)
        rc = ERR_IO;
out:
    return rc;
}

static int use_credential(const struct command_line *line, struct house *house)
{
    struct diag diag = {0};
    const char *name = line->arguments[1];
    const struct client *client = clients_find(house->registry->clients, name);
    if (client == NULL)
        return complain(diag_set(&diag, ERR_NOT_FOUND, "no client is named \"%s\"", name), &diag);
    const enum err rc = print_credentials(client);
    return rc == OK ? EX_OK : complain(rc, &diag);
}

static int run_credential(const struct command_line *line)
{
    if (strcmp(line->arguments[0], "show") != 0) {
        fprintf(stderr, "symbolon: credential: unknown action \"%s\", must be show\n", line->arguments[0]);
        return EX_USAGE;
    }
    secret_harden_process();
    return with_house(line, NEED_KEYS, use_credential);
}

// ---- skip-serials -----------------------------------------------------------------------------------

enum { SKIP_DIGITS_MAX = 18 };

static bool read_count(const char *text, uint64_t *out_count)
{
    const size_t len = strlen(text);
    if (len == 0 || len > SKIP_DIGITS_MAX || strspn(text, "0123456789") != len)
        return false;
    *out_count = strtoull(text, NULL, 10);
    return *out_count > 0;
}

static enum err skip_serials(const struct config *config, uint64_t count, struct diag *diag)
{
    struct store *store;
    if (config->store_file == NULL)
        return diag_set(diag, ERR_CONFIG, "%s: there is no store", config->file);
    enum err rc = store_open(config->store_file, &store, diag);
    if (rc != OK)
        return rc;
    rc = store_advance_all_spaces(store, count);
    store_close(store);
    return rc;
}

// After an older copy of the store was restored: serials handed out since must not be handed out again.
static int run_skip_serials(const struct command_line *line)
{
    struct config *config;
    struct diag diag = {0};
    uint64_t count;
    if (!read_count(line->arguments[0], &count)) {
        fprintf(stderr, "symbolon: skip-serials: \"%s\" is not a number above 0\n", line->arguments[0]);
        return EX_USAGE;
    }
    enum err rc = load_config(line, &config);
    if (rc != OK)
        return exit_status(rc);
    rc = skip_serials(config, count, &diag);
    if (rc == OK)
        printf("%s: every space goes on %llu serials later\n", config->store_file, (unsigned long long)count);
    config_free(config);
    return rc == OK ? EX_OK : complain(rc, &diag);
}

// ---- the table -----------------------------------------------------------------------------------------

static const struct command commands[] = {
    {"serve", "", "serve until SIGTERM", 0, run_serve},
    {"check", "", "check the configuration and the files it names", 0, run_check},
    {"formats", "", "list every configured format with its domain and forgery odds", 0, run_formats},
    {"credential", "show CLIENT", "print a client's credential, as JSON", 2, run_credential},
    {"skip-serials", "COUNT", "after restoring an older store: leave out that many serials", 1,
     run_skip_serials},
};

static int usage(FILE *to, int status)
{
    fprintf(to, "usage: symbolon [--config FILE] [--pin-retry] COMMAND\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(to, "  %-12s %-12s  %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    return status;
}

static int run_command(struct command_line *line, int argc, char **argv)
{
    if (argc < 1)
        return usage(stderr, EX_USAGE);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, argv[0]) != 0)
            continue;
        line->arguments = argv + 1;
        line->argument_count = argc - 1;
        if (line->argument_count != commands[i].argument_count)
            return usage(stderr, EX_USAGE);
        return commands[i].run(line);
    }
    fprintf(stderr, "symbolon: unknown command \"%s\"\n", argv[0]);
    return usage(stderr, EX_USAGE);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"pin-retry", no_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {0},
    };
    struct command_line line = {.config_file = "/etc/symbolon/symbolon.conf"};
    int option;
    while ((option = getopt_long(argc, argv, "+c:hv", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            line.config_file = optarg;
            break;
        case 'r':
            line.pin_retry = true;
            break;
        case 'h':
            return usage(stdout, EX_OK);
        case 'v':
            printf("symbolon %s\n", SYMBOLON_VERSION);
            return EX_OK;
        default:
            return usage(stderr, EX_USAGE);
        }
    }
    const int status = run_command(&line, argc - optind, argv + optind);
    fflush(NULL);
    _exit(status);
}
