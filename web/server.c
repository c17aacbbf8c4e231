// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/server.h"

#include "appliance/base/log.h"
#include "appliance/base/secret.h"
#include "web/census.h"
#include "web/memory.h"
#include "web/openssl3_shim/openssl3_shim.h"
#include "web/serve.h"
#include "web/text.h"
#include "web/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <civetweb.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEAD_BYTES = 16 * 1024,
    QUEUE = 64,
    BACKLOG = 512,
    DRAIN_POLL_MS = 5,
    QUIET_TICKS_MAX = 5,
    PEEK_BYTES = 160
};

// One civetweb worker thread and the one connection it has at a time.
struct thread {
    struct worker worker;
    struct server *server;
    char *receive; // civetweb's buffer of this thread, HEAD_BYTES; NULL until a request shows where it is
};

struct server {
    struct server_options options;
    struct service service;
    struct deadlines *deadlines;
    struct census *_Atomic census; // NULL until the port is known
    atomic_bool newcomers;         // connections since the last census
    unsigned quiet_ticks;          // the watcher's own
    struct tls_settings *tls;      // NULL: plain HTTP
    struct mg_context *civetweb;
    unsigned port;
};

static int wire_read(void *connection, void *out, size_t capacity)
{
    return mg_read(connection, out, capacity);
}

// civetweb waits for a peer who takes nothing as long as for a head, counts over TLS from the beginning of
// the piece, and then answers -1, or with what it has written: the same bytes may be offered again. But -1 is
// its word for a peer who has gone, too; that one comes at once.
static bool wire_write(void *connection, const void *bytes, size_t count, int64_t until_ns)
{
    const struct thread *thread = mg_get_thread_pointer(connection);
    const int64_t patience_ns = thread->server->options.limits.header_timeout_s * (int64_t)1000000000;
    const char *at = bytes;
    while (count > 0) {
        const size_t piece = count < (1u << 30) ? count : 1u << 30;
        const int64_t before_ns = deadline_now_ns();
        const int written = mg_write(connection, at, piece);
        const int64_t now_ns = deadline_now_ns();
        const bool gone = written == 0 || (written < 0 && now_ns - before_ns < patience_ns);
        if (gone || (written != (int)piece && now_ns >= until_ns))
            return false;
        at += written > 0 ? written : 0;
        count -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

static struct wire wire_of(struct mg_connection *connection)
{
    return (struct wire){.read = wire_read, .write = wire_write, .context = connection};
}

// civetweb parses in place: it puts a NUL over every separator and leaves all else where it was. So the
// distances between the pieces tell what stood between them, and that is how a bare line feed, a folded
// line (at which civetweb stops and drops all that follows, Content-Length included), a space before a
// colon or two spaces in the request line are seen.
static bool is_plain_line_end(const char *text)
{
    return text[0] == '\0' && text[1] == '\0';
}

static bool is_plain_separator(const char *name_end, const char *value)
{
    for (const char *at = name_end + 1; at < value; at++) {
        if (*at != ' ' && *at != '\t')
            return false;
    }
    return value > name_end;
}

static bool has_plain_request_line(const struct mg_request_info *info)
{
    const char *target_end = info->query_string != NULL ? info->query_string : info->request_uri;
    target_end += strlen(target_end);
    const char *version_end = info->http_version + strlen(info->http_version);
    return info->request_uri == info->request_method + strlen(info->request_method) + 1 &&
           info->http_version == target_end + 1 + strlen("HTTP/") &&
           (info->num_headers == 0 || info->http_headers[0].name == version_end + 2);
}

static bool has_plain_headers(const struct mg_request_info *info)
{
    for (int i = 0; i < info->num_headers; i++) {
        const char *name = info->http_headers[i].name, *value = info->http_headers[i].value;
        const char *end = value + strlen(value);
        bool last = i + 1 == info->num_headers;
        if (!is_plain_separator(name + strlen(name), value) || !is_plain_line_end(end))
            return false;
        // Behind the last line stands the empty one, whose line feed civetweb overwrote.
        if (last ? end[2] != '\r' || end[3] != '\0' : info->http_headers[i + 1].name != end + 2)
            return false;
    }
    return true;
}

// civetweb receives into one buffer a thread and never cleans it, which has two bad ends: card data and
// credentials stay there, and white space before a request makes civetweb parse beyond what it received,
// into what an earlier connection left there (somebody else's request, answered to the wrong peer). So we
// must know the buffer. No function tells; but its address stands in the connection behind the two public
// structs, and it is the nearest address at or before the request in it.
static char *find_receive_buffer(const struct mg_request_info *info)
{
    const unsigned char *private = (const unsigned char *)(info + 1) + sizeof(struct mg_response_info);
    uintptr_t request = (uintptr_t)info->request_method, best = 0;
    for (size_t at = 0; at < PEEK_BYTES; at += sizeof(uintptr_t)) {
        uintptr_t word;
        memcpy(&word, private + at, sizeof word);
        if (word <= request && request - word < HEAD_BYTES && word > best)
            best = word;
    }
    return (char *)best;
}

static void learn_receive_buffer(struct thread *thread, const struct mg_request_info *info)
{
    if (thread->receive == NULL && info != NULL && info->request_method != NULL)
        thread->receive = find_receive_buffer(info);
}

static bool starts_at_buffer(struct thread *thread, const struct mg_request_info *info)
{
    learn_receive_buffer(thread, info);
    if (thread->receive == NULL)
        log_error("receive_buffer_not_found", LOG_TEXT("civetweb", mg_version()));
    return thread->receive != NULL && info->request_method == thread->receive;
}

// The part of the body that came with the head; what follows it may be the next request.
static void wipe_received_body(struct thread *thread, const struct mg_request_info *info)
{
    const char *last = info->http_headers[info->num_headers - 1].value;
    size_t head = (size_t)(last + strlen(last) + strlen("\r\n\r\n") - thread->receive);
    size_t left = HEAD_BYTES - head, length = info->content_length > 0 ? (size_t)info->content_length : 0;
    wipe(thread->receive + head, length < left ? length : left);
}

// civetweb has not taken the query off a target that it passed over.
static void split_query(struct head *head)
{
    const char *mark = memchr(head->path.at, '?', head->path.len);
    if (mark == NULL)
        return;
    const size_t path = (size_t)(mark - head->path.at);
    head->query = (struct slice){mark + 1, head->path.len - path - 1};
    head->path.len = path;
}

static void fill_head(struct thread *thread, const struct mg_request_info *info)
{
    struct head *head = &thread->worker.head;
    head->method = text_slice(info->request_method);
    head->path = guard_origin_form(text_slice(info->request_uri), thread->server->tls != NULL);
    head->query = text_slice(info->query_string != NULL ? info->query_string : "");
    split_query(head);
    head->minor = strcmp(info->http_version, "1.1") == 0;
    head->header_count = (size_t)info->num_headers;
    for (size_t i = 0; i < head->header_count; i++) {
        head->headers[i].name = text_slice(info->http_headers[i].name);
        head->headers[i].value = text_slice(info->http_headers[i].value);
    }
    head->plain_layout =
        starts_at_buffer(thread, info) && has_plain_request_line(info) && has_plain_headers(info);
}

// civetweb cleans dots and slashes out of a copy of the path, which nobody looks at, and frees it as it is.
static void wipe_path_copy(const struct mg_request_info *info)
{
    if (info->local_uri != NULL && info->local_uri != info->local_uri_raw)
        wipe((char *)(uintptr_t)info->local_uri, strlen(info->local_uri));
}

static void note_peer(struct worker *worker, const struct mg_request_info *info)
{
    snprintf(worker->source, sizeof worker->source, "%s", info->remote_addr);
    worker->deadline.port = (unsigned)info->remote_port;
    worker->deadline.local_port = (unsigned)info->server_port;
}

// A request that was answered has no method any more; civetweb does not look at it again.
static void mark_answered(const struct mg_request_info *info)
{
    if (info->request_method != NULL)
        *(char *)(uintptr_t)info->request_method = '\0';
}

static bool was_passed_over(const struct mg_request_info *info)
{
    return info != NULL && info->request_method != NULL && info->request_method[0] != '\0';
}

static int begin_request(struct mg_connection *connection)
{
    struct thread *thread = mg_get_thread_pointer(connection);
    const struct mg_request_info *info = mg_get_request_info(connection);
    struct wire wire = wire_of(connection);
    note_peer(&thread->worker, info);
    fill_head(thread, info);
    if (serve_request(&thread->server->service, &thread->worker, &wire))
        wipe_received_body(thread, info);
    else
        mg_disable_connection_keep_alive(connection);
    wipe_path_copy(info);
    mark_answered(info);
    return 1;
}

// civetweb could not parse the request, or gave up on its head.
static int http_error(struct mg_connection *connection, int status, const char *message)
{
    (void)message;
    struct thread *thread = mg_get_thread_pointer(connection);
    struct wire wire = wire_of(connection);
    note_peer(&thread->worker, mg_get_request_info(connection));
    // A worker that never had another request must know what to wipe when the connection ends.
    learn_receive_buffer(thread, mg_get_request_info(connection));
    mg_disable_connection_keep_alive(connection);
    // 411 is its answer to a Content-Length that is no number.
    serve_unparsed(&thread->server->service, &thread->worker, &wire, status == 411 ? 400 : (unsigned)status);
    mark_answered(mg_get_request_info(connection));
    return 0;
}

static int log_message(const struct mg_connection *connection, const char *message)
{
    (void)connection;
    log_debug("civetweb", LOG_TEXT("message", message));
    return 1;
}

static void *init_thread(const struct mg_context *context, int kind)
{
    struct server *server = mg_get_user_data(context);
    if (kind != 1)
        return NULL;
    struct thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        abort(); // at start only, where it is as good as an error
    thread->server = server;
    thread->worker.deadline.address = thread->worker.source;
    deadlines_join(server->deadlines, &thread->worker.deadline);
    return thread;
}

static void exit_thread(const struct mg_context *context, int kind, void *pointer)
{
    (void)context;
    struct thread *thread = pointer;
    if (kind != 1 || thread == NULL)
        return;
    deadlines_leave(thread->server->deadlines, &thread->worker.deadline);
    worker_done(&thread->worker);
    free(thread);
}

// civetweb passes over "*", and an absolute-form target whose port is not its own (a client knows the port of
// a proxy or a mapped one): it closes without a word. The request is parsed, its body unread, and the
// connection still stands; so it is answered here.
static void connection_close(const struct mg_connection *connection)
{
    struct thread *thread = mg_get_thread_pointer(connection);
    if (was_passed_over(mg_get_request_info(connection))) {
        thread->worker.closing = true;
        begin_request((struct mg_connection *)(uintptr_t)connection);
        thread->worker.closing = false;
    }
    if (thread->receive != NULL)
        wipe(thread->receive, HEAD_BYTES);
}

static int init_connection(const struct mg_connection *connection, void **out_data)
{
    (void)out_data;
    struct thread *thread = mg_get_thread_pointer(connection);
    atomic_store(&thread->server->newcomers, true);
    return 0;
}

// Connections in the queue and in handshakes raise no flag: a census is due from time to time anyway.
static void tick(void *context)
{
    struct server *server = context;
    struct census *census = atomic_load(&server->census);
    bool due = atomic_exchange(&server->newcomers, false) || ++server->quiet_ticks >= QUIET_TICKS_MAX;
    if (census == NULL || !due)
        return;
    server->quiet_ticks = 0;
    size_t ended = census_take(census);
    if (ended > 0)
        log_warning("connections_over_limit", LOG_NUMBER("ended", ended));
}

static int external_tls(void **context, void *user_data)
{
    struct server *server = user_data;
    if (*context == NULL)
        *context = tls_settings_context(server->tls);
    return 1; // ours: civetweb neither changes nor frees it
}

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static bool library_has_tls;

// civetweb reports a libssl that lacks a function it needs only by this flag, and crashes later.
static void init_library(void)
{
    bool shim = openssl3_shim_ssl() != NULL && openssl3_shim_crypto() != NULL;
    library_has_tls = (mg_init_library(MG_FEATURES_TLS) & MG_FEATURES_TLS) != 0 && shim;
}

static enum err check_options(const struct server_options *options, struct diag *diag)
{
    const struct server_limits *limits = &options->limits;
    if (limits->connections == 0 || limits->connections_per_address == 0 || limits->header_timeout_s == 0 ||
        limits->idle_timeout_s == 0)
        return diag_set(diag, ERR_CONFIG, "server limits must not be zero");
    if (strchr(options->address, ':') != NULL && mg_check_feature(MG_FEATURES_IPV6) == 0)
        return diag_set(diag, ERR_CONFIG, "%s: this civetweb is built without IPv6", options->address);
    pthread_once(&library_once, init_library);
    if (options->tls != NULL && !library_has_tls)
        return diag_set(diag, ERR_CONFIG,
                        "civetweb cannot use OpenSSL 3: libssl.so of this product was not loaded");
    return OK;
}

struct text {
    char at[64];
};

static struct text number(unsigned long value)
{
    struct text text;
    snprintf(text.at, sizeof text.at, "%lu", value);
    return text;
}

static const struct mg_callbacks callbacks = {
    .begin_request = begin_request,
    .http_error = http_error,
    .log_message = log_message,
    .init_thread = init_thread,
    .exit_thread = exit_thread,
    .init_connection = init_connection,
    .connection_close = connection_close,
};

// civetweb says only that it failed. Doing what it did, the kernel says why; 0 when it does not.
static int why_not_bound(const struct server_options *options)
{
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options->port)};
    const int on = 1;
    if (inet_pton(AF_INET, options->address, &local.sin_addr) != 1)
        return 0;
    const int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return errno;
    const bool bound = setsockopt(probe, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                       bind(probe, (const struct sockaddr *)&local, sizeof local) == 0 &&
                       listen(probe, 1) == 0;
    const int why = bound ? 0 : errno;
    close(probe);
    return why;
}

static enum err start_civetweb(struct server *server, struct diag *diag)
{
    const struct server_limits *limits = &server->options.limits;
    struct text port, threads = number(limits->connections), head = number(HEAD_BYTES),
                      header_ms = number(1000ul * limits->header_timeout_s),
                      idle_ms = number(1000ul * limits->idle_timeout_s), queue = number(QUEUE),
                      backlog = number(BACKLOG);
    snprintf(port.at, sizeof port.at, "%s:%u%s", server->options.address, server->options.port,
             server->tls != NULL ? "s" : "");
    const char *options[] = {"listening_ports",
                             port.at,
                             "num_threads",
                             threads.at,
                             "max_request_size",
                             head.at,
                             "request_timeout_ms",
                             header_ms.at,
                             "keep_alive_timeout_ms",
                             idle_ms.at,
                             "enable_keep_alive",
                             "yes",
                             "tcp_nodelay",
                             "1",
                             "decode_url",
                             "no",
                             "connection_queue",
                             queue.at,
                             "listen_backlog",
                             backlog.at,
                             "enable_auth_domain_check",
                             "no",
                             "enable_directory_listing",
                             "no",
                             "access_control_allow_origin",
                             "",
                             "access_control_allow_methods",
                             "",
                             "access_control_allow_headers",
                             "",
                             NULL};
    struct mg_callbacks with_tls = callbacks;
    with_tls.external_ssl_ctx = server->tls != NULL ? external_tls : NULL;
    char reason[256] = "";
    struct mg_init_data init = {&with_tls, server, options};
    struct mg_error_data error = {.text = reason, .text_buffer_size = sizeof reason};
    server->civetweb = mg_start2(&init, &error);
    if (server->civetweb != NULL)
        return OK;
    const int why = why_not_bound(&server->options);
    return diag_set(diag, ERR_IO, "cannot listen on %s:%u: %s", server->options.address, server->options.port,
                    why != 0 ? strerror(why) : reason);
}

static enum err learn_port(struct server *server, struct diag *diag)
{
    struct mg_server_port port;
    if (mg_get_server_ports(server->civetweb, 1, &port) != 1)
        return diag_set(diag, ERR_IO, "civetweb does not tell its port");
    server->port = (unsigned)port.port;
    struct census *census = census_new(server->port, server->options.limits.connections_per_address);
    atomic_store(&server->census, census);
    return census != NULL ? OK : ERR_MEMORY;
}

static void release(struct server *server)
{
    if (server == NULL)
        return;
    if (server->civetweb != NULL)
        mg_stop(server->civetweb);
    deadlines_free(server->deadlines);
    census_free(atomic_load(&server->census));
    tls_settings_free(server->tls);
    penalty_free(server->service.penalty);
    rate_free(server->service.rate);
    router_free(server->service.router);
    free(server);
}

enum err server_start(const struct server_options *options, struct server **out_server, struct diag *diag)
{
    enum err rc = OK;
    struct server *server = NULL;
    TRY(check_options(options, diag));
    server = calloc(1, sizeof *server);
    REQUIRE(server != NULL, ERR_MEMORY);
    server->options = *options;
    server->service.options = &server->options;
    server->service.tls = options->tls != NULL;
    TRY(router_new(options->apis, options->api_count, options->audit != NULL, &server->service.router, diag));
    server->service.penalty = penalty_new();
    server->service.rate = rate_new();
    REQUIRE(server->service.penalty != NULL && server->service.rate != NULL, ERR_MEMORY);
    if (options->tls != NULL)
        TRY(tls_settings_new(options->tls, &server->tls, diag));
    memory_configure(options->limits.memory_in_flight_bytes);
    TRY(deadlines_new(options->limits.connections, tick, server, &server->deadlines));
    TRY(start_civetweb(server, diag));
    TRY(learn_port(server, diag));
    *out_server = server;
    server = NULL;
out:
    release(server);
    return rc;
}

enum err server_reload_tls(struct server *server, const struct server_tls *tls, struct diag *diag)
{
    assert(server->tls != NULL);
    return tls_settings_replace(server->tls, tls, diag);
}

void server_reload_limits(struct server *server, const struct server_limits *limits)
{
    census_set_limit(atomic_load(&server->census), limits->connections_per_address);
    memory_configure(limits->memory_in_flight_bytes);
    server->options.limits.drain_timeout_s = limits->drain_timeout_s; // read by server_stop alone
}

unsigned server_port(const struct server *server)
{
    return server->port;
}

unsigned server_in_flight(const struct server *server)
{
    return atomic_load(&server->service.in_flight);
}

// A request counts until its reply is in the kernel's hands, which is what mg_stop would cut off.
unsigned server_stop(struct server *server)
{
    if (server == NULL)
        return 0;
    atomic_store(&server->service.stopping, true);
    int64_t end_ns = deadline_now_ns() + server->options.limits.drain_timeout_s * (int64_t)1000000000;
    while (server_in_flight(server) > 0 && deadline_now_ns() < end_ns)
        usleep(DRAIN_POLL_MS * 1000);
    unsigned cut_off = server_in_flight(server);
    census_end_all(atomic_load(&server->census)); // civetweb looks at its stop flag every two seconds
    release(server);
    return cut_off;
}
