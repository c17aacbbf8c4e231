// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm check: one line for each thing that must be right.
#include "appliance/base/json_write.h"
#include "hsm-setup/cli.h"

#include <stdio.h>
#include <stdlib.h>

struct report {
    struct buf out;
    bool json;
    size_t lines, failures;
};

static void report_line(struct report *report, const char *what, bool good, const char *detail)
{
    report->lines++;
    report->failures += good ? 0 : 1;
    if (report->json) {
        buf_text(&report->out, report->lines > 1 ? ",{" : "{");
        json_write_member(&report->out, "what", what);
        buf_printf(&report->out, ",\"ok\":%s,", good ? "true" : "false");
        json_write_member(&report->out, "detail", detail);
        buf_text(&report->out, "}");
    } else {
        buf_printf(&report->out, "%-6s %-30s %s\n", good ? "ok" : "NOT OK", what, detail);
    }
}

// A fact of the token, and what to do when it is not so.
struct fact {
    const char *what;
    size_t offset; // of a bool in struct hsm_facts
    bool wanted;
    const char *advice;
};

#define FACT(field) offsetof(struct hsm_facts, field)

static const struct fact facts_wanted[] = {
    {"PIN tries", FACT(pin_count_low), false, "wrong PINs were tried; find out who did"},
    {"PIN last try", FACT(pin_final_try), false, "one try is left; log in with the vendor's tool"},
    {"PIN locked", FACT(pin_locked), false, "the security officer must set a new one"},
    {"PIN to be changed", FACT(pin_to_be_changed), false, "change it with the vendor's tool"},
    {"CKM_AES_ECB", FACT(aes_ecb), true, "the token cannot encrypt by AES-ECB: FF1 is impossible"},
    {"CKM_AES_KEY_GEN", FACT(aes_keygen), true, "the token cannot generate fpe keys"},
    {"CKM_SHA256_HMAC", FACT(hmac_sha256), true, "the token cannot compute HMACs: no client can log in"},
    {"CKM_GENERIC_SECRET_KEY_GEN", FACT(generic_keygen), true, "the token cannot generate mac keys"},
    {"CKM_EC_KEY_PAIR_GEN", FACT(ec_keygen), true, "the token cannot generate tls and sign-p256 keys"},
    {"CKM_ECDSA", FACT(ecdsa), true, "the token cannot sign with tls and sign-p256 keys"},
    {"CKM_EDDSA", FACT(eddsa), true, "the token cannot sign with sign-ed25519 keys"},
    {"C_EncryptUpdate stream", FACT(stream), true,
     "each call must initialize anew: correct, but small calls cost much more"},
};

static void report_facts(struct report *report, const struct hsm_facts *facts)
{
    char text[256];
    report_line(report, "module", true, facts->library);
    snprintf(text, sizeof text, "%s %s, serial %s, firmware %s", facts->manufacturer, facts->model,
             facts->serial, facts->firmware);
    report_line(report, "token", true, text);
    for (size_t i = 0; i < sizeof facts_wanted / sizeof facts_wanted[0]; i++) {
        const struct fact *fact = &facts_wanted[i];
        bool value = *(const bool *)((const char *)facts + fact->offset);
        report_line(report, fact->what, value == fact->wanted, value == fact->wanted ? "" : fact->advice);
    }
}

static void report_key(struct report *report, const struct hsm_key_info *key)
{
    char what[KEY_LABEL_BYTES + 24], value[CHECK_VALUE_TEXT_BYTES], detail[64];
    snprintf(what, sizeof what, "%s %s", key->evidence.label, cli_use_names[key->use]);
    cli_check_value(&key->evidence, value);
    snprintf(detail, sizeof detail, "check value %s", value);
    report_line(report, what, key->ok, key->ok ? detail : key->why.text);
}

static enum err report_all(struct hsm *hsm, struct report *report, struct diag *diag)
{
    enum err rc = OK;
    struct hsm_facts facts;
    struct hsm_key_info *keys = NULL;
    size_t count = 0;
    TRY(hsm_read_facts(hsm, &facts, diag));
    report_facts(report, &facts);
    TRY(hsm_list_keys(hsm, &keys, &count, diag));
    for (size_t i = 0; i < count; i++)
        report_key(report, &keys[i]);
    if (count == 0)
        report_line(report, "keys", false, "there are none; symbolon-hsm keys generate makes them");
out:
    free(keys);
    return rc;
}

enum err cli_check(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct hsm *hsm = NULL;
    struct report report = {.json = cli->json};
    TRY(cli_open(cli, 1, &hsm, diag));
    buf_text(&report.out, cli->json ? "{\"checks\":[" : "");
    TRY(report_all(hsm, &report, diag));
    if (cli->json)
        buf_printf(&report.out, "],\"ok\":%s}\n", report.failures == 0 ? "true" : "false");
    TRY(cli_print(&report.out));
    REQUIRE(report.failures == 0,
            diag_set(diag, ERR_HSM_KEY, "%zu of %zu checks failed", report.failures, report.lines));
out:
    buf_done(&report.out);
    hsm_close(hsm);
    return rc;
}
