// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The text of a member as it was sent, for what is kept and given back unread. Only for texts that json_read
// has accepted. Pure.
#pragma once

#include "appliance/base/buf.h"

#include <stdbool.h>

// The value of the member of this name, which is plain ASCII letters, of the object that text is; false:
// there is none.
bool json_raw_member(struct slice text, const char *name, struct slice *out_value);
