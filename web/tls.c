// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSIONS = 4096, SESSION_S = 3600 };

static const char suites_1_2[] = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                                 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
static const char suites_1_3[] = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
static const char groups[] = "X25519:P-256:P-384";
static const char signatures[] = "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:"
                                 "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
                                 "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512";

static enum err complain(struct diag *diag, const char *what, const char *name)
{
    char reason[256] = "";
    unsigned long code = ERR_get_error();
    if (code != 0)
        ERR_error_string_n(code, reason, sizeof reason);
    ERR_clear_error();
    return diag_set(diag, ERR_CONFIG, "TLS: %s%s%s (%s)", what, name[0] != '\0' ? " " : "", name, reason);
}

struct tls_settings {
    SSL_CTX *listener; // has no certificate of its own: every handshake takes `current`
    SSL_CTX *current;
    pthread_mutex_t lock; // guards current
    unsigned number;      // of the settings in force
};

// Sessions are kept here and not in tickets, whose keys would have to be rotated to keep the past secret.
static enum err restrict_protocol(SSL_CTX *context, struct diag *diag)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION | SSL_OP_NO_TICKET |
                                     SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_sess_set_cache_size(context, SESSIONS);
    SSL_CTX_set_timeout(context, SESSION_S);
    bool set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(context, suites_1_2) == 1 &&
               SSL_CTX_set_ciphersuites(context, suites_1_3) == 1 &&
               SSL_CTX_set1_groups_list(context, groups) == 1 &&
               SSL_CTX_set1_sigalgs_list(context, signatures) == 1;
    return set ? OK : complain(diag, "this libssl cannot be restricted as required", "");
}

static enum err use_certificate(SSL_CTX *context, const struct server_tls *tls, struct diag *diag)
{
    if (SSL_CTX_use_certificate_chain_file(context, tls->certificate_file) != 1)
        return complain(diag, "cannot use certificate", tls->certificate_file);
    if (tls->key == NULL || SSL_CTX_use_PrivateKey(context, tls->key) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return complain(diag, "the key does not belong to", tls->certificate_file);
    return OK;
}

static enum err ask_for_client(SSL_CTX *context, const struct server_tls *tls, struct diag *diag)
{
    if (tls->client_ca_file == NULL) {
        if (tls->require_client_certificate)
            return diag_set(diag, ERR_CONFIG, "TLS: client certificates are required, but no CA is named");
        return OK;
    }
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(tls->client_ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(context, tls->client_ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return complain(diag, "cannot use client CA file", tls->client_ca_file);
    }
    SSL_CTX_set_client_CA_list(context, names);
    int mode = SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE;
    if (tls->require_client_certificate)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, NULL);
    return OK;
}

// HTTP/1.1 when the client names it; others are served without ALPN, as before RFC 7301.
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offer, unsigned int offer_len, void *unused)
{
    (void)ssl, (void)unused;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offer, offer_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

// Sessions are resumed only under the number with which they began.
static enum err number_sessions(SSL_CTX *context, unsigned number, struct diag *diag)
{
    char text[32];
    const int len = snprintf(text, sizeof text, "symbolon %u", number);
    if (SSL_CTX_set_session_id_context(context, (const unsigned char *)text, (unsigned)len) == 1)
        return OK;
    return complain(diag, "sessions cannot be numbered", "");
}

static enum err context_new(const struct server_tls *tls, unsigned number, SSL_CTX **out_context,
                            struct diag *diag)
{
    enum err rc = OK;
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    REQUIRE(context != NULL, ERR_MEMORY);
    TRY(restrict_protocol(context, diag));
    TRY(number_sessions(context, number, diag));
    if (tls != NULL) {
        TRY(use_certificate(context, tls, diag));
        TRY(ask_for_client(context, tls, diag));
    }
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    *out_context = context;
    context = NULL;
out:
    SSL_CTX_free(context);
    return rc;
}

static SSL_CTX *take_current(struct tls_settings *settings)
{
    pthread_mutex_lock(&settings->lock);
    SSL_CTX *current = settings->current;
    SSL_CTX_up_ref(current);
    pthread_mutex_unlock(&settings->lock);
    return current;
}

// SSL_set_SSL_CTX brings certificate, key, trusted authorities and, because it was that of the listener, the
// session context; how clients are verified stands in the connection.
static int choose_settings(SSL *ssl, int *out_alert, void *context)
{
    SSL_CTX *current = take_current(context);
    const bool taken = SSL_set_SSL_CTX(ssl, current) == current;
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(current), NULL);
    SSL_CTX_free(current);
    *out_alert = SSL_AD_INTERNAL_ERROR;
    return taken ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

enum err tls_settings_new(const struct server_tls *tls, struct tls_settings **out_settings, struct diag *diag)
{
    enum err rc = OK;
    struct tls_settings *settings = calloc(1, sizeof *settings);
    REQUIRE(settings != NULL, ERR_MEMORY);
    pthread_mutex_init(&settings->lock, NULL);
    TRY(context_new(NULL, 0, &settings->listener, diag));
    settings->number = 1;
    TRY(context_new(tls, settings->number, &settings->current, diag));
    SSL_CTX_set_client_hello_cb(settings->listener, choose_settings, settings);
    *out_settings = settings;
    settings = NULL;
out:
    tls_settings_free(settings);
    return rc;
}

void tls_settings_free(struct tls_settings *settings)
{
    if (settings == NULL)
        return;
    SSL_CTX_free(settings->listener);
    SSL_CTX_free(settings->current);
    pthread_mutex_destroy(&settings->lock);
    free(settings);
}

SSL_CTX *tls_settings_context(const struct tls_settings *settings)
{
    return settings->listener;
}

enum err tls_settings_replace(struct tls_settings *settings, const struct server_tls *tls, struct diag *diag)
{
    SSL_CTX *next = NULL;
    const enum err rc = context_new(tls, settings->number + 1, &next, diag);
    if (rc != OK)
        return rc;
    settings->number++;
    pthread_mutex_lock(&settings->lock);
    SSL_CTX *former = settings->current;
    settings->current = next;
    pthread_mutex_unlock(&settings->lock);
    SSL_CTX_free(former);
    SSL_CTX_flush_sessions(settings->listener, 0); // they are kept there, and all are of no more use
    return OK;
}
