// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// symbolon-hsm check: one line for each thing that must be right; as JSON, also the evidence for an auditor.
#include "appliance/base/clock.h"
#include "appliance/base/json_write.h"
#include "hsm-setup/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
    struct buf out; // the lines
    bool json;
    size_t lines, failures;
};

struct checking {
    const struct cli *cli;
    struct hsm *hsm;
    struct hsm_facts facts;
    struct hsm_key_info *keys;
    size_t key_count;
    struct key_states states;
    struct report report;
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

static void report_key(struct checking *checking, const struct hsm_key_info *key)
{
    char what[KEY_LABEL_BYTES + 24], value[CHECK_VALUE_TEXT_BYTES], detail[64];
    const struct store_key *known =
        key_states_find(&checking->states, key->tenant_id, key->use, key->generation);
    const char *state = known != NULL ? store_key_state_name(known->state) : "";
    snprintf(what, sizeof what, "%s %s", key->evidence.label, hsm_use_names[key->use]);
    cli_check_value(&key->evidence, value);
    snprintf(detail, sizeof detail, "check value %s%s%s", value, state[0] != '\0' ? ", " : "", state);
    report_line(&checking->report, what, key->ok, key->ok ? detail : key->why.text);
}

static bool is_in_token(const struct checking *checking, const struct store_key *known)
{
    for (size_t i = 0; i < checking->key_count; i++) {
        const struct hsm_key_info *key = &checking->keys[i];
        if (known == key_states_find(&checking->states, key->tenant_id, key->use, key->generation))
            return true;
    }
    return false;
}

// Keys that tokens still need, and that are not there.
static void report_missing(struct checking *checking)
{
    for (size_t i = 0; i < checking->states.count; i++) {
        const struct store_key *known = &checking->states.keys[i];
        char what[KEY_LABEL_BYTES], detail[64];
        if (known->state == STORE_KEY_NO_STATE || known->state == STORE_KEY_RELEASED ||
            is_in_token(checking, known))
            continue;
        hsm_key_label(known->tenant_id, KEY_FPE, known->generation, what);
        snprintf(detail, sizeof detail, "is %s, and not in the token", store_key_state_name(known->state));
        report_line(&checking->report, what, false, detail);
    }
}

static enum err look(struct checking *checking, struct diag *diag)
{
    enum err rc = OK;
    TRY(key_states_read(checking->cli, &checking->states, diag));
    TRY(cli_open(checking->cli, 1, &checking->hsm, diag));
    TRY(hsm_read_facts(checking->hsm, &checking->facts, diag));
    TRY(hsm_list_keys(checking->hsm, &checking->keys, &checking->key_count, diag));
    key_states_compare(&checking->states, checking->keys, checking->key_count);
    cli_compare_pins(checking->cli, checking->keys, checking->key_count);
out:
    return rc;
}

static void report_all(struct checking *checking)
{
    report_facts(&checking->report, &checking->facts);
    for (size_t i = 0; i < checking->key_count; i++)
        report_key(checking, &checking->keys[i]);
    report_missing(checking);
    if (checking->key_count == 0)
        report_line(&checking->report, "keys", false,
                    "there are none; symbolon-hsm keys generate makes them");
}

// ---- evidence ---------------------------------------------------------------------------------------

static void write_mechanisms(const struct hsm_facts *facts, struct buf *out)
{
    bool first = true;
    buf_text(out, ",\"mechanisms\":{");
    for (size_t i = 0; i < sizeof facts_wanted / sizeof facts_wanted[0]; i++) {
        const struct fact *fact = &facts_wanted[i];
        if (strncmp(fact->what, "CKM_", 4) != 0)
            continue;
        buf_printf(out, "%s\"%s\":%s", first ? "" : ",", fact->what,
                   *(const bool *)((const char *)facts + fact->offset) ? "true" : "false");
        first = false;
    }
    buf_byte(out, '}');
}

static void write_evidence(const struct checking *checking, struct buf *out)
{
    char now[CLOCK_RFC3339_BYTES];
    const struct clock clock = clock_system();
    clock_rfc3339_s(clock_now_s(&clock), now);
    buf_byte(out, '{');
    json_write_member(out, "time", now);
    buf_byte(out, ',');
    json_write_member(out, "program", "symbolon-hsm " SYMBOLON_VERSION);
    buf_text(out, ",\"slot\":");
    evidence_slot_json(out, checking->cli, &checking->facts);
    write_mechanisms(&checking->facts, out);
    if (checking->states.file != NULL) {
        buf_byte(out, ',');
        json_write_member(out, "store", checking->states.file);
    }
    buf_text(out, ",\"keys\":[");
    for (size_t i = 0; i < checking->key_count; i++) {
        buf_text(out, i > 0 ? "," : "");
        evidence_key_json(out, &checking->keys[i], &checking->states);
    }
    buf_text(out, "],\"checks\":[");
    buf_append(out, checking->report.out.at, checking->report.out.len);
    buf_printf(out, "],\"ok\":%s}\n", checking->report.failures == 0 ? "true" : "false");
}

static enum err show(const struct checking *checking)
{
    BUF out = {0};
    if (!checking->cli->json)
        return cli_print(&checking->report.out);
    if (checking->report.out.error != OK)
        return checking->report.out.error;
    write_evidence(checking, &out);
    return cli_print(&out);
}

enum err cli_check(const struct cli *cli, struct diag *diag)
{
    enum err rc = OK;
    struct checking checking = {.cli = cli, .report.json = cli->json};
    const struct report *report = &checking.report;
    TRY(look(&checking, diag));
    report_all(&checking);
    TRY(show(&checking));
    REQUIRE(report->failures == 0,
            diag_set(diag, ERR_HSM_KEY, "%zu of %zu checks failed", report->failures, report->lines));
out:
    free(checking.keys);
    key_states_done(&checking.states);
    buf_done(&checking.report.out);
    hsm_close(checking.hsm);
    return rc;
}
