// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Who may read an open file. A service manager hands a credential to a service by an access control list
// (acl(5)) that names its user; the mode then shows the list's mask in the group's place, 0440, although
// no group may read it.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

// Whether nobody but the owner, root and the caller's effective user may open the file of this mode, and
// nobody but the owner may write it.
bool access_list_is_private(int file, mode_t mode);
