// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "pkcs11/isolate_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHELL   "/bin/sh"
#define P11_KIT "/usr/bin/p11-kit"

enum {
    LOOK_MS = 10,
    SOCKET_TIMES = 500, // together five seconds
    REAP_TIMES = 200,   // two
};

// $0 p11-kit, $1 the folder, $2 the module. The shell becomes the server; a part of it that stays behind
// reads from the pipe, which returns when the other end closes.
static const char script[] =
    "exec 3<&0 </dev/null\n"
    "{\n"
    "    trap '' HUP INT TERM\n"
    "    read -r nothing <&3\n"
    "    rm -f -- \"$1/socket\"\n"
    "    rmdir -- \"$1\"\n"
    "    kill -KILL 0\n"
    "} &\n"
    "exec \"$0\" server --foreground --name \"$1/socket\" --provider \"$2\" pkcs11: 3<&-\n";

static void rest(void)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    nanosleep(&pause, NULL);
}

void isolate_server_socket_path(const struct isolate_server *server, char *out_path)
{
    snprintf(out_path, SERVER_FOLDER_BYTES + 8, "%s/socket", server->folder);
}

static bool fits_an_address(const char *folder)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/_.-";
    return folder[0] == '/' && strlen(folder) < SERVER_FOLDER_BYTES / 2 &&
           strspn(folder, plain) == strlen(folder);
}

enum err isolate_server_make_folder(struct isolate_server *server, struct diag *diag)
{
    const char *above = getenv("TMPDIR");
    bool made = false;
    if (server->folder[0] != '\0') {
        made = mkdir(server->folder, 0700) == 0;
    } else {
        snprintf(server->folder, sizeof server->folder, "%s/symbolon-isolate-XXXXXX",
                 above != NULL && fits_an_address(above) ? above : "/tmp");
        made = mkdtemp(server->folder) != NULL;
    }
    return made ? OK
                : diag_set(diag, ERR_IO, "cannot make the folder %s of an isolated module: %s",
                           server->folder, strerror(errno));
}

// ---- ending -----------------------------------------------------------------------------------------

// What the server leaves behind becomes our child (see isolate_server_start), so that none is left when this
// returns, unless one hangs inside the kernel.
static void reap(pid_t group)
{
    for (unsigned i = 0; i < REAP_TIMES; i++) {
        pid_t pid;
        while ((pid = waitpid(-group, NULL, WNOHANG)) > 0)
            ;
        if (pid < 0 && errno == ECHILD)
            return;
        rest();
    }
}

void isolate_server_kill(struct isolate_server *server)
{
    pthread_mutex_lock(&server->lock);
    if (server->group > 0)
        kill(-server->group, SIGKILL);
    pthread_mutex_unlock(&server->lock);
}

static void isolate_server_end(struct isolate_server *server)
{
    char path[SERVER_FOLDER_BYTES + 8];
    if (server->group == 0)
        return;
    isolate_server_kill(server);
    pthread_mutex_lock(&server->lock);
    const pid_t group = server->group;
    server->group = 0; // nobody kills this number any more once it is free
    pthread_mutex_unlock(&server->lock);
    reap(group);
    close(server->lifeline);
    isolate_server_socket_path(server, path);
    unlink(path);
}

void isolate_server_stop(struct isolate_server *server)
{
    isolate_server_end(server);
    rmdir(server->folder);
}

bool isolate_server_runs(struct isolate_server *server)
{
    siginfo_t info = {0};
    return server->group > 0 && waitid(P_PID, (id_t)server->group, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

// ---- starting ---------------------------------------------------------------------------------------

// A group of its own; no signal blocked or ignored, as we ignore SIGPIPE; no descriptor of ours but the pipe
// and standard error: whoever held our end of a connection would keep its other end alive.
static int spawn(const struct isolate_server *server, const char *module, int end_of_pipe, pid_t *out_pid)
{
    const char *const arguments[] = {SHELL, "-c", script, P11_KIT, server->folder, module, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, end_of_pipe, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&how, 0);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    const int failed =
        posix_spawn(out_pid, SHELL, &files, &how, (char *const *)(uintptr_t)arguments, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

static enum err isolate_server_spawn(struct isolate_server *server, const char *module, struct diag *diag)
{
    int ends[2];
    pid_t group;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return diag_set(diag, ERR_IO, "module %s: pipe: %s", module, strerror(errno));
    const int failed = spawn(server, module, ends[0], &group);
    close(ends[0]);
    if (failed != 0) {
        close(ends[1]);
        return diag_set(diag, ERR_IO, "module %s: cannot start %s: %s", module, SHELL, strerror(failed));
    }
    pthread_mutex_lock(&server->lock);
    server->group = group;
    server->lifeline = ends[1];
    pthread_mutex_unlock(&server->lock);
    return OK;
}

enum err isolate_server_start(struct isolate_server *server, const char *module, struct diag *diag)
{
    char path[SERVER_FOLDER_BYTES + 8];
    if (access(P11_KIT, X_OK) != 0)
        return diag_set(diag, ERR_HSM_CONFIG,
                        "module %s: cannot be isolated without %s; install the packages p11-kit and "
                        "p11-kit-modules",
                        module, P11_KIT);
    prctl(PR_SET_CHILD_SUBREAPER, 1); // for reap
    isolate_server_end(server);
    enum err rc = isolate_server_spawn(server, module, diag);
    if (rc != OK)
        return rc;
    isolate_server_socket_path(server, path);
    for (unsigned i = 0; i < SOCKET_TIMES && isolate_server_runs(server); i++) {
        if (access(path, F_OK) == 0)
            return OK;
        rest();
    }
    return diag_set(diag, ERR_HSM_DOWN, "module %s: the p11-kit server did not start", module);
}
