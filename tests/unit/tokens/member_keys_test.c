// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/tokens/member_house.h"

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
    BUF private_key = {0}, two = {0}, both = {0}, label = {0}, cut = {0};
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
    write_pem(keys[ED], false, &label);
    memcpy(memmem(label.at, label.len, "PUBLIC", 6), "PIBLUC", 6);
    assert_key_refused(&label, "a key under another label");
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
