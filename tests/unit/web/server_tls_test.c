// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The TLS listener, with keys and certificates that are made here.
#include "tests/unit/web/probe.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>

static EVP_PKEY *server_key, *next_key, *client_key;
static X509 *server_certificate, *next_certificate, *client_certificate;
static const char server_file[] = "tls-test-server.pem", next_file[] = "tls-test-next.pem",
                  ca_file[] = "tls-test-ca.pem";

static EVP_PKEY *make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    assert_non_null(key);
    return key;
}

static X509 *make_certificate(EVP_PKEY *key, const char *name)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(certificate, subject);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    return certificate;
}

static void write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, certificate), 1);
    fclose(file);
}

static int make_keys(void **state)
{
    (void)state;
    server_key = make_key();
    next_key = make_key();
    client_key = make_key();
    server_certificate = make_certificate(server_key, "localhost");
    next_certificate = make_certificate(next_key, "localhost");
    client_certificate = make_certificate(client_key, "client");
    write_certificate(server_file, server_certificate);
    write_certificate(next_file, next_certificate);
    write_certificate(ca_file, client_certificate);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    unlink(server_file);
    unlink(next_file);
    unlink(ca_file);
    X509_free(server_certificate);
    X509_free(next_certificate);
    X509_free(client_certificate);
    EVP_PKEY_free(server_key);
    EVP_PKEY_free(next_key);
    EVP_PKEY_free(client_key);
    return 0;
}

static void open_with(const char *client_ca, bool required)
{
    struct server_limits limits = house_limits();
    const struct server_tls tls = {.certificate_file = server_file,
                                   .key = server_key,
                                   .client_ca_file = client_ca,
                                   .require_client_certificate = required};
    house_open(&house, &limits, &tls);
}

struct wish {
    int version;
    const char *ciphers, *groups;
    bool certificate;
};

static SSL_CTX *client_context(const struct wish *wish)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, wish->version);
    SSL_CTX_set_max_proto_version(context, wish->version);
    if (wish->ciphers != NULL)
        assert_int_equal(SSL_CTX_set_cipher_list(context, wish->ciphers), 1);
    if (wish->groups != NULL)
        assert_int_equal(SSL_CTX_set1_groups_list(context, wish->groups), 1);
    if (wish->certificate) {
        SSL_CTX_use_certificate(context, client_certificate);
        SSL_CTX_use_PrivateKey(context, client_key);
    }
    return context;
}

// One request over a connection of its own; the status of the answer, 0 without one.
static unsigned ask(const struct wish *wish)
{
    static const char request[] = "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    SSL_CTX *context = client_context(wish);
    int client = probe_connect(house.port, NULL);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, client);
    house.answer[0] = '\0';
    int len = 0;
    if (SSL_connect(ssl) == 1 && SSL_write(ssl, request, sizeof request - 1) > 0) {
        for (int got; (got = SSL_read(ssl, house.answer + len, 4096)) > 0;)
            len += got;
        house.answer[len] = '\0';
    }
    SSL_free(ssl);
    close(client);
    SSL_CTX_free(context);
    return probe_status(house.answer);
}

static void TLS_1_2_and_1_3_are_spoken(void **state)
{
    (void)state;
    open_with(NULL, false);
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION}), 200);
    assert_non_null(strstr(house.answer, "\r\nStrict-Transport-Security: max-age="));
    assert_int_equal(ask(&(struct wish){.version = TLS1_2_VERSION}), 200);
    house_close(&house);
}

static void older_versions_and_weak_suites_are_not(void **state)
{
    (void)state;
    static const struct wish weak[] = {
        {.version = TLS1_1_VERSION},
        {.version = TLS1_VERSION},
        {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA256"},
        {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-SHA"},
        {.version = TLS1_2_VERSION, .ciphers = "AES128-GCM-SHA256"},
        {.version = TLS1_2_VERSION, .ciphers = "DHE-RSA-AES256-GCM-SHA384"},
        {.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES256-CCM8"},
        {.version = TLS1_3_VERSION, .groups = "P-521"},
        {.version = TLS1_3_VERSION, .groups = "ffdhe2048"},
    };
    open_with(NULL, false);
    for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++) {
        if (ask(&weak[i]) != 0)
            fail_msg("case %zu was answered", i);
    }
    assert_int_equal(
        ask(&(struct wish){.version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256"}), 200);
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION, .groups = "P-256"}), 200);
    house_close(&house);
}

static void a_client_may_not_renegotiate(void **state)
{
    (void)state;
    open_with(NULL, false);
    SSL_CTX *context = client_context(&(struct wish){.version = TLS1_2_VERSION});
    int client = probe_connect(house.port, NULL);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, client);
    assert_int_equal(SSL_connect(ssl), 1);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    SSL_free(ssl);
    close(client);
    SSL_CTX_free(context);
    house_close(&house);
}

static void a_required_client_certificate_is_required(void **state)
{
    (void)state;
    open_with(ca_file, true);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_int_equal(ask(&(struct wish){.version = version}), 0);
        assert_int_equal(ask(&(struct wish){.version = version, .certificate = true}), 200);
    }
    house_close(&house);
}

static void an_optional_client_certificate_is_checked_when_shown(void **state)
{
    (void)state;
    open_with(ca_file, false);
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION}), 200);
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION, .certificate = true}), 200);
    house_close(&house);
    open_with(server_file, false); // another CA
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION, .certificate = true}), 0);
    house_close(&house);
}

static void plain_HTTP_on_the_TLS_port_gets_no_answer_and_does_no_harm(void **state)
{
    (void)state;
    open_with(NULL, false);
    int client = probe_connect(house.port, NULL);
    assert_true(probe_say(client, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"));
    probe_drain(client, house.answer);
    assert_int_equal(probe_status(house.answer), 0);
    close(client);
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION}), 200);
    house_close(&house);
}

static void silent_handshakes_of_one_address_leave_workers_for_others(void **state)
{
    (void)state;
    struct server_limits limits = house_limits();
    limits.connections = 3;
    limits.connections_per_address = 2;
    limits.header_timeout_s = 3000;
    const struct server_tls tls = {.certificate_file = server_file, .key = server_key};
    house_open(&house, &limits, &tls);
    int silent[8];
    for (size_t i = 0; i < 8; i++)
        silent[i] = probe_connect(house.port, "127.0.0.3");
    assert_int_equal(ask(&(struct wish){.version = TLS1_3_VERSION}), 200);
    for (size_t i = 0; i < 8; i++)
        close(silent[i]);
    house_close(&house);
}

static enum err start_with(const struct server_tls *tls, struct diag *diag)
{
    const struct server_options options = {
        .address = "127.0.0.1", .tls = tls, .limits = house_limits(), .clock = clock_system()};
    struct server *server = NULL;
    enum err rc = server_start(&options, &server, diag);
    server_stop(server);
    return rc;
}

static void a_key_that_is_not_the_certificates_stops_the_start(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(
        start_with(&(struct server_tls){.certificate_file = server_file, .key = client_key}, &diag),
        ERR_CONFIG);
    assert_non_null(strstr(diag.text, server_file));
}

static void a_missing_file_stops_the_start(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(
        start_with(&(struct server_tls){.certificate_file = "none.pem", .key = server_key}, &diag),
        ERR_CONFIG);
    assert_non_null(strstr(diag.text, "none.pem"));
    diag = (struct diag){0};
    assert_int_equal(start_with(&(struct server_tls){.certificate_file = server_file,
                                                     .key = server_key,
                                                     .client_ca_file = "none.pem"},
                                &diag),
                     ERR_CONFIG);
    assert_non_null(strstr(diag.text, "none.pem"));
}

static void a_port_that_cannot_be_had_is_named_as_the_operator_wrote_it(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct server *server = NULL;
    const struct server_tls tls = {.certificate_file = server_file, .key = server_key};
    const struct server_options options = {.address = "192.0.2.1", // for documentation, nobody's own
                                           .port = 19443,
                                           .tls = &tls,
                                           .limits = house_limits(),
                                           .clock = clock_system()};
    assert_int_equal(server_start(&options, &server, &diag), ERR_IO);
    assert_string_equal(diag.text, "cannot listen on 192.0.2.1:19443: Cannot assign requested address");
}

static void requiring_certificates_without_a_CA_stops_the_start(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(start_with(&(struct server_tls){.certificate_file = server_file,
                                                     .key = server_key,
                                                     .require_client_certificate = true},
                                &diag),
                     ERR_CONFIG);
}

// ---- reload ---------------------------------------------------------------------------------------

// A connection that lasts for several requests; session: one to resume, or NULL.
struct talk {
    SSL_CTX *context;
    SSL *ssl;
    int client;
};

static struct talk talk_begin(int version, SSL_SESSION *session)
{
    struct talk talk = {.context = client_context(&(struct wish){.version = version})};
    talk.client = probe_connect(house.port, NULL);
    talk.ssl = SSL_new(talk.context);
    if (session != NULL)
        assert_int_equal(SSL_set_session(talk.ssl, session), 1);
    SSL_set_fd(talk.ssl, talk.client);
    assert_int_equal(SSL_connect(talk.ssl), 1);
    return talk;
}

static void assert_answers(const struct talk *talk)
{
    static const char request[] = "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_true(SSL_write(talk->ssl, request, sizeof request - 1) > 0);
    house.answer[0] = '\0';
    for (int len = 0, got; strstr(house.answer, "\r\n\r\n") == NULL; len += got) {
        got = SSL_read(talk->ssl, house.answer + len, 4096);
        assert_true(got > 0);
        house.answer[len + got] = '\0';
    }
    assert_int_equal(probe_status(house.answer), 204);
}

static void talk_end(struct talk *talk)
{
    SSL_shutdown(talk->ssl);
    SSL_free(talk->ssl);
    SSL_CTX_free(talk->context);
    close(talk->client);
}

static bool shows(const struct talk *talk, X509 *certificate)
{
    X509 *shown = SSL_get1_peer_certificate(talk->ssl);
    assert_non_null(shown);
    const bool same = X509_cmp(shown, certificate) == 0;
    X509_free(shown);
    return same;
}

static enum err reload(const char *file, EVP_PKEY *key, const char *client_ca, bool required,
                       struct diag *diag)
{
    const struct server_tls tls = {file, key, client_ca, required};
    return server_reload_tls(house.server, &tls, diag);
}

static void a_new_certificate_is_shown_to_newcomers_and_old_connections_go_on(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        open_with(NULL, false);
        struct talk before = talk_begin(version, NULL);
        assert_true(shows(&before, server_certificate));
        assert_answers(&before);
        assert_int_equal(reload(next_file, next_key, NULL, false, NULL), OK);
        struct talk after = talk_begin(version, NULL);
        assert_true(shows(&after, next_certificate));
        assert_answers(&after);
        assert_answers(&before);
        talk_end(&after);
        talk_end(&before);
        house_close(&house);
    }
}

static void a_file_that_was_renewed_is_read_again(void **state)
{
    (void)state;
    open_with(NULL, false);
    X509 *renewed = make_certificate(server_key, "renewed");
    write_certificate(server_file, renewed);
    struct talk talk = talk_begin(TLS1_3_VERSION, NULL);
    assert_true(shows(&talk, server_certificate));
    talk_end(&talk);
    assert_int_equal(reload(server_file, server_key, NULL, false, NULL), OK);
    talk = talk_begin(TLS1_3_VERSION, NULL);
    assert_true(shows(&talk, renewed));
    talk_end(&talk);
    write_certificate(server_file, server_certificate);
    X509_free(renewed);
    house_close(&house);
}

static void a_reload_that_fails_changes_nothing(void **state)
{
    (void)state;
    const struct {
        const char *file;
        EVP_PKEY *key;
        const char *client_ca;
        bool required;
        const char *told;
    } rows[] = {
        {next_file, server_key, NULL, false, next_file}, {"none.pem", next_key, NULL, false, "none.pem"},
        {next_file, NULL, NULL, false, next_file},       {next_file, next_key, "none.pem", false, "none.pem"},
        {next_file, next_key, NULL, true, "no CA"},
    };
    open_with(NULL, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diag diag = {0};
        assert_int_equal(reload(rows[i].file, rows[i].key, rows[i].client_ca, rows[i].required, &diag),
                         ERR_CONFIG);
        if (strstr(diag.text, rows[i].told) == NULL)
            fail_msg("case %zu: %s", i, diag.text);
        struct talk talk = talk_begin(TLS1_3_VERSION, NULL);
        assert_true(shows(&talk, server_certificate));
        assert_answers(&talk);
        talk_end(&talk);
    }
    house_close(&house);
}

static void client_certificates_are_required_from_the_reload_on_that_says_so(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        const struct wish without = {.version = version}, with = {.version = version, .certificate = true};
        open_with(NULL, false);
        assert_int_equal(ask(&without), 200);
        assert_int_equal(reload(server_file, server_key, ca_file, true, NULL), OK);
        assert_int_equal(ask(&without), 0);
        assert_int_equal(ask(&with), 200);
        assert_int_equal(reload(server_file, server_key, server_file, true, NULL), OK); // another CA
        assert_int_equal(ask(&with), 0);
        assert_int_equal(reload(server_file, server_key, ca_file, false, NULL), OK);
        assert_int_equal(ask(&without), 200);
        assert_int_equal(ask(&with), 200);
        assert_int_equal(reload(server_file, server_key, NULL, false, NULL), OK);
        assert_int_equal(ask(&without), 200);
        house_close(&house);
    }
}

// Otherwise a client who never showed a certificate would come back without one.
static void sessions_of_before_a_reload_are_not_resumed(void **state)
{
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        open_with(NULL, false);
        struct talk talk = talk_begin(version, NULL);
        assert_answers(&talk); // TLS 1.3 brings the session with the first reply
        SSL_SESSION *session = SSL_get1_session(talk.ssl);
        talk_end(&talk);
        talk = talk_begin(version, session);
        assert_true(SSL_session_reused(talk.ssl));
        assert_answers(&talk);
        SSL_SESSION_free(session);
        session = SSL_get1_session(talk.ssl);
        talk_end(&talk);
        assert_int_equal(reload(next_file, next_key, NULL, false, NULL), OK);
        talk = talk_begin(version, session);
        assert_false(SSL_session_reused(talk.ssl));
        assert_true(shows(&talk, next_certificate));
        SSL_SESSION_free(session);
        talk_end(&talk);
        house_close(&house);
    }
}

enum { RELOADS = 40, CALLERS = 3 };

static void *keep_connecting(void *stop)
{
    while (!atomic_load((atomic_bool *)stop)) {
        struct talk talk = talk_begin(TLS1_3_VERSION, NULL);
        if (!shows(&talk, server_certificate) && !shows(&talk, next_certificate))
            abort();
        talk_end(&talk);
    }
    return NULL;
}

static void every_handshake_beside_reloads_succeeds(void **state)
{
    (void)state;
    atomic_bool stop = false;
    pthread_t callers[CALLERS];
    open_with(NULL, false);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, keep_connecting, &stop), 0);
    for (int i = 0; i < RELOADS; i++) {
        const bool next = i % 2 == 0;
        assert_int_equal(
            reload(next ? next_file : server_file, next ? next_key : server_key, NULL, false, NULL), OK);
        usleep(5000);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < CALLERS; i++)
        pthread_join(callers[i], NULL);
    house_close(&house);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(TLS_1_2_and_1_3_are_spoken),
        cmocka_unit_test(older_versions_and_weak_suites_are_not),
        cmocka_unit_test(a_client_may_not_renegotiate),
        cmocka_unit_test(a_required_client_certificate_is_required),
        cmocka_unit_test(an_optional_client_certificate_is_checked_when_shown),
        cmocka_unit_test(plain_HTTP_on_the_TLS_port_gets_no_answer_and_does_no_harm),
        cmocka_unit_test(silent_handshakes_of_one_address_leave_workers_for_others),
        cmocka_unit_test(a_key_that_is_not_the_certificates_stops_the_start),
        cmocka_unit_test(a_missing_file_stops_the_start),
        cmocka_unit_test(a_port_that_cannot_be_had_is_named_as_the_operator_wrote_it),
        cmocka_unit_test(requiring_certificates_without_a_CA_stops_the_start),
        cmocka_unit_test(a_new_certificate_is_shown_to_newcomers_and_old_connections_go_on),
        cmocka_unit_test(a_file_that_was_renewed_is_read_again),
        cmocka_unit_test(a_reload_that_fails_changes_nothing),
        cmocka_unit_test(client_certificates_are_required_from_the_reload_on_that_says_so),
        cmocka_unit_test(sessions_of_before_a_reload_are_not_resumed),
        cmocka_unit_test(every_handshake_beside_reloads_succeeds),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
