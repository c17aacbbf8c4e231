// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// What a test needs of the token that it runs on (softhsm.h). It is skipped, counted and listed when the
// token does not have it; SoftHSM has everything, so that there none is.
#pragma once

#include "tests/support/softhsm.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline void needs(bool there, const char *what)
{
    if (there)
        return;
    if (strcmp(softhsm_kind(), "softhsm") == 0)
        fail_msg("%s", what);
    softhsm_note_skip(what);
    skip();
}

static inline struct hsm_facts needs_facts(struct hsm *hsm)
{
    struct hsm_facts facts;
    assert_int_equal(hsm_read_facts(hsm, &facts, NULL), OK);
    return facts;
}

// NSS softokn takes CKA_LOCAL for its own, and leaves it false: its keys are refused.
static inline bool keeps_rules(void)
{
    return strcmp(softhsm_kind(), "nss") != 0;
}

static inline void needs_rules(void)
{
    needs(keeps_rules(), "keys that satisfy the rules");
}

static inline void needs_ec(struct hsm *hsm)
{
    needs_rules();
    const struct hsm_facts facts = needs_facts(hsm);
    needs(facts.ec_keygen && facts.ecdsa, "ECDSA");
}

static inline void needs_files(void)
{
    needs(softhsm_has_files(), "token files that the test changes");
}
