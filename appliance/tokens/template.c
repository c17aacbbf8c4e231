// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/tokens/template.h"

#include "appliance/tokens/template_internal.h"

#include <string.h>

static const struct template *const templates[] = {
    &template_credit_card_number,
    &template_pan_first_six,
    &template_pan_last_four,
    &template_pan_first_six_last_four,
    &template_social_security_number,
    &template_regex,
    &template_card,
    &template_giftcard,
    &template_customer,
};

size_t template_count(void)
{
    return sizeof templates / sizeof templates[0];
}

const struct template *template_at(size_t index)
{
    return templates[index];
}

const struct template *template_find(const char *name)
{
    for (size_t i = 0; i < template_count(); i++) {
        if (strcmp(templates[i]->name, name) == 0)
            return templates[i];
    }
    return NULL;
}

const char *tweak_source_name(enum tweak_source source)
{
    static const char *const names[] = {
        [TWEAK_INTERNAL] = "internal", [TWEAK_SUPPLIED] = "supplied", [TWEAK_GENERATED] = "generated"};
    return names[source];
}
