// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// A wall clock that a test moves while a program runs. Preloaded, it answers with the second that stands in
// the file that WALL_CLOCK names (eight bytes, the machine's order); the monotonic clocks go on. The file is
// mapped, so that any thread may ask at any time: libfaketime, asked to look into a file, has a race in
// which a thread now and then is told the real time.
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const _Atomic int64_t *second; // NULL until the file is mapped

[[gnu::constructor]] static void map_clock(void)
{
    const char *name = getenv("WALL_CLOCK");
    const int file = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    void *page = mmap(NULL, sizeof *second, PROT_READ, MAP_SHARED, file, 0);
    if (page == MAP_FAILED)
        abort(); // a test that ran by the real time would prove nothing
    close(file);
    second = page;
}

int clock_gettime(clockid_t clock, struct timespec *out_now)
{
    if (second == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return (int)syscall(SYS_clock_gettime, clock, out_now);
    *out_now = (struct timespec){.tv_sec = atomic_load(second)};
    return 0;
}

time_t time(time_t *out_now)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out_now != NULL)
        *out_now = now.tv_sec;
    return now.tv_sec;
}
