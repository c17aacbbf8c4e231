// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// `symbolon serve`: the appliance in service, from the first listener to the last reply.
#pragma once

#include "appliance/appliance.h"

// Serves until SIGTERM or SIGINT, then lets requests in flight finish. The signals must be blocked in the
// calling thread before any other starts.
enum err serve(struct appliance *appliance, struct diag *diag);
