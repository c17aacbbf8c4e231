// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// The rows of the template table, each defined in its own template_*.c.
#pragma once

#include "appliance/tokens/template.h"

extern const struct template template_credit_card_number; // template_pan.c
extern const struct template template_card;               // template_card.c
