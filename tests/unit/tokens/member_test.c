// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/member_house.h"

#define SOON "1700000060000" // Unix milliseconds
#define BODY "{\"requestPayload\":{}}"

static const char *const names[KEYS] = {"EdDSA", "ES256", "RS256", "EdDSA"};

// ---- signing, as a member does it ----------------------------------------------------------------------

static void sign(enum signing which, const struct buf *message, struct buf *out)
{
    uint8_t made[512];
    size_t bytes = sizeof made;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    const EVP_MD *hash = which == ED || which == OTHER_ED ? NULL : EVP_sha256();
    assert_int_equal(EVP_DigestSignInit(digest, NULL, hash, NULL, keys[which]), 1);
    assert_int_equal(EVP_DigestSign(digest, made, &bytes, (const uint8_t *)message->at, message->len), 1);
    EVP_MD_CTX_free(digest);
    if (which == EC) { // DER to R and S
        const uint8_t *der = made;
        ECDSA_SIG *parts = d2i_ECDSA_SIG(NULL, &der, (long)bytes);
        uint8_t raw[64];
        BN_bn2binpad(ECDSA_SIG_get0_r(parts), raw, 32);
        BN_bn2binpad(ECDSA_SIG_get0_s(parts), raw + 32, 32);
        ECDSA_SIG_free(parts);
        memcpy(made, raw, bytes = sizeof raw);
    }
    forge_base64url(out, made, bytes);
}

// <header>..<signature over header.body>
static void detach(struct buf *out, const char *header, struct slice body, enum signing which)
{
    BUF message = {0};
    forge_text(&message, header, body);
    buf_reset(out);
    forge_base64url(out, header, strlen(header));
    buf_text(out, "..");
    sign(which, &message, out);
}

static const char *write_header(enum signing which, const char *more)
{
    static char text[4096];
    snprintf(text, sizeof text,
             "{\"alg\":\"%s\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\",\"method\":\"POST\","
             "\"path\":\"/token-requests\",\"exp\":" SOON "%s}",
             names[which], key_ids[which], id_of(which == OTHER_ED ? "other" : "shop"), more);
    return text;
}

static struct presented request_of(const struct buf *jws)
{
    return (struct presented){.kind = CREDENTIAL_MEMBER,
                              .secret = buf_slice(jws),
                              .method = slice("POST"),
                              .host = slice("api.example"),
                              .path = slice("/token-requests"),
                              .body = slice(BODY)};
}

static enum err enters(const struct presented *presented)
{
    struct caller caller;
    return clients_authenticate(clients, CLIENT_API_REQUESTS, presented, NOW_S, &caller);
}

// Signed in every respect rightly, by its own key, but for what the header says.
static void assert_header(const char *header, enum signing which, enum err expected)
{
    BUF jws = {0};
    detach(&jws, header, slice(BODY), which);
    const struct presented presented = request_of(&jws);
    const enum err rc = enters(&presented);
    if (rc != expected)
        fail_msg("%s: %s", header, err_name(rc));
}

// ---- what is refused -----------------------------------------------------------------------------------

static void unsigned_requests_are_refused(void **state)
{
    (void)state;
    static const char *const algorithms[] = {"none", "None", "", "EdDSA"};
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        char header[1024];
        BUF jws = {0};
        snprintf(header, sizeof header,
                 "{\"alg\":\"%s\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\","
                 "\"method\":\"POST\",\"path\":\"/token-requests\",\"exp\":" SOON "}",
                 algorithms[i], key_ids[ED], id_of("shop"));
        forge_base64url(&jws, header, strlen(header));
        buf_text(&jws, "..");
        struct presented presented = request_of(&jws);
        assert_int_equal(enters(&presented), ERR_CREDENTIAL);
        buf_text(&jws, "AA");
        presented = request_of(&jws);
        assert_int_equal(enters(&presented), ERR_CREDENTIAL);
    }
}

// The key decides: each key under the name of every algorithm but its own.
static void an_algorithm_that_is_not_the_keys_is_refused(void **state)
{
    (void)state;
    static const char *const all[] = {"EdDSA", "ES256", "RS256", "PS256", "HS256",  "ES384",
                                      "RS512", "eddsa", "es256", "none",  "Ed25519"};
    for (size_t which = 0; which < 3; which++) {
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            char header[1024];
            snprintf(header, sizeof header,
                     "{\"alg\":\"%s\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\","
                     "\"method\":\"POST\",\"path\":\"/token-requests\",\"exp\":" SOON "}",
                     all[i], key_ids[which], id_of("shop"));
            assert_header(header, (enum signing)which,
                          strcmp(all[i], names[which]) == 0 ? OK : ERR_CREDENTIAL);
        }
    }
}

static void an_HMAC_of_the_public_key_is_refused(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        for (int trimmed = 0; trimmed < 2; trimmed++) {
            char header[1024];
            uint8_t mac[32];
            unsigned mac_bytes = sizeof mac;
            BUF jws = {0}, message = {0};
            snprintf(header, sizeof header,
                     "{\"alg\":\"HS256\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\","
                     "\"method\":\"POST\",\"path\":\"/token-requests\",\"exp\":" SOON "}",
                     key_ids[which], id_of("shop"));
            forge_text(&message, header, slice(BODY));
            HMAC(EVP_sha256(), pems[which].at, (int)pems[which].len - trimmed, (uint8_t *)message.at,
                 message.len, mac, &mac_bytes);
            forge_base64url(&jws, header, strlen(header));
            buf_text(&jws, "..");
            forge_base64url(&jws, mac, sizeof mac);
            const struct presented presented = request_of(&jws);
            assert_int_equal(enters(&presented), ERR_CREDENTIAL);
        }
    }
}

static void a_key_counts_for_its_own_member_only(void **state)
{
    (void)state;
    char header[1024];
    static const char form[] = "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\","
                               "\"method\":\"POST\",\"path\":\"/token-requests\",\"exp\":" SOON "}";
    snprintf(header, sizeof header, form, key_ids[OTHER_ED], id_of("shop"));
    assert_header(header, OTHER_ED, ERR_CREDENTIAL);
    snprintf(header, sizeof header, form, key_ids[ED], id_of("other"));
    assert_header(header, ED, ERR_CREDENTIAL);
    snprintf(header, sizeof header, form, key_ids[ED], id_of("shop"));
    assert_header(header, OTHER_ED, ERR_CREDENTIAL);
    assert_header(header, ED, OK);
    snprintf(header, sizeof header, form, key_ids[OTHER_ED], id_of("other"));
    assert_header(header, OTHER_ED, OK);
    snprintf(header, sizeof header, form, "AAAAAAAAAAAAAAAA", id_of("shop"));
    assert_header(header, ED, ERR_CREDENTIAL);
    snprintf(header, sizeof header, form, "", id_of("shop"));
    assert_header(header, ED, ERR_CREDENTIAL);
}

static void a_made_up_member_never_reaches_the_HSM(void **state)
{
    (void)state;
    static const char *const made_up[] = {
        "", "m:", "m::", "shop", "9", "m:5zKtXEAq", "m:2ZkV4yZ3ZrL6eQ3TqJmFf1mPqXw:5zKtXEAq"};
    const size_t calls = atomic_load(&fixture.ciphers[0].calls);
    for (size_t i = 0; i < sizeof made_up / sizeof made_up[0]; i++) {
        char header[1024];
        snprintf(header, sizeof header,
                 "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"api.example\","
                 "\"method\":\"POST\",\"path\":\"/token-requests\",\"exp\":" SOON "}",
                 key_ids[ED], made_up[i]);
        assert_header(header, ED, ERR_CREDENTIAL);
        const struct presented presented = {.kind = CREDENTIAL_MEMBER,
                                            .id = slice(made_up[i]),
                                            .secret = slice("01234567-0123-0123-0123-0123456789ab")};
        assert_int_equal(enters(&presented), ERR_CREDENTIAL);
    }
    assert_int_equal(atomic_load(&fixture.ciphers[0].calls), calls);
}

// One right request, and everything about it that somebody on the way might change.
static void a_signature_is_for_one_request(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        BUF jws = {0};
        detach(&jws, write_header((enum signing)which, ",\"query\":\"a=1&b=2\""), slice(BODY),
               (enum signing)which);
        struct presented right = request_of(&jws);
        right.query = slice("a=1&b=2");
        assert_int_equal(enters(&right), OK);
        static const struct {
            size_t member;
            const char *value;
        } changes[] = {
#define OF(name) offsetof(struct presented, name)
            {OF(method), "PUT"},
            {OF(method), "GET"},
            {OF(method), "post"},
            {OF(method), ""},
            {OF(path), "/token-requests/"},
            {OF(path), "/token-request"},
            {OF(path), "/Token-requests"},
            {OF(path), "/token%2Drequests"},
            {OF(path), "//token-requests"},
            {OF(path), "/token-requests?a=1&b=2"},
            {OF(path), ""},
            {OF(query), ""},
            {OF(query), "a=1"},
            {OF(query), "b=2&a=1"},
            {OF(query), "a=1&b=2&"},
            {OF(query), "a=1&b=%32"},
            {OF(query), "?a=1&b=2"},
            {OF(host), "api.example.evil.example"},
            {OF(host), "evil.api.example"},
            {OF(host), "api.exampl"},
            {OF(host), "api.example."},
            {OF(host), ""},
            {OF(body), ""},
            {OF(body), "{\"requestPayload\":{}} "},
            {OF(body), "{\"requestPayload\":{}"},
            {OF(body), "{\"requestPayload\": {}}"},
            {OF(body), "{\"RequestPayload\":{}}"},
        };
        for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
            struct presented changed = right;
            const struct slice value = slice(changes[i].value);
            memcpy((char *)&changed + changes[i].member, &value, sizeof value);
            if (enters(&changed) != ERR_CREDENTIAL)
                fail_msg("change %zu: %s", i, changes[i].value);
        }
        struct presented longer = right;
        longer.body = (struct slice){BODY "\0", sizeof BODY};
        assert_int_equal(enters(&longer), ERR_CREDENTIAL);
    }
}

// The first two @ become key id and member id.
static void fill(const char *form, char out_header[1024])
{
    const char *first = strchr(form, '@'), *second = strchr(first + 1, '@');
    snprintf(out_header, 1024, "%.*s%s%.*s%s%s", (int)(first - form), form, key_ids[ED],
             (int)(second - first - 1), first + 1, id_of("shop"), second + 1);
}

static void a_header_says_all_and_nothing_twice(void **state)
{
    (void)state;
#define FIRST "{\"alg\":\"EdDSA\",\"kid\":\"@\",\"mid\":\"@\""
#define HOST  ",\"host\":\"api.example\""
#define POST  ",\"method\":\"POST\""
#define PATH  ",\"path\":\"/token-requests\""
#define EXP   ",\"exp\":" SOON
    static const char *const forms[] = {
        // something missing
        FIRST POST PATH EXP "}",
        FIRST HOST PATH EXP "}",
        FIRST HOST POST EXP "}",
        FIRST HOST POST PATH "}",
        "{\"kid\":\"@\",\"mid\":\"@\"" HOST POST PATH EXP "}",
        "{\"alg\":\"EdDSA\",\"Kid\":\"@\",\"mid\":\"@\"" HOST POST PATH EXP "}",
        "{\"alg\":\"EdDSA\",\"kid\":\"@\",\"sub\":\"@\"" HOST POST PATH EXP "}",
        // something twice
        FIRST HOST POST PATH EXP EXP "}",
        FIRST HOST HOST POST PATH EXP "}",
        FIRST HOST POST PATH ",\"path\":\"/other\"" EXP "}",
        FIRST HOST POST PATH EXP ",\"alg\":\"EdDSA\"}",
        FIRST HOST POST PATH EXP ",\"\\u0061lg\":\"none\"}",
        // something of another type
        FIRST ",\"host\":[\"api.example\"]" POST PATH EXP "}",
        FIRST HOST ",\"method\":null" PATH EXP "}",
        FIRST HOST POST ",\"path\":1" EXP "}",
        FIRST HOST POST PATH EXP ",\"query\":null}",
        FIRST HOST POST PATH EXP ",\"query\":0}",
        // a query that the request has not
        FIRST HOST POST PATH EXP ",\"query\":\"a=1\"}",
        FIRST HOST POST PATH EXP ",\"query\":\"?\"}",
        // another place
        FIRST ",\"host\":\"\"" POST PATH EXP "}",
        FIRST ",\"host\":\"example\"" POST PATH EXP "}",
        FIRST ",\"host\":\"api.example:8443\"" POST PATH EXP "}",
        FIRST ",\"host\":\"user@api.example\"" POST PATH EXP "}",
        FIRST ",\"host\":\"https://api.example\"" POST PATH EXP "}",
        // what demands more than we know (RFC 7515, 4.1.11), or brings its own key
        FIRST HOST POST PATH EXP ",\"crit\":[\"exp\"]}",
        FIRST HOST POST PATH EXP ",\"crit\":[]}",
        FIRST HOST POST PATH EXP ",\"crit\":\"exp\"}",
        FIRST HOST POST PATH EXP ",\"b64\":false}",
        FIRST HOST POST PATH EXP ",\"b64\":false,\"crit\":[\"b64\"]}",
        FIRST HOST POST PATH EXP ",\"jwk\":{\"kty\":\"OKP\"}}",
        FIRST HOST POST PATH EXP ",\"x5c\":[\"MII\"]}",
        // no object, or more than one
        "[" FIRST HOST POST PATH EXP "}]",
        FIRST HOST POST PATH EXP "}{}",
        FIRST HOST POST PATH EXP "}x",
        FIRST HOST POST PATH EXP ",}",
        FIRST HOST POST PATH EXP,
        FIRST HOST POST PATH EXP ",\"x\":\"\xff\"}",
        FIRST HOST POST PATH EXP ",\"x\":\"\x01\"}",
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char header[1024];
        fill(forms[i], header);
        assert_header(header, ED, ERR_CREDENTIAL);
    }
}

static void a_query_must_be_named_where_there_is_one(void **state)
{
    (void)state;
    BUF jws = {0};
    detach(&jws, write_header(ED, ""), slice(BODY), ED);
    struct presented presented = request_of(&jws);
    presented.query = slice("a=1");
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
}

static void a_header_over_the_limit_is_refused_however_well_signed(void **state)
{
    (void)state;
    static const size_t lengths[] = {2000, 3000};
    for (size_t i = 0; i < 2; i++) {
        char more[3100];
        snprintf(more, sizeof more, ",\"x\":\"%0*d\"", (int)lengths[i], 0);
        assert_header(write_header(ED, more), ED, i == 0 ? OK : ERR_CREDENTIAL);
    }
}

static void a_signature_lives_until_exp_and_exp_is_at_most_a_day_away(void **state)
{
    (void)state;
    static const struct {
        const char *exp;
        enum err expected;
    } cases[] = {
        {"1700000000001", OK},
        {"1700086400000", OK},
        {"\"1700000060000\"", OK},
        {"1700000000000", ERR_CREDENTIAL},
        {"1699999999999", ERR_CREDENTIAL},
        {"1700086400001", ERR_CREDENTIAL},
        {"1700000060", ERR_CREDENTIAL}, // seconds
        {"1700000060000000", ERR_CREDENTIAL},
        {"99999999999999999999", ERR_CREDENTIAL},
        {"18446744075409551676", ERR_CREDENTIAL},
        {"-1700000060000", ERR_CREDENTIAL},
        {"0", ERR_CREDENTIAL},
        {"1.70000006e12", ERR_CREDENTIAL},
        {"1700000060000.0", ERR_CREDENTIAL},
        {"01700000060000", ERR_CREDENTIAL},
        {"+1700000060000", ERR_CREDENTIAL},
        {"true", ERR_CREDENTIAL},
        {"\"\"", ERR_CREDENTIAL},
        {"\"+1700000060000\"", ERR_CREDENTIAL},
        {"\" 1700000060000\"", ERR_CREDENTIAL},
        {"\"1700000060000.0\"", ERR_CREDENTIAL},
        {"\"18446744075409551676\"", ERR_CREDENTIAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char header[1024];
        snprintf(header, sizeof header,
                 "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"mid\":\"%s\"" HOST POST PATH ",\"exp\":%s}",
                 key_ids[ED], id_of("shop"), cases[i].exp);
        assert_header(header, ED, cases[i].expected);
    }
}

static void every_changed_character_is_noticed(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        BUF jws = {0};
        detach(&jws, write_header((enum signing)which, ""), slice(BODY), (enum signing)which);
        struct presented presented = request_of(&jws);
        assert_int_equal(enters(&presented), OK);
        for (size_t i = 0; i < jws.len; i++) {
            const char was = jws.at[i];
            jws.at[i] = was == 'A' ? 'B' : 'A';
            assert_int_equal(enters(&presented), ERR_CREDENTIAL);
            jws.at[i] = was;
        }
        for (size_t len = 0; len < jws.len; len++) {
            presented.secret.len = len;
            assert_int_equal(enters(&presented), ERR_CREDENTIAL);
        }
        for (const char *more = "=.A "; *more != '\0'; more++) {
            buf_byte(&jws, *more);
            presented = request_of(&jws);
            assert_int_equal(enters(&presented), ERR_CREDENTIAL);
            jws.len--;
        }
        if (forge_last_character(jws.at + jws.len - (which == RSA_2048 ? 342 : 86),
                                 which == RSA_2048 ? 342 : 86))
            assert_int_equal(enters(&presented), ERR_CREDENTIAL);
    }
}

static void the_payload_is_the_body_and_nowhere_else(void **state)
{
    (void)state;
    BUF jws = {0}, message = {0};
    forge_text(&message, write_header(ED, ""), slice(BODY));
    buf_append(&jws, message.at, message.len);
    buf_byte(&jws, '.');
    sign(ED, &message, &jws);
    const struct presented presented = request_of(&jws);
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
}

static void degenerate_signatures_are_refused(void **state)
{
    (void)state;
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                      0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    static const uint8_t zero[32], one[32] = {1};
    const uint8_t *const halves[] = {zero, one, order};
    static const uint8_t long_zero[256];
    for (size_t i = 0; i < 28; i++) {
        const enum signing which = (enum signing)(i / 9 % 3);
        BUF jws = {0};
        uint8_t both[64];
        memcpy(both, halves[i % 9 / 3], 32);
        memcpy(both + 32, halves[i % 3], 32);
        const char *header = write_header(i == 27 ? RSA_2048 : which, "");
        forge_base64url(&jws, header, strlen(header));
        buf_text(&jws, "..");
        if (i == 27)
            forge_base64url(&jws, long_zero, sizeof long_zero);
        else
            forge_base64url(&jws, both, sizeof both);
        const struct presented presented = request_of(&jws);
        assert_int_equal(enters(&presented), ERR_CREDENTIAL);
    }
}

// RFC 8032, 5.1.7: S must be below the group's order, or there would be two signatures.
static void the_second_form_of_an_Ed25519_signature_is_refused(void **state)
{
    (void)state;
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                      0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
    BUF jws = {0}, signature = {0};
    uint8_t bytes[64];
    size_t count = 0;
    detach(&jws, write_header(ED, ""), slice(BODY), ED);
    const struct slice text = {jws.at + jws.len - 86, 86};
    assert_true(base64url_decode(text, bytes, sizeof bytes, &count));
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += bytes[32 + i] + order[i];
        bytes[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    forge_base64url(&signature, bytes, sizeof bytes);
    memcpy(jws.at + jws.len - 86, signature.at, 86);
    const struct presented presented = request_of(&jws);
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
}

static void an_ES256_signature_in_DER_is_refused(void **state)
{
    (void)state;
    BUF jws = {0}, message = {0};
    uint8_t der[128];
    size_t bytes = sizeof der;
    const char *header = write_header(EC, "");
    forge_text(&message, header, slice(BODY));
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, keys[EC]), 1);
    assert_int_equal(EVP_DigestSign(digest, der, &bytes, (uint8_t *)message.at, message.len), 1);
    EVP_MD_CTX_free(digest);
    forge_base64url(&jws, header, strlen(header));
    buf_text(&jws, "..");
    forge_base64url(&jws, der, bytes);
    const struct presented presented = request_of(&jws);
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
}

static void a_refused_signature_leaves_no_error_for_the_TLS_of_its_thread(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        BUF jws = {0};
        detach(&jws, write_header((enum signing)which, ""), slice("{}"), (enum signing)which);
        const struct presented presented = request_of(&jws);
        assert_int_equal(enters(&presented), ERR_CREDENTIAL);
        assert_int_equal(ERR_peek_error(), 0);
    }
}

// ---- what is taken -------------------------------------------------------------------------------------

static void each_kind_of_key_signs_requests_with_and_without_a_body(void **state)
{
    (void)state;
    for (size_t which = 0; which < 3; which++) {
        static const char *const bodies[] = {"", "x", "{}", BODY, "\xff\xfe"};
        for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
            BUF jws = {0};
            struct caller caller;
            detach(&jws, write_header((enum signing)which, ",\"typ\":\"JOSE\""), slice(bodies[i]),
                   (enum signing)which);
            struct presented presented = request_of(&jws);
            presented.body = slice(bodies[i]);
            assert_int_equal(clients_authenticate(clients, CLIENT_API_REQUESTS, &presented, NOW_S, &caller),
                             OK);
            assert_string_equal(caller.name, "shop");
            assert_int_equal(caller.client_id, 9);
            assert_true(caller_may(&caller, PERMISSION_TOKENIZE));
        }
    }
}

static void a_large_body_is_covered_to_its_end(void **state)
{
    (void)state;
    enum { LARGE = 65536 };
    BUF jws = {0};
    char *body = malloc(LARGE);
    assert_non_null(body);
    for (size_t i = 0; i < LARGE; i++)
        body[i] = (char)(i * 7);
    detach(&jws, write_header(ED, ""), (struct slice){body, LARGE}, ED);
    struct presented presented = request_of(&jws);
    presented.body = (struct slice){body, LARGE};
    assert_int_equal(enters(&presented), OK);
    body[LARGE - 1] ^= 1;
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
    free(body);
}

static void names_of_hosts_have_no_case_and_the_port_may_be_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *named;
        enum err expected;
    } cases[] = {
        {"api.example:8443", "api.example:8443", OK},
        {"api.example:8443", "api.example", OK},
        {"API.Example:8443", "api.EXAMPLE", OK},
        {"[::1]:8443", "[::1]", OK},
        {"[::1]", "[::1]", OK},
        {"127.0.0.1:8443", "127.0.0.1", OK},
        {"api.example:8443", "api.example:8444", ERR_CREDENTIAL},
        {"api.example:8443", "api.example:", ERR_CREDENTIAL},
        {"api.example:8443", "api", ERR_CREDENTIAL},
        {"[::1]", "[:", ERR_CREDENTIAL},
        {"[::1]:8443", "[:", ERR_CREDENTIAL},
        {":8443", "", ERR_CREDENTIAL},
        {"", "", ERR_CREDENTIAL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        BUF jws = {0};
        char header[1024];
        snprintf(header, sizeof header,
                 "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"mid\":\"%s\",\"host\":\"%s\"" POST PATH EXP
                 ",\"query\":\"\"}",
                 key_ids[ED], id_of("shop"), cases[i].named);
        detach(&jws, header, slice(BODY), ED);
        struct presented presented = request_of(&jws);
        presented.host = slice(cases[i].sent);
        if (enters(&presented) != cases[i].expected)
            fail_msg("%s as %s", cases[i].sent, cases[i].named);
    }
}

static void a_path_counts_as_it_was_sent_with_escapes_of_JSON_undone(void **state)
{
    (void)state;
    BUF jws = {0};
    char header[1024];
    snprintf(header, sizeof header,
             "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"mid\":\"%s\"" HOST POST EXP
             ",\"path\":\"\\/token-requests\\/rq%%3Aabc\"}",
             key_ids[ED], id_of("shop"));
    detach(&jws, header, slice(BODY), ED);
    struct presented presented = request_of(&jws);
    presented.path = slice("/token-requests/rq%3Aabc");
    assert_int_equal(enters(&presented), OK);
    presented.path = slice("/token-requests/rq:abc");
    assert_int_equal(enters(&presented), ERR_CREDENTIAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unsigned_requests_are_refused),
        cmocka_unit_test(an_algorithm_that_is_not_the_keys_is_refused),
        cmocka_unit_test(an_HMAC_of_the_public_key_is_refused),
        cmocka_unit_test(a_key_counts_for_its_own_member_only),
        cmocka_unit_test(a_made_up_member_never_reaches_the_HSM),
        cmocka_unit_test(a_signature_is_for_one_request),
        cmocka_unit_test(a_header_says_all_and_nothing_twice),
        cmocka_unit_test(a_query_must_be_named_where_there_is_one),
        cmocka_unit_test(a_header_over_the_limit_is_refused_however_well_signed),
        cmocka_unit_test(a_signature_lives_until_exp_and_exp_is_at_most_a_day_away),
        cmocka_unit_test(every_changed_character_is_noticed),
        cmocka_unit_test(the_payload_is_the_body_and_nowhere_else),
        cmocka_unit_test(degenerate_signatures_are_refused),
        cmocka_unit_test(the_second_form_of_an_Ed25519_signature_is_refused),
        cmocka_unit_test(an_ES256_signature_in_DER_is_refused),
        cmocka_unit_test(a_refused_signature_leaves_no_error_for_the_TLS_of_its_thread),
        cmocka_unit_test(each_kind_of_key_signs_requests_with_and_without_a_body),
        cmocka_unit_test(a_large_body_is_covered_to_its_end),
        cmocka_unit_test(names_of_hosts_have_no_case_and_the_port_may_be_left_out),
        cmocka_unit_test(a_path_counts_as_it_was_sent_with_escapes_of_JSON_undone),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
