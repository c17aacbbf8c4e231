// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams whose reader is slow, and a server that stops in the middle of one.
#include "tests/unit/web/stream_house.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static const char certificate_file[] = "stream-test.pem";
enum { LONG = 20 * 1000 * 1000 }; // more than the sockets' buffers take

static void open_quick(unsigned header_timeout_s, unsigned drain_timeout_s, const struct server_tls *tls)
{
    struct server_limits limits = house_limits();
    limits.header_timeout_s = header_timeout_s;
    limits.drain_timeout_s = drain_timeout_s;
    house_open(&house, &limits, tls);
}

static void ask_long(int client)
{
    ask_for(client, GET, &(struct plan){.made = LONG, .has_length = true, .length = LONG});
    assert_int_equal(read_made(client, 0, 1000), 1000);
}

// Each time longer than civetweb waits for a write, and in all longer than a piece may take.
static void a_reader_who_rests_gets_the_whole_body(void **state)
{
    (void)state;
    open_quick(1, 20, NULL);
    int client = probe_connect(house.port, NULL);
    ask_long(client);
    usleep(4000000);
    assert_int_equal(read_made(client, 1000, LONG / 2), LONG / 2);
    usleep(4000000);
    assert_int_equal(read_made(client, 1000 + LONG / 2, LONG / 2 - 1000), LONG / 2 - 1000);
    assert_ended_once();
    assert_still_serves(client);
    house_close(&house);
}

static void a_reader_who_stops_frees_its_worker_at_the_deadline(void **state)
{
    (void)state;
    open_quick(1, 20, NULL);
    int client = probe_connect(house.port, NULL);
    ask_long(client);
    assert_ended_once(); // though nobody hung up
    assert_true(read_made(client, 1000, LONG) < LONG - 1000);
    close(client);
    house_close(&house);
}

// By itself it would never end, and the deadline is half an hour away.
static void a_client_that_hangs_up_stops_the_work(void **state)
{
    (void)state;
    open_quick(300, 20, NULL);
    for (int turn = 0; turn < 4; turn++) {
        int client = probe_connect(house.port, NULL);
        ask_for(client, GET,
                &(struct plan){.made = UINT64_MAX, .has_length = turn % 2 == 0, .length = UINT64_MAX});
        if (turn < 2) {
            const struct linger at_once = {.l_onoff = 1};
            setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        close(client);
        assert_ended_once();
    }
    house_close(&house);
}

static void *stop_house(void *cut_off)
{
    *(unsigned *)cut_off = server_stop(house.server);
    return NULL;
}

static void stopping_lets_a_stream_out(void **state)
{
    (void)state;
    open_quick(2, 60, NULL);
    int client = probe_connect(house.port, NULL);
    ask_long(client);
    pthread_t stopper;
    unsigned cut_off = 99;
    assert_int_equal(pthread_create(&stopper, NULL, stop_house, &cut_off), 0);
    usleep(500000);
    assert_int_equal(atomic_load(&ends), 0);
    assert_int_equal(read_made(client, 1000, UINT64_MAX), LONG - 1000);
    pthread_join(stopper, NULL);
    house.server = NULL;
    assert_int_equal(cut_off, 0);
    assert_int_equal(atomic_load(&ends), 1);
    close(client);
    house_close(&house);
}

static void stopping_does_not_wait_longer_than_the_drain_timeout(void **state)
{
    (void)state;
    open_quick(300, 1, NULL);
    int client = probe_connect(house.port, NULL);
    ask_long(client);
    assert_int_equal(server_stop(house.server), 1);
    house.server = NULL;
    assert_int_equal(atomic_load(&ends), 1);
    assert_true(read_made(client, 1000, UINT64_MAX) < LONG - 1000);
    close(client);
    house_close(&house);
}

static EVP_PKEY *make_key_and_certificate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    FILE *file = fopen(certificate_file, "w");
    assert_true(file != NULL && PEM_write_X509(file, certificate) == 1);
    fclose(file);
    X509_free(certificate);
    return key;
}

// OpenSSL wants the same bytes again after a write that could not be ended.
static void a_reader_who_rests_gets_the_whole_body_over_TLS(void **state)
{
    (void)state;
    EVP_PKEY *key = make_key_and_certificate();
    open_quick(1, 20, &(struct server_tls){.certificate_file = certificate_file, .key = key});
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    int client = probe_connect(house.port, NULL);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, client);
    assert_int_equal(SSL_connect(ssl), 1);
    set_plan(&(struct plan){.made = LONG, .has_length = true, .length = LONG});
    assert_true(SSL_write(ssl, GET, sizeof GET - 1) > 0);
    usleep(2500000);
    size_t len = 0;
    house.answer[0] = '\0';
    while (strstr(house.answer, "\r\n\r\n") == NULL && SSL_read(ssl, house.answer + len, 1) == 1)
        house.answer[++len] = '\0';
    static char bytes[65536];
    uint64_t at = 0;
    for (int got; at < LONG && (got = SSL_read(ssl, bytes, sizeof bytes)) > 0; at += (uint64_t)got) {
        for (int i = 0; i < got; i++)
            assert_int_equal(bytes[i], made_byte(at + (uint64_t)i));
    }
    assert_int_equal(at, LONG);
    assert_ended_once();
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(client);
    house_close(&house);
    EVP_PKEY_free(key);
    unlink(certificate_file);
}

int main(void)
{
    house_guest = &stream_api;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_who_rests_gets_the_whole_body),
        cmocka_unit_test(a_reader_who_stops_frees_its_worker_at_the_deadline),
        cmocka_unit_test(a_client_that_hangs_up_stops_the_work),
        cmocka_unit_test(stopping_lets_a_stream_out),
        cmocka_unit_test(stopping_does_not_wait_longer_than_the_drain_timeout),
        cmocka_unit_test(a_reader_who_rests_gets_the_whole_body_over_TLS),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
