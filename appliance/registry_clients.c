// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Clients, with the public keys that they sign with, and what their APIs need beside them.
#include "appliance/registry_build.h"

#include "appliance/tokens/access_token.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- clients -----------------------------------------------------------------------------------------

enum { PEM_BYTES_MAX = 16384 };

// The public keys of one client, read from their files.
struct key_files {
    struct member_key *keys;
    struct secret *texts;
    size_t count;
};

static void key_files_done(struct key_files *files)
{
    for (size_t i = 0; files->texts != NULL && i < files->count; i++)
        secret_done(&files->texts[i]);
    free(files->texts);
    free(files->keys);
}

static enum err read_key_file(const char *path, struct secret *out_text, struct diag *diag)
{
    enum err rc = OK;
    BUF text = {0};
    FILE *file = fopen(path, "re");
    char *room = buf_reserve(&text, PEM_BYTES_MAX);
    REQUIRE(file != NULL, diag_set(diag, ERR_CONFIG, "public key %s: %s", path, strerror(errno)));
    REQUIRE(room != NULL, ERR_MEMORY);
    text.len = fread(room, 1, PEM_BYTES_MAX, file);
    REQUIRE(text.len < PEM_BYTES_MAX, diag_set(diag, ERR_CONFIG, "public key %s: too long", path));
    rc = secret_set(out_text, room, text.len);
out:
    if (file != NULL)
        fclose(file);
    return rc;
}

static enum err key_files_read(const struct config_client *from, struct key_files *files, struct diag *diag)
{
    enum err rc = OK;
    files->keys = calloc(from->public_key_count + 1, sizeof *files->keys);
    files->texts = calloc(from->public_key_count + 1, sizeof *files->texts);
    REQUIRE(files->keys != NULL && files->texts != NULL, ERR_MEMORY);
    for (; files->count < from->public_key_count; files->count++) {
        const char *path = from->public_keys[files->count];
        struct secret *text = &files->texts[files->count];
        TRY(read_key_file(path, text, diag));
        files->keys[files->count] = (struct member_key){path, text->text, text->len};
    }
out:
    return rc;
}

static struct client_options client_of(const struct config_tenant *tenant, const struct config_client *from,
                                       struct mac mac)
{
    return (struct client_options){
        .name = from->name,
        .id = from->id,
        .tenant_id = tenant->id,
        .generation = from->generation,
        .accept_previous = from->accept_previous,
        .apis = from->apis,
        .permissions = from->permissions,
        .luhn = from->luhn,
        .roles = (const char *const *)from->roles,
        .role_count = from->role_count,
        .accounts = (const char *const *)from->accounts,
        .account_count = from->account_count,
        .display_name = from->display_name,
        .rate = from->rate,
        .mac = mac,
    };
}

// As configured, or the address that is listened on.
static enum err write_url(const struct config *config, const char *configured, char **out_url)
{
    char *url = NULL;
    const struct config_address *listen = &config->listen;
    const char *const scheme = config->plain_http ? "http" : "https";
    if (configured != NULL)
        url = strdup(configured);
    else if (asprintf(&url, strchr(listen->host, ':') != NULL ? "%s://[%s]:%u" : "%s://%s:%u", scheme,
                      listen->host, listen->port) < 0)
        url = NULL;
    *out_url = url;
    return url != NULL ? OK : ERR_MEMORY;
}

// "host[:port]" of a URL that the configuration has checked.
static struct slice host_of(const char *url)
{
    const char *host = strstr(url, "://") + 3;
    return (struct slice){host, strcspn(host, "/")};
}

enum err build_request_limits(struct build *build, struct diag *diag)
{
    const struct config *config = build->config;
    if (config_serves(config, CLIENT_API_REQUESTS) && !build->appliance->has_request_signer)
        return diag_set(diag, ERR_CONFIG,
                        "%s: the first client of the API requests comes with a restart only", config->file);
    build->made->registry.request_life_s = config->requests.lifetime_s;
    if (config->requests.public_url == NULL)
        return OK;
    build->made->public_url = strdup(config->requests.public_url);
    if (build->made->public_url == NULL)
        return ERR_MEMORY;
    build->made->registry.public_url = build->made->public_url;
    build->made->registry.public_host = host_of(build->made->public_url);
    return OK;
}

enum err build_access_tokens(struct build *build, struct diag *diag)
{
    enum err rc = OK;
    struct signer signer;
    char *issuer = NULL;
    const struct config *config = build->config;
    if (!config_serves(config, CLIENT_API_CUSTOMERS))
        return OK;
    TRY(key_set_signer(&build->made->keys, KEY_SIGN_P256, &signer, diag));
    TRY(write_url(config, config->customers.issuer, &issuer));
    const struct access_tokens_options options = {signer, issuer, config->customers.token_life_s};
    TRY(access_tokens_new(&options, &build->made->access_tokens));
    build->made->registry.access_tokens = build->made->access_tokens;
out:
    free(issuer);
    return rc;
}

// The options of all clients while their table is built.
struct client_list {
    struct client_options *options;
    struct key_files *files;
    size_t count;
};

static void client_list_done(struct client_list *list)
{
    for (size_t i = 0; list->files != NULL && i < list->count; i++)
        key_files_done(&list->files[i]);
    free(list->files);
    free(list->options);
}

static enum err list_clients(struct build *build, const struct config_tenant *tenant,
                             struct client_list *list, struct diag *diag)
{
    enum err rc = OK;
    struct mac mac;
    TRY(key_set_mac(&build->made->keys, tenant->id, &mac, diag));
    for (size_t c = 0; c < tenant->client_count; c++) {
        struct key_files *files = &list->files[list->count];
        struct client_options *options = &list->options[list->count++];
        *options = client_of(tenant, &tenant->clients[c], mac);
        TRY(key_files_read(&tenant->clients[c], files, diag));
        options->member_keys = files->keys;
        options->member_key_count = files->count;
    }
out:
    return rc;
}

enum err build_clients(struct build *build, struct diag *diag)
{
    enum err rc = OK;
    size_t capacity = 0;
    const struct config *config = build->config;
    const struct appliance *appliance = build->appliance;
    for (size_t t = 0; t < config->tenant_count; t++)
        capacity += config->tenants[t].client_count;
    struct client_list list = {calloc(capacity + 1, sizeof *list.options),
                               calloc(capacity + 1, sizeof *list.files), 0};
    REQUIRE(list.options != NULL && list.files != NULL, ERR_MEMORY);
    for (size_t t = 0; t < config->tenant_count; t++)
        TRY(list_clients(build, &config->tenants[t], &list, diag));
    const struct clients_services services = {
        .access_tokens = build->made->access_tokens,
        .members = appliance->hsms != NULL ? &appliance->members : NULL, // else no id can be made
        .logins = appliance->logins,
        .sessions = appliance->store != NULL ? appliance->session_ids : NULL,
        .store = appliance->store,
        .session_idle_s = config->serial.session_idle_s,
    };
    TRY(clients_new(list.options, list.count, &services, &build->made->clients, diag));
    build->made->registry.clients = build->made->clients;
out:
    client_list_done(&list);
    return rc;
}
