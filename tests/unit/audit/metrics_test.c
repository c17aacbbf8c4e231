// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/metrics/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The rendered text as a NUL-terminated string; the caller frees it.
static char *render(void)
{
    BUF out = {0};
    metrics_render(&out);
    assert_int_equal(out.error, OK);
    assert_int_equal(out.at[out.len - 1], '\n');
    return strndup(out.at, out.len);
}

// The value of the sample line that begins with `series` and a space.
static double sample(const char *series)
{
    char *text = render(), line[200];
    snprintf(line, sizeof line, "\n%s ", series);
    char *at = strstr(text, line);
    if (at == NULL)
        fail_msg("no sample %s", series);
    assert_null(strstr(at + 1, line));
    double value = strtod(at + strlen(line), NULL);
    free(text);
    return value;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
}

// One sample: name, optional {label="value"}, space, number, nothing else. Returns the name's length.
static size_t check_sample(const char *line)
{
    size_t name = 0;
    while (is_name_byte(line[name]))
        name++;
    const char *at = line + name;
    if (*at == '{') {
        at++;
        while (is_name_byte(*at))
            at++;
        assert_memory_equal(at, "=\"", 2);
        at = strchr(at + 2, '"');
        assert_memory_equal(at, "\"}", 2);
        at += 2;
    }
    assert_int_equal(*at, ' ');
    char *end;
    strtod(at + 1, &end);
    assert_ptr_not_equal(end, at + 1);
    assert_int_equal(*end, '\0');
    return name;
}

// The text format, version 0.0.4: HELP, TYPE, then the samples of that family, each family once.
static void the_text_parses_and_every_family_stands_together(void **state)
{
    (void)state;
    char *text = render(), *rest = text, *line;
    char family[100] = "", seen[4000] = "";
    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        char name[100], type[20], mark[110];
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_int_equal(sscanf(line, "# HELP %99s", family), 1);
            assert_true(strlen(line) > 7 + strlen(family) + 5); // it says something
            snprintf(mark, sizeof mark, "|%s|", family);
            assert_null(strstr(seen, mark));
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", mark);
            line = strsep(&rest, "\n");
            assert_int_equal(sscanf(line, "# TYPE %99s %19s", name, type), 2);
            assert_string_equal(name, family);
            assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
                        strcmp(type, "histogram") == 0);
            continue;
        }
        assert_true(check_sample(line) >= strlen(family));
        snprintf(mark, sizeof mark, " %.*s ", (int)strcspn(line, " "), line); // the series
        assert_null(strstr(seen, mark));
        snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s", mark);
        assert_memory_equal(line, family, strlen(family));
    }
    assert_non_null(strstr(seen, "|symbolon_http_request_seconds|"));
    free(text);
}

static void every_metric_has_a_series_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < METRIC_COUNT; i++)
        metrics_set(i, 1000000 + i);
    char *text = render();
    for (int i = 0; i < METRIC_COUNT; i++) {
        char value[20];
        snprintf(value, sizeof value, " %d\n", 1000000 + i);
        assert_non_null(strstr(text, value));
        metrics_set(i, 0);
    }
    free(text);
}

static void counters_add_up_and_gauges_go_down_again(void **state)
{
    (void)state;
    metrics_add(METRIC_TOKENS_MADE, 1000);
    metrics_add(METRIC_TOKENS_MADE, 24);
    metrics_add(METRIC_REQUESTS_IN_FLIGHT, 2);
    metrics_add(METRIC_REQUESTS_IN_FLIGHT, -2);
    assert_true(sample("symbolon_tokens_total{operation=\"tokenize\"}") == 1024);
    assert_true(sample("symbolon_tokens_total{operation=\"detokenize\"}") == 0);
    assert_true(sample("symbolon_requests_in_flight") == 0);
}

static void a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed(void **state)
{
    (void)state;
    metrics_observe_request(0);
    metrics_observe_request(100000);      // exactly 100 us
    metrics_observe_request(100001);      // one more
    metrics_observe_request(10000000000); // exactly 10 s
    metrics_observe_request(10000000001);
    assert_true(sample("symbolon_http_request_seconds_bucket{le=\"0.0001\"}") == 2);
    assert_true(sample("symbolon_http_request_seconds_bucket{le=\"0.00025\"}") == 3);
    assert_true(sample("symbolon_http_request_seconds_bucket{le=\"5\"}") == 3);
    assert_true(sample("symbolon_http_request_seconds_bucket{le=\"10\"}") == 4);
    assert_true(sample("symbolon_http_request_seconds_bucket{le=\"+Inf\"}") == 5);
    assert_true(sample("symbolon_http_request_seconds_count") == 5);
    double sum = sample("symbolon_http_request_seconds_sum");
    assert_true(sum > 20.000200001 && sum < 20.000200003);
}

static void *count_up(void *context)
{
    (void)context;
    for (int i = 0; i < 10000; i++)
        metrics_add(METRIC_TOKENS_OPENED, 1);
    return NULL;
}

static void no_count_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_true(sample("symbolon_tokens_total{operation=\"detokenize\"}") == 40000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_parses_and_every_family_stands_together),
        cmocka_unit_test(every_metric_has_a_series_of_its_own),
        cmocka_unit_test(counters_add_up_and_gauges_go_down_again),
        cmocka_unit_test(a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed),
        cmocka_unit_test(no_count_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
