// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/vectors/vector_line.h"
#include "appliance/base/codec.h"

#include <stdlib.h>
#include <string.h>

enum { FIELDS = 7 };

static bool split(char *line, char *fields[FIELDS])
{
    size_t count = 0;
    for (char *at = line; at != NULL; count++) {
        if (count == FIELDS)
            return false;
        fields[count] = at;
        at = strchr(at, '\t');
        if (at != NULL)
            *at++ = '\0';
    }
    return count == FIELDS;
}

// A decimal integer up to a NUL or a comma; too large or negative gives UINT64_MAX. NULL when it is none.
static const char *parse_integer(const char *text, uint64_t *out)
{
    bool negative = *text == '-';
    text += negative;
    if (*text < '0' || *text > '9')
        return NULL;
    uint64_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value > UINT64_MAX / 16 ? UINT64_MAX : value * 10 + (uint64_t)(*text - '0');
    *out = negative && value != 0 ? UINT64_MAX : value;
    return text;
}

static bool parse_numerals(const char *text, struct numeral_list *out)
{
    size_t commas = 0;
    for (const char *at = text; *at != '\0'; at++)
        commas += *at == ',';
    out->at = calloc(commas + 1, sizeof *out->at);
    if (out->at == NULL)
        abort();
    if (*text == '\0' || strcmp(text, "-") == 0)
        return true;
    for (;;) {
        uint64_t value;
        text = parse_integer(text, &value);
        if (text == NULL || (*text != ',' && *text != '\0'))
            return false;
        out->out_of_range |= value > UINT16_MAX;
        out->at[out->count++] = (uint16_t)value;
        if (*text++ == '\0')
            return true;
    }
}

static bool parse_hex(const char *text, uint8_t **out, size_t *out_bytes)
{
    size_t digits = strlen(text);
    *out_bytes = digits / 2;
    *out = malloc(digits / 2 + 1);
    if (*out == NULL)
        abort();
    return digits % 2 == 0 && hex_decode((struct slice){text, digits}, *out, digits / 2);
}

const char *vector_parse(char *line, struct vector *out)
{
    char *fields[FIELDS];
    *out = (struct vector){0};
    line[strcspn(line, "\r\n")] = '\0';
    if (!split(line, fields))
        return "not seven fields with tabs between them";
    out->id = fields[0];
    if (*out->id == '\0')
        return "the id is empty";
    if (!parse_hex(fields[1], &out->key, &out->key_bytes))
        return "the key is not hex";
    if (!parse_hex(strcmp(fields[2], "-") == 0 ? "" : fields[2], &out->tweak, &out->tweak_bytes))
        return "the tweak is neither hex nor -";
    const char *end = parse_integer(fields[3], &out->radix);
    if (end == NULL || *end != '\0')
        return "the radix is not a number";
    if (!parse_numerals(fields[4], &out->plain))
        return "the plaintext is not a list of numbers";
    if (!parse_numerals(fields[5], &out->cipher))
        return "the ciphertext is not a list of numbers";
    out->valid = strcmp(fields[6], "valid") == 0;
    return out->valid || strcmp(fields[6], "invalid") == 0 ? NULL : "the last field is not valid or invalid";
}

void vector_done(struct vector *vector)
{
    free(vector->key);
    free(vector->tweak);
    free(vector->plain.at);
    free(vector->cipher.at);
}
