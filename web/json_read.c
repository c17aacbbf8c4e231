// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "web/json_read.h"

#include "appliance/base/secret.h"
#include "web/json_arena.h"
#include "web/json_check.h"
#include "web/memory.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct json_document {
    cJSON *root;
    struct json_arena arena; // of the whole tree
};

// cJSON's hooks have no context: the arena of the document that this thread is reading.
static _Thread_local struct json_arena *reading;

static void *allocate(size_t size)
{
    assert(reading != NULL);
    return json_arena_take(reading, size);
}

// A tree that could not be finished goes with its arena, like any other.
static void forget(void *memory)
{
    (void)memory;
}

static pthread_once_t hooks_once = PTHREAD_ONCE_INIT;

static void install_hooks(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = allocate, .free_fn = forget});
}

// Numbers with a fraction or an exponent, and those too long for cJSON, become 0.5 in a copy: nobody can
// read them as an integer, which they would otherwise be after rounding (0.99999999999999999999 is 1.0).
static void blur_numbers(char *text, size_t len)
{
    for (size_t at = 0; at < len; at++) {
        if (text[at] == '"') {
            for (at++; text[at] != '"'; at++)
                at += text[at] == '\\';
            continue;
        }
        bool exact = true;
        size_t length = json_number_length((struct slice){text + at, len - at}, &exact);
        if (length == 0)
            continue;
        if (!exact) {
            memset(text + at, ' ', length);
            memcpy(text + at, "0.5", 3); // the shortest such number has three bytes
        }
        at += length - 1;
    }
}

static enum err parse(struct slice text, struct json_document *document)
{
    reading = &document->arena;
    document->root = cJSON_ParseWithLength(text.at, text.len);
    reading = NULL;
    return document->root != NULL ? OK : ERR_MEMORY; // all else that it refuses has been refused before
}

static enum err parse_blurred(struct slice text, struct json_document *document)
{
    SECRET copy = {0};
    if (!memory_take(text.len))
        return ERR_MEMORY;
    enum err rc = secret_set(&copy, text.at, text.len);
    if (rc == OK) {
        blur_numbers(copy.text, copy.len);
        rc = parse((struct slice){copy.text, copy.len}, document);
    }
    secret_done(&copy);
    memory_give(text.len);
    return rc;
}

enum err json_read(struct slice text, struct json_document **out_document, struct json_fault *out_fault)
{
    enum err rc = OK;
    struct json_findings findings;
    struct json_document *document = NULL;
    pthread_once(&hooks_once, install_hooks);
    TRY(json_check(text, &findings, out_fault));
    document = calloc(1, sizeof *document);
    REQUIRE(document != NULL, ERR_MEMORY);
    TRY(findings.has_inexact_number ? parse_blurred(text, document) : parse(text, document));
    *out_document = document;
    document = NULL;
out:
    json_free(document);
    return rc;
}

void json_free(struct json_document *document)
{
    if (document == NULL)
        return;
    json_arena_done(&document->arena);
    free(document);
}

static const cJSON *node_of(const struct json *node)
{
    return (const cJSON *)(const void *)node;
}

static const struct json *json_of(const cJSON *item)
{
    return (const struct json *)(const void *)item;
}

const struct json *json_root(const struct json_document *document)
{
    return json_of(document->root);
}

enum json_type json_type(const struct json *node)
{
    const cJSON *item = node_of(node);
    switch (item == NULL ? cJSON_NULL : item->type & 0xff) {
    case cJSON_String:
        return JSON_STRING;
    case cJSON_Object:
        return JSON_OBJECT;
    case cJSON_Array:
        return JSON_ARRAY;
    case cJSON_Number:
        return JSON_NUMBER;
    case cJSON_False:
    case cJSON_True:
        return JSON_BOOL;
    default:
        return JSON_NULL;
    }
}

struct slice json_name(const struct json *node)
{
    const char *name = node_of(node)->string;
    return (struct slice){name, name == NULL ? 0 : strlen(name)};
}

const struct json *json_member(const struct json *node, const char *name)
{
    const cJSON *item = node_of(node);
    return cJSON_IsObject(item) ? json_of(cJSON_GetObjectItemCaseSensitive(item, name)) : NULL;
}

const struct json *json_first(const struct json *node)
{
    const cJSON *item = node_of(node);
    return item != NULL ? json_of(item->child) : NULL;
}

const struct json *json_next(const struct json *node)
{
    return json_of(node_of(node)->next);
}

bool json_string(const struct json *node, struct slice *out_text)
{
    const cJSON *item = node_of(node);
    if (json_type(node) != JSON_STRING)
        return false;
    *out_text = (struct slice){item->valuestring, strlen(item->valuestring)};
    return true;
}

bool json_string_is(const struct json *node, const char *text)
{
    struct slice found;
    return json_string(node, &found) && slice_is(found, text);
}

bool json_bool(const struct json *node, bool *out_value)
{
    const cJSON *item = node_of(node);
    if (!cJSON_IsBool(item))
        return false;
    *out_value = cJSON_IsTrue(item);
    return true;
}

bool json_integer(const struct json *node, int64_t *out_value)
{
    static const double limit = 9007199254740992.0; // 2^53
    const cJSON *item = node_of(node);
    if (!cJSON_IsNumber(item) || trunc(item->valuedouble) != item->valuedouble ||
        fabs(item->valuedouble) >= limit)
        return false;
    *out_value = (int64_t)item->valuedouble;
    return true;
}
