# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""POST /v2/tokens: the source's own request, and every way to get it wrong.

The appliance's clock stands still, so that "one second too late" is exactly that.
"""

import json
import re
import unittest

import client
from appliance import Appliance, Clock
from client import CARD_PATH, card_body, card_headers, encode, post_card, wp3_authorization

NOW_S = 1893553445  # 2030-01-02T03:04:05Z
CARD = card_body()

# The request of the source, byte for byte; its expiry (February 2028) is over at NOW_S, so it is sent to an
# appliance that is put back to 2026.
SEED_REQUEST = b"""{
  "type": "card",
  "card": {
    "pan": "4242424242424242",
    "expiration_date": "2802"
  },
  "metadata": {
    "description": "Card description - optional value"
  }
}"""


def setUpModule():
    global appliance, owner, clock
    appliance = Appliance().set_up()
    appliance.configure()
    owner = appliance.card("demo-cards")
    for name in ("demo-cards-2", "demo-lax", "demo-reader", "other-cards"):
        appliance.card(name)
    appliance.token("demo-app")
    clock = Clock(appliance, NOW_S)
    appliance.start()


def tearDownModule():
    appliance.finish()


def post(body, credential=None, timestamp=NOW_S, **how):
    return post_card(appliance.main, credential or owner, body, timestamp=str(timestamp), **how)


def send(headers, body=None, method="POST", target=CARD_PATH):
    return appliance.main.request(method, target, headers, body)


def headers_for(body, timestamp=NOW_S, **how):
    return card_headers(owner, body, timestamp=str(timestamp), **how)


class Case(unittest.TestCase):
    def refused(self, reply, status, message):
        self.assertEqual(reply.body.decode(), json.dumps({"status": "invalid-request", "message": message},
                                                         separators=(",", ":")))
        self.assertEqual(reply.status, status)
        self.assertEqual(reply.media_type, "application/json")
        self.assertEqual(reply.headers["Cache-Control"], "no-store")
        self.assertEqual(reply.headers["WWW-Authenticate"], "WP3-v2.1" if status == 401 else None)
        self.assertRegex(reply.headers["X-Request-Id"], r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

    def invalid(self, body, message):
        self.refused(post(body), 400, message)

    def unauthorized(self, reply):
        self.refused(reply, 401, "Authorization failed")


class HappyPath(Case):
    def test_the_reply_has_the_members_of_the_source_in_its_order(self):
        reply = post(CARD)
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.media_type, "application/json")
        self.assertRegex(reply.body.decode(),
                         r'^\{"token":"[0-9a-f]{48}","status":"approved","card":\{'
                         r'"keep_until":"2068-03-01T00:00:00Z","masked_pan":"424242\*\*\*\*4242",'
                         r'"expiration_date":"6802"\}\}$')

    def test_keep_until_of_the_sources_example(self):
        reply = post(card_body("4111111111111111", "9602"))
        self.assertEqual(reply.json()["card"], {"keep_until": "2096-03-01T00:00:00Z",
                                                "masked_pan": "411111****1111", "expiration_date": "9602"})

    def test_december_is_kept_until_the_next_year(self):
        self.assertEqual(post(card_body(expiration_date="6812")).json()["card"]["keep_until"], "2069-01-01T00:00:00Z")

    def test_a_card_is_good_in_its_last_month_and_not_after(self):
        self.assertEqual(post(card_body(expiration_date="3001")).json()["card"]["keep_until"], "2030-02-01T00:00:00Z")
        self.invalid(card_body(expiration_date="2912"), "card.expiration_date is in the past")

    def test_every_length_of_12_to_19_digits_and_its_mask(self):
        for length in range(12, 20):
            pan = client.with_check_digit(("6" + "0123456789" * 2)[:length - 1])
            head = pan[:6] if length >= 15 else pan[:4]
            reply = post(card_body(pan))
            self.assertEqual(reply.status, 200, length)
            self.assertRegex(reply.json()["token"], "^[0-9a-f]{48}$")
            self.assertEqual(reply.json()["card"]["masked_pan"], head + "****" + pan[-4:])

    def test_a_client_configured_so_may_skip_the_luhn_check(self):
        self.assertEqual(post(card_body("4242424242424241"), appliance.card("demo-lax")).status, 200)

    def test_escapes_in_JSON_are_the_characters_they_stand_for(self):
        escaped = encode(CARD).replace(b"4242424242424242", b"\\u0034242424242424242")
        self.assertEqual(post(escaped).json(), post(CARD).json())

    def test_metadata_is_accepted_and_never_echoed(self):
        reply = post(card_body(metadata={"description": "echo-me-not", "n": 1, "b": True, "z": None}))
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.json(), post(CARD).json())

    def test_unknown_members_are_ignored(self):
        self.assertEqual(post(card_body(customer="x", list=[1, {"a": 2}])).json(), post(CARD).json())

    def test_a_charset_and_any_case_of_the_media_type_are_fine(self):
        body = encode(CARD)
        for media_type in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
            reply = send(headers_for(body) | {"Content-Type": media_type}, body)
            self.assertEqual(reply.status, 200, media_type)

    def test_a_chunked_body_is_the_same_body(self):
        body = encode(CARD)
        chunked = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:])) + b"0\r\n\r\n"
        reply = send(headers_for(body) | {"Transfer-Encoding": "chunked"}, chunked)
        self.assertEqual(reply.status, 200)

    def test_the_query_is_not_part_of_what_is_signed(self):
        body = encode(CARD)
        self.assertEqual(send(headers_for(body), body, target=CARD_PATH + "?x=1").status, 200)


class Determinism(Case):
    def test_one_card_gives_one_token(self):
        self.assertEqual({post(CARD).json()["token"] for _ in range(3)}, {post(CARD).json()["token"]})

    def test_another_expiry_number_client_or_tenant_gives_another_token(self):
        tokens = [post(CARD).json()["token"], post(card_body(expiration_date="6803")).json()["token"],
                  post(card_body("4111111111111111")).json()["token"]]
        tokens += [post(CARD, appliance.card(name)).json()["token"]
                   for name in ("demo-cards-2", "demo-lax", "other-cards")]
        self.assertEqual(len(set(tokens)), len(tokens))

    def test_a_leading_zero_is_part_of_the_number(self):
        tokens = {post(card_body(pan)).json()["token"] for pan in ("000000000000", "0000000000000", "0" * 19)}
        self.assertEqual(len(tokens), 3)


class BadCards(Case):
    def test_numbers_that_are_no_card_numbers(self):
        for pan in ("", "4", "42424242424242ab", "4242 4242 4242 4242", "4242-4242-4242-4242", "+424242424242424",
                    "42424242424242.2", "4242424242424242\n", "\u0664242424242424242", "0x42424242424242"):
            with self.subTest(pan=pan):
                self.invalid(card_body(pan), "card.pan must be 12 to 19 digits")

    def test_11_and_20_digits(self):
        for length in (11, 20, 2000):
            with self.subTest(length=length):
                pan = client.with_check_digit("4" * (length - 1))
                self.invalid(card_body(pan), "card.pan must be 12 to 19 digits")

    def test_a_wrong_check_digit(self):
        for digit in "013456789":
            self.invalid(card_body("424242424242424" + digit), "card.pan fails the Luhn check")

    def test_a_month_outside_the_year(self):
        for expiry in ("6800", "6813", "6899", "000"):
            with self.subTest(expiry=expiry):
                self.invalid(card_body(expiration_date=expiry), "card.expiration_date has a month outside 01 to 12")

    def test_an_expired_card(self):
        for expiry in ("2912", "0001", "2901"):
            with self.subTest(expiry=expiry):
                self.invalid(card_body(expiration_date=expiry), "card.expiration_date is in the past")

    def test_three_characters_have_lost_a_zero_and_are_long_past(self):
        for expiry in ("906", "112"):
            self.invalid(card_body(expiration_date=expiry), "card.expiration_date is in the past")

    def test_an_expiry_that_is_not_YYMM(self):
        for expiry in ("", "68", "68021", "68/02", "68-2", "ab02", "6802 ", " 680", "+680"):
            with self.subTest(expiry=expiry):
                self.invalid(card_body(expiration_date=expiry), "card.expiration_date must be YYMM")


class BadMembers(Case):
    def test_a_type_other_than_card(self):
        for kind in ("", "Card", "CARD", "card ", "bank", "cardcard"):
            with self.subTest(kind=kind):
                self.invalid(CARD | {"type": kind}, 'type must be "card"')

    def test_missing_members(self):
        card = CARD["card"]
        for body, message in [
            ({"card": card}, "type is required"),
            ({"type": "card"}, "card is required"),
            ({"type": "card", "card": {}}, "card.pan is required"),
            ({"type": "card", "card": {"expiration_date": "6802"}}, "card.pan is required"),
            ({"type": "card", "card": {"pan": card["pan"]}}, "card.expiration_date is required"),
            ({"Type": "card", "card": card}, "type is required"),
        ]:
            with self.subTest(body=body):
                self.invalid(body, message)

    def test_mistyped_members(self):
        for body, message in [
            ([], "Body must be a JSON object"),
            (None, "Body must be a JSON object"),
            ("card", "Body must be a JSON object"),
            (CARD | {"type": 1}, "type must be a string"),
            (CARD | {"type": None}, "type must be a string"),
            (CARD | {"card": "4242424242424242"}, "card must be an object"),
            (CARD | {"card": ["4242424242424242", "6802"]}, "card must be an object"),
            (CARD | {"card": None}, "card must be an object"),
            (card_body(4242424242424242), "card.pan must be a string"),
            (card_body(expiration_date=6802), "card.expiration_date must be a string"),
            (card_body(pan=None), "card.pan must be a string"),
            (card_body(pan={"number": "4242424242424242"}), "card.pan must be a string"),
        ]:
            with self.subTest(body=body):
                self.invalid(body, message)

    def test_metadata_that_is_not_a_map_of_scalars(self):
        for metadata in ("text", 1, [], None, True, {"a": {}}, {"a": []}, {"a": 1, "b": {"c": 2}}):
            with self.subTest(metadata=metadata):
                self.invalid(CARD | {"metadata": metadata}, "metadata must be an object of scalar values")

    def test_duplicate_members_at_every_level_however_spelled(self):
        text = encode(CARD).decode()
        for body in (text.replace('"type"', '"type":"card","type"', 1), text.replace('"pan"', '"pan":"4","pan"', 1),
                     text.replace('"pan"', '"p\\u0061n":"4","pan"', 1),
                     text[:-1] + ',"metadata":{"a":1,"a":1}}'):
            with self.subTest(body=body):
                self.invalid(body.encode(), "Body is not valid JSON: duplicate member")


class BadBodies(Case):
    def not_json(self, body, what):
        self.invalid(body, "Body is not valid JSON: " + what)

    def test_no_byte(self):
        reply = send(headers_for(b""), b"")
        self.assertEqual(reply.status, 400)
        self.assertEqual(reply.json()["status"], "invalid-request")
        self.assertRegex(reply.json()["message"], "^Body is not valid JSON: ")

    def test_no_length_at_all(self):
        self.refused(send(headers_for(b"")), 411, "Body is missing")

    def test_text_one_byte_short(self):
        self.not_json(encode(CARD)[:-1], "',' or the closing bracket was expected")

    def test_one_byte_less_than_announced(self):
        body = encode(CARD)
        before = len(appliance.audit_lines())
        with appliance.main.connect() as connection:
            head = headers_for(body) | {"Content-Length": str(len(body))}
            connection.sendall(client.request_bytes("POST", CARD_PATH, head, body[:-1]))
            client.end_of_sending(connection)
            reply = client.read_reply(connection)
        # Over TLS the server may see only at the deadline that nothing more will come.
        self.assertIn((reply.status, reply.json()["message"]),
                      {(400, "Body is shorter than announced or badly chunked"), (408, "Body did not arrive in time")})
        self.assertEqual(reply.json()["status"], "invalid-request")
        self.assertEqual(len(appliance.audit_lines()), before)

    def test_over_the_limit(self):
        body = encode(CARD) + b" " * 65536
        self.refused(post(body), 413, "Body is too large")

    def test_exactly_the_limit_is_read(self):
        body = encode(CARD)
        self.assertEqual(post(body + b" " * (65536 - len(body))).status, 200)

    def test_over_the_limit_without_saying_so(self):
        body = encode(CARD) + b" " * 65536
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        self.refused(send(headers_for(body) | {"Transfer-Encoding": "chunked"}, chunked), 413, "Body is too large")

    def test_invalid_UTF_8(self):
        for wrong in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            with self.subTest(wrong=wrong):
                self.not_json(encode(CARD)[:-1] + b',"note":"' + wrong + b'"}', "invalid UTF-8")

    def test_lone_surrogates_and_NUL(self):
        for wrong, what in ((b"\\ud800", "malformed escape or lone surrogate"), (b"\\u0000", "U+0000")):
            with self.subTest(wrong=wrong):
                self.not_json(encode(CARD)[:-1] + b',"note":"' + wrong + b'"}', what)

    def test_ten_thousand_levels(self):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            deep = opening * 10000 + b"1" + closing * 10000
            if len(deep) <= 65536:
                self.not_json(deep, "nested too deeply")
            self.not_json(opening * 10000, "nested too deeply")
            self.not_json(encode(CARD)[:-1] + b',"deep":' + opening * 10000 + b"}", "nested too deeply")

    def test_trailing_bytes(self):
        for more in (b"x", b"{}", b",", b"\0", b"]"):
            with self.subTest(more=more):
                self.not_json(encode(CARD) + more, "bytes after the value")

    def test_what_is_not_JSON(self):
        for body in (b"nul", b"{'a':1}", b'{"a":1,}', b'{"a":01}', b'{"a":NaN}', b"pan=4242424242424242", b"\xef\xbb\xbf{}"):
            with self.subTest(body=body):
                reply = post(body)
                self.assertEqual((reply.status, reply.json()["status"]), (400, "invalid-request"))
                self.assertRegex(reply.json()["message"], "^Body is not valid JSON: ")

    def test_no_error_text_repeats_what_was_sent(self):
        for body in (b'{"type":"card","card":{"pan":"5105105105105101","expiration_date":"6802"}}',
                     b"5105105105105100", b'"5105105105105100', b'{"5105105105105100":1,"5105105105105100":2}'):
            self.assertNotRegex(post(body).body.decode(), "5105|[0-9]{5}")


class Credentials(Case):
    body = encode(CARD)

    def with_authorization(self, value, body=None):
        return send({"Authorization": value, "Content-Type": "application/json"}, body or self.body)

    def test_none(self):
        self.unauthorized(send({"Content-Type": "application/json"}, self.body))

    def test_a_wrong_digest(self):
        right = wp3_authorization(owner, self.body, timestamp=str(NOW_S))
        for wrong in (right[:-1] + ("0" if right[-1] != "0" else "1"), right[:-1], right + "0", right[:-128] + "0" * 128):
            self.unauthorized(self.with_authorization(wrong))

    def test_a_digest_of_another_body(self):
        value = wp3_authorization(owner, self.body, timestamp=str(NOW_S))
        self.unauthorized(self.with_authorization(value, self.body + b" "))

    def test_a_digest_of_another_path(self):
        for path in ("/v2/payment/new", "", "/v2/tokens/", "/V2/tokens", CARD_PATH + "?"):
            self.unauthorized(post(CARD, path=path))

    def test_the_older_scheme_without_a_path(self):
        self.unauthorized(post(CARD, path="", scheme="WP3-v2"))
        self.unauthorized(post(CARD, scheme="WP3-v2"))
        self.unauthorized(post(CARD, path="", scheme="WP3-v2.1"))

    def test_the_window_is_five_minutes_either_way_to_the_second(self):
        for off in (-300, 300, 0):
            self.assertEqual(post(CARD, timestamp=NOW_S + off).status, 200, off)
        for off in (-301, 301, -86400, 86400):
            self.unauthorized(post(CARD, timestamp=NOW_S + off))

    def test_milliseconds_and_other_spellings_of_the_time(self):
        for timestamp in (f"{NOW_S}000", f"{NOW_S * 1000}", f"0{NOW_S}", f"+{NOW_S}"[:10], "-1893553445"[:10], "", "now"):
            self.unauthorized(post(CARD, timestamp=timestamp))

    def test_an_unknown_client(self):
        for identity in ("0" * 40, owner["authenticity_token"].upper(), owner["authenticity_token"][:-1], ""):
            self.unauthorized(post(CARD, owner | {"authenticity_token": identity}))

    def test_the_key_of_another_client(self):
        for name in ("demo-cards-2", "other-cards"):
            self.unauthorized(post(CARD, owner | {"merchant_key": appliance.card(name)["merchant_key"]}))

    def test_credentials_of_the_transform_API(self):
        token = appliance.token("demo-app")
        headers = {"Content-Type": "application/json"}
        for credential in ({"X-Vault-Token": token}, {"Authorization": f"Bearer {token}"}):
            self.unauthorized(send(headers | credential, self.body))
        self.unauthorized(post(CARD, owner | {"merchant_key": token}))

    def test_malformed_headers(self):
        right = wp3_authorization(owner, self.body, timestamp=str(NOW_S))
        scheme, identity, timestamp, digest = right.split()
        for wrong in (f"{scheme}  {identity} {timestamp} {digest}", f"{identity} {timestamp} {digest}", scheme,
                      f"{right} more", f"{scheme},{identity},{timestamp},{digest}", f"Basic {digest}", ""):
            self.unauthorized(self.with_authorization(wrong))

    def test_two_authorizations_even_if_both_are_right(self):
        right = wp3_authorization(owner, self.body, timestamp=str(NOW_S))
        reply = send({"Authorization": right, "authorization": right, "Content-Type": "application/json"}, self.body)
        self.assertEqual((reply.status, reply.media_type), (400, "application/problem+json"))

    def test_the_same_request_may_be_sent_again(self):
        headers = headers_for(self.body)
        self.assertEqual([send(headers, self.body).status for _ in range(2)], [200, 200])


class OrderOfChecks(Case):
    body = encode(CARD)
    stranger = {"Authorization": "WP3-v2.1 nobody 1 0"}

    def test_the_method_comes_before_the_credential(self):
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            reply = send({}, method=method)
            self.refused(reply, 405, "Method not allowed")
            self.assertEqual(reply.headers["Allow"], "POST", method)
        self.assertEqual(send({}, method="HEAD").status, 405)

    def test_a_path_comes_before_the_method(self):
        for path in ("/v2/token", "/v2/tokens/", "/v2/tokens/x", "/v2/Tokens", "/v2/", "/v2//tokens", "/v2/./tokens"):
            self.refused(send({}, method="GET", target=path), 404, "No such resource")
        self.assertNotIn("Allow", send({}, target="/v2/token").headers)

    def test_the_size_comes_before_the_credential(self):
        self.refused(send(self.stranger, b" " * 65537), 413, "Body is too large")

    def test_the_credential_comes_before_the_media_type_and_the_JSON(self):
        self.unauthorized(send(self.stranger | {"Content-Type": "text/plain"}, b"{"))
        self.unauthorized(send(self.stranger | {"Content-Type": "application/json"}, b"{"))

    def test_the_permission_comes_before_the_media_type(self):
        reader = appliance.card("demo-reader")
        headers = card_headers(reader, b"{", timestamp=str(NOW_S))
        self.refused(send(headers | {"Content-Type": "text/plain"}, b"{"), 403, "This client may not tokenize")

    def test_the_media_type_comes_before_the_JSON(self):
        for wrong in ("text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
                      "application/jsonp", "application/vnd.api+json", ""):
            with self.subTest(media_type=wrong):
                reply = send(headers_for(b"{") | {"Content-Type": wrong}, b"{")
                self.refused(reply, 415, "Content-Type must be application/json")
        headers = headers_for(self.body)
        del headers["Content-Type"]
        self.refused(send(headers, self.body), 415, "Content-Type must be application/json")

    def test_the_number_comes_before_the_expiry(self):
        self.invalid(card_body("1", "1"), "card.pan must be 12 to 19 digits")


class InOtherTimes(unittest.TestCase):
    """The same appliance, other moments."""

    def tearDown(self):
        clock.set(NOW_S)

    def post_at(self, second, body):
        clock.set(second)
        return post(body, timestamp=second)

    def test_the_sources_own_request_is_answered_in_its_own_time(self):
        reply = self.post_at(1780272000, SEED_REQUEST)  # 2026-06-01
        self.assertEqual(reply.status, 200)
        self.assertEqual(list(reply.json()), ["token", "status", "card"])
        self.assertEqual(list(reply.json()["card"]), ["keep_until", "masked_pan", "expiration_date"])
        self.assertEqual(reply.json()["card"], {"keep_until": "2028-03-01T00:00:00Z",
                                                "masked_pan": "424242****4242", "expiration_date": "2802"})
        self.assertTrue(re.fullmatch("[0-9a-f]{48}", reply.json()["token"]))

    def test_a_card_dies_with_the_last_second_of_its_month(self):
        self.assertEqual(self.post_at(1835481599, SEED_REQUEST).status, 200)  # 2028-02-29T23:59:59Z
        reply = self.post_at(1835481600, SEED_REQUEST)
        self.assertEqual((reply.status, reply.json()["message"]), (400, "card.expiration_date is in the past"))

    def test_three_characters_are_padded_with_a_zero(self):
        short, long = (self.post_at(1230768000, card_body(expiration_date=text)) for text in ("906", "0906"))  # 2009-01-01
        self.assertEqual(short.status, 200)
        self.assertEqual(short.json()["card"]["expiration_date"], "0906")
        self.assertEqual(short.json()["card"]["keep_until"], "2009-07-01T00:00:00Z")
        self.assertEqual(short.json(), long.json())


if __name__ == "__main__":
    unittest.main()
