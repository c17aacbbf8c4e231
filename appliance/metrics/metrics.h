// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Counters, gauges and latency histograms as relaxed atomics, rendered in the Prometheus text format
// (version 0.0.4). The set is fixed at compile time in one table; labels are closed enumerations, so no
// value from a request can ever become a label. All functions may be called from any thread.
#pragma once

#include "appliance/base/buf.h"

#include <stddef.h>
#include <stdint.h>

enum metric {
    METRIC_HTTP_REQUESTS_1XX_3XX, // symbolon_http_requests_total{class="..."}
    METRIC_HTTP_REQUESTS_2XX,
    METRIC_HTTP_REQUESTS_4XX,
    METRIC_HTTP_REQUESTS_5XX,
    METRIC_AUTHENTICATION_FAILURES,
    METRIC_REQUESTS_THROTTLED,
    METRIC_TOKENS_MADE,   // symbolon_tokens_total{operation="tokenize"}
    METRIC_TOKENS_OPENED, // ... "detokenize"
    METRIC_TOKENS_REFUSED,
    METRIC_REQUESTS_IN_FLIGHT, // gauge
    METRIC_BYTES_IN_FLIGHT,    // gauge
    METRIC_HSM_UP,             // gauge
    METRIC_COUNT,
};

void metrics_add(enum metric metric, int64_t amount);
void metrics_set(enum metric metric, int64_t value);
// One request's time from first byte to reply, in nanoseconds, into symbolon_http_request_seconds.
void metrics_observe_request(uint64_t duration_ns);
void metrics_render(struct buf *out);
