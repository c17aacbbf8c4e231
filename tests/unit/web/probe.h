// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A client that sends exactly the bytes it is told to, for tests of the server, and the server's house:
// a small API, clients whose secrets are known, an audit file.
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "appliance/audit/audit.h"
#include "appliance/base/secret.h"
#include "tests/support/soft.h"
#include "web/json_read.h"
#include "web/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANSWER_BYTES = 1 << 20, GIVE_UP_MS = 60000 };

// A connection from a loopback address; source may be NULL.
static inline int probe_connect(unsigned port, const char *source)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    struct sockaddr_in local = {.sin_family = AF_INET}, remote = {.sin_family = AF_INET};
    if (source != NULL) {
        inet_pton(AF_INET, source, &local.sin_addr);
        assert_int_equal(bind(client, (struct sockaddr *)&local, sizeof local), 0);
    }
    inet_pton(AF_INET, "127.0.0.1", &remote.sin_addr);
    remote.sin_port = htons((uint16_t)port);
    assert_int_equal(connect(client, (struct sockaddr *)&remote, sizeof remote), 0);
    return client;
}

// Whether all bytes could be sent; a server that closes early is no fault of the probe.
static inline bool probe_send(int client, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(client, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static inline bool probe_say(int client, const char *text)
{
    return probe_send(client, text, strlen(text));
}

// One read into answer; 0 at the end of the connection. Fails the test when nothing comes for a minute.
static inline size_t probe_read(int client, char *answer, size_t len)
{
    struct pollfd ready = {.fd = client, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, GIVE_UP_MS), 1);
    ssize_t got = recv(client, answer + len, ANSWER_BYTES - 1 - len, 0);
    return got > 0 ? (size_t)got : 0;
}

// Everything until the server closes.
static inline size_t probe_drain(int client, char *answer)
{
    size_t len = 0;
    for (size_t got; (got = probe_read(client, answer, len)) > 0;)
        len += got;
    answer[len] = '\0';
    return len;
}

// One whole reply with a Content-Length; the bytes after it must not be there yet.
static inline size_t probe_reply(int client, char *answer, bool head)
{
    size_t len = 0;
    answer[0] = '\0';
    for (;;) {
        const char *end = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
        if (end != NULL) {
            size_t body = length != NULL && length < end && !head ? strtoul(length + 16, NULL, 10) : 0;
            if (len >= (size_t)(end - answer) + 4 + body)
                return len;
        }
        size_t got = probe_read(client, answer, len);
        if (got == 0)
            return len;
        len += got;
        answer[len] = '\0';
    }
}

static inline unsigned probe_status(const char *answer)
{
    unsigned status = 0;
    return sscanf(answer, "HTTP/1.1 %3u ", &status) == 1 ? status : 0;
}

static inline unsigned probe_count(const char *answer, const char *needle)
{
    unsigned count = 0;
    for (const char *at = answer; (at = strstr(at, needle)) != NULL; at += strlen(needle))
        count++;
    return count;
}

// What the small API has seen.
struct house {
    struct server *server;
    unsigned port;
    struct soft_mac mac;
    struct clients *clients;
    struct registry registry;
    struct registries *registries;
    struct audit *audit;
    char audit_path[64];
    struct secret token, other_token, slow_token; // of shop, of stranger, of one who may ask twice a second
    struct secret card_id, card_key;              // WP3
    atomic_int handled;
    atomic_int slow_ms;
    char *answer; // ANSWER_BYTES
};

static inline void house_echo(void *state, struct exchange *exchange)
{
    struct house *house = state;
    atomic_fetch_add(&house->handled, 1);
    exchange->reply.status = 200;
    exchange->reply.content_type = "application/json";
    buf_printf(&exchange->reply.body, "{\"bytes\":%zu}", exchange->request.body.len);
    exchange->note.items = 1;
}

// Reads the body as JSON and forgets it.
static inline void house_json(void *state, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault;
    if (json_read(exchange->request.body, &document, &fault) == OK)
        house_echo(state, exchange);
    else
        http_problem(&exchange->reply, 400, fault.what);
}

static inline void house_name(void *state, struct exchange *exchange)
{
    (void)state;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    buf_append(&exchange->reply.body, exchange->request.params[0].at, exchange->request.params[0].len);
}

static inline void house_slow(void *state, struct exchange *exchange)
{
    struct house *house = state;
    atomic_fetch_add(&house->handled, 1);
    usleep((unsigned)atomic_load(&house->slow_ms) * 1000);
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    buf_text(&exchange->reply.body, "slow but sure");
}

static inline void house_large(void *state, struct exchange *exchange)
{
    (void)state;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    for (int i = 0; i < 16384; i++)
        buf_text(&exchange->reply.body, "0123456789abcde\n");
}

static inline void house_nothing(void *state, struct exchange *exchange)
{
    (void)state;
    exchange->reply.status = 204;
}

static inline void house_forgetful(void *state, struct exchange *exchange)
{
    (void)state, (void)exchange;
}

static inline void house_fail(struct exchange *exchange, enum failure failure)
{
    exchange->reply.status = failure_status(failure);
    exchange->reply.content_type = "application/json";
    buf_printf(&exchange->reply.body, "{\"errors\":[\"failure %d\"]}", (int)failure);
}

static const struct route house_routes[] = {
    {HTTP_POST | HTTP_PUT, "/v1/echo/{role}", PERMISSION_TOKENIZE, AUDIT_TRANSFORM_ENCODE, 200000, MEDIA_JSON,
     house_echo},
    {HTTP_POST, "/v1/open/{role}", PERMISSION_DETOKENIZE, AUDIT_TRANSFORM_DECODE, 1000, MEDIA_JSON,
     house_echo},
    {HTTP_GET, "/v1/name/{name}", PERMISSION_CALLER, AUDIT_NONE, 0, MEDIA_NONE, house_name},
};
static const struct route house_signed_routes[] = {
    {HTTP_POST, "/v2/signed", PERMISSION_TOKENIZE, AUDIT_CARD_TOKENIZE, 100000, MEDIA_JSON, house_json},
};
static const struct route house_public_routes[] = {
    {HTTP_GET, "/livez", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_echo},
    {HTTP_GET, "/slow", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_slow},
    {HTTP_GET, "/large", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_large},
    {HTTP_GET, "/nothing", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_nothing},
    {HTTP_GET, "/forgetful", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_forgetful},
    {HTTP_GET, "/name/{name}", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, house_name},
    {HTTP_POST, "/json", PERMISSION_PUBLIC, AUDIT_NONE, 200000, MEDIA_NONE, house_json},
    {HTTP_POST, "/sink", PERMISSION_PUBLIC, AUDIT_NONE, 200000, MEDIA_NONE, house_echo},
};

// One more API that a test program brings; set before the house is opened.
static const struct api *house_guest;

static inline void house_registry_gone(struct registry *registry)
{
    registry->clients = NULL;
}

static inline void house_make_clients(struct house *house)
{
    const struct client_options options[] = {
        {.name = "shop",
         .id = 1,
         .tenant_id = 7,
         .generation = 1,
         .apis = CLIENT_API_TRANSFORM | CLIENT_API_CARD,
         .permissions = PERMISSION_TOKENIZE,
         .mac = soft_mac_seam(&house->mac)},
        {.name = "stranger",
         .id = 2,
         .tenant_id = 7,
         .generation = 1,
         .apis = CLIENT_API_OPERATIONS,
         .permissions = PERMISSION_ADMIN,
         .mac = soft_mac_seam(&house->mac)},
        {.name = "slow",
         .id = 3,
         .tenant_id = 7,
         .generation = 1,
         .apis = CLIENT_API_TRANSFORM,
         .permissions = PERMISSION_TOKENIZE,
         .rate = 2,
         .mac = soft_mac_seam(&house->mac)},
    };
    assert_int_equal(clients_new(options, 3, NULL, &house->clients, NULL), OK);
    struct secret id = {0};
    assert_int_equal(
        client_credential(clients_find(house->clients, "shop"), CLIENT_API_TRANSFORM, &id, &house->token),
        OK);
    assert_int_equal(client_credential(clients_find(house->clients, "stranger"), CLIENT_API_OPERATIONS, &id,
                                       &house->other_token),
                     OK);
    assert_int_equal(client_credential(clients_find(house->clients, "slow"), CLIENT_API_TRANSFORM, &id,
                                       &house->slow_token),
                     OK);
    secret_done(&id);
    assert_int_equal(client_credential(clients_find(house->clients, "shop"), CLIENT_API_CARD, &house->card_id,
                                       &house->card_key),
                     OK);
}

static inline struct server_limits house_limits(void)
{
    return (struct server_limits){.connections = 8,
                                  .connections_per_address = 100,
                                  .header_timeout_s = 2,
                                  .idle_timeout_s = 2,
                                  .drain_timeout_s = 20,
                                  .memory_in_flight_bytes = 4 << 20};
}

static inline void house_open(struct house *house, const struct server_limits *limits,
                              const struct server_tls *tls)
{
    static const char *const prefixes[] = {"/v1/", NULL};
    *house = (struct house){.mac = {.key = {1, 2, 3}}, .answer = malloc(ANSWER_BYTES)};
    assert_non_null(house->answer);
    house_make_clients(house);
    house->registry = (struct registry){.clients = house->clients, .destroy = house_registry_gone};
    assert_int_equal(registries_new(&house->registry, &house->registries), OK);
    static int number;
    snprintf(house->audit_path, sizeof house->audit_path, "audit-%d-%d.log", (int)getpid(), number++);
    unlink(house->audit_path);
    assert_int_equal(audit_open(house->audit_path, AUDIT_SYNC_INTERVAL, &house->audit, NULL), OK);
    const struct api transform = {.name = "transform",
                                  .client_api = CLIENT_API_TRANSFORM,
                                  .credential = CREDENTIAL_TOKEN,
                                  .prefixes = prefixes,
                                  .routes = house_routes,
                                  .route_count = sizeof house_routes / sizeof house_routes[0],
                                  .fail = house_fail,
                                  .state = house};
    const struct api health = {.name = "health",
                               .routes = house_public_routes,
                               .route_count = sizeof house_public_routes / sizeof house_public_routes[0],
                               .state = house};
    const struct api card = {.name = "card",
                             .client_api = CLIENT_API_CARD,
                             .credential = CREDENTIAL_WP3,
                             .signs_body = true,
                             .routes = house_signed_routes,
                             .route_count = sizeof house_signed_routes / sizeof house_signed_routes[0],
                             .state = house};
    const struct api *const apis[] = {&transform, &card, &health, house_guest};
    const struct server_options options = {.address = "127.0.0.1",
                                           .tls = tls,
                                           .limits = *limits,
                                           .apis = apis,
                                           .api_count = house_guest != NULL ? 4 : 3,
                                           .registries = house->registries,
                                           .audit = house->audit,
                                           .clock = clock_system()};
    struct diag diag = {0};
    if (server_start(&options, &house->server, &diag) != OK)
        fail_msg("%s", diag.text);
    house->port = server_port(house->server);
}

// From here on the audit file cannot be written: it is gone, and where it would be made again is a folder.
static inline void house_break_audit(struct house *house)
{
    assert_int_equal(unlink(house->audit_path), 0);
    assert_int_equal(mkdir(house->audit_path, 0700), 0);
}

static inline void house_close(struct house *house)
{
    if (house->server != NULL)
        assert_int_equal(server_stop(house->server), 0);
    registries_free(house->registries);
    assert_null(house->registry.clients); // whatever was taken has been given back
    audit_close(house->audit);
    remove(house->audit_path);
    clients_free(house->clients);
    secret_done(&house->token);
    secret_done(&house->other_token);
    secret_done(&house->slow_token);
    secret_done(&house->card_id);
    secret_done(&house->card_key);
    free(house->answer);
}

// Sends a request on a connection of its own and returns the status of the answer; 0: closed without.
static inline unsigned house_ask_bytes(struct house *house, const char *bytes, size_t count)
{
    int client = probe_connect(house->port, NULL);
    probe_send(client, bytes, count);
    shutdown(client, SHUT_WR);
    probe_drain(client, house->answer);
    close(client);
    return probe_status(house->answer);
}

static inline unsigned house_ask(struct house *house, const char *text)
{
    return house_ask_bytes(house, text, strlen(text));
}

// The house of a whole test program.
static struct house house;

static inline int open_house(void **state)
{
    (void)state;
    struct server_limits limits = house_limits();
    house_open(&house, &limits, NULL);
    return 0;
}

static inline int close_house(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}
