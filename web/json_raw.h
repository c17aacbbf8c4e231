// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Values where they stand in a text, without a tree: for what is kept and given back unread, and for arrays
// of so many small objects that a tree of them would cost more than what is done with them. Only for texts
// that json_read or json_raw_accept has accepted: nothing is checked again. Pure.
#pragma once

#include "web/json_read.h"

// As json_read, without a tree.
enum err json_raw_accept(struct slice text, struct json_fault *out_fault);

// The value of the member of this name, which is plain ASCII letters, of the object that text is; false:
// there is none.
bool json_raw_member(struct slice text, const char *name, struct slice *out_value);

// As json_raw_member; the value and all that stands behind it, for json_raw_open: its end costs another look
// at every byte of it.
bool json_raw_find(struct slice text, const char *name, struct slice *out_rest);

// The members of an object, or the elements of an array, one after the other.
struct json_raw_walk {
    const char *at, *end;
    bool named;
};
// bracket: '{' or '['. false: the value is something else.
bool json_raw_open(struct slice value, char bracket, struct json_raw_walk *out_walk);
// out_name: what stands between its quotes, still escaped; of members only. false: there are no more.
bool json_raw_next(struct json_raw_walk *walk, struct slice *out_name, struct slice *out_value);

// A string that stands for itself: nothing in it is escaped. false: it is something else.
bool json_raw_text(struct slice value, struct slice *out_text);
