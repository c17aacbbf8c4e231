// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/secret.h"

#include "appliance/base/access_list.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void wipe(void *bytes, size_t count)
{
    if (bytes != NULL)
        explicit_bzero(bytes, count); // as fast as memset, which OPENSSL_cleanse is not
}

bool ct_equal(const void *a, const void *b, size_t count)
{
    return CRYPTO_memcmp(a, b, count) == 0;
}

enum err secret_set(struct secret *secret, const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return ERR_MEMORY;
    memcpy(copy, text, len);
    copy[len] = '\0';
    secret_done(secret);
    *secret = (struct secret){.text = copy, .len = len};
    return OK;
}

void secret_done(struct secret *secret)
{
    if (secret->text != NULL) {
        wipe(secret->text, secret->len);
        free(secret->text);
    }
    *secret = (struct secret){0};
}

static enum err read_all(int fd, char *buffer, size_t capacity, size_t *out_len)
{
    size_t len = 0;
    while (len < capacity) {
        ssize_t got = read(fd, buffer + len, capacity - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *out_len = len;
    return OK;
}

enum err secret_read_file(const char *path, size_t max_bytes, struct secret *out_secret, struct diag *diag)
{
    enum err rc = OK;
    char *buffer = NULL;
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return diag_set(diag, ERR_IO, "%s: %s", path, strerror(errno));

    REQUIRE(fstat(fd, &status) == 0 && S_ISREG(status.st_mode),
            diag_set(diag, ERR_IO, "%s: not a regular file", path));
    REQUIRE(
        access_list_is_private(fd, status.st_mode),
        diag_set(diag, ERR_CONFIG, "%s: mode is %04o, must be 0400 or 0600", path, status.st_mode & 07777));

    buffer = malloc(max_bytes + 2);
    REQUIRE(buffer != NULL, ERR_MEMORY);
    size_t len = 0;
    rc = read_all(fd, buffer, max_bytes + 2, &len);
    REQUIRE(rc == OK, diag_set(diag, rc, "%s: %s", path, strerror(errno)));
    if (len > 0 && buffer[len - 1] == '\n')
        len--;
    REQUIRE(len > 0 && len <= max_bytes,
            diag_set(diag, ERR_CONFIG, "%s: must hold 1..%zu bytes in one line", path, max_bytes));
    rc = secret_set(out_secret, buffer, len);
out:
    if (buffer != NULL)
        wipe(buffer, max_bytes + 2);
    free(buffer);
    close(fd);
    return rc;
}

bool secret_harden_process(void)
{
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true; // shadow memory cannot be locked
#else
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
#endif
}
