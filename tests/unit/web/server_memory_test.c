// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// memory_in_flight bounds bodies, the trees made of them and the replies made of those, over all requests at
// once; what does not fit is turned away, and all of it is given back.
#include "tests/unit/web/probe.h"

#include "appliance/metrics/metrics.h"
#include "web/memory.h"

#include <pthread.h>

enum { LIMIT = 2 << 20, BODY_LIMIT = 1 << 20 };

static atomic_size_t most_seen; // in flight, by any handler
static atomic_uint inside, inside_wanted;

static void look(void)
{
    const size_t now = memory_in_flight();
    size_t before = atomic_load(&most_seen);
    while (now > before && !atomic_compare_exchange_weak(&most_seen, &before, now))
        ;
}

static void fail_plainly(struct exchange *exchange, enum failure failure)
{
    http_problem(&exchange->reply, failure_status(failure), "d");
}

static void parse(void *state, struct exchange *exchange)
{
    JSON_DOCUMENT *document = NULL;
    struct json_fault fault = {0};
    (void)state;
    const enum err rc = json_read(exchange->request.body, &document, &fault);
    look();
    if (rc != OK)
        fail_plainly(exchange, failure_from(exchange, rc));
    else
        exchange->reply.status = 204;
}

// As many bytes as the query asks for, in slices that are charged or not.
static void grow_reply(struct exchange *exchange, bool charges)
{
    struct slice bytes = {0};
    assert_true(http_query(&exchange->request, "bytes", &bytes));
    const unsigned long wanted = strtoul(bytes.at, NULL, 10);
    struct buf *body = &exchange->reply.body;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    while (body->len < wanted) {
        static const char slice[1000] = {'x'};
        if (charges && !http_charge(exchange, sizeof slice)) {
            fail_plainly(exchange, failure_from(exchange, ERR_BUSY));
            return;
        }
        buf_append(body, slice, sizeof slice);
        look();
    }
}

static void grow_charged(void *state, struct exchange *exchange)
{
    (void)state;
    grow_reply(exchange, true);
}

static void grow_unasked(void *state, struct exchange *exchange)
{
    (void)state;
    grow_reply(exchange, false);
}

// Holds its body until as many are inside as are waited for.
static void hold(void *state, struct exchange *exchange)
{
    (void)state;
    look();
    atomic_fetch_add(&inside, 1);
    for (int i = 0; i < 60000 && atomic_load(&inside) < atomic_load(&inside_wanted); i++)
        usleep(1000);
    exchange->reply.status = 204;
}

struct source {
    size_t left;
};

static enum err produce(void *context, struct buf *out)
{
    struct source *source = context;
    const size_t count = source->left < 65536 ? source->left : 65536;
    char *room = buf_reserve(out, count);
    if (room == NULL)
        return ERR_MEMORY;
    memset(room, 's', count);
    out->len += count;
    source->left -= count;
    return OK;
}

static void stream(void *state, struct exchange *exchange)
{
    static struct source source;
    (void)state;
    source.left = 2 * LIMIT;
    exchange->reply.status = 200;
    exchange->reply.content_type = "text/plain";
    exchange->reply.stream = (struct http_stream){
        .produce = produce, .context = &source, .has_length = true, .length = source.left};
}

static const struct route routes[] = {
    {HTTP_POST, "/m/parse", PERMISSION_PUBLIC, AUDIT_NONE, BODY_LIMIT, MEDIA_NONE, parse},
    {HTTP_POST, "/m/hold", PERMISSION_PUBLIC, AUDIT_NONE, BODY_LIMIT, MEDIA_NONE, hold},
    {HTTP_GET, "/m/charged", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, grow_charged},
    {HTTP_GET, "/m/unasked", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, grow_unasked},
    {HTTP_GET, "/m/stream", PERMISSION_PUBLIC, AUDIT_NONE, 0, MEDIA_NONE, stream},
};
static const struct api guest = {.name = "memory", .routes = routes, .route_count = 5, .fail = fail_plainly};

static int open_small_house(void **state)
{
    (void)state;
    struct server_limits limits = house_limits();
    limits.memory_in_flight_bytes = LIMIT;
    house_guest = &guest;
    house_open(&house, &limits, NULL);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    atomic_store(&most_seen, 0);
    atomic_store(&inside, 0);
    return 0;
}

// A reply is there before its memory is given back.
static int all_is_given_back(void **state)
{
    (void)state;
    for (int i = 0; i < 60000 && memory_in_flight() > 0; i++)
        usleep(1000);
    assert_int_equal(memory_in_flight(), 0);
    BUF text = {0};
    metrics_render(&text);
    buf_byte(&text, '\0');
    assert_non_null(strstr(text.at, "\nsymbolon_bytes_in_flight 0\n"));
    return 0;
}

static void assert_turned_away(unsigned status)
{
    if (status != 503 || strstr(house.answer, "\r\nRetry-After: 1\r\n") == NULL)
        fail_msg("%s", house.answer);
}

static unsigned post(const char *path, const char *body, size_t count)
{
    char head[128];
    size_t len = (size_t)snprintf(
        head, sizeof head, "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
        path, count);
    char *text = malloc(len + count);
    assert_non_null(text);
    memcpy(text, head, len);
    memcpy(text + len, body, count);
    unsigned status = house_ask_bytes(&house, text, len + count);
    free(text);
    return status;
}

static char *numbers(size_t count)
{
    char *text = malloc(2 * count + 2);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + 2 * i, i == 0 ? "[1" : ",1", 2);
    memcpy(text + 2 * count, "]", 2);
    return text;
}

// 64 bytes a node against 2 bytes of text.
static void a_tree_beyond_the_limit_is_turned_away_though_its_body_is_small(void **state)
{
    (void)state;
    char *text = numbers(60000);
    assert_turned_away(post("/m/parse", text, strlen(text)));
    assert_true(atomic_load(&most_seen) <= LIMIT);
    free(text);
    text = numbers(10000);
    assert_int_equal(post("/m/parse", text, strlen(text)), 204);
    assert_true(atomic_load(&most_seen) > 10000 * 64);
    free(text);
}

static void the_names_of_one_object_count_too(void **state)
{
    (void)state;
    enum { NAMES = 90000 };
    char *text = malloc(NAMES * 11 + 2), *at = text;
    assert_non_null(text);
    for (int i = 0; i < NAMES; i++)
        at += snprintf(at, 12, "%c\"%05x\":1", i == 0 ? '{' : ',', (unsigned)i);
    memcpy(at, "}", 2);
    assert_turned_away(post("/m/parse", text, strlen(text)));
    free(text);
}

static void a_reply_that_is_charged_as_it_grows_stops_at_the_limit(void **state)
{
    (void)state;
    assert_turned_away(house_ask(&house, "GET /m/charged?bytes=5000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_true(atomic_load(&most_seen) <= LIMIT);
    assert_true(atomic_load(&most_seen) > LIMIT / 4);
    assert_int_equal(house_ask(&house, "GET /m/charged?bytes=500000 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

static void a_reply_that_nobody_charged_is_charged_in_the_end(void **state)
{
    (void)state;
    assert_turned_away(house_ask(&house, "GET /m/unasked?bytes=5000000 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_int_equal(house_ask(&house, "GET /m/unasked?bytes=500000 HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
}

static void a_stream_passes_whatever_its_length(void **state)
{
    (void)state;
    int client = probe_connect(house.port, NULL);
    assert_true(probe_say(client, "GET /m/stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    size_t total = 0;
    for (size_t got; (got = probe_read(client, house.answer, 0)) > 0;)
        total += got;
    close(client);
    assert_true(total > 2 * LIMIT);
}

struct poster {
    pthread_t thread;
    unsigned status;
};

static void *post_held(void *context)
{
    struct poster *poster = context;
    enum { BYTES = 600000 };
    static char body[BYTES];
    char head[128], answer[4096] = "";
    snprintf(head, sizeof head,
             "POST /m/hold HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", BYTES);
    int client = probe_connect(house.port, NULL);
    probe_say(client, head);
    probe_send(client, body, BYTES);
    shutdown(client, SHUT_WR);
    for (size_t len = 0, got = 1; got > 0 && len < sizeof answer - 1; len += got) {
        ssize_t count = recv(client, answer + len, sizeof answer - 1 - len, 0);
        got = count > 0 ? (size_t)count : 0;
    }
    close(client);
    poster->status = probe_status(answer);
    if (poster->status != 204)
        atomic_fetch_add(&inside, 1); // so that the others need not wait for it
    return NULL;
}

static void requests_at_once_share_the_limit(void **state)
{
    (void)state;
    enum { POSTERS = 6 };
    struct poster posters[POSTERS] = {0};
    unsigned served = 0, refused = 0;
    atomic_store(&inside_wanted, POSTERS);
    for (size_t i = 0; i < POSTERS; i++)
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_held, &posters[i]), 0);
    for (size_t i = 0; i < POSTERS; i++) {
        pthread_join(posters[i].thread, NULL);
        served += posters[i].status == 204;
        refused += posters[i].status == 503;
    }
    assert_int_equal(served + refused, POSTERS);
    assert_true(served >= 1 && served <= LIMIT / 600000);
    assert_true(atomic_load(&most_seen) <= LIMIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, all_is_given_back)
    const struct CMUnitTest tests[] = {
        TEST(a_tree_beyond_the_limit_is_turned_away_though_its_body_is_small),
        TEST(the_names_of_one_object_count_too),
        TEST(a_reply_that_is_charged_as_it_grows_stops_at_the_limit),
        TEST(a_reply_that_nobody_charged_is_charged_in_the_end),
        TEST(a_stream_passes_whatever_its_length),
        TEST(requests_at_once_share_the_limit),
    };
    return cmocka_run_group_tests(tests, open_small_house, close_house);
}
