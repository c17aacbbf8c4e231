// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Gift cards: POST /v1/Token in the shape of POSPointe's GiftCard Server, with GET /Health and PUT
// /Auth/verify. Credential: Basic. Its calls that move money are not served.
#pragma once

#include "web/router.h"

struct api gift_card_api(void);
