// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "config/client.h"

#include "config/characters.h"

#include <string.h>

enum {
    PREFIX_DIGITS_MAX = 18,
    CARD_DIGITS_MIN = 12, // ISO/IEC 7812
    CARD_DIGITS_MAX = 19,
    CODE_DIGITS_MAX = 8,
    TOKEN_DIGITS_MIN = 16, // short enough for the fields of callers, long enough to be hard to make up
    TOKEN_DIGITS_MAX = 40,
    DISPLAY_NAME_MAX = 70, // a line on a telephone
    RATE_MAX = 1000000,
};
#define FORGERY_ODDS_MAX 0.01

// ---- gift cards -----------------------------------------------------------------------------------

static bool is_prefix(const char *text)
{
    size_t len = strlen(text);
    return len >= 1 && len <= PREFIX_DIGITS_MAX && strspn(text, "0123456789") == len;
}

// With which a range has more than one card.
static size_t smallest_digits(const struct config_issuer_range *range)
{
    return strlen(range->prefix) + (range->luhn ? 2 : 1);
}

static void read_range(const struct block *block, struct config_issuer_range *range)
{
    *range = (struct config_issuer_range){
        .prefix = block_title(block),
        .digits = (unsigned)block_number(block, "digits", CARD_DIGITS_MIN, CARD_DIGITS_MAX),
        .luhn = block_switch(block, "luhn"),
        .code_digits = (unsigned)block_number(block, "code", 0, CODE_DIGITS_MAX),
        .line = block->line,
    };
    if (range->prefix != NULL && !is_prefix(range->prefix))
        block_complain(block, "", "the title must be the first digits of the card numbers, 1..%d of them",
                       PREFIX_DIGITS_MAX);
    else if (range->prefix != NULL && range->digits != 0 && smallest_digits(range) > range->digits)
        block_complain(block, "digits", "digits must be at least %zu, or the range has a single card",
                       smallest_digits(range));
    // libconfuse has read a long; 0 stands for no wish.
    long token_digits = cfg_getint(block->cfg, "token_digits");
    if (token_digits == 0 || (token_digits >= TOKEN_DIGITS_MIN && token_digits <= TOKEN_DIGITS_MAX))
        range->token_digits = (unsigned)token_digits;
    else
        block_complain(block, "token_digits", "token_digits must be %d..%d, or 0 for as many as needed",
                       TOKEN_DIGITS_MIN, TOKEN_DIGITS_MAX);
}

static void refuse_giftcard_options(const struct block *block, const struct config_client *client)
{
    static const char *const options[] = {"forgery_odds", "other_cards"};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (block_has(block, options[i]))
            block_complain(block, options[i], "%s is only for the API giftcard", options[i]);
    }
    for (size_t i = 0; i < client->range_count; i++)
        report_add(block->report, client->ranges[i].line,
                   "%sissuer_range \"%s\" is only for the API giftcard", block->label,
                   client->ranges[i].prefix);
}

static void read_giftcards(const struct block *block, struct config_client *client)
{
    client->forgery_odds = block_fraction(block, "forgery_odds", FORGERY_ODDS_MAX);
    client->other_cards = block_switch(block, "other_cards");
    client->ranges = block_rows(block, "issuer_range", sizeof *client->ranges, &client->range_count);
    for (unsigned i = 0; i < client->range_count; i++) {
        struct block range = block_repeated(block, "issuer_range", i);
        read_range(&range, &client->ranges[i]);
    }
    if ((client->apis & schema_find(schema_apis, "giftcard")->value) == 0)
        refuse_giftcard_options(block, client);
}

// ---- token requests -------------------------------------------------------------------------------

static void read_member(const struct block *block, struct config_client *client)
{
    static const char *const options[] = {"public_keys", "display_name"};
    client->public_keys = block_paths(block, "public_keys", &client->public_key_count);
    client->display_name = block_text(block, "display_name", BLOCK_OPTIONAL);
    if (client->display_name != NULL)
        characters_check_name(block, "display_name", client->display_name, DISPLAY_NAME_MAX);
    if ((client->apis & schema_find(schema_apis, "requests")->value) != 0)
        return;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (block_has(block, options[i]))
            block_complain(block, options[i], "%s is only for the API requests", options[i]);
    }
}

// ---- the client -----------------------------------------------------------------------------------

void client_read(const struct block *block, struct config_client *out_client)
{
    *out_client = (struct config_client){
        .name = block_title(block),
        .id = (unsigned)block_number(block, "id", 1, CONFIG_ID_MAX),
        .generation = (unsigned)block_number(block, "generation", 1, CONFIG_ID_MAX),
        .accept_previous = block_switch(block, "accept_previous"),
        .apis = block_set(block, "apis", schema_apis),
        .permissions = block_set(block, "permissions", schema_permissions),
        .luhn = block_switch(block, "luhn"),
        .rate = (unsigned)block_number(block, "rate", 0, RATE_MAX),
        .line = block->line,
    };
    out_client->accounts = block_names(block, "accounts", &out_client->account_count);
    out_client->roles = block_names(block, "roles", &out_client->role_count);
    if (cfg_size(block->cfg, "apis") == 0)
        block_complain(block, "apis", "apis must name at least one API");
    if (!block_has(block, "permissions"))
        out_client->permissions = schema_find(schema_permissions, "tokenize")->value;
    if (out_client->accept_previous && out_client->generation == 1)
        block_complain(block, "accept_previous", "accept_previous needs a generation above 1");
    read_giftcards(block, out_client);
    read_member(block, out_client);
}
