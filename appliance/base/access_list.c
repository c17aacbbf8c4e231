// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/base/access_list.h"

#include <stdint.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

// The kernel's form: a version, then entries, all little-endian (linux/posix_acl_xattr.h).
enum { VERSION = 2, HEAD_BYTES = 4, ENTRY_BYTES = 8, ENTRIES_MAX = 32 };
enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

struct entry {
    unsigned tag, permissions;
    uint32_t id;
};

static uint32_t read_le(const uint8_t *at, int bytes)
{
    uint32_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static bool is_harmless(const struct entry *entry)
{
    if (entry->tag == USER_OBJ || entry->tag == MASK || entry->permissions == 0)
        return true;
    return entry->tag == USER && (entry->id == 0 || entry->id == geteuid());
}

static bool list_is_private(const uint8_t *list, size_t len)
{
    if (len < HEAD_BYTES || (len - HEAD_BYTES) % ENTRY_BYTES != 0 || read_le(list, 4) != VERSION)
        return false;
    for (const uint8_t *at = list + HEAD_BYTES; at < list + len; at += ENTRY_BYTES) {
        const struct entry entry = {read_le(at, 2), read_le(at + 2, 2), read_le(at + 4, 4)};
        if (!is_harmless(&entry))
            return false;
    }
    return true;
}

// A mask without any right makes every entry ineffective. Without a list the group's bits are the group's.
bool access_list_is_private(int file, mode_t mode)
{
    uint8_t list[HEAD_BYTES + ENTRIES_MAX * ENTRY_BYTES];
    if ((mode & (S_IRWXG | S_IRWXO)) == 0)
        return true;
    if ((mode & (S_IRWXG | S_IRWXO)) != S_IRGRP)
        return false;
    const ssize_t len = fgetxattr(file, "system.posix_acl_access", list, sizeof list);
    return len > 0 && list_is_private(list, (size_t)len);
}
