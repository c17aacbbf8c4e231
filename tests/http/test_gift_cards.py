# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Gift-card tokens: POST /v1/Token makes them, the transform API opens them for ten minutes.

Two nodes share the keys. Each has a wall clock of its own that the tests move.
"""

import base64
import json
import random
import re
import subprocess
import unittest
from datetime import datetime

import client
from appliance import Appliance, Clock
from client import basic_authorization, encode, luhn_sum, with_check_digit

TENANTS = """
tenant "demo" {
    id = 1
%(keys)s
    client "gifts" {
        id = 11
        apis = {"giftcard"}
        issuer_range "60357100" { digits = 16  luhn = true  code = 0 }
        issuer_range "603571" { digits = 16  luhn = true  code = 4 }
    }
    client "gifts-2" {
        id = 12
        apis = {"giftcard"}
        issuer_range "60357100" { digits = 16  luhn = true  code = 0 }
        issuer_range "603571" { digits = 16  luhn = true  code = 4 }
    }
    client "closed" {
        id = 13
        apis = {"giftcard"}
        other_cards = false
        issuer_range "603572" { code = 4 }
        issuer_range "603572" { code = 4  digits = 19  luhn = false }
    }
    client "reader" { id = 14  apis = {"giftcard"}  permissions = {"read"} }
    client "cards" { id = 15  apis = {"card"} }
    client "app" {
        id = 16
        apis = {"transform"}
        permissions = {"tokenize", "detokenize"}
        roles = {"giftcard", "giftcard-2", "closed", "pan"}
    }
    client "writer" { id = 17  apis = {"transform"}  roles = {"giftcard"} }
    transformation "giftcard" { id = 1  template = "giftcard"  of = "gifts" }
    transformation "giftcard-2" { id = 2  template = "giftcard"  of = "gifts-2" }
    transformation "closed" { id = 3  template = "giftcard"  of = "closed" }
    transformation "creditcard" { id = 4  template = "builtin/creditcardnumber" }
    role "giftcard" { transformations = {"giftcard"} }
    role "giftcard-2" { transformations = {"giftcard-2"} }
    role "closed" { transformations = {"closed"} }
    role "pan" { transformations = {"creditcard"} }
}
tenant "other" {
    id = 2
    keys 1 { state = "current" }
    client "other-gifts" {
        id = 21
        apis = {"giftcard"}
        issuer_range "60357100" { digits = 16  luhn = true  code = 0 }
        issuer_range "603571" { digits = 16  luhn = true  code = 4 }
    }
    client "other-app" { id = 22  apis = {"transform"}  permissions = {"tokenize", "detokenize"}  roles = {"giftcard"} }
    transformation "giftcard" { id = 1  template = "giftcard"  of = "other-gifts" }
    role "giftcard" { transformations = {"giftcard"} }
}
"""
CLIENTS = ("gifts", "gifts-2", "closed", "reader", "cards", "app", "writer", "other-gifts", "other-app")

START_S = 1893553445  # 2030-01-02T03:04:05Z
LIFE_S = 600
NOT_OPENED = "value is not a token that can be opened"

# The three kinds of cards that the client takes, with the length of their tokens.
PREPAID = with_check_digit("603571001234567")
CODED = with_check_digit("603571991234567")
OTHER = "4242424242424242"
KINDS = {PREPAID: ("", 16), CODED: ("4821", 22), OTHER: ("123", 28)}

SEED_CURL = """curl --location --request POST 'https://giftcard.myposerver.com/v1/Token' \\
--header 'Content-Type: application/json' \\
--header 'Authorization: Basic Og==' \\
--data-raw '{
    "cardnumber": "string",
    "securitycode": "string"
}'"""


def setUpModule():
    global node, second, clock, second_clock
    node = Appliance()
    node.tenants = TENANTS
    node.set_up()
    node.configure()
    second = node.clone()
    for name in CLIENTS:
        node.credential(name)
    second.configure()
    second.credential("app")
    clock, second_clock = Clock(node, START_S), Clock(second, START_S)
    node.start()
    second.start()


def tearDownModule():
    try:
        second.finish()
    finally:
        node.finish()


def post(body, headers=None, name="gifts"):
    """Posts a body (bytes as they are, anything else as JSON) with the client's credential unless `headers` say else."""
    if headers is None:
        headers = basic_authorization(node.credential(name)["giftcard"])
    return node.main.request("POST", "/v1/Token", {"Content-Type": "application/json", **headers}, encode(body))


def card(number, code=""):
    return {"cardnumber": number, "securitycode": code}


def token_of(number, code="", name="gifts"):
    return post(card(number, code), name=name).json()["token"]


def ask(operation, body, role="giftcard", name="app", where=None):
    return client.vault((where or node).main, node.token(name), operation, role, body)


def at_s(text):
    return round(datetime.fromisoformat(text.replace("Z", "+00:00").replace(".0000000", "")).timestamp())


def status_body(http_status, description):
    code = "000000" if http_status == 200 else f"000{http_status}"
    return json.dumps({"statuscode": code, "description": description}, separators=(",", ":"))


class Case(unittest.TestCase):
    def setUp(self):
        clock.set(START_S)
        second_clock.set(START_S)

    def refused(self, reply, status, description):
        self.assertEqual((reply.status, reply.body.decode()), (status, status_body(status, description)))
        self.assertEqual(reply.media_type, "application/json")

    def refused_here(self, reply, status, *errors):
        """By the transform API."""
        self.assertEqual((reply.status, reply.json()), (status, {"errors": list(errors)}))

    def opened(self, reply):
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json()["data"]


class Issue(Case):
    def test_the_curl_line_of_the_source_with_credentials_filled_in(self):
        credential = node.credential("gifts")["giftcard"]
        line = SEED_CURL.replace("https://giftcard.myposerver.com", f"https://127.0.0.1:{node.port}")
        line = line.replace("Basic Og==", basic_authorization(credential)["Authorization"])
        line = line.replace('"cardnumber": "string"', f'"cardnumber": "{CODED}"')
        line = line.replace('"securitycode": "string"', '"securitycode": "4821"')
        line += f" -sS --cacert '{node.path('tls.pem')}'"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=client.TIMEOUT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(json.loads(done.stdout)), ["statuscode", "description", "token", "exp"])
        self.assertRegex(done.stdout, r'^\{"statuscode":"000000","description":"Success","token":"\d{22}",'
                                      r'"exp":"2030-01-02T03:14:05\.0000000\+00:00"\}$')

    def test_the_curl_line_of_the_source_as_it_stands_is_not_authorized(self):
        line = SEED_CURL.replace("https://giftcard.myposerver.com", f"https://127.0.0.1:{node.port}")
        line += f" -sS --cacert '{node.path('tls.pem')}' --write-out ' %{{http_code}}'"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=client.TIMEOUT_S)
        self.assertEqual((done.returncode, done.stdout), (0, status_body(401, "Unauthorized") + " 401"))

    def test_the_reply_has_the_members_of_the_source_in_its_order(self):
        for number, (code, length) in KINDS.items():
            reply = post(card(number, code))
            self.assertEqual((reply.status, reply.media_type), (200, "application/json"))
            data = reply.json()
            self.assertEqual(list(data), ["statuscode", "description", "token", "exp"])
            self.assertEqual((data["statuscode"], data["description"]), ("000000", "Success"))
            self.assertRegex(data["token"], f"^[0-9]{{{length}}}$")

    def test_exp_is_issue_and_600_seconds_with_seven_fractional_digits_and_an_offset(self):
        for second in (START_S, START_S + 1, START_S - START_S % 86400 + 86399, 1893455999, 1709164799 + 86400):
            clock.set(second)
            exp = post(card(OTHER)).json()["exp"]
            self.assertRegex(exp, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.0{7}\+00:00$")
            self.assertEqual(at_s(exp), second + LIFE_S)

    def test_every_token_fails_Luhn_and_names_its_generation(self):
        for i in range(200):
            number = with_check_digit("603571%09d" % (i * 1234567))
            self.assertEqual(luhn_sum(token_of(number, ("", "%04d" % i, "%03d" % i)[i % 3])), 1)

    def test_one_card_within_one_second_gives_one_token_and_another_in_the_next(self):
        for number, (code, _) in KINDS.items():
            first, again = token_of(number, code), token_of(number, code)
            clock.set(START_S + 1)
            self.assertEqual(first, again)
            self.assertNotEqual(first, token_of(number, code))
            clock.set(START_S)

    def test_the_token_depends_on_client_and_tenant_and_not_on_the_node(self):
        for number, (code, _) in KINDS.items():
            tokens = [token_of(number, code, name) for name in ("gifts", "gifts-2", "other-gifts")]
            self.assertEqual(len(set(tokens)), 3)
            headers = {"Content-Type": "application/json", **basic_authorization(node.credential("gifts")["giftcard"])}
            reply = second.main.request("POST", "/v1/Token", headers, encode(card(number, code)))
            self.assertEqual(reply.json()["token"], tokens[0])

    def test_spaces_and_hyphens_in_the_number_change_nothing(self):
        for number, (code, _) in KINDS.items():
            plain = token_of(number, code)
            for pattern in ("{} {} {} {}", "{}-{}-{}-{}", " -{}--{}  {}{}- "):
                self.assertEqual(token_of(pattern.format(*(number[i:i + 4] for i in range(0, 16, 4))), code), plain)

    def test_a_code_is_kept_for_a_closed_loop_card_only_and_makes_no_difference_otherwise(self):
        self.assertNotEqual(token_of(CODED, "4821"), token_of(CODED, "4822"))
        self.assertEqual(len({token_of(OTHER, code) for code in ("", "0", "123", "99999999")}), 1)

    def test_a_card_that_misses_its_range_is_any_other_card(self):
        wrong_check_digit = CODED[:-1] + str((int(CODED[-1]) + 1) % 10)
        for number, code in ((CODED, ""), (CODED, "123"), (CODED, "12345"), (wrong_check_digit, "4821"),
                             (with_check_digit("60357199123456789"), "4821"), (PREPAID, "123")):
            with self.subTest(number=number, code=code):
                token = token_of(number, code)
                self.assertEqual(len(token), 28)
                data = self.opened(ask("decode", {"value": token}))
                self.assertEqual(list(data), ["decoded_value", "expiration_time"])
                self.assertEqual(data["decoded_value"], number)

    def test_the_longest_prefix_with_the_codes_length_wins(self):
        self.assertEqual(len(token_of(PREPAID, "")), 16)
        token = token_of(PREPAID, "0007")
        self.assertEqual(len(token), 22)
        data = self.opened(ask("decode", {"value": token}))
        self.assertEqual((data["decoded_value"], data["metadata"]), (PREPAID, {"securitycode": "0007"}))

    def test_numbers_of_every_length_come_back_with_their_zeros(self):
        for length in range(12, 20):
            for number in ("0" * length, "9" * length, ("0" * 11 + "12345678")[:length]):
                data = self.opened(ask("decode", {"value": token_of(number)}))
                self.assertEqual(data["decoded_value"], number)

    def test_unknown_members_are_ignored_and_the_order_is_free(self):
        self.assertEqual(post({"PosRef": 1, "securitycode": "4821", "x": [{}], "cardnumber": CODED}).json()["token"],
                         token_of(CODED, "4821"))


class BadInput(Case):
    def test_card_numbers_that_are_none(self):
        for number in ("", "1" * 11, "1" * 20, "1" * 1000, "4242 4242 424", "4242424242424242x", "string", "4242.4242.4242.4242",
                       "+4242424242424242", "4242424242424242\n", "4242\t4242\t4242\t4242",
                       "\uff14\uff12\uff14\uff12" * 4, "4242\u00a04242\u00a04242\u00a04242", "\u0664" * 16,
                       "4242\u20114242\u20114242\u20114242", " -" * 20):
            with self.subTest(number=number[:40]):
                self.refused(post(card(number)), 400, "cardnumber must be 12 to 19 digits")

    def test_codes_that_are_none(self):
        for code in ("123456789", "1" * 1000, "abcd", "string", "12a4", "12 4", "1-23", " ", "-123", "4821\n",
                     "\uff14\uff18\uff12\uff11", "\u0664\u0668"):
            for number in KINDS:
                with self.subTest(number=number, code=code[:40]):
                    self.refused(post(card(number, code)), 400, "securitycode must be 0 to 8 digits")

    def test_members_that_are_missing(self):
        self.refused(post({}), 400, "cardnumber is required")
        self.refused(post({"securitycode": "4821"}), 400, "cardnumber is required")
        self.refused(post({"cardnumber": CODED}), 400, "securitycode is required")
        self.refused(post({"CardNumber": CODED, "securitycode": ""}), 400, "cardnumber is required")

    def test_members_of_the_wrong_type(self):
        for value in (4242424242424242, None, True, [CODED], {"cardnumber": CODED}, 0.5):
            with self.subTest(value=value):
                self.refused(post({"cardnumber": value, "securitycode": "4821"}), 400, "cardnumber must be a string")
                self.refused(post({"cardnumber": CODED, "securitycode": value}), 400, "securitycode must be a string")

    def test_bodies_that_are_no_object(self):
        for body in ([], [card(CODED, "4821")], "x", 7, None, True):
            with self.subTest(body=body):
                self.refused(post(body), 400, "Body must be a JSON object")

    def test_bodies_that_are_no_JSON(self):
        whole = encode(card(CODED, "4821"))
        for body in (b"", b"{", whole[:-1], whole + b"}", whole + whole, b"cardnumber=" + CODED.encode(), b"\xef\xbb\xbf" + whole,
                     b'{"cardnumber":"%s","cardnumber":"%s","securitycode":""}' % (CODED.encode(), CODED.encode()),
                     b'{"cardnumber":"%s","securitycode":"1","securitycode":"1"}' % CODED.encode(),
                     b'{"cardnumber":"%s","card\\u006eumber":"1","securitycode":""}' % CODED.encode(),
                     b'{"cardnumber":"%s\\u0000","securitycode":""}' % CODED.encode(),
                     b'{"cardnumber":"%s","securitycode":"\xff"}' % CODED.encode(),
                     b'{"cardnumber":"%s","securitycode":"","x":%s}' % (CODED.encode(), b"[" * 10000)):
            with self.subTest(body=body[:40]):
                self.refused(post(body), 400, "Body is not valid JSON")

    def test_a_card_outside_every_range_of_a_client_that_takes_no_others(self):
        inside = with_check_digit("603572000000000")
        self.assertEqual(post(card(inside, "0000"), name="closed").status, 200)
        self.assertEqual(post(card("6035720000000000000", "0000"), name="closed").status, 200)
        for number, code in ((OTHER, ""), (CODED, "4821"), (inside, ""), (inside, "000"), (inside, "00000"),
                             (inside[:-1] + str((int(inside[-1]) + 1) % 10), "0000"), ("603572000000000000", "0000")):
            with self.subTest(number=number, code=code):
                self.refused(post(card(number, code), name="closed"), 400,
                             "cardnumber is outside the issuer ranges of this client")

    def test_media_types(self):
        plain = encode(card(OTHER))
        credential = basic_authorization(node.credential("gifts")["giftcard"])
        for media in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""):
            with self.subTest(media=media):
                reply = node.main.request("POST", "/v1/Token", {"Content-Type": media, **credential}, plain)
                self.refused(reply, 415, "Content-Type must be application/json")
        reply = node.main.request("POST", "/v1/Token", credential, plain)
        self.refused(reply, 415, "Content-Type must be application/json")
        for media in ("application/json; charset=utf-8", "Application/JSON"):
            reply = node.main.request("POST", "/v1/Token", {"Content-Type": media, **credential}, plain)
            self.assertEqual(reply.status, 200)

    def test_a_body_of_more_than_16_KiB(self):
        body = encode(card(OTHER))
        self.assertEqual(post(body + b" " * (16384 - len(body))).status, 200)
        self.refused(post(body + b" " * (16385 - len(body))), 413, "Body is too large")

    def test_other_methods(self):
        credential = basic_authorization(node.credential("gifts")["giftcard"])
        for method, path, allow in (("GET", "/v1/Token", "POST"), ("PUT", "/v1/Token", "POST"), ("DELETE", "/v1/Token", "POST"),
                                    ("GET", "/Auth/verify", "PUT"), ("POST", "/Auth/verify", "PUT"), ("POST", "/Health", "GET, HEAD")):
            with self.subTest(method=method, path=path):
                reply = node.main.request(method, path, credential, None if method in ("GET", "DELETE") else b"{}")
                self.refused(reply, 405, "Method Not Allowed")
                self.assertEqual(reply.headers["Allow"], allow)

    def test_no_refusal_repeats_what_was_sent_and_no_log_either(self):
        secret_code, secret_number = "7391", with_check_digit("603571987654321")
        for body in (card(secret_number + "x", secret_code), card(secret_number, secret_code + "x"),
                     {"cardnumber": secret_number}, encode(card(secret_number, secret_code))[:-1]):
            reply = post(body)
            self.assertEqual(reply.status, 400)
            self.assertNotIn("987654321", reply.body.decode())
        token = token_of(secret_number, secret_code)
        self.opened(ask("decode", {"value": token}))
        for name in ("symbolon.log", "audit.log"):
            for word in ("987654321", token):
                self.assertNotIn(word, node.text(name))


class Credentials(Case):
    def unauthorized(self, headers, path="/v1/Token", method="POST", body=None):
        headers = {"Content-Type": "application/json", **headers}
        reply = node.main.request(method, path, headers, encode(card(OTHER)) if body is None else body)
        self.refused(reply, 401, "Unauthorized")
        self.assertEqual(reply.headers["WWW-Authenticate"], 'Basic realm="giftcard", charset="UTF-8"')

    def basic(self, username, password):
        return basic_authorization({"username": username, "password": password})

    def wrong(self):
        right = node.credential("gifts")["giftcard"]
        name, password = right["username"], right["password"]
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        merchant, app = node.card("cards"), node.token("app")
        return [
            {}, {"Authorization": "Basic Og=="}, {"Authorization": "Basic"}, {"Authorization": "Basic "}, {"Authorization": ""},
            {"Authorization": pair}, {"Authorization": f"Bearer {pair}"}, {"Authorization": f"Digest {pair}"},
            {"Authorization": f"Bearer {password}"}, {"Authorization": f"Basic {name}:{password}"},
            {"Authorization": f"Basic {pair[:-1]}"}, {"Authorization": f"Basic {pair} x"}, {"Authorization": "Basic !!!!"},
            {"Authorization": "Basic " + base64.b64encode((name + password).encode()).decode()},
            self.basic(name, ""), self.basic("", password), self.basic(name, password[:-1]), self.basic(name, password + "A"),
            self.basic(name, "A" * len(password)), self.basic(name.upper(), password), self.basic("nobody", password),
            self.basic("gifts-2", password), self.basic("other-gifts", password), self.basic(name + ":", password),
            self.basic("cards", merchant["merchant_key"]), self.basic(merchant["authenticity_token"], merchant["merchant_key"]),
            self.basic("app", app), self.basic("app", app.split(".")[2]), {"X-Vault-Token": app}, {"Authorization": f"Bearer {app}"},
            client.card_headers(merchant, encode(card(OTHER)), path="/v1/Token", timestamp=str(START_S)),
        ]

    def test_missing_wrong_and_foreign_credentials(self):
        for headers in self.wrong():
            with self.subTest(headers=headers):
                self.unauthorized(headers)

    def test_verify_answers_the_same(self):
        for headers in self.wrong():
            with self.subTest(headers=headers):
                self.unauthorized(headers, "/Auth/verify", "PUT", b"")

    def test_verify_with_the_right_credential(self):
        for name in ("gifts", "gifts-2", "closed", "other-gifts", "reader"):
            headers = basic_authorization(node.credential(name)["giftcard"])
            for more, body in (({}, b""), ({"Content-Type": "application/json"}, b"{}"), ({"Content-Type": "text/plain"}, b"x")):
                reply = node.main.request("PUT", "/Auth/verify", {**headers, **more}, body)
                self.assertEqual((reply.status, reply.body.decode()), (200, status_body(200, "Success")))
                self.assertEqual(reply.media_type, "application/json")

    def test_the_scheme_is_read_in_any_case(self):
        value = basic_authorization(node.credential("gifts")["giftcard"])["Authorization"]
        for scheme in ("basic", "BASIC", "bAsIc"):
            self.assertEqual(post(card(OTHER), {"Authorization": value.replace("Basic", scheme)}).status, 200)

    def test_a_credential_is_judged_before_the_body(self):
        self.unauthorized({"Authorization": "Basic Og=="}, body=b"{")
        self.unauthorized({"Authorization": "Basic Og==", "Content-Type": "text/plain"}, body=b"")

    def test_a_client_without_the_permission(self):
        self.refused(post(card(OTHER), name="reader"), 403, "Forbidden")

    def test_health_needs_no_credential_and_minds_none(self):
        for headers in ({}, {"Authorization": "Basic Og=="}, basic_authorization(node.credential("gifts")["giftcard"])):
            reply = node.main.request("GET", "/Health", headers)
            self.assertEqual((reply.status, reply.body.decode()), (200, status_body(200, "Healthy")))

    def test_paths_in_another_case_and_those_that_move_money_do_not_exist(self):
        headers = {"Content-Type": "application/json", **basic_authorization(node.credential("gifts")["giftcard"])}
        for method, path in (("POST", "/v1/token"), ("POST", "/V1/Token"), ("POST", "/v1/TOKEN"), ("POST", "/v1/Token/"),
                             ("POST", "/v1/Token/x"), ("GET", "/health"), ("PUT", "/auth/verify"), ("PUT", "/Auth/Verify"),
                             ("PUT", "/Auth/"), ("GET", "/Batch/1"), ("POST", "/Batch/batch/1"), ("POST", "/Transaction/balancecheck"),
                             ("POST", "/Transaction/sellnewcard"), ("POST", "/Transaction/reload"), ("POST", "/Transaction/radeem"),
                             ("PATCH", "/Transaction/changestatus")):
            with self.subTest(method=method, path=path):
                body = None if method == "GET" else encode(card(OTHER))
                self.assertEqual(node.main.request(method, path, headers, body).status, 404)


class Open(Case):
    def test_a_token_opens_to_its_card_its_code_and_its_expiry(self):
        for number, (code, _) in KINDS.items():
            made = post(card(number, code)).json()
            data = self.opened(ask("decode", {"value": made["token"]}))
            kept = {"metadata": {"securitycode": "4821"}} if number == CODED else {}
            self.assertEqual(data, {"decoded_value": number, **kept, "expiration_time": "2030-01-02T03:14:05Z"})
            self.assertEqual(at_s(data["expiration_time"]), at_s(made["exp"]))

    def test_every_code_comes_back_with_its_zeros(self):
        for code in ("0000", "0001", "1000", "9999"):
            data = self.opened(ask("decode", {"value": token_of(CODED, code)}))
            self.assertEqual(data["metadata"], {"securitycode": code})

    def test_metadata_tells_everything_but_the_number(self):
        for number, (code, _) in KINDS.items():
            reply = ask("metadata", {"value": token_of(number, code)})
            kept = {"metadata": {"securitycode": "4821"}} if number == CODED else {}
            self.assertEqual(self.opened(reply), {**kept, "expiration_time": "2030-01-02T03:14:05Z"})
            self.assertNotIn(number, reply.body.decode())

    def test_validate_tells_a_token_from_a_made_up_one(self):
        for number, (code, length) in KINDS.items():
            self.assertEqual(self.opened(ask("validate", {"value": token_of(number, code)})), {"valid": True})
            self.assertEqual(self.opened(ask("validate", {"value": "1" * length})), {"valid": False})

    def test_the_transform_API_makes_the_same_tokens(self):
        for number, (code, _) in KINDS.items():
            for value in (number, f"{number[:4]}-{number[4:8]} {number[8:]}"):
                data = self.opened(ask("encode", {"value": value, "metadata": {"securitycode": code}}, name="writer"))
                self.assertEqual(data, {"encoded_value": token_of(number, code)})
        self.assertEqual(self.opened(ask("encode", {"value": OTHER}))["encoded_value"], token_of(OTHER))

    def test_the_transform_API_refuses_what_the_other_does(self):
        for value, code, role, error in (
                ("1" * 11, "", "giftcard", "must hold 12 to 19 digits"), ("1" * 20, "", "giftcard", "must hold 12 to 19 digits"),
                ("x" * 16, "", "giftcard", "must hold 12 to 19 digits"), ("\uff14" * 16, "", "giftcard", "must hold 12 to 19 digits"),
                (OTHER, "123456789", "giftcard", "has a securitycode that is not 0 to 8 digits"),
                (OTHER, "x", "giftcard", "has a securitycode that is not 0 to 8 digits"),
                (OTHER, 123, "giftcard", "has a securitycode that is not a string"),
                (OTHER, "", "closed", "is outside the issuer ranges of this client")):
            with self.subTest(value=value, code=code):
                body = {"value": value, "metadata": {"securitycode": code}}
                self.refused_here(ask("encode", body, role), 400, "value " + error)

    def test_a_batch_of_all_kinds_and_some_that_do_not_open(self):
        tokens = [token_of(number, code) for number, (code, _) in KINDS.items()]
        items = [{"value": value, "reference": str(i)} for i, value in enumerate([*tokens, "1" * 22, OTHER, "", *tokens])]
        results = ask("decode", {"batch_input": items}).json()["data"]["batch_results"]
        self.assertEqual([result["reference"] for result in results], [str(i) for i in range(9)])
        self.assertEqual([result.get("decoded_value") for result in results], [*KINDS, None, None, None, *KINDS])
        self.assertEqual({result["error"] for result in results[3:6]}, {NOT_OPENED})

    def test_the_token_of_another_client_or_tenant_is_a_made_up_one(self):
        for number, (code, _) in KINDS.items():
            ours, theirs, foreign = (token_of(number, code, name) for name in ("gifts", "gifts-2", "other-gifts"))
            self.assertEqual(self.opened(ask("decode", {"value": theirs}, "giftcard-2"))["decoded_value"], number)
            self.assertEqual(self.opened(ask("decode", {"value": foreign}, name="other-app"))["decoded_value"], number)
            for token, role, name in ((theirs, "giftcard", "app"), (foreign, "giftcard", "app"), (ours, "giftcard-2", "app"),
                                      (ours, "giftcard", "other-app"), (theirs, "giftcard", "other-app"), (ours, "closed", "app")):
                with self.subTest(number=number, role=role, name=name):
                    for operation in ("decode", "metadata"):
                        self.refused_here(ask(operation, {"value": token}, role, name), 400, NOT_OPENED)
                    self.assertEqual(self.opened(ask("validate", {"value": token}, role, name)), {"valid": False})

    def test_who_may_only_tokenize_does_not_open(self):
        token = token_of(CODED, "4821")
        for operation in ("decode", "metadata"):
            self.refused_here(ask(operation, {"value": token}, name="writer"), 403, "permission denied")
        self.assertEqual(self.opened(ask("validate", {"value": token}, name="writer")), {"valid": True})

    def test_a_token_is_never_renewed(self):
        token, error = token_of(CODED, "4821"), "value cannot be rewrapped: its token lives for ten minutes"
        self.refused_here(ask("rewrap", {"value": token}), 400, error)
        results = ask("rewrap", {"batch_input": [{"value": token}, {"value": "x"}]}).json()["data"]["batch_results"]
        self.assertEqual(results[0], {"error": error})
        self.assertIn("error", results[1])

    def test_one_wrong_digit_anywhere_is_refused(self):
        for number, (code, length) in KINDS.items():
            token = token_of(number, code)
            wrong = [token[:i] + digit + token[i + 1:] for i in range(length) for digit in "0123456789" if digit != token[i]]
            results = ask("decode", {"batch_input": [{"value": value} for value in wrong]}).json()["data"]["batch_results"]
            self.assertEqual(results, [{"error": NOT_OPENED}] * (9 * length))

    def test_made_up_tokens_of_the_right_slot_are_refused(self):
        """Odds are under 10^-5 for each; that two of these open would happen once in ten thousand runs at most."""
        made_up = random.Random(20300102)
        values = []
        while len(values) < 1000:
            value = "".join(made_up.choices("0123456789", k=made_up.choice((22, 28))))
            values += [value] if luhn_sum(value) == 1 else []
        results = ask("decode", {"batch_input": [{"value": value} for value in values]}).json()["data"]["batch_results"]
        self.assertEqual(len(results), 1000)
        self.assertLessEqual(len([result for result in results if "error" not in result]), 1)

    def test_everything_that_is_no_token_is_refused_in_the_same_words(self):
        token = token_of(CODED, "4821")
        for value in ("", "x", token + "0", token[:-1], " " + token, token + " ", token[:11] + " " + token[11:], "-" + token, CODED, OTHER,
                      token.replace(token[0], "\uff11", 1), "0" * 22, "9" * 16, "1" * 15, "1" * 41, "1" * 100000, "a" * 22):
            with self.subTest(value=value[:40]):
                self.refused_here(ask("decode", {"value": value}), 400, NOT_OPENED)


class TimeTravel(Case):
    """The first node makes, the second opens, each by its own clock."""

    def opens(self, tokens, now_s):
        second_clock.set(now_s)
        reply = ask("decode", {"batch_input": [{"value": token} for token in tokens]}, where=second)
        return ["decoded_value" in result for result in reply.json()["data"]["batch_results"]]

    def make(self, issued_s):
        clock.set(issued_s)
        return [token_of(number, code) for number, (code, _) in KINDS.items()]

    def test_a_token_opens_for_600_seconds_and_on_a_node_that_is_five_seconds_behind(self):
        base = START_S - START_S % 1000
        for issued_s in (START_S, base + 399, base + 400, base + 994, base + 995, base + 999, base + 1000, base + 1001):
            tokens = self.make(issued_s)
            for age, open_ in ((-100000, False), (-1000, False), (-600, False), (-6, False), (-5, True), (-1, True), (0, True),
                               (1, True), (400, True), (599, True), (600, False), (601, False), (999, False), (1000, False),
                               (1001, False), (2000, False), (31536000, False)):
                with self.subTest(issued=issued_s - base, age=age):
                    self.assertEqual(self.opens(tokens, issued_s + age), [open_] * 3)

    def test_the_answer_of_an_expired_token_is_that_of_a_made_up_one(self):
        token = self.make(START_S)[1]
        for age in (-6, 600, 10 ** 6):
            second_clock.set(START_S + age)
            for operation in ("decode", "metadata"):
                reply = ask(operation, {"value": token}, where=second)
                made_up = ask(operation, {"value": "1" * 22}, where=second)
                self.refused_here(reply, 400, NOT_OPENED)
                self.assertEqual((reply.status, reply.body), (made_up.status, made_up.body))
            self.assertEqual(self.opened(ask("validate", {"value": token}, where=second)), {"valid": False})

    def test_a_clock_swept_second_by_second_over_two_epoch_boundaries(self):
        """Each of three tokens, made at the end, the start and the middle of an epoch, opens in exactly 605 seconds."""
        base = START_S - START_S % 1000 + 1000
        issued = [base - 1, base, base + 401]
        tokens = [self.make(issued_s)[1] for issued_s in issued]
        body = encode({"batch_input": [{"value": token} for token in tokens]})
        headers = {"X-Vault-Token": node.token("app")}
        with second.main.connect() as connection:
            for now_s in range(base - 10, base + 1015):
                second_clock.set(now_s)
                connection.sendall(client.request_bytes("POST", "/v1/transform/decode/giftcard", headers, body))
                results = client.read_reply(connection).json()["data"]["batch_results"]
                expected = [-5 <= now_s - issued_s <= 599 for issued_s in issued]
                self.assertEqual(["decoded_value" in result for result in results], expected, now_s - base)

    def test_the_expiry_told_is_that_of_the_node_that_made_it(self):
        made = self.make(START_S)
        second_clock.set(START_S + 77)
        for token in made:
            data = self.opened(ask("decode", {"value": token}, where=second))
            self.assertEqual(at_s(data["expiration_time"]), START_S + LIFE_S)

    def test_a_range_that_is_no_more_opens_nothing_and_one_of_another_shape_neither(self):
        tokens = self.make(START_S)
        coded = 'issuer_range "603571" { digits = 16  luhn = true  code = 4 }'
        self.addCleanup(second.restart)
        self.addCleanup(setattr, second, "edits", {})
        for instead in ("", coded.replace("603571", "603572"), coded.replace("code = 4", "code = 3  token_digits = 22"),
                        coded.replace("digits = 16  luhn = true", "digits = 15  luhn = false"),
                        coded.replace("603571", "60357").replace("digits = 16", "digits = 15")):
            with self.subTest(instead=instead):
                second.edits = {coded: instead}
                self.assertEqual(second.restart(), 0)
                lengths = re.findall(r"(?m)^demo +giftcard/(?!60357100)\S+code +giftcard +(\d+) ", second.symbolon("formats").stdout)
                self.assertEqual(lengths, ["22"] if instead else [], "of the same length")
                self.assertEqual(self.opens(tokens, START_S), [True, False, True])
        second.edits = {coded: coded + ' issuer_range "603572" { code = 4 }'}
        self.assertEqual(second.restart(), 0)
        self.assertEqual(self.opens(tokens, START_S), [True, True, True], "more ranges take nothing away")


class Audit(Case):
    def line(self, request):
        before = len(node.audit_lines())
        reply = request()
        lines = node.audit_lines()[before:]
        self.assertEqual(len(lines), 1, lines)
        self.assertEqual(lines[0]["request_id"], reply.headers["X-Request-Id"])
        self.assertEqual(lines[0]["status"], reply.status)
        return {name: lines[0][name] for name in ("event", "items", "failed_items", "outcome")} | {"client": lines[0].get("client")}

    def test_every_token_made_refused_and_denied_has_its_line(self):
        made = {"event": "giftcard_tokenize", "items": 1, "client": "gifts"}
        self.assertEqual(self.line(lambda: post(card(CODED, "4821"))), {**made, "failed_items": 0, "outcome": "ok"})
        for body in (card("x"), {}, b"{", []):
            self.assertEqual(self.line(lambda: post(body)), {**made, "failed_items": 1, "outcome": "input"})
        self.assertEqual(self.line(lambda: post(card(OTHER), name="closed")),
                         {**made, "client": "closed", "failed_items": 1, "outcome": "input"})
        self.assertEqual(self.line(lambda: post(card(OTHER), {"Authorization": "Basic Og=="})),
                         {"event": "authentication_failed", "items": 0, "failed_items": 0, "outcome": "credential", "client": None})

    def test_every_token_opened_has_its_line(self):
        token = token_of(CODED, "4821")
        for operation in ("decode", "metadata", "validate"):
            self.assertEqual(self.line(lambda: ask(operation, {"value": token})),
                             {"event": "transform_" + operation, "items": 1, "failed_items": 0, "outcome": "ok", "client": "app"})


if __name__ == "__main__":
    unittest.main()
