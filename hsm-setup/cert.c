// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm cert: the certificate of the server's TLS key.
#include "hsm-setup/cli.h"
#include "hsm-setup/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PEM_FILE_BYTES_MAX = 1 << 20 };

// ---- files ------------------------------------------------------------------------------------------

static enum err read_file(const char *path, struct buf *out, struct diag *diag)
{
    enum err rc = OK;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return diag_set(diag, ERR_IO, "%s: %s", path, strerror(errno));
    char *room = buf_reserve(out, PEM_FILE_BYTES_MAX);
    REQUIRE(room != NULL, ERR_MEMORY);
    out->len += fread(room, 1, PEM_FILE_BYTES_MAX, file);
    REQUIRE(!ferror(file), diag_set(diag, ERR_IO, "%s: cannot be read", path));
    REQUIRE(out->len < PEM_FILE_BYTES_MAX, diag_set(diag, ERR_TOO_LARGE, "%s: is too large", path));
out:
    fclose(file);
    return rc;
}

static bool write_all(int fd, const struct buf *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t wrote = write(fd, text->at + done, text->len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return false;
        done += (size_t)wrote;
    }
    return true;
}

// The file appears whole or not at all: a server may be reading the old one.
static enum err replace_file(const char *path, const struct buf *text, struct diag *diag)
{
    char temporary[4096];
    int len = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof temporary)
        return diag_set(diag, ERR_INPUT, "the path is too long");
    int fd = mkstemp(temporary);
    if (fd < 0)
        return diag_set(diag, ERR_IO, "%s: %s", temporary, strerror(errno));
    bool good = write_all(fd, text) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (good && rename(temporary, path) == 0)
        return OK;
    int why = errno;
    unlink(temporary);
    return diag_set(diag, ERR_IO, "%s: %s", path, strerror(why));
}

// ---- the three ways ---------------------------------------------------------------------------------

struct certification {
    const struct cli *cli;
    struct hsm *hsm;
    EVP_PKEY *key;
    char label[KEY_LABEL_BYTES];
    struct x509_names names;
    struct buf pem; // what goes to --out
};

// Tokens without room for certificates are no failure: the file is what the server reads.
static void store_beside_key(const struct certification *c, X509 *certificate)
{
    unsigned char *der = NULL;
    struct diag diag = {0};
    int bytes = i2d_X509(certificate, &der);
    if (bytes > 0 && hsm_store_certificate(c->hsm, c->label, der, (size_t)bytes, &diag) != OK)
        fprintf(stderr, "symbolon-hsm: note: not stored in the token: %s\n", diag.text);
    OPENSSL_free(der);
}

static enum err self_sign(struct certification *c, struct diag *diag)
{
    X509 *certificate = NULL;
    enum err rc = x509_self_sign(c->key, &c->names, c->cli->days, &certificate, diag);
    if (rc != OK)
        return rc;
    rc = x509_to_pem(certificate, &c->pem);
    if (rc == OK)
        store_beside_key(c, certificate);
    X509_free(certificate);
    return rc;
}

static enum err install(struct certification *c, struct diag *diag)
{
    X509 *certificate = NULL;
    enum err rc = OK;
    TRY(read_file(c->cli->install, &c->pem, diag));
    TRY(x509_fitting(&c->pem, c->key, &certificate, diag));
    store_beside_key(c, certificate);
out:
    X509_free(certificate);
    return rc;
}

static enum err certify(struct certification *c, struct diag *diag)
{
    if (c->cli->self_signed)
        return self_sign(c, diag);
    if (c->cli->csr)
        return x509_request(c->key, &c->names, &c->pem, diag);
    return install(c, diag);
}

// Clients may have been told to trust what is in use.
static enum err refuse_to_overwrite(const struct cli *cli, struct diag *diag)
{
    if (cli->out == NULL || cli->force || faccessat(AT_FDCWD, cli->out, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return OK;
    return diag_set(diag, ERR_CONFLICT, "%s: exists already; nothing was changed; --force replaces it",
                    cli->out);
}

enum err cli_cert(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct certification c = {.cli = cli, .names = {cli->subject ? cli->subject : "localhost", cli->san}};
    if (cli->self_signed + cli->csr + (cli->install != NULL) != 1)
        return diag_set(diag, ERR_INPUT, "cert needs one of --self-signed, --csr and --install FILE");
    TRY(refuse_to_overwrite(cli, diag));
    hsm_key_label(0, KEY_TLS, cli->generation, c.label);
    const struct hsm_key_ref ref = {.use = KEY_TLS, .name = c.label};
    TRY(cli_open(cli, 1, &c.hsm, diag));
    TRY(hsm_open_private_key(c.hsm, &ref, &c.key, NULL, diag));
    TRY(certify(&c, diag));
    rc = cli->out != NULL ? replace_file(cli->out, &c.pem, diag) : cli_print(&c.pem);
out:
    EVP_PKEY_free(c.key);
    buf_done(&c.pem);
    hsm_close(c.hsm);
    return rc;
}
