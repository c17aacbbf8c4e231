// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Which processes there are, as /proc tells. One that is dead but not yet waited for does not count.
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, group;
    char name[64]; // at most 15 bytes of it
};

// false: there is none, or it is dead.
static inline bool process_read(pid_t pid, struct process *out_process)
{
    char path[64], line[512] = "", state;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    const bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    const char *name = strchr(line, '('), *end = strrchr(line, ')');
    int parent, group;
    if (!read || name == NULL || end == NULL || sscanf(end + 1, " %c %d %d", &state, &parent, &group) != 3)
        return false;
    *out_process = (struct process){.pid = pid, .parent = parent, .group = group};
    snprintf(out_process->name, sizeof out_process->name, "%.*s", (int)(end - name - 1), name + 1);
    return state != 'Z' && state != 'X';
}

// Calls visit for each until it returns false.
static inline void processes_visit(bool (*visit)(void *context, const struct process *process), void *context)
{
    DIR *folder = opendir("/proc");
    bool more = folder != NULL;
    for (struct dirent *entry; more && (entry = readdir(folder)) != NULL;) {
        struct process process;
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && process_read(pid, &process))
            more = visit(context, &process);
    }
    if (folder != NULL)
        closedir(folder);
}

struct process_search {
    pid_t parent, group;
    const char *name;
    pid_t *found;
    size_t count, max;
};

static inline bool process_matches(void *context, const struct process *process)
{
    struct process_search *search = context;
    if ((search->parent == 0 || process->parent == search->parent) &&
        (search->group == 0 || process->group == search->group) &&
        (search->name == NULL || strncmp(process->name, search->name, 15) == 0))
        search->found[search->count++] = process->pid;
    return search->count < search->max;
}

// The children of a process, in the order in which /proc lists them: of rising numbers.
static inline size_t processes_below(pid_t parent, pid_t *out_children, size_t max)
{
    struct process_search search = {.parent = parent, .found = out_children, .max = max};
    processes_visit(process_matches, &search);
    return search.count;
}

// A process of a group by its name; 0: none.
static inline pid_t process_named(pid_t group, const char *name)
{
    pid_t found = 0;
    struct process_search search = {.group = group, .name = name, .found = &found, .max = 1};
    processes_visit(process_matches, &search);
    return found;
}

// Whether no process of a group lives.
static inline bool processes_gone(pid_t group)
{
    pid_t found = 0;
    struct process_search search = {.group = group, .found = &found, .max = 1};
    processes_visit(process_matches, &search);
    return search.count == 0;
}
