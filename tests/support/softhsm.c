// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/support/softhsm.h"

#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        abort();
    }
}

void softhsm_write_file(const struct softhsm *softhsm, const char *name, const char *text, unsigned mode,
                        char *out_path)
{
    snprintf(out_path, 96, "%s/%s", softhsm->folder, name);
    int fd = open(out_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0,
         out_path);
    close(fd);
}

void softhsm_init(struct softhsm *softhsm)
{
    char path[96], text[512];
    snprintf(softhsm->folder, sizeof softhsm->folder, "/tmp/symbolon-softhsm-XXXXXX");
    must(mkdtemp(softhsm->folder) != NULL, "mkdtemp");
    snprintf(path, sizeof path, "%s/tokens", softhsm->folder);
    must(mkdir(path, 0700) == 0, path);
    softhsm_write_file(softhsm, "pin", SOFTHSM_PIN "\n", 0600, softhsm->pin_file);
    softhsm_write_file(softhsm, "so-pin", SOFTHSM_SO_PIN "\n", 0600, softhsm->so_pin_file);
    if (!softhsm_has_files())
        return;
    snprintf(
        text, sizeof text,
        "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n",
        path);
    softhsm_write_file(softhsm, "softhsm2.conf", text, 0600, path);
    must(setenv("SOFTHSM2_CONF", path, 1) == 0, "setenv");
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status, (void)type, (void)walk;
    return remove(path);
}

void softhsm_done(struct softhsm *softhsm)
{
    must(nftw(softhsm->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0, softhsm->folder);
    if (softhsm_has_files())
        unsetenv("SOFTHSM2_CONF");
}
