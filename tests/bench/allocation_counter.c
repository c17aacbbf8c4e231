// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// For LD_PRELOAD: counts the process's allocations in a file that others may read meanwhile. The variable
// ALLOCATION_COUNTS names it: two numbers of 64 bits, calls that allocate and bytes that they asked for.
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

// glibc's own, beneath the names that are replaced here.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

struct counts {
    atomic_uint_least64_t calls, bytes;
};
static struct counts before_the_file, *counts = &before_the_file;

[[gnu::constructor]] static void open_file(void)
{
    const char *path = getenv("ALLOCATION_COUNTS");
    const int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0 || ftruncate(fd, sizeof *counts) != 0)
        return;
    void *mapped = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped != MAP_FAILED)
        counts = mapped;
    close(fd);
}

static void count(size_t bytes)
{
    atomic_fetch_add_explicit(&counts->calls, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counts->bytes, bytes, memory_order_relaxed);
}

[[gnu::visibility("default")]] void *malloc(size_t size)
{
    count(size);
    return __libc_malloc(size);
}

[[gnu::visibility("default")]] void *calloc(size_t members, size_t size)
{
    count(members * size);
    return __libc_calloc(members, size);
}

[[gnu::visibility("default")]] void *realloc(void *old, size_t size)
{
    count(size);
    return __libc_realloc(old, size);
}

[[gnu::visibility("default")]] void *aligned_alloc(size_t alignment, size_t size)
{
    count(size);
    return __libc_memalign(alignment, size);
}
