// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/metrics/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

// The whole set. Rows of one family stand together; help and type are printed with its first row.
static const struct {
    const char *family, *type, *labels, *help;
} table[METRIC_COUNT] = {
    [METRIC_HTTP_REQUESTS_1XX_3XX] = {"symbolon_http_requests_total", "counter", "{class=\"1xx_3xx\"}",
                                      "Requests answered, by class of status."},
    [METRIC_HTTP_REQUESTS_2XX] = {"symbolon_http_requests_total", "counter", "{class=\"2xx\"}", ""},
    [METRIC_HTTP_REQUESTS_4XX] = {"symbolon_http_requests_total", "counter", "{class=\"4xx\"}", ""},
    [METRIC_HTTP_REQUESTS_5XX] = {"symbolon_http_requests_total", "counter", "{class=\"5xx\"}", ""},
    [METRIC_AUTHENTICATION_FAILURES] = {"symbolon_authentication_failures_total", "counter", "",
                                        "Requests whose credential was missing, unknown or wrong."},
    [METRIC_REQUESTS_THROTTLED] = {"symbolon_requests_throttled_total", "counter", "",
                                   "Requests over the rate of their client."},
    [METRIC_TOKENS_MADE] = {"symbolon_tokens_total", "counter", "{operation=\"tokenize\"}",
                            "Tokens made and opened."},
    [METRIC_TOKENS_OPENED] = {"symbolon_tokens_total", "counter", "{operation=\"detokenize\"}", ""},
    [METRIC_TOKENS_REFUSED] = {"symbolon_tokens_refused_total", "counter", "",
                               "Tokens that no live key made, or that have expired."},
    [METRIC_REQUESTS_IN_FLIGHT] = {"symbolon_requests_in_flight", "gauge", "", "Requests being handled now."},
    [METRIC_BYTES_IN_FLIGHT] = {"symbolon_bytes_in_flight", "gauge", "",
                                "Memory held now by request bodies and what is made of them."},
    [METRIC_HSM_UP] = {"symbolon_hsm_up", "gauge", "", "1 while an HSM slot answers, 0 while none does."},
};

// Upper bounds of the histogram, as text and in nanoseconds: 100 us to 10 s.
static const struct {
    const char *seconds;
    uint64_t ns;
} buckets[] = {
    {"0.0001", 100000},  {"0.00025", 250000}, {"0.0005", 500000},  {"0.001", 1000000},
    {"0.0025", 2500000}, {"0.005", 5000000},  {"0.01", 10000000},  {"0.025", 25000000},
    {"0.05", 50000000},  {"0.1", 100000000},  {"0.25", 250000000}, {"0.5", 500000000},
    {"1", 1000000000},   {"2.5", 2500000000}, {"5", 5000000000},   {"10", 10000000000},
};
enum { BUCKETS = sizeof buckets / sizeof buckets[0] };

static const char histogram[] = "symbolon_http_request_seconds";

static _Atomic int64_t values[METRIC_COUNT];
static _Atomic uint64_t observed[BUCKETS + 1]; // by bucket, not cumulative; the last one is +Inf
static _Atomic uint64_t observed_ns;

void metrics_add(enum metric metric, int64_t amount)
{
    assert((unsigned)metric < METRIC_COUNT);
    atomic_fetch_add_explicit(&values[metric], amount, memory_order_relaxed);
}

void metrics_set(enum metric metric, int64_t value)
{
    assert((unsigned)metric < METRIC_COUNT);
    atomic_store_explicit(&values[metric], value, memory_order_relaxed);
}

void metrics_observe_request(uint64_t duration_ns)
{
    size_t bucket = 0;
    while (bucket < BUCKETS && duration_ns > buckets[bucket].ns)
        bucket++;
    atomic_fetch_add_explicit(&observed[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&observed_ns, duration_ns, memory_order_relaxed);
}

static void put_head(struct buf *out, const char *family, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family, help, family, type);
}

// The count is the sum of the buckets just read, so that a scrape never disagrees with itself.
static void put_histogram(struct buf *out)
{
    put_head(out, histogram, "histogram", "Time from the first byte of a request to its reply.");
    uint64_t count = 0;
    for (size_t i = 0; i <= BUCKETS; i++) {
        count += atomic_load_explicit(&observed[i], memory_order_relaxed);
        const char *bound = i < BUCKETS ? buckets[i].seconds : "+Inf";
        buf_printf(out, "%s_bucket{le=\"%s\"} %llu\n", histogram, bound, (unsigned long long)count);
    }
    uint64_t ns = atomic_load_explicit(&observed_ns, memory_order_relaxed);
    buf_printf(out, "%s_sum %llu.%09llu\n", histogram, (unsigned long long)(ns / 1000000000),
               (unsigned long long)(ns % 1000000000));
    buf_printf(out, "%s_count %llu\n", histogram, (unsigned long long)count);
}

void metrics_render(struct buf *out)
{
    const char *family = "";
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        if (strcmp(family, table[i].family) != 0)
            put_head(out, table[i].family, table[i].type, table[i].help);
        family = table[i].family;
        int64_t value = atomic_load_explicit(&values[i], memory_order_relaxed);
        buf_printf(out, "%s%s %lld\n", family, table[i].labels, (long long)value);
    }
    put_histogram(out);
}
