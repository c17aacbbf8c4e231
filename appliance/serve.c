// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/serve.h"

#include "appliance/base/log.h"
#include "appliance/notify.h"
#include "appliance/service.h"
#include "web/apis/gift_card.h"

#include <openssl/evp.h>
#include <signal.h>
#include <string.h>

static bool is_ready(void *context)
{
    struct service *service = context;
    return !atomic_load(&service->stopping) && hsm_set_is_up(service->appliance->hsms);
}

static void log_hsm_change([[maybe_unused]] void *context, const struct hsm_set_change *change)
{
    const char *in_use = change->in_use != NULL ? change->in_use : "none";
    if (change->up)
        log_info("hsm_up", LOG_TEXT("slot", change->slot), LOG_TEXT("in_use", in_use));
    else
        log_error("hsm_down", LOG_TEXT("slot", change->slot), LOG_TEXT("in_use", in_use),
                  LOG_TEXT("why", change->why));
}

enum err service_replace_registry(struct service *service, struct registry *next)
{
    const enum err rc = registries_replace(service->registries, next);
    if (rc == OK && service->serials != NULL)
        serials_forget(service->serials);
    return rc;
}

static enum err write_audit(struct service *service, enum audit_event event)
{
    const struct audit_record record = {.event = event, .outcome = OK};
    return audit_write(service->audit, &record);
}

static enum err open_tls_key(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;
    const struct hsm_key_ref ref = {KEY_TLS, config->tls_key, NULL};
    if (config->plain_http)
        return OK;
    return hsm_set_open_private_key(service->appliance->hsms, &ref, &service->tls_key, NULL, diag);
}

static enum err open_serials(struct service *service)
{
    const struct appliance *appliance = service->appliance;
    const struct config_serial *limits = &service->config->serial;
    const struct serials_options options = {
        .store = appliance->store,
        .registries = service->registries,
        .session_ids = appliance->session_ids,
        .line_ids = appliance->line_ids,
        .rng = hsm_set_rng(appliance->hsms),
        .clock = clock_system(),
        .limits = {limits->min_tokens, limits->max_tokens, limits->min_digits, limits->max_digits,
                   limits->max_cells},
    };
    if (appliance->store == NULL)
        return OK;
    const enum err rc = serials_new(&options, &service->serials);
    service->serial_tokens = (struct serial_tokens){service->serials};
    return rc;
}

static enum err open_parts(struct service *service, struct diag *diag)
{
    enum err rc = OK;
    const struct config *config = service->config;
    TRY(audit_open(config->audit_file, config->audit_always ? AUDIT_SYNC_ALWAYS : AUDIT_SYNC_INTERVAL,
                   &service->audit, diag));
    TRY(open_tls_key(service, diag));
    TRY(card_format_new(&service->card_format));
    TRY(open_serials(service));
    service->card_tokens = (struct card_tokens){service->card_format};
    service->transform = (struct transform){
        .is_ready = is_ready,
        .ready_context = service,
        .body_limit = config->body_limit_bytes,
    };
    service->customer_tokens = (struct customer_tokens){
        {service->appliance->store, hsm_set_rng(service->appliance->hsms), clock_system()}};
    service->requests = (struct requests){
        .store = service->appliance->store,
        .ids = service->appliance->long_ids,
        .card_format = service->card_format,
        .signer = service->appliance->request_signer,
        .mac = service->appliance->system_mac,
        .rng = hsm_set_rng(service->appliance->hsms),
    };
    service->operations = (struct operations){is_ready, service, service_key_admin(service)};
out:
    return rc;
}

struct server_limits service_limits(const struct config *config)
{
    return (struct server_limits){
        .connections = config->connections,
        .connections_per_address = config->connections_per_address,
        .header_timeout_s = config->header_timeout_s,
        .idle_timeout_s = config->idle_timeout_s,
        .drain_timeout_s = config->drain_timeout_s,
        .memory_in_flight_bytes = config->memory_in_flight_bytes,
    };
}

static struct server_options common_options(struct service *service)
{
    return (struct server_options){
        .limits = service_limits(service->config),
        .registries = service->registries,
        .audit = service->audit,
        .clock = clock_system(),
    };
}

static enum err start_main(struct service *service, struct diag *diag)
{
    const struct config *config = service->config;
    const struct api health = health_api(&service->operations);
    const struct api cards = card_tokens_api(&service->card_tokens);
    const struct api gift_cards = gift_card_api();
    const struct api transform = transform_api(&service->transform);
    const struct api serial_tokens = serial_tokens_api(&service->serial_tokens);
    const struct api customer_tokens = customer_tokens_api(&service->customer_tokens);
    const struct api requests = token_requests_api(&service->requests);
    const struct api *const apis[] = {&health,        &cards,           &gift_cards, &transform,
                                      &serial_tokens, &customer_tokens, &requests};
    // Without a store there is nothing to serve the last three from; results need a key that signs.
    enum { APIS = sizeof apis / sizeof apis[0], APIS_WITH_STORE = 3 };
    const struct appliance *appliance = service->appliance;
    const size_t api_count =
        appliance->store == NULL ? APIS - APIS_WITH_STORE : APIS - !appliance->has_request_signer;
    const struct server_tls tls = {
        .certificate_file = config->certificate_file,
        .key = service->tls_key,
        .client_ca_file = config->client_ca_file,
        .require_client_certificate = config->require_client_certificate,
    };
    struct server_options options = common_options(service);
    options.address = config->listen.host;
    options.port = config->listen.port;
    options.tls = config->plain_http ? NULL : &tls;
    options.apis = apis;
    options.api_count = api_count;
    return server_start(&options, &service->main, diag);
}

// Few people ask here; a flood on the main listener must not starve them.
static enum err start_operations(struct service *service, struct diag *diag)
{
    enum { OPERATIONS_CONNECTIONS = 16 };
    const struct config *config = service->config;
    const struct api health = health_api(&service->operations);
    const struct api operations = operations_api(&service->operations);
    const struct api decisions = token_request_decisions_api(&service->requests);
    const struct api *const apis[] = {&health, &operations, &decisions};
    const bool decides = service->appliance->store != NULL && service->appliance->has_request_signer;
    struct server_options options = common_options(service);
    options.address = config->operations_listen.host;
    options.port = config->operations_listen.port;
    options.limits.connections = OPERATIONS_CONNECTIONS;
    options.apis = apis;
    options.api_count = sizeof apis / sizeof apis[0] - !decides;
    return server_start(&options, &service->operations_server, diag);
}

// The next signal, or 0 when it is time to tell the watchdog.
static int next_signal(const sigset_t *signals, uint64_t patience_us)
{
    const struct timespec patience = {.tv_sec = (time_t)(patience_us / 1000000),
                                      .tv_nsec = (long)(patience_us % 1000000 * 1000)};
    const int signal_number =
        patience_us > 0 ? sigtimedwait(signals, NULL, &patience) : sigwaitinfo(signals, NULL);
    return signal_number < 0 ? 0 : signal_number;
}

static void wait_for_stop(struct service *service)
{
    sigset_t signals;
    const uint64_t patience_us = notify_watchdog_interval_us() / 2;
    int signal_number = 0;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    while (signal_number != SIGTERM && signal_number != SIGINT) {
        notify_watchdog();
        signal_number = next_signal(&signals, patience_us);
        if (signal_number == SIGHUP)
            service_reload(service);
    }
    log_info("stopping", LOG_TEXT("signal", sigabbrev_np(signal_number)));
}

static void service_done(struct service *service)
{
    server_stop(service->operations_server);
    serials_free(service->serials);
    registries_free(service->registries);
    audit_close(service->audit);
    EVP_PKEY_free(service->tls_key);
    format_free(service->card_format);
    config_free(service->config);
    pthread_mutex_destroy(&service->change);
}

static void log_listening(const struct service *service)
{
    const struct config *config = service->config;
    log_info("listening", LOG_TEXT("address", config->listen.host),
             LOG_NUMBER("port", server_port(service->main)),
             LOG_TEXT("scheme", config->plain_http ? "http" : "https"),
             LOG_NUMBER("operations_port", server_port(service->operations_server)));
}

static enum err stop(struct service *service)
{
    atomic_store(&service->stopping, true);
    notify_stopping();
    const unsigned cut_off = server_stop(service->main);
    service->main = NULL;
    if (cut_off > 0)
        log_warning("requests_cut_off", LOG_NUMBER("count", cut_off));
    return write_audit(service, AUDIT_STOP);
}

enum err serve(const struct serve_options *options, struct diag *diag)
{
    enum err rc = OK;
    struct service service = {.appliance = options->appliance, .config = options->config};
    pthread_mutex_init(&service.change, NULL);
    rc = registries_new(options->registry, &service.registries);
    if (rc != OK)
        registry_free(options->registry);
    REQUIRE(rc == OK, rc);
    TRY(open_parts(&service, diag));
    TRY(hsm_set_watch(service.appliance->hsms, log_hsm_change, NULL)); // to the end of the process
    rc = write_audit(&service, AUDIT_START);
    REQUIRE(rc == OK, diag_set(diag, rc, "%s: cannot be written", service.config->audit_file));
    TRY(start_operations(&service, diag));
    TRY(start_main(&service, diag));
    log_listening(&service);
    notify_ready();
    wait_for_stop(&service);
    rc = stop(&service);
out:
    service_done(&service);
    return rc;
}
