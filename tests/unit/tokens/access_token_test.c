// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/forge.h"

#include "appliance/tokens/access_token.h"

enum { NOW_S = 1700000000, LIFE_S = 3600 };

// Computed from the private number 0x0102..20 without this code.
#define KEY_ID   "6UoWwDCkLjV0J-pQG8c0THxbVhBcpR0AZDift1Yl5DM"
#define KEY_X    "UVw9brnjlrkE0_7Kf1T9zQzB6Ze_N13KUVrQpsO0A18"
#define KEY_Y    "RTa-OlDzGPv5pUdZAqIhUCvvDVfgjFOyzApW8X2fk1Q"
#define HEADER   "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}"
#define AUDIENCE "https://tokens.example/v1/accounts/T12345678"
#define TIMES    "\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700003600"
#define REST     "\"jti\":\"x\",\"scope\":\"read:customers write:customers\""
#define WHO      "\"client\":4,\"generation\":2"
#define CLAIMS                                                                                               \
    "{\"iss\":\"https://tokens.example\",\"sub\":\"shop\",\"aud\":\"" AUDIENCE "\"," TIMES "," REST "," WHO  \
    "}"

static struct soft_mac mac_key = {.key = {7}};
static struct soft_rng randomness;
static struct soft_signer ours, theirs;
static struct access_tokens *tokens;
static struct clients *clients;

static struct client_options shop = {
    .name = "shop",
    .id = 4,
    .tenant_id = 1,
    .generation = 2,
    .apis = CLIENT_API_CUSTOMERS,
    .permissions = PERMISSION_TOKENIZE | PERMISSION_READ,
    .accounts = (const char *const[]){"T12345678", "P00000001"},
    .account_count = 2,
};

static struct clients *clients_of(const struct client_options *options)
{
    struct client_options one = *options;
    struct clients *made;
    const struct clients_services services = {.access_tokens = tokens};
    one.mac = soft_mac_seam(&mac_key);
    assert_int_equal(clients_new(&one, 1, &services, &made, NULL), OK);
    return made;
}

static struct access_tokens *tokens_of(struct soft_signer *signer, const char *issuer)
{
    struct access_tokens *made;
    const struct access_tokens_options options = {soft_signer_seam(signer), issuer, LIFE_S};
    assert_int_equal(access_tokens_new(&options, &made), OK);
    return made;
}

static int make(void **state)
{
    (void)state;
    uint8_t key[32];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i + 1);
    soft_signer_init(&ours, SIGNER_ES256, key);
    key[0]++;
    soft_signer_init(&theirs, SIGNER_ES256, key);
    tokens = tokens_of(&ours, "https://tokens.example");
    clients = clients_of(&shop);
    return 0;
}

static int drop(void **state)
{
    (void)state;
    clients_free(clients);
    access_tokens_free(tokens);
    soft_signer_done(&ours);
    soft_signer_done(&theirs);
    return 0;
}

static struct caller caller_of(const struct clients *of)
{
    const struct client *client = clients_find(of, "shop");
    return (struct caller){.client = client,
                           .name = "shop",
                           .client_id = 4,
                           .permissions = PERMISSION_TOKENIZE | PERMISSION_READ};
}

static enum err ask(const char *audience, struct buf *out)
{
    const struct caller caller = caller_of(clients);
    return access_token_make(tokens, &caller, slice(audience), soft_rng_seam(&randomness), NOW_S, out);
}

static enum err opens_at(struct slice text, int64_t now_s)
{
    struct access_claims claims;
    return access_token_open(tokens, text, now_s, &claims);
}

static void assert_refused(struct slice text, const char *why)
{
    struct access_claims claims = {.client_id = 77};
    const enum err rc = access_token_open(tokens, text, NOW_S, &claims);
    if (rc != ERR_CREDENTIAL || claims.client_id != 77)
        fail_msg("%s: %s", why, err_name(rc));
    struct caller caller;
    const struct presented presented = {.kind = CREDENTIAL_ACCESS_TOKEN, .secret = text};
    assert_int_equal(clients_authenticate(clients, CLIENT_API_CUSTOMERS, &presented, NOW_S, &caller),
                     ERR_CREDENTIAL);
}

// Signed with our own key, whatever stands in it.
static void forge(struct buf *out, const char *header, const char *claims)
{
    BUF text = {0};
    forge_text(&text, header, slice(claims));
    buf_reset(out);
    buf_append(out, text.at, text.len);
    buf_byte(out, '.');
    forge_signature(out, &ours, &text);
}

// ---- what is refused -----------------------------------------------------------------------------------

static void a_token_without_a_signature_is_refused(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}",
        "{\"alg\":\"NONE\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}",
        HEADER,
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        BUF text = {0};
        forge_text(&text, headers[i], slice(CLAIMS));
        assert_refused(buf_slice(&text), "two parts");
        buf_byte(&text, '.');
        assert_refused(buf_slice(&text), "empty signature");
        forge(&text, headers[i], CLAIMS);
        if (i < 3)
            assert_refused(buf_slice(&text), "alg none with a signature");
    }
}

// The classic: whoever lets the token choose verifies an HMAC with the public key as its secret.
static void a_token_under_an_HMAC_of_the_public_key_is_refused(void **state)
{
    (void)state;
    static const char *const secrets[] = {KEY_X, KEY_Y, KEY_X KEY_Y};
    const struct signer seam = soft_signer_seam(&ours);
    for (size_t i = 0; i < 4; i++) {
        BUF text = {0};
        uint8_t mac[32];
        unsigned mac_bytes = sizeof mac;
        forge_text(&text, "{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}", slice(CLAIMS));
        const void *secret = i < 3 ? (const void *)secrets[i] : seam.public_key;
        const int bytes = i < 3 ? (int)strlen(secrets[i]) : PUBLIC_KEY_BYTES_MAX;
        assert_non_null(HMAC(EVP_sha256(), secret, bytes, (uint8_t *)text.at, text.len, mac, &mac_bytes));
        buf_byte(&text, '.');
        forge_base64url(&text, mac, sizeof mac);
        assert_refused(buf_slice(&text), "HS256");
    }
}

static void only_our_own_header_is_looked_at_however_well_signed(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{\"alg\":\"ES384\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}",
        "{\"alg\":\"es256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}",
        "{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"" KEY_ID "\"}",
        "{\"alg\":\"ES256\",\"kid\":\"" KEY_ID "\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"6UoWwDCkLjV0J-pQG8c0THxbVhBcpR0AZDift1Yl5DN\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"../../dev/null\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"jku\":\"https://evil.example/jwks\"}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"x5c\":[\"MII\"]}",
        "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\"}",
        " " HEADER,
        HEADER " ",
        HEADER HEADER,
        "",
        "{}",
    };
    BUF text = {0};
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        forge(&text, headers[i], CLAIMS);
        assert_refused(buf_slice(&text), headers[i]);
    }
}

static void another_key_is_refused_even_when_it_comes_along(void **state)
{
    (void)state;
    BUF text = {0}, header = {0};
    const struct signer seam = soft_signer_seam(&theirs);
    buf_text(&header, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"" KEY_ID "\",\"jwk\":{\"kty\":\"EC\","
                      "\"crv\":\"P-256\",\"x\":\"");
    forge_base64url(&header, seam.public_key, 32);
    buf_text(&header, "\",\"y\":\"");
    forge_base64url(&header, seam.public_key + 32, 32);
    buf_text(&header, "\"}}");
    buf_byte(&header, '\0');
    const char *const headers[] = {HEADER, header.at};
    for (size_t i = 0; i < 2; i++) {
        BUF part = {0};
        forge_text(&part, headers[i], slice(CLAIMS));
        buf_reset(&text);
        buf_append(&text, part.at, part.len);
        buf_byte(&text, '.');
        forge_signature(&text, &theirs, &part);
        assert_refused(buf_slice(&text), headers[i]);
    }
}

static void a_signature_in_DER_is_refused(void **state)
{
    (void)state;
    BUF text = {0};
    uint8_t der[128];
    size_t der_bytes = sizeof der;
    forge_text(&text, HEADER, slice(CLAIMS));
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, ours.key), 1);
    assert_int_equal(EVP_DigestSign(digest, der, &der_bytes, (uint8_t *)text.at, text.len), 1);
    EVP_MD_CTX_free(digest);
    buf_byte(&text, '.');
    forge_base64url(&text, der, der_bytes);
    assert_refused(buf_slice(&text), "DER");
}

// 0 and multiples of the group's order verify for everything in an implementation that does not look.
static void degenerate_signatures_are_refused(void **state)
{
    (void)state;
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                      0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    static const uint8_t zero[32], one[32] = {[31] = 1};
    const uint8_t *const halves[] = {zero, one, order};
    const size_t lengths[] = {0, 1, 32, 63};
    BUF text = {0}, signature = {0};
    for (size_t i = 0; i < 9; i++) {
        uint8_t both[64];
        memcpy(both, halves[i / 3], 32);
        memcpy(both + 32, halves[i % 3], 32);
        forge_text(&text, HEADER, slice(CLAIMS));
        buf_byte(&text, '.');
        forge_base64url(&text, both, sizeof both);
        assert_refused(buf_slice(&text), "degenerate");
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        const uint8_t ones[65] = {1};
        forge_text(&text, HEADER, slice(CLAIMS));
        buf_byte(&text, '.');
        forge_base64url(&text, ones, lengths[i]);
        assert_refused(buf_slice(&text), "short");
    }
}

static void every_changed_character_is_noticed(void **state)
{
    (void)state;
    BUF text = {0};
    forge(&text, HEADER, CLAIMS);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S), OK);
    for (size_t i = 0; i < text.len; i++) {
        const char was = text.at[i];
        text.at[i] = was == 'A' ? 'B' : 'A';
        assert_refused(buf_slice(&text), "changed");
        text.at[i] = was;
    }
    for (size_t len = 0; len < text.len; len++)
        assert_refused((struct slice){text.at, len}, "cut");
    for (const char *more = "=.A \n"; *more != '\0'; more++) {
        buf_byte(&text, *more);
        assert_refused(buf_slice(&text), "longer");
        text.len--;
    }
}

// The signature stands over the text, so a second spelling of it would be a second token; the signature
// itself must not have one either.
static void base64url_has_one_spelling(void **state)
{
    (void)state;
    BUF text = {0}, other = {0};
    forge(&text, HEADER, CLAIMS);
    assert_true(forge_last_character(text.at + text.len - 86, 86));
    assert_refused(buf_slice(&text), "unused bits of the signature");
    forge(&text, HEADER, CLAIMS);
    buf_text(&text, "==");
    assert_refused(buf_slice(&text), "padded signature");
    for (size_t spaces = 0; spaces < 3; spaces++) { // so that each number of unused bits comes
        BUF claims = {0}, part = {0};
        buf_text(&claims, CLAIMS);
        for (size_t i = 0; i < spaces; i++)
            buf_byte(&claims, ' ');
        buf_byte(&claims, '\0');
        forge_text(&part, HEADER, slice(claims.at));
        const char *dot = memchr(part.at, '.', part.len);
        const size_t len = part.len - (size_t)(dot + 1 - part.at);
        const bool canonical = !forge_last_character(part.at + part.len - len, len);
        buf_reset(&other);
        buf_append(&other, part.at, part.len);
        buf_byte(&other, '.');
        forge_signature(&other, &ours, &part);
        assert_int_equal(opens_at(buf_slice(&other), NOW_S), canonical ? OK : ERR_CREDENTIAL);
    }
}

static void claims_that_we_would_not_write_are_refused(void **state)
{
    (void)state;
#define ISS "\"iss\":\"https://tokens.example\""
#define SUB "\"sub\":\"shop\""
#define AUD "\"aud\":\"" AUDIENCE "\""
    static const char *const claims[] = {
        // another issuer
        "{\"iss\":\"https://other.example\"," SUB "," AUD "," TIMES "," REST "," WHO "}",
        "{\"iss\":\"https://tokens.example/\"," SUB "," AUD "," TIMES "," REST "," WHO "}",
        "{\"iss\":\"\"," SUB "," AUD "," TIMES "," REST "," WHO "}",
        // something missing
        "{" SUB "," AUD "," TIMES "," REST "," WHO "}",
        "{" ISS "," AUD "," TIMES "," REST "," WHO "}",
        "{" ISS "," SUB "," TIMES "," REST "," WHO "}",
        "{" ISS "," SUB "," AUD "," REST "," WHO "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000," REST "," WHO "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"exp\":1700003600," REST "," WHO "}",
        "{" ISS "," SUB "," AUD "," TIMES "," WHO "}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST "}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":4}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"generation\":2}",
        // something twice
        "{" ISS "," SUB "," AUD "," TIMES ",\"exp\":1900000000," REST "," WHO "}",
        "{" ISS "," ISS "," SUB "," AUD "," TIMES "," REST "," WHO "}",
        "{" ISS "," SUB "," AUD "," AUD "," TIMES "," REST "," WHO "}",
        "{" ISS "," SUB "," AUD "," TIMES ",\"\\u0065xp\":1900000000," REST "," WHO "}",
        // another type
        "{" ISS "," SUB ",\"aud\":[\"" AUDIENCE "\"]," TIMES "," REST "," WHO "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":\"1700003600\"," REST "," WHO
        "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1.7e9," REST "," WHO "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":1700003600.0," REST "," WHO
        "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":01700003600," REST "," WHO
        "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":9223372036854775808," REST
        "," WHO "}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1700000000,\"exp\":null," REST "," WHO "}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":\"4\",\"generation\":2}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":true,\"generation\":2}",
        // another value
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":0,\"generation\":2}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":-4,\"generation\":2}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":65540,\"generation\":2}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":4294967300,\"generation\":2}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST ",\"client\":4,\"generation\":0}",
        "{" ISS "," SUB "," AUD ",\"iat\":1700000000,\"nbf\":1600000000,\"exp\":1700003600," REST "," WHO "}",
        // something else
        "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO ",\"cnf\":{}}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO ",}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO "}}",
        "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO,
        "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO "}x",
        "\xef\xbb\xbf" CLAIMS,
        "{" ISS ",\"sub\":\"sh\xc0\xafop\"," AUD "," TIMES "," REST "," WHO "}",
        "{" ISS ",\"sub\":\"sh\nop\"," AUD "," TIMES "," REST "," WHO "}",
        "[" CLAIMS "]",
        "{}",
        "",
    };
    BUF text = {0};
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        forge(&text, HEADER, claims[i]);
        assert_refused(buf_slice(&text), claims[i]);
    }
    forge(&text, HEADER, "{" ISS "," SUB "," AUD "," TIMES "," REST "," WHO "}");
    assert_int_equal(opens_at(buf_slice(&text), NOW_S), OK);
}

static const char *const strange_audiences[] = {
    "",
    "T12345678",
    "/v1/accounts/T12345678",
    "https:///v1/accounts/T12345678",
    "ftp://tokens.example/v1/accounts/T12345678",
    "HTTPS://tokens.example/v1/accounts/T12345678",
    "https://tokens.example/v1/accounts/T12345678/",
    "https://tokens.example/v1/accounts/T12345678?x=1",
    "https://tokens.example/v1/accounts/T12345678#x",
    "https://tokens.example/v1/accounts/T1234567",
    "https://tokens.example/v1/accounts/T123456789",
    "https://tokens.example/v1/accounts/X12345678",
    "https://tokens.example/v1/accounts/t12345678",
    "https://tokens.example/v1/accounts/T1234567a",
    "https://tokens.example/v1/accounts/T1234567%38",
    "https://tokens.example/v1/accounts//T12345678",
    "https://tokens.example/v1/accounts/../accounts/T12345678",
    "https://tokens.example/V1/accounts/T12345678",
    "https://tokens.example/x/v1/accounts/T12345678",
    "https://tokens.example//v1/accounts/T12345678",
    " https://tokens.example/v1/accounts/T12345678",
    "https://tokens.example/v1/accounts/T12345678 ",
};
enum { STRANGE_AUDIENCES = sizeof strange_audiences / sizeof strange_audiences[0] };

static void an_audience_that_is_no_account_is_refused_when_asked_for_and_when_presented(void **state)
{
    (void)state;
    BUF text = {0}, made = {0};
    for (size_t i = 0; i < STRANGE_AUDIENCES; i++) {
        char claims[1024];
        assert_int_equal(ask(strange_audiences[i], &made), ERR_INPUT);
        snprintf(claims, sizeof claims, "{" ISS "," SUB ",\"aud\":\"%s\"," TIMES "," REST "," WHO "}",
                 strange_audiences[i]);
        forge(&text, HEADER, claims);
        assert_refused(buf_slice(&text), strange_audiences[i]);
    }
    char long_one[600] = "https://";
    memset(long_one + 8, 'a', 550);
    snprintf(long_one + 558, sizeof long_one - 558, "/v1/accounts/T12345678");
    assert_int_equal(ask(long_one, &made), ERR_INPUT);
    assert_int_equal(made.len, 0);
}

static void a_token_of_another_appliance_is_refused(void **state)
{
    (void)state;
    struct access_tokens *const others[] = {tokens_of(&theirs, "https://tokens.example"),
                                            tokens_of(&ours, "https://other.example")};
    for (size_t i = 0; i < 2; i++) {
        BUF text = {0};
        const struct caller caller = caller_of(clients);
        assert_int_equal(
            access_token_make(others[i], &caller, slice(AUDIENCE), soft_rng_seam(&randomness), NOW_S, &text),
            OK);
        assert_refused(buf_slice(&text), "other appliance");
        access_tokens_free(others[i]);
    }
}

static void a_token_over_the_limit_is_refused_however_well_signed(void **state)
{
    (void)state;
    char claims[4096];
    BUF text = {0};
    const int filler = 4096 - 400;
    for (int more = 0; more < 2; more++) {
        // to 4096 characters as nearly as base64 allows, and over it
        const int length = (more ? filler : 2000);
        snprintf(claims, sizeof claims, "{" ISS "," AUD "," TIMES "," REST "," WHO ",\"sub\":\"%0*d\"}",
                 length - 300, 0);
        forge(&text, HEADER, claims);
        assert_int_equal(opens_at(buf_slice(&text), NOW_S), more ? ERR_CREDENTIAL : OK);
    }
}

// ---- what time does ------------------------------------------------------------------------------------

static void a_token_lives_as_long_as_it_says_give_or_take_a_minute(void **state)
{
    (void)state;
    BUF text = {0};
    assert_int_equal(ask(AUDIENCE, &text), OK);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S - 61), ERR_CREDENTIAL);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S - 60), OK);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S), OK);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S + LIFE_S + 59), OK);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S + LIFE_S + 60), ERR_CREDENTIAL);
    assert_int_equal(opens_at(buf_slice(&text), NOW_S + 10 * LIFE_S), ERR_CREDENTIAL);
    assert_int_equal(opens_at(buf_slice(&text), 0), ERR_CREDENTIAL);
}

// ---- what is made --------------------------------------------------------------------------------------

static void a_token_opens_to_what_was_asked_for_without_the_HSM(void **state)
{
    (void)state;
    BUF text = {0};
    struct access_claims claims;
    assert_int_equal(ask(AUDIENCE, &text), OK);
    soft_signer_done(&ours); // its public half must be enough
    assert_int_equal(access_token_open(tokens, buf_slice(&text), NOW_S, &claims), OK);
    assert_int_equal(claims.client_id, 4);
    assert_int_equal(claims.client_generation, 2);
    assert_string_equal(claims.account, "T12345678");
    assert_int_equal(claims.scopes, SCOPE_READ_CUSTOMERS | SCOPE_WRITE_CUSTOMERS);
    assert_int_equal(claims.issued_s, NOW_S);
    assert_int_equal(claims.expires_s, NOW_S + LIFE_S);
}

static void two_tokens_are_never_the_same(void **state)
{
    (void)state;
    BUF one = {0}, two = {0};
    assert_int_equal(ask(AUDIENCE, &one), OK);
    assert_int_equal(ask(AUDIENCE, &two), OK);
    const size_t header = (size_t)((char *)memchr(one.at, '.', one.len) - one.at);
    assert_memory_equal(one.at, two.at, header);
    assert_true(one.len != two.len || memcmp(one.at, two.at, one.len) != 0);
}

static void the_key_set_and_the_header_name_the_key_by_its_thumbprint(void **state)
{
    (void)state;
    BUF text = {0}, header = {0};
    access_tokens_write_jwks(tokens, &text);
    buf_byte(&text, '\0');
    assert_string_equal(text.at, "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":"
                                 "\"sig\",\"kid\":\"" KEY_ID "\",\"x\":\"" KEY_X "\",\"y\":\"" KEY_Y "\"}]}");
    buf_reset(&text);
    assert_int_equal(ask(AUDIENCE, &text), OK);
    forge_base64url(&header, HEADER, strlen(HEADER));
    assert_memory_equal(text.at, header.at, header.len);
}

static void an_account_that_was_not_granted_is_forbidden(void **state)
{
    (void)state;
    BUF text = {0};
    assert_int_equal(ask("https://tokens.example/v1/accounts/T12345679", &text), ERR_FORBIDDEN);
    assert_int_equal(ask("https://tokens.example/v1/accounts/P12345678", &text), ERR_FORBIDDEN);
    assert_int_equal(text.len, 0);
    assert_int_equal(ask("http://any.name:8080/v1/accounts/P00000001", &text), OK);
}

static enum err away([[maybe_unused]] void *context, [[maybe_unused]] const uint8_t *message,
                     [[maybe_unused]] size_t message_bytes,
                     [[maybe_unused]] uint8_t out_signature[SIGNATURE_BYTES])
{
    return ERR_HSM_DOWN;
}

static void errors_of_the_HSM_come_through_and_nothing_is_written(void **state)
{
    (void)state;
    BUF text = {0};
    struct access_tokens *down;
    struct access_tokens_options options = {soft_signer_seam(&ours), "https://tokens.example", LIFE_S};
    options.signer.sign = away;
    assert_int_equal(access_tokens_new(&options, &down), OK);
    const struct caller caller = caller_of(clients);
    assert_int_equal(
        access_token_make(down, &caller, slice(AUDIENCE), soft_rng_seam(&randomness), NOW_S, &text),
        ERR_HSM_DOWN);
    assert_int_equal(text.len, 0);
    access_tokens_free(down);
}

// ---- who it is -----------------------------------------------------------------------------------------

static enum err enters(const struct clients *of, struct slice text, struct caller *out_caller)
{
    const struct presented presented = {.kind = CREDENTIAL_ACCESS_TOKEN, .secret = text};
    return clients_authenticate(of, CLIENT_API_CUSTOMERS, &presented, NOW_S, out_caller);
}

static void the_bearer_is_the_client_with_the_account_and_the_scopes(void **state)
{
    (void)state;
    BUF text = {0};
    struct caller caller;
    assert_int_equal(ask(AUDIENCE, &text), OK);
    assert_int_equal(enters(clients, buf_slice(&text), &caller), OK);
    assert_string_equal(caller.name, "shop");
    assert_int_equal(caller.client_id, 4);
    assert_string_equal(caller.account, "T12345678");
    assert_int_equal(caller.scopes, SCOPE_READ_CUSTOMERS | SCOPE_WRITE_CUSTOMERS);
    assert_int_equal(caller.expires_s, NOW_S + LIFE_S);
}

// What a reload changes about the client holds for the tokens that it has.
static void a_token_can_do_no_more_than_its_client_can_now(void **state)
{
    (void)state;
    static const char *const other_account[] = {"P00000001"};
    BUF text = {0};
    struct caller caller;
    assert_int_equal(ask(AUDIENCE, &text), OK);
    struct client_options now = shop;
    now.permissions = PERMISSION_READ | PERMISSION_ADMIN;
    struct clients *changed = clients_of(&now);
    assert_int_equal(enters(changed, buf_slice(&text), &caller), OK);
    assert_int_equal(caller.scopes, SCOPE_READ_CUSTOMERS); // admin was not in the token
    clients_free(changed);

    struct client_options refused[5] = {shop, shop, shop, shop, shop};
    refused[0].id = 5;                      // removed; another has its name
    refused[1].apis = CLIENT_API_TRANSFORM; // no longer of this API
    refused[2].accounts = other_account, refused[2].account_count = 1;
    refused[3].generation = 3; // its secret was renewed
    refused[4].generation = 1; // an older configuration is back
    for (size_t i = 0; i < 5; i++) {
        changed = clients_of(&refused[i]);
        assert_int_equal(enters(changed, buf_slice(&text), &caller), ERR_CREDENTIAL);
        clients_free(changed);
    }

    now = shop;
    now.generation = 3;
    now.accept_previous = true;
    changed = clients_of(&now);
    assert_int_equal(enters(changed, buf_slice(&text), &caller), OK);
    clients_free(changed);
}

static void without_a_key_nobody_enters(void **state)
{
    (void)state;
    BUF text = {0};
    struct caller caller;
    struct clients *none;
    struct client_options one = shop;
    one.mac = soft_mac_seam(&mac_key);
    assert_int_equal(ask(AUDIENCE, &text), OK);
    assert_int_equal(clients_new(&one, 1, NULL, &none, NULL), OK);
    assert_int_equal(enters(none, buf_slice(&text), &caller), ERR_CREDENTIAL);
    clients_free(none);
}

static void scopes_come_from_permissions(void **state)
{
    (void)state;
    BUF text = {0};
    assert_int_equal(access_scopes_of(0), 0);
    assert_int_equal(access_scopes_of(PERMISSION_DETOKENIZE | PERMISSION_APPROVE | PERMISSION_PRODUCE), 0);
    assert_int_equal(access_scopes_of(PERMISSION_READ), SCOPE_READ_CUSTOMERS);
    assert_int_equal(access_scopes_of(PERMISSION_TOKENIZE), SCOPE_WRITE_CUSTOMERS);
    const unsigned all = access_scopes_of(PERMISSION_READ | PERMISSION_TOKENIZE | PERMISSION_ADMIN);
    access_scopes_write(0, &text);
    assert_int_equal(text.len, 0);
    access_scopes_write(all, &text);
    assert_true(slice_is(buf_slice(&text), "admin:customers read:customers write:customers"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make, drop)
    const struct CMUnitTest tests[] = {
        CASE(a_token_without_a_signature_is_refused),
        CASE(a_token_under_an_HMAC_of_the_public_key_is_refused),
        CASE(only_our_own_header_is_looked_at_however_well_signed),
        CASE(another_key_is_refused_even_when_it_comes_along),
        CASE(a_signature_in_DER_is_refused),
        CASE(degenerate_signatures_are_refused),
        CASE(every_changed_character_is_noticed),
        CASE(base64url_has_one_spelling),
        CASE(claims_that_we_would_not_write_are_refused),
        CASE(an_audience_that_is_no_account_is_refused_when_asked_for_and_when_presented),
        CASE(a_token_of_another_appliance_is_refused),
        CASE(a_token_over_the_limit_is_refused_however_well_signed),
        CASE(a_token_lives_as_long_as_it_says_give_or_take_a_minute),
        CASE(a_token_opens_to_what_was_asked_for_without_the_HSM),
        CASE(two_tokens_are_never_the_same),
        CASE(the_key_set_and_the_header_name_the_key_by_its_thumbprint),
        CASE(an_account_that_was_not_granted_is_forbidden),
        CASE(errors_of_the_HSM_come_through_and_nothing_is_written),
        CASE(the_bearer_is_the_client_with_the_account_and_the_scopes),
        CASE(a_token_can_do_no_more_than_its_client_can_now),
        CASE(without_a_key_nobody_enters),
        CASE(scopes_come_from_permissions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
