// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "hsm-setup/transcript.h"
#include "appliance/base/clock.h"
#include "hsm-setup/evidence.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIGEST_TEXT_BYTES = 2 * SHA256_DIGEST_LENGTH + 1, READ_BYTES = 4096, PASSWD_BYTES = 4096 };

static void digest_text(const uint8_t digest[SHA256_DIGEST_LENGTH], char *out_text)
{
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(out_text + 2 * i, 3, "%02x", digest[i]);
}

static bool digest_file(const char *path, uint8_t out_digest[SHA256_DIGEST_LENGTH])
{
    uint8_t bytes[READ_BYTES];
    size_t got = 0;
    FILE *file = fopen(path, "re");
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = file != NULL && context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    while (good && (got = fread(bytes, 1, sizeof bytes, file)) > 0)
        good = EVP_DigestUpdate(context, bytes, got) == 1;
    good = good && !ferror(file) && EVP_DigestFinal_ex(context, out_digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (file != NULL)
        fclose(file);
    return good;
}

// ---- beginning --------------------------------------------------------------------------------------

static void write_time(struct buf *out, const char *name)
{
    char text[CLOCK_RFC3339_BYTES];
    const struct clock clock = clock_system();
    clock_rfc3339_s(clock_now_s(&clock), text);
    buf_printf(out, "%-13s %s\n", name, text);
}

static void write_place(struct buf *out)
{
    char host[HOST_NAME_MAX + 1] = "unknown", room[PASSWD_BYTES];
    struct passwd entry, *found = NULL;
    gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    (void)getpwuid_r(getuid(), &entry, room, sizeof room, &found);
    buf_printf(out, "host          %s\nrun by        %s (uid %u)\n", host,
               found != NULL ? found->pw_name : "unknown", (unsigned)getuid());
}

enum err transcript_open(struct transcript *transcript, const char *path, const char *command,
                         struct diag *diag)
{
    struct transcript made = {.path = path, .fd = -1};
    if (path != NULL)
        made.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (path != NULL && made.fd < 0 && errno == EEXIST)
        return diag_set(diag, ERR_CONFLICT, "%s: exists already; a transcript is never overwritten", path);
    if (path != NULL && made.fd < 0)
        return diag_set(diag, ERR_IO, "%s: %s", path, strerror(errno));
    buf_printf(&made.text, "Transcript of symbolon-hsm %s\n\n", command);
    write_time(&made.text, "begun");
    write_place(&made.text);
    buf_printf(&made.text, "program       symbolon-hsm %s\n", SYMBOLON_VERSION);
    *transcript = made;
    return OK;
}

// ---- what stands in it ------------------------------------------------------------------------------

void transcript_module(struct transcript *transcript, const char *path)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[DIGEST_TEXT_BYTES] = "cannot be read";
    if (digest_file(path, digest))
        digest_text(digest, text);
    buf_printf(&transcript->text, "module        %s\n  SHA-256     %s\n", path, text);
}

void transcript_pin(struct transcript *transcript, enum pin_of whose, const char *file, bool is_new)
{
    buf_printf(&transcript->text, "%-13s %s %s%s%s\n", whose == PIN_OF_USER ? "user" : "officer",
               is_new ? "chose a PIN:" : "showed his PIN:", file != NULL ? "file " : "typed on the terminal",
               file != NULL ? file : "", is_new && file == NULL ? ", twice" : "");
}

enum err transcript_token(struct transcript *transcript, const struct cli *cli, struct hsm *hsm,
                          struct diag *diag)
{
    struct hsm_facts facts;
    const enum err rc = hsm_read_facts(hsm, &facts, diag);
    if (rc == OK)
        evidence_slot_text(&transcript->text, cli, &facts);
    return rc;
}

// ---- end --------------------------------------------------------------------------------------------

static bool save(struct transcript *transcript)
{
    size_t done = 0;
    while (done < transcript->text.len) {
        ssize_t wrote = write(transcript->fd, transcript->text.at + done, transcript->text.len - done);
        if (wrote < 0 && errno != EINTR)
            return false;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return fsync(transcript->fd) == 0;
}

static enum err seal(struct transcript *transcript, enum err outcome, const struct diag *why)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[DIGEST_TEXT_BYTES];
    struct buf *out = &transcript->text;
    write_time(out, "ended");
    buf_printf(out, "outcome       %s%s\n\n", outcome == OK ? "done" : "FAILED: ",
               outcome == OK          ? ""
               : why->text[0] != '\0' ? why->text
                                      : err_name(outcome));
    if (out->error != OK)
        return out->error;
    SHA256((const uint8_t *)out->at, out->len, digest);
    digest_text(digest, text);
    buf_printf(out, "SHA-256 of all lines above: %s\n", text);
    return out->error;
}

enum err transcript_close(struct transcript *transcript, enum err outcome, struct diag *diag)
{
    enum err rc = OK;
    if (transcript->changed) {
        rc = seal(transcript, outcome, diag);
        if (rc == OK)
            rc = cli_print(&transcript->text);
        if (transcript->fd >= 0 && !save(transcript))
            rc = diag_add(diag, ERR_IO, "%s: %s: the transcript is not saved, keep what was printed",
                          transcript->path, strerror(errno));
    } else if (transcript->fd >= 0) {
        unlink(transcript->path);
    }
    if (transcript->fd >= 0)
        close(transcript->fd);
    buf_done(&transcript->text);
    return outcome != OK ? outcome : rc;
}
