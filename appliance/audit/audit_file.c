// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/audit/audit_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TAIL_BYTES = 64 * 1024,          // read from the end to find the last number: many times the longest line
    ROOM_BYTES = 1024 * 1024,        // set aside at once,
    ROOM_BYTES_MIN = ROOM_BYTES / 2, // when less is left: lines of more requests than can be in flight
};

ssize_t audit_file_write(int fd, const char *bytes, size_t count)
{
    ssize_t done;
    do
        done = write(fd, bytes, count);
    while (done < 0 && errno == EINTR);
    return done;
}

// The number at the head of a whole line, or 0 when the line is not one of ours or was torn.
static uint64_t line_number(const char *line, size_t len)
{
    size_t at = sizeof audit_number_member - 1;
    if (len < at || memcmp(line, audit_number_member, at) != 0 || line[len - 1] != '}')
        return 0;
    uint64_t number = 0;
    for (; line[at] >= '0' && line[at] <= '9'; at++) {
        if (number > (UINT64_MAX - 9) / 10)
            return 0;
        number = number * 10 + (uint64_t)(line[at] - '0');
    }
    return number;
}

// Walks the lines of the tail (each ended by a line feed) backwards to the last that bears a number. When
// the tail begins in the middle of a line, that one bears none, because its head is missing.
static uint64_t last_number(const char *tail, size_t len)
{
    while (len > 0) {
        const char *end = tail + len - 1;
        const char *before = memrchr(tail, '\n', len - 1);
        const char *start = before == NULL ? tail : before + 1;
        uint64_t number = line_number(start, (size_t)(end - start));
        if (number != 0)
            return number;
        len = (size_t)(start - tail);
    }
    return 0;
}

// A file without any number may only hold the beginning of a first line that was never finished.
static bool may_be_ours(const char *tail, size_t len)
{
    size_t common = len < sizeof audit_number_member - 1 ? len : sizeof audit_number_member - 1;
    return len < TAIL_BYTES && memcmp(tail, audit_number_member, common) == 0;
}

static enum err read_tail(int fd, off_t size, char *tail, size_t *out_len)
{
    off_t from = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
    size_t want = (size_t)(size - from), have = 0;
    while (have < want) {
        ssize_t got = pread(fd, tail + have, want - have, from + (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ERR_IO;
        have += (size_t)got;
    }
    *out_len = have;
    return OK;
}

static enum err continue_file(int fd, off_t size, const char *path, uint64_t *out_last, struct diag *diag)
{
    enum err rc = OK;
    size_t len = 0;
    char *tail = malloc(TAIL_BYTES + 1);
    REQUIRE(tail != NULL, ERR_MEMORY);
    if (read_tail(fd, size, tail, &len) != OK)
        TRY(diag_set(diag, ERR_IO, "audit file %s: cannot be read", path));
    bool incomplete = len > 0 && tail[len - 1] != '\n';
    if (incomplete)
        tail[len++] = '\n';
    const uint64_t last = last_number(tail, len);
    if (len > 0 && last == 0 && !may_be_ours(tail, len - 1))
        TRY(diag_set(diag, ERR_CONFIG, "audit file %s: holds something else than audit lines", path));
    if (incomplete && audit_file_write(fd, "\n", 1) != 1)
        TRY(diag_set(diag, ERR_IO, "audit file %s: its last line cannot be ended: %s", path,
                     strerror(errno)));
    *out_last = last;
out:
    free(tail);
    return rc;
}

// A new file's name must survive a power loss as its lines do.
static enum err sync_folder(const char *path, struct diag *diag)
{
    enum err rc = OK;
    int fd = -1;
    char *copy = strdup(path);
    REQUIRE(copy != NULL, ERR_MEMORY);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        TRY(diag_set(diag, ERR_IO, "audit file %s: its folder cannot be synced: %s", path, strerror(errno)));
out:
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

enum err audit_file_open(const char *path, int *out_fd, uint64_t *out_last, struct diag *diag)
{
    enum err rc = OK;
    uint64_t last = 0;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0)
        TRY(diag_set(diag, ERR_IO, "audit file %s: cannot be opened: %s", path, strerror(errno)));
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        TRY(diag_set(diag, ERR_CONFIG, "audit file %s: not a regular file", path));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        TRY(diag_set(diag, ERR_CONFLICT, "audit file %s: another process writes it", path));
    if (fstat(fd, &status) != 0) // again: its last owner may just have finished
        TRY(diag_set(diag, ERR_IO, "audit file %s: %s", path, strerror(errno)));
    TRY(continue_file(fd, status.st_size, path, &last, diag));
    TRY(sync_folder(path, diag));
    *out_last = last;
    *out_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    return rc;
}

// Blocks behind the end of the file: its size stays, and what is written there cannot fail for want of space.
static bool set_room_aside(int fd, off_t size)
{
    struct rlimit limit;
    int result;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < (rlim_t)size + ROOM_BYTES)
        return false;
    do
        result = fallocate(fd, FALLOC_FL_KEEP_SIZE, size, ROOM_BYTES);
    while (result != 0 && errno == EINTR);
    return result == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
}

bool audit_file_has_room(int fd, int64_t *room_until)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    if (status.st_size + ROOM_BYTES_MIN <= *room_until)
        return true;
    if (!set_room_aside(fd, status.st_size))
        return false;
    *room_until = status.st_size + ROOM_BYTES;
    return true;
}

bool audit_file_is_at(int fd, const char *path)
{
    struct stat open_file, named;
    return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_ino == named.st_ino &&
           open_file.st_dev == named.st_dev;
}
