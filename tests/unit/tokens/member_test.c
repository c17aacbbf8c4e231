// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/forge.h"

#include "appliance/tokens/member.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

enum { NOW_S = 1700000000 };
#define SOON "1700000060000" // Unix milliseconds
#define BODY "{\"requestPayload\":{}}"

static struct soft_mac mac_key = {.key = {7}};
static struct fixture fixture;
static struct long_ids *ids;
static struct members members;
static struct clients *clients;

enum signing { ED, EC, RSA_2048, OTHER_ED, KEYS };
static EVP_PKEY *keys[KEYS]; // the last one is another member's
static struct buf pems[KEYS];
static char key_ids[KEYS][MEMBER_KEY_ID_BYTES];
static const char *const names[KEYS] = {"EdDSA", "ES256", "RS256", "EdDSA"};

static void write_pem(EVP_PKEY *key, bool private, struct buf *out)
{
    char *at;
    BIO *bio = BIO_new(BIO_s_mem());
    if (private)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    const long bytes = BIO_get_mem_data(bio, &at);
    buf_append(out, at, (size_t)bytes);
    BIO_free(bio);
}

static void name_key(enum signing which)
{
    uint8_t raw[32], *der = NULL;
    size_t raw_bytes = sizeof raw;
    if (EVP_PKEY_get_raw_public_key(keys[which], raw, &raw_bytes) == 1) {
        member_key_id(raw, raw_bytes, key_ids[which]);
        return;
    }
    const int der_bytes = i2d_PUBKEY(keys[which], &der);
    member_key_id(der, (size_t)der_bytes, key_ids[which]);
    OPENSSL_free(der);
}

static struct member_key file_of(enum signing which)
{
    return (struct member_key){"key.pem", pems[which].at, pems[which].len};
}

static struct clients *new_clients(unsigned generation, bool accept_previous)
{
    struct clients *made;
    const struct member_key own[] = {file_of(ED), file_of(EC), file_of(RSA_2048)};
    const struct member_key others[] = {file_of(OTHER_ED)};
    const struct client_options shop = {.name = "shop",
                                        .id = 9,
                                        .tenant_id = 1,
                                        .generation = generation,
                                        .accept_previous = accept_previous,
                                        .apis = CLIENT_API_REQUESTS,
                                        .permissions = PERMISSION_TOKENIZE,
                                        .member_keys = own,
                                        .member_key_count = 3,
                                        .rate = 25,
                                        .display_name = "The Shop",
                                        .mac = soft_mac_seam(&mac_key)};
    struct client_options all[] = {shop, shop, shop};
    all[1].name = "other", all[1].id = 10, all[1].member_keys = others, all[1].member_key_count = 1;
    all[2].name = "cards", all[2].id = 11, all[2].apis = CLIENT_API_CARD, all[2].display_name = NULL;
    const struct clients_services services = {.members = &members};
    assert_int_equal(clients_new(all, 3, &services, &made, NULL), OK);
    return made;
}

static int make_all(void **state)
{
    (void)state;
    uint8_t seed[32] = {3};
    struct soft_signer signer;
    fixture_init(&fixture, 0, 1);
    assert_int_equal(long_ids_new(fixture.keyring, "tokn", &ids), OK);
    members.ids = ids;
    soft_signer_init(&signer, SIGNER_ED25519, seed);
    keys[ED] = signer.key;
    soft_signer_init(&signer, SIGNER_ES256, seed);
    keys[EC] = signer.key;
    keys[RSA_2048] = EVP_RSA_gen(2048);
    seed[0]++;
    soft_signer_init(&signer, SIGNER_ED25519, seed);
    keys[OTHER_ED] = signer.key;
    for (size_t i = 0; i < KEYS; i++) {
        write_pem(keys[i], false, &pems[i]);
        name_key((enum signing)i);
    }
    clients = new_clients(1, false);
    return 0;
}

static int drop_all(void **state)
{
    (void)state;
    clients_free(clients);
    long_ids_free(ids);
    fixture_done(&fixture);
    for (size_t i = 0; i < KEYS; i++) {
        EVP_PKEY_free(keys[i]);
        buf_done(&pems[i]);
    }
    return 0;
}

static const char *id_of(const char *name)
{
    return client_member_id(clients_find(clients, name));
}

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

// ---- by secret -----------------------------------------------------------------------------------------

static void credential(const struct clients *of, const char *name, char out_id[96], char out_key[40])
{
    SECRET id = {0}, secret = {0};
    assert_int_equal(client_credential(clients_find(of, name), CLIENT_API_REQUESTS, &id, &secret), OK);
    snprintf(out_id, 96, "%s", id.text);
    snprintf(out_key, 40, "%s", secret.text);
}

static enum err enters_with(const struct clients *of, const char *id, const char *key)
{
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_MEMBER, .id = slice(id), .secret = slice(key)};
    return clients_authenticate(of, CLIENT_API_REQUESTS, &presented, NOW_S, &caller);
}

static void an_API_key_opens_its_own_member(void **state)
{
    (void)state;
    char id[96], key[40], other_id[96], other_key[40];
    credential(clients, "shop", id, key);
    credential(clients, "other", other_id, other_key);
    assert_int_equal(strlen(key), 36);
    assert_true(id[0] == 'm' && id[1] == '-' && strchr(id, ':') == NULL);
    assert_int_equal(enters_with(clients, id, key), OK);
    assert_int_equal(enters_with(clients, id_of("shop"), key), OK);
    assert_int_equal(enters_with(clients, id, other_key), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, other_id, key), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, "shop", key), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, "", key), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, id, ""), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, id, "00000000-0000-0000-0000-000000000000"), ERR_CREDENTIAL);
    assert_int_equal(enters_with(clients, "m-x-y", "00000000-0000-0000-0000-000000000000"), ERR_CREDENTIAL);
    for (size_t i = 0; key[i] != '\0'; i++) {
        const char was = key[i];
        key[i] = was == '0' ? '1' : '0';
        assert_int_equal(enters_with(clients, id, key), ERR_CREDENTIAL);
        key[i] = was;
    }
    for (size_t i = 0; id[i] != '\0'; i++) {
        const char was = id[i];
        id[i] = was == '-' ? ':' : was == '2' ? '3' : '2';
        assert_int_equal(enters_with(clients, id, key), ERR_CREDENTIAL);
        id[i] = was;
    }
}

static void rotation_accepts_the_previous_key_only_when_told(void **state)
{
    (void)state;
    char id[96], first[40], second[40], same_id[96];
    struct clients *both = new_clients(2, true), *fresh = new_clients(2, false);
    credential(clients, "shop", id, first);
    credential(both, "shop", same_id, second);
    assert_string_equal(id, same_id);
    assert_string_not_equal(first, second);
    assert_int_equal(enters_with(both, id, first), OK);
    assert_int_equal(enters_with(both, id, second), OK);
    assert_int_equal(enters_with(fresh, id, first), ERR_CREDENTIAL);
    assert_int_equal(enters_with(fresh, id, second), OK);
    clients_free(both);
    clients_free(fresh);
}

static void a_client_of_other_APIs_is_no_member(void **state)
{
    (void)state;
    SECRET id = {0}, secret = {0};
    char text[96], made[96], key[40];
    assert_string_equal(id_of("cards"), "");
    assert_int_equal(client_credential(clients_find(clients, "cards"), CLIENT_API_REQUESTS, &id, &secret),
                     ERR_NOT_FOUND);
    assert_int_equal(member_id(&members, 11, text), OK); // genuine, and nobody's
    credential(clients, "shop", made, key);
    assert_int_equal(enters_with(clients, text, key), ERR_CREDENTIAL);
}

static void without_ids_there_are_no_members(void **state)
{
    (void)state;
    char id[96], key[40];
    struct clients *none;
    const struct client_options options = {.name = "shop",
                                           .id = 9,
                                           .tenant_id = 1,
                                           .generation = 1,
                                           .apis = CLIENT_API_REQUESTS,
                                           .mac = soft_mac_seam(&mac_key)};
    credential(clients, "shop", id, key);
    assert_int_equal(clients_new(&options, 1, NULL, &none, NULL), OK);
    assert_int_equal(enters_with(none, id, key), ERR_CREDENTIAL);
    assert_int_equal(enters_with(none, "", key), ERR_CREDENTIAL);
    clients_free(none);
}

// ---- registered keys -----------------------------------------------------------------------------------

static void assert_key_refused(const struct buf *pem, const char *why)
{
    const struct member_key file = {"/etc/keys/shop.pem", pem->at, pem->len};
    struct member_keys *made = NULL;
    struct diag diag = {0};
    if (member_keys_new(&file, 1, &made, &diag) != ERR_CONFIG || made != NULL)
        fail_msg("%s was taken", why);
    assert_non_null(strstr(diag.text, "/etc/keys/shop.pem: "));
    assert_int_equal(ERR_peek_error(), 0);
}

static void assert_kind_refused(EVP_PKEY *key, const char *why)
{
    BUF pem = {0};
    assert_non_null(key);
    write_pem(key, false, &pem);
    assert_key_refused(&pem, why);
    EVP_PKEY_free(key);
}

static EVP_PKEY *rsa_with_exponent_1(void)
{
    EVP_PKEY *key = NULL;
    uint8_t modulus[256] = {0xc5, [255] = 0x01};
    unsigned exponent = 1;
    BIGNUM *n = NULL;
    EVP_PKEY_get_bn_param(keys[RSA_2048], "n", &n);
    BN_bn2lebinpad(n, modulus, sizeof modulus);
    BN_free(n);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN("n", modulus, sizeof modulus),
                           OSSL_PARAM_construct_uint("e", &exponent), OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    EVP_PKEY_CTX_free(context);
    return key;
}

static void other_kinds_of_keys_are_refused_and_named(void **state)
{
    (void)state;
    assert_kind_refused(EVP_RSA_gen(1024), "RSA of 1024 bits");
    assert_kind_refused(EVP_EC_gen("P-384"), "P-384");
    assert_kind_refused(EVP_EC_gen("secp256k1"), "secp256k1");
    assert_kind_refused(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "X25519");
    assert_kind_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), "Ed448");
    assert_kind_refused(rsa_with_exponent_1(), "RSA with exponent 1");
    ERR_clear_error();
}

static void a_file_holds_one_public_key_and_nothing_secret(void **state)
{
    (void)state;
    BUF private_key = {0}, two = {0}, both = {0}, cut = {0};
    write_pem(keys[ED], true, &private_key);
    assert_key_refused(&private_key, "a private key");
    buf_append(&two, pems[ED].at, pems[ED].len);
    buf_append(&two, pems[EC].at, pems[EC].len);
    assert_key_refused(&two, "two keys");
    buf_append(&both, pems[ED].at, pems[ED].len);
    buf_append(&both, private_key.at, private_key.len);
    assert_key_refused(&both, "a key pair");
    static const char *const texts[] = {
        "",
        "\n",
        "key",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
        "-----END PUBLIC KEY-----\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        BUF text = {0};
        buf_text(&text, texts[i]);
        assert_key_refused(&text, texts[i]);
    }
    buf_append(&cut, pems[EC].at, pems[EC].len - 40);
    assert_key_refused(&cut, "a file that was cut");
}

static void a_key_is_registered_once(void **state)
{
    (void)state;
    const struct member_key files[] = {{"a.pem", pems[ED].at, pems[ED].len},
                                       {"b.pem", pems[ED].at, pems[ED].len}};
    struct member_keys *made = NULL;
    struct diag diag = {0};
    assert_int_equal(member_keys_new(files, 2, &made, &diag), ERR_CONFIG);
    assert_string_equal(diag.text, "b.pem: this public key is registered already");
}

static void a_bad_key_stops_the_whole_table(void **state)
{
    (void)state;
    struct clients *made = NULL;
    struct diag diag = {0};
    const struct member_key file = {"shop.pem", "x", 1};
    const struct client_options options[] = {
        {.name = "a", .id = 1, .tenant_id = 1, .generation = 1, .mac = soft_mac_seam(&mac_key)},
        {.name = "shop",
         .id = 2,
         .tenant_id = 1,
         .generation = 1,
         .apis = CLIENT_API_REQUESTS,
         .member_keys = &file,
         .member_key_count = 1,
         .mac = soft_mac_seam(&mac_key)},
    };
    const struct clients_services services = {.members = &members};
    assert_int_equal(clients_new(options, 2, &services, &made, &diag), ERR_CONFIG);
    assert_non_null(strstr(diag.text, "shop.pem: "));
    fixture.ciphers[0].fail_at_call = atomic_load(&fixture.ciphers[0].calls) + 1;
    fixture.ciphers[0].failure = ERR_HSM_DOWN;
    assert_int_equal(clients_new(options, 2, &services, &made, &diag), ERR_HSM_DOWN);
    fixture.ciphers[0].fail_at_call = 0;
    assert_null(made);
}

// Both key ids were computed without this code: of RFC 8037's example key, and of the P-256 key of the
// private number 0x0102..20 as SubjectPublicKeyInfo.
static void key_ids_are_the_documented_ones(void **state)
{
    (void)state;
    uint8_t seed[32], *der = NULL, raw[32];
    char id[MEMBER_KEY_ID_BYTES];
    struct soft_signer signer;
    size_t bytes = sizeof raw;
    assert_true(hex_decode(slice("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), seed,
                           sizeof seed));
    soft_signer_init(&signer, SIGNER_ED25519, seed);
    assert_int_equal(EVP_PKEY_get_raw_public_key(signer.key, raw, &bytes), 1);
    member_key_id(raw, bytes, id);
    assert_string_equal(id, "If4x36FUomFia_hU");
    soft_signer_done(&signer);
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(i + 1);
    soft_signer_init(&signer, SIGNER_ES256, seed);
    const int der_bytes = i2d_PUBKEY(signer.key, &der);
    member_key_id(der, (size_t)der_bytes, id);
    assert_string_equal(id, "8dWUSbcnFl3nMr8o");
    OPENSSL_free(der);
    soft_signer_done(&signer);
}

static void what_a_client_is_called_and_may_ask(void **state)
{
    (void)state;
    char text[LONG_ID_TEXT_BYTES];
    const struct client *shop = clients_find(clients, "shop"), *cards = clients_find(clients, "cards");
    assert_string_equal(client_display_name(shop), "The Shop");
    assert_string_equal(client_display_name(cards), "cards");
    assert_int_equal(client_rate(shop), 25);
    assert_int_equal(member_id(&members, 9, text), OK);
    assert_string_equal(client_member_id(shop), text);
    assert_string_equal(text + strlen(text) - 9, ":5zKtXEAq");
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
        cmocka_unit_test(an_API_key_opens_its_own_member),
        cmocka_unit_test(rotation_accepts_the_previous_key_only_when_told),
        cmocka_unit_test(a_client_of_other_APIs_is_no_member),
        cmocka_unit_test(without_ids_there_are_no_members),
        cmocka_unit_test(other_kinds_of_keys_are_refused_and_named),
        cmocka_unit_test(a_file_holds_one_public_key_and_nothing_secret),
        cmocka_unit_test(a_key_is_registered_once),
        cmocka_unit_test(a_bad_key_stops_the_whole_table),
        cmocka_unit_test(key_ids_are_the_documented_ones),
        cmocka_unit_test(what_a_client_is_called_and_may_ask),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
