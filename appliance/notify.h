// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What the service manager is told (systemd's notification protocol): datagrams of lines NAME=VALUE to the
// socket that NOTIFY_SOCKET names, a path or, behind '@', a name in the abstract space. Without one, or when
// it cannot be reached, nothing happens: nothing here fails, and nothing waits for longer than a second.
//
// Threads: any. The environment must not change meanwhile.
#pragma once

#include <stdint.h>

// Started, or done with a reload: READY=1.
void notify_ready(void);
// A reload has begun; notify_ready ends it, whether it was taken over or not.
void notify_reloading(void);
void notify_stopping(void);
// A line for people, as `systemctl status` shows it; control bytes become spaces, and what is longer than
// NOTIFY_STATUS_MAX is cut. No secret.
enum { NOTIFY_STATUS_MAX = 200 };
void notify_status(const char *text);

// Within how long notify_watchdog must be called again and again, or the manager ends the process; half of it
// is a good time. 0: nobody waits for it, or for another process.
uint64_t notify_watchdog_interval_us(void);
void notify_watchdog(void);
