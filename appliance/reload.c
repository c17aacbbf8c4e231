// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// SIGHUP: the configuration is read again and taken over as a whole, or not at all. Requests in flight and
// connections go on undisturbed: each has the registry with which it began.
#include "appliance/service.h"

#include "appliance/base/log.h"
#include "appliance/notify.h"
#include "config/reload.h"

static struct server_tls tls_of(const struct service *service, const struct config *config)
{
    return (struct server_tls){
        .certificate_file = config->certificate_file,
        .key = service->tls_key,
        .client_ca_file = config->client_ca_file,
        .require_client_certificate = config->require_client_certificate,
    };
}

static enum err take_over(struct service *service, struct config *next, struct diag *diag)
{
    enum err rc = OK;
    enum log_level level;
    struct registry *registry = NULL;
    const struct server_tls tls = tls_of(service, next);
    REQUIRE(!config_needs_restart(service->config, next, diag), ERR_CONFIG);
    TRY(appliance_build_registry(service->appliance, next, NULL, &registry, diag));
    if (!next->plain_http)
        TRY(server_reload_tls(service->main, &tls, diag));
    TRY(service_replace_registry(service, registry));
    registry = NULL;
    const struct server_limits limits = service_limits(next);
    server_reload_limits(service->main, &limits);
    server_reload_limits(service->operations_server, &limits);
    if (log_level_from_name(next->log_level, &level))
        log_set_level(level);
out:
    registry_free(registry);
    return rc;
}

static enum err load(struct service *service, struct config **out_config, struct diag *diag)
{
    BUF report = {0};
    const enum err rc = config_load(service->config->file, out_config, &report);
    return rc == OK ? OK : diag_set(diag, rc, "%.*s", (int)report.len, report.len > 0 ? report.at : "");
}

void service_reload(struct service *service)
{
    struct diag diag = {0};
    struct config *next = NULL;
    notify_reloading();
    pthread_mutex_lock(&service->change);
    enum err rc = load(service, &next, &diag);
    if (rc == OK)
        rc = take_over(service, next, &diag);
    if (rc == OK) {
        config_free(service->config);
        service->config = next;
    } else {
        config_free(next);
    }
    pthread_mutex_unlock(&service->change);
    const struct audit_record record = {.event = AUDIT_RELOAD, .outcome = rc};
    if (rc == OK)
        log_info("reloaded");
    else
        log_error("reload_refused", LOG_TEXT("why", diag.text[0] != '\0' ? diag.text : err_name(rc)));
    if (audit_write(service->audit, &record) != OK)
        log_error("audit_failed", LOG_TEXT("event", "reload"));
    notify_ready();
}
