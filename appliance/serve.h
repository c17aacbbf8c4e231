// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// `symbolon serve`: the appliance in service, from the first listener to the last reply.
#pragma once

#include "appliance/appliance.h"

struct serve_options {
    struct appliance *appliance; // outlives serve
    struct config *config;       // taken over, also on failure
    struct registry *registry;   // taken over, also on failure
};

// Serves until SIGTERM or SIGINT, then lets requests in flight finish. SIGHUP reads the configuration again.
// The signals must be blocked in the calling thread before any other starts.
enum err serve(const struct serve_options *options, struct diag *diag);
