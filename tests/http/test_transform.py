# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The transform API over HTTPS: values and batches, what is refused, and what is told about itself.

Tokens of generation 1 were made before the appliance was restarted with generation 2 as the current one.
Its clock stands still in January 2030.
"""

import base64
import json
import random
import unittest

import client
from appliance import TWO_GENERATIONS, Appliance, Clock
from client import card_body, encode, luhn_sum, post_card, with_check_digit

PAN = "4111111111111111"
NOT_OPENED = "value is not a token that can be opened"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
NOW_S = 1893553445  # 2030-01-02T03:04:05Z
old = {}  # tokens of generation 1


def setUpModule():
    global appliance, app, writer, clock
    appliance = Appliance().set_up()
    appliance.configure()
    app, writer = appliance.token("demo-app"), appliance.token("demo-writer")
    for name in ("demo-cards", "demo-cards-2", "other-cards"):
        appliance.card(name)
    for name in ("other-app", "demo-roleless", "demo-reader"):
        appliance.token(name)
    appliance.credential("demo-operator")
    clock = Clock(appliance, NOW_S)
    appliance.start()
    old["pan"] = value_of(ask("encode", "pan", {"value": PAN}))
    old["card"] = value_of(ask("encode", "card", {"value": PAN, "metadata": {"expiration_date": "6802"}}))
    old["soon"] = value_of(ask("encode", "card", {"value": PAN, "metadata": {"expiration_date": "3001"}}))
    appliance.generate(1, "fpe", generation=2)
    appliance.keys = TWO_GENERATIONS
    assert appliance.restart() == 0


def tearDownModule():
    appliance.finish()


def ask(operation, role, body, token=None, method="POST"):
    return client.vault(appliance.main, token or app, operation, role, body, method)


def batch(operation, role, items, token=None):
    return ask(operation, role, {"batch_input": items}, token)


def value_of(reply):
    data = reply.json()["data"]
    return data["encoded_value"] if "encoded_value" in data else data["decoded_value"]


def results_of(reply):
    return reply.json()["data"]["batch_results"]


def pan_of(number, length=16):
    return with_check_digit(("4%014d" % number).ljust(18, "7")[:length - 1])


class Case(unittest.TestCase):
    def data(self, reply):
        """The data of a 200, whose envelope is exactly what clients of the wire format know."""
        self.assertEqual(reply.status, 200, reply.body[:300])
        self.assertEqual(reply.media_type, "application/json")
        text = reply.body.decode()
        head = (rf'^\{{"request_id":"{UUID}","lease_id":"","renewable":false,"lease_duration":0,"data":')
        self.assertRegex(text, head)
        self.assertTrue(text.endswith(',"wrap_info":null,"warnings":null,"auth":null}'), text[-100:])
        self.assertEqual(reply.json()["request_id"], reply.headers["X-Request-Id"])
        return reply.json()["data"]

    def refused(self, reply, status, *errors):
        self.assertEqual(reply.body.decode(), json.dumps({"errors": list(errors)}, separators=(",", ":")))
        self.assertEqual(reply.status, status)
        self.assertEqual(reply.media_type, "application/json")
        self.assertRegex(reply.headers["X-Request-Id"], f"^{UUID}$")


class PanTokens(Case):
    def test_a_token_keeps_its_length_fails_Luhn_and_opens(self):
        for length in range(12, 20):
            pan = pan_of(length, length)
            data = self.data(ask("encode", "pan", {"value": pan}))
            self.assertEqual(list(data), ["encoded_value"])
            token = data["encoded_value"]
            self.assertRegex(token, f"^[0-9]{{{length}}}$")
            self.assertEqual(luhn_sum(token), 2, "names its generation")
            self.assertNotEqual(token[:-1], pan[:-1])
            self.assertEqual(self.data(ask("decode", "pan", {"value": token})), {"decoded_value": pan})
            self.assertEqual(self.data(ask("validate", "pan", {"value": token})), {"valid": True})

    def test_separators_stay_where_they_are_and_change_nothing(self):
        plain = value_of(ask("encode", "pan", {"value": PAN}))
        for pattern in ("{} {} {} {}", "{}-{}-{}-{}", "{}- {}{} {}-", " {}{}{}{}"):
            spelled = pattern.format(*(PAN[i:i + 4] for i in range(0, 16, 4)))
            token = value_of(ask("encode", "pan", {"value": spelled}))
            self.assertEqual(token, pattern.format(*(plain[i:i + 4] for i in range(0, 16, 4))))
            self.assertEqual(value_of(ask("decode", "pan", {"value": token})), spelled)

    def test_one_number_gives_one_token_in_a_tenant_and_another_in_the_other(self):
        tokens = [value_of(ask("encode", "pan", {"value": PAN})) for _ in range(3)]
        self.assertEqual(len(set(tokens)), 1)
        self.assertNotEqual(tokens[0][:-1], value_of(ask("encode", "pan", {"value": PAN}, appliance.token("other-app")))[:-1])

    def test_the_token_of_another_tenant_never_opens_to_its_number(self):
        foreign = value_of(ask("encode", "pan", {"value": PAN}, appliance.token("other-app")))
        reply = ask("decode", "pan", {"value": foreign})
        self.assertNotIn(PAN, reply.body.decode())

    def test_numbers_that_are_no_card_numbers(self):
        for value, error in (("4111111111111112", "fails the Luhn check"), ("41111111111", "must hold 12 to 19 digits"),
                             (with_check_digit("4" * 19), "must hold 12 to 19 digits"), ("", "must hold 12 to 19 digits"),
                             ("   - ", "must hold 12 to 19 digits"),
                             ("4111x11111111111", "may hold only digits, spaces and hyphens"),
                             ("4111.1111.1111.1111", "may hold only digits, spaces and hyphens"),
                             ("-4111111111111111\n", "may hold only digits, spaces and hyphens"),
                             ("\u0664111111111111111", "may hold only digits, spaces and hyphens")):
            with self.subTest(value=value):
                self.refused(ask("encode", "pan", {"value": value}), 400, "value " + error)

    def test_a_card_number_is_no_token(self):
        self.refused(ask("decode", "pan", {"value": PAN}), 400, NOT_OPENED)
        self.refused(ask("rewrap", "pan", {"value": PAN}), 400, NOT_OPENED)
        self.assertEqual(self.data(ask("validate", "pan", {"value": PAN})), {"valid": False})

    def test_a_token_of_a_generation_that_is_not_live_does_not_open(self):
        token = value_of(ask("encode", "pan", {"value": PAN}))
        for last in "0123456789":
            value = token[:-1] + last
            reply = ask("decode", "pan", {"value": value})
            if luhn_sum(value) in (1, 2):
                self.assertEqual(reply.status, 200)
            else:
                self.refused(reply, 400, NOT_OPENED)


class Tweaks(Case):
    tweak = base64.b64encode(b"7 bytes").decode()

    def test_a_supplied_tweak_is_needed_again(self):
        token = value_of(ask("encode", "supplied", {"value": PAN, "tweak": self.tweak}))
        self.assertEqual(value_of(ask("decode", "supplied", {"value": token, "tweak": self.tweak})), PAN)
        other = base64.b64encode(b"7 BYTES").decode()
        self.assertNotEqual(value_of(ask("encode", "supplied", {"value": PAN, "tweak": other})), token)
        self.assertNotIn(PAN, ask("decode", "supplied", {"value": token, "tweak": other}).body.decode())

    def test_a_generated_tweak_comes_back_and_is_never_the_same(self):
        first, second = (self.data(ask("encode", "generated", {"value": PAN})) for _ in range(2))
        self.assertEqual(list(first), ["encoded_value", "tweak"])
        self.assertEqual(len(base64.b64decode(first["tweak"], validate=True)), 7)
        self.assertNotEqual(first["tweak"], second["tweak"])
        self.assertNotEqual(first["encoded_value"], second["encoded_value"])
        body = {"value": first["encoded_value"], "tweak": first["tweak"]}
        self.assertEqual(self.data(ask("decode", "generated", body)), {"decoded_value": PAN})

    def test_tweaks_that_do_not_fit(self):
        missing = "value needs a tweak"
        malformed = "value has a tweak that is not 7 bytes in base64"
        unwanted = "value comes with a tweak that this transformation does not take"
        for operation, role, tweak, error in (
                ("encode", "supplied", None, missing), ("encode", "supplied", "", missing),
                ("encode", "supplied", "AAAA", malformed), ("encode", "supplied", "AAAAAAAAAAAA", malformed),
                ("encode", "supplied", "!!!!!!!!!!==", malformed), ("encode", "supplied", 7, "value has a tweak that is not a string"),
                ("decode", "generated", None, missing), ("encode", "generated", self.tweak, unwanted),
                ("encode", "pan", self.tweak, unwanted), ("decode", "pan", self.tweak, unwanted)):
            with self.subTest(operation=operation, role=role, tweak=tweak):
                value = PAN if operation == "encode" else old["pan"]
                self.refused(ask(operation, role, {"value": value, "tweak": tweak}), 400, error)


class CardTokens(Case):
    def test_the_token_is_that_of_the_card_API(self):
        posted = post_card(appliance.main, appliance.card("demo-cards"), card_body(PAN, "6802"), timestamp=str(NOW_S))
        data = self.data(ask("encode", "card", {"value": PAN, "metadata": {"expiration_date": "6802"}}))
        self.assertEqual(data, {"encoded_value": posted.json()["token"]})

    def test_a_token_opens_to_its_number_and_expiry(self):
        posted = post_card(appliance.main, appliance.card("demo-cards"), card_body(PAN, "6802"), timestamp=str(NOW_S))
        data = self.data(ask("decode", "card", {"value": posted.json()["token"]}))
        self.assertEqual(data, {"decoded_value": PAN, "metadata": {"expiration_date": "6802"},
                                "expiration_time": "2068-03-01T00:00:00Z"})

    def test_a_token_without_expiry_opens_without(self):
        token = value_of(ask("encode", "card", {"value": PAN}))
        self.assertRegex(token, "^[0-9a-f]{48}$")
        self.assertEqual(self.data(ask("decode", "card", {"value": token})), {"decoded_value": PAN})

    def test_numbers_of_every_length_come_back_with_their_zeros(self):
        for length in range(12, 20):
            pan = with_check_digit("0" * (length - 2) + "7")
            token = value_of(ask("encode", "card", {"value": pan}))
            self.assertEqual(value_of(ask("decode", "card", {"value": token})), pan)

    def test_one_flipped_digit_anywhere_is_refused(self):
        token = value_of(ask("encode", "card", {"value": PAN, "metadata": {"expiration_date": "6802"}}))
        flips = [token[:i] + "%x" % (int(token[i], 16) ^ (1 << i % 4)) + token[i + 1:] for i in range(48)]
        results = results_of(batch("decode", "card", [{"value": flip} for flip in flips]))
        self.assertEqual(results, [{"error": NOT_OPENED}] * 48)

    def test_everything_that_is_no_token_is_refused_in_the_same_words(self):
        token = value_of(ask("encode", "card", {"value": PAN}))
        foreign = value_of(ask("encode", "card", {"value": PAN}, appliance.token("other-app")))
        of_second_client = value_of(ask("encode", "card-2", {"value": PAN}))
        self.assertEqual(value_of(ask("decode", "card-2", {"value": of_second_client})), PAN)
        for value in (foreign, of_second_client, token.upper(), token[:-1], token + "0", " " + token, "", "0" * 48,
                      "f" * 48, "g" * 48, "%048x" % random.getrandbits(192), PAN, old["pan"], "x" * 100000):
            with self.subTest(value=value[:60]):
                self.refused(ask("decode", "card", {"value": value}), 400, NOT_OPENED)
                self.refused(ask("rewrap", "card", {"value": value}), 400, NOT_OPENED)
                self.assertEqual(self.data(ask("validate", "card", {"value": value})), {"valid": False})

    def test_expiries_that_are_refused(self):
        for expiry, error in (("2912", "has an expiration_date in the past"), ("0001", "has an expiration_date in the past"),
                              ("6813", "has an expiration_date that is not YYMM"), ("6800", "has an expiration_date that is not YYMM"),
                              ("x", "has an expiration_date that is not YYMM"), ("02/68", "has an expiration_date that is not YYMM"),
                              (6802, "has an expiration_date that is not a string")):
            with self.subTest(expiry=expiry):
                body = {"value": PAN, "metadata": {"expiration_date": expiry}}
                self.refused(ask("encode", "card", body), 400, "value " + error)

    def test_other_bad_input(self):
        for body, error in (({"value": "4111111111111112"}, "fails the Luhn check"), ({"value": "4111 1111 1111 1111"}, "must be 12 to 19 digits"),
                            ({"value": PAN, "metadata": "x"}, "has metadata that is not an object"),
                            ({"value": PAN, "ttl": "1h"}, "comes with a ttl, which a computed token cannot carry")):
            with self.subTest(body=body):
                self.refused(ask("encode", "card", body), 400, "value " + error)


class Rewrap(Case):
    def test_old_tokens_still_open(self):
        self.assertEqual(luhn_sum(old["pan"]), 1)
        self.assertEqual(value_of(ask("decode", "pan", {"value": old["pan"]})), PAN)
        self.assertEqual(value_of(ask("decode", "card", {"value": old["card"]})), PAN)

    def test_a_token_moves_to_the_current_generation_and_opens_to_the_same(self):
        for role, metadata in (("pan", {}), ("card", {"metadata": {"expiration_date": "6802"}})):
            reply = ask("rewrap", role, {"value": old[role]})
            data = self.data(reply)
            self.assertEqual(list(data), ["encoded_value"])
            self.assertNotEqual(data["encoded_value"], old[role])
            self.assertEqual(data["encoded_value"], value_of(ask("encode", role, {"value": PAN, **metadata})))
            opened = self.data(ask("decode", role, {"value": data["encoded_value"]}))
            self.assertEqual(opened, self.data(ask("decode", role, {"value": old[role]})))

    def test_a_current_token_stays_as_it_is(self):
        for role in ("pan", "card"):
            token = value_of(ask("rewrap", role, {"value": old[role]}))
            self.assertEqual(value_of(ask("rewrap", role, {"value": token})), token)

    def test_the_clear_value_never_leaves(self):
        for role in ("pan", "card"):
            reply = ask("rewrap", role, {"value": old[role]}, writer)
            self.assertEqual(reply.status, 200)
            self.assertNotIn(PAN, reply.body.decode())

    def test_a_generated_tweak_is_renewed(self):
        made = self.data(ask("encode", "generated", {"value": PAN}))
        renewed = self.data(ask("rewrap", "generated", {"value": made["encoded_value"], "tweak": made["tweak"]}))
        self.assertNotEqual(renewed["tweak"], made["tweak"])
        body = {"value": renewed["encoded_value"], "tweak": renewed["tweak"]}
        self.assertEqual(value_of(ask("decode", "generated", body)), PAN)

    def test_a_batch_with_a_bad_one(self):
        items = [{"value": old["card"], "reference": "a"}, {"value": "0" * 48, "reference": "b"}, {"value": old["card"]}]
        results = results_of(batch("rewrap", "card", items))
        self.assertEqual(results[1], {"error": NOT_OPENED, "reference": "b"})
        self.assertEqual(results[0]["encoded_value"], results[2]["encoded_value"])
        self.assertEqual(results[0]["reference"], "a")


class Batches(Case):
    def test_one_bad_item_among_a_thousand_fails_alone(self):
        pans = [pan_of(i) for i in range(1000)]
        items = [{"value": pan} for pan in pans]
        items[617] = {"value": "4111111111111112"}
        results = self.data(batch("encode", "pan", items))["batch_results"]
        self.assertEqual(results[617], {"error": "value fails the Luhn check"})
        self.assertEqual([list(result) for result in results].count(["encoded_value"]), 999)
        opened = results_of(batch("decode", "pan", [{"value": r.get("encoded_value", "")} for r in results]))
        for i, result in enumerate(opened):
            if i != 617:
                self.assertEqual(result, {"decoded_value": pans[i]})

    def test_every_kind_of_bad_item_fails_alone_and_keeps_its_place_and_reference(self):
        bad = [(1, "must come in an object"), (None, "must come in an object"), ([], "must come in an object"), ({}, "is required"),
               ({"value": 4111111111111111}, "must be a string"), ({"value": None}, "must be a string"),
               ({"value": "x", "reference": "r"}, "may hold only digits, spaces and hyphens"),
               ({"value": PAN, "ttl": 5}, "comes with a ttl, which a computed token cannot carry"),
               ({"value": PAN, "transformation": "nope"}, "names a transformation that the role does not have"),
               ({"value": PAN, "transformation": 1}, "names a transformation that is not a string"),
               ({"value": PAN, "reference": 1}, "has a reference that is not a string")]
        items = [item for row, _ in bad for item in (row, {"value": PAN})]
        results = results_of(batch("encode", "pan", items))
        self.assertEqual(len(results), len(items))
        token = value_of(ask("encode", "pan", {"value": PAN}))
        for i, (row, error) in enumerate(bad):
            expected = {"error": "value " + error}
            if isinstance(row, dict) and isinstance(row.get("reference"), str):
                expected["reference"] = row["reference"]
            self.assertEqual(results[2 * i], expected)
            self.assertEqual(results[2 * i + 1], {"encoded_value": token})

    def test_an_item_is_the_same_however_its_JSON_is_spelled(self):
        token = value_of(ask("encode", "card", {"value": PAN, "metadata": {"expiration_date": "6802"}}))
        spellings = [
            '{"value":"4111111111111111","metadata":{"expiration_date":"6802"}}',
            ' {\n "metadata" : { "expiration_date" : "6802" } ,\t"value" : "4111111111111111" } ',
            '{"value":"\\u0034111111111\\u003111111","metadata":{"expiration_date":"6802"}}',
            '{"v\\u0061lue":"4111111111111111","metadata":{"expiration_d\\u0061te":"6802"}}',
            '{"value":"4111111111111111","metadata":{"expiration_date":"68\\u00302","other":1}}',
            '{"value":"4111111111111111","tweak":null,"ttl":null,"metadata":{"expiration_date":"6802"}}',
            '{"values":["x",{"value":1}],"\\"value":"x","value":"4111111111111111","metadata":{"expiration_date":"6802"}}',
            '{"x":"}],{\\"value\\":1","value":"4111111111111111","metadata":{"expiration_date":"6802","y":[]}}',
        ]
        body = '{"batch\\u005finput":[' + ",".join(spellings * 200) + '],"reference":"x"}'
        results = results_of(ask("encode", "card", body.encode()))
        self.assertEqual(len(results), len(spellings) * 200)
        for i, result in enumerate(results):
            self.assertEqual(result, {"encoded_value": token}, spellings[i % len(spellings)])
        for spelling in spellings:
            self.assertEqual(value_of(ask("encode", "card", spelling.encode())), token, spelling)

    def test_several_slices_of_mixed_lengths_and_separators_in_input_order(self):
        values = []
        for i in range(2500):
            pan = pan_of(i, 12 + i % 8)
            values.append(pan if i % 3 else "-".join((pan[:4], pan[4:9], pan[9:])))
        tokens = [r["encoded_value"] for r in results_of(batch("encode", "pan", [{"value": v} for v in values]))]
        for i, (value, token) in enumerate(zip(values, tokens, strict=True)):
            self.assertEqual([c == "-" for c in token], [c == "-" for c in value], i)
        for i in (0, 1, 1022, 1023, 1024, 1025, 2047, 2048, 2499):
            self.assertEqual(tokens[i], value_of(ask("encode", "pan", {"value": values[i]})), i)
        opened = results_of(batch("decode", "pan", [{"value": token} for token in tokens]))
        self.assertEqual([r["decoded_value"] for r in opened], values)

    def test_several_slices_of_card_tokens(self):
        items = [{"value": pan_of(i), "metadata": {"expiration_date": "68%02d" % (1 + i % 12)}} for i in range(2100)]
        tokens = [r["encoded_value"] for r in results_of(batch("encode", "card", items))]
        opened = results_of(batch("decode", "card", [{"value": token} for token in tokens]))
        for item, result in zip(items, opened, strict=True):
            self.assertEqual((result["decoded_value"], result["metadata"]), (item["value"], item["metadata"]))

    def test_generations_may_be_mixed(self):
        token = value_of(ask("encode", "pan", {"value": PAN}))
        results = results_of(batch("decode", "pan", [{"value": old["pan"]}, {"value": token}, {"value": PAN}] * 400))
        self.assertEqual(results, [{"decoded_value": PAN}, {"decoded_value": PAN}, {"error": NOT_OPENED}] * 400)

    def test_transformations_may_be_mixed_when_the_role_has_several(self):
        items = [{"value": PAN, "transformation": name} for name in ("creditcard", "card", "creditcard")]
        results = results_of(batch("encode", "several", items + [{"value": PAN}]))
        pan_token, card_token = (value_of(ask("encode", role, {"value": PAN})) for role in ("pan", "card"))
        self.assertEqual([r.get("encoded_value") for r in results[:3]], [pan_token, card_token, pan_token])
        self.assertEqual(results[3], {"error": "value needs a transformation: the role has several"})

    def test_references_come_back_whatever_is_in_them(self):
        references = ["1", "\u00e9\u4e2d\U0001f511", 'quote " backslash \\ slash /', "line\nfeed\ttab\x01", "r" * 5000]
        for operation, value in (("encode", PAN), ("decode", old["pan"]), ("validate", old["pan"]), ("rewrap", "bad")):
            results = results_of(batch(operation, "pan", [{"value": value, "reference": r} for r in references]))
            self.assertEqual([r["reference"] for r in results], references)
        self.assertEqual(self.data(ask("encode", "pan", {"value": PAN, "reference": "one"}))["reference"], "one")

    def test_a_hundred_thousand_items_fill_the_body_and_come_back_in_order(self):
        pans = [pan_of(i) for i in range(100000)]
        items = b",".join(b'{"value":"%s","reference":"%08d"}' % (pan.encode(), i) for i, pan in enumerate(pans))
        body = b'{"batch_input":[' + items + b"]}"
        body += b" " * (8388608 - len(body))
        reply = ask("encode", "pan", body)
        results = self.data(reply)["batch_results"]
        self.assertEqual([int(r["reference"]) for r in results], list(range(100000)))
        self.assertEqual(len({r["encoded_value"] for r in results}), 100000)
        sample = random.Random(7).sample(range(100000), 1500)
        opened = results_of(batch("decode", "pan", [{"value": results[i]["encoded_value"]} for i in sample]))
        self.assertEqual([r["decoded_value"] for r in opened], [pans[i] for i in sample])

    def test_one_byte_more_than_the_limit_is_413(self):
        with appliance.main.connect() as connection:
            headers = {"X-Vault-Token": app, "Content-Length": "8388609"}
            connection.sendall(client.request_bytes("POST", "/v1/transform/encode/pan", headers, b""))
            reply = client.read_reply(connection)
        self.refused(reply, 413, "request body is too large")


class BadBodies(Case):
    def test_what_is_no_request(self):
        for body, error in (([], "request body must be a JSON object"), ("x", "request body must be a JSON object"),
                            ({}, "value is required"), ({"value": 1}, "value must be a string"),
                            ({"batch_input": []}, "batch_input must be an array of one item or more"),
                            ({"batch_input": {}}, "batch_input must be an array of one item or more"),
                            ({"batch_input": None}, "batch_input must be an array of one item or more")):
            for operation in ("encode", "decode", "validate", "rewrap"):
                with self.subTest(body=body, operation=operation):
                    self.refused(ask(operation, "pan", body), 400, error)

    def test_what_is_no_JSON(self):
        for body, what in ((b'{"value":"%s"' % PAN.encode(), "',' or the closing bracket was expected"),
                           (b'{"value":"x"}}', "bytes after the value"), (b'{"value":"1","value":"2"}', "duplicate member"),
                           (b'{"value":"\xff"}', "invalid UTF-8"), (b"[" * 10000, "nested too deeply"),
                           (b'{"value":"\\u0000"}', "U+0000")):
            with self.subTest(body=body[:40]):
                self.refused(ask("encode", "pan", body), 400, "request body is not valid JSON: " + what)
        self.assertEqual(ask("encode", "pan", b"").status, 400)

    def test_no_error_text_repeats_a_value(self):
        for operation, value in (("encode", "5105105105105101"), ("decode", "5105105105105100"), ("encode", "5105x")):
            for body in ({"value": value}, {"batch_input": [{"value": value}]}):
                self.assertNotIn("5105", ask(operation, "pan", body).body.decode())


class Access(Case):
    body = encode({"value": PAN})
    path = "/v1/transform/encode/pan"

    def send(self, headers, method="POST", body=None):
        return appliance.main.request(method, self.path, headers, body or self.body)

    def test_PUT_is_POST(self):
        posted, put = (ask("encode", "pan", {"value": PAN}, method=method) for method in ("POST", "PUT"))
        self.assertEqual(self.data(posted), self.data(put))

    def test_the_token_comes_in_either_header(self):
        expected = value_of(ask("encode", "pan", {"value": PAN}))
        for headers in ({"X-Vault-Token": app}, {"x-vault-token": app}, {"Authorization": f"Bearer {app}"},
                        {"Authorization": f"bearer {app}"}, {"Authorization": f"Bearer {app}", "X-Vault-Token": app}):
            self.assertEqual(value_of(self.send(headers)), expected)

    def test_other_headers_of_these_clients_change_nothing(self):
        expected = value_of(ask("encode", "pan", {"value": PAN}))
        for headers in ({"X-Vault-Namespace": "team/a"}, {"X-Vault-Request": "true"}, {"Content-Type": "text/plain"},
                        {"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": ""}, {"Content-Type": "!"}):
            self.assertEqual(value_of(self.send({"X-Vault-Token": app, **headers})), expected)

    def test_missing_wrong_and_malformed_tokens(self):
        cards = appliance.card("demo-cards")
        wrong = [{}, {"X-Vault-Token": ""}, {"X-Vault-Token": app[:-1]}, {"X-Vault-Token": app + "A"},
                 {"X-Vault-Token": app[:-1] + ("A" if app[-1] != "A" else "B")}, {"X-Vault-Token": app.replace(".13.", ".14.")},
                 {"X-Vault-Token": app.replace(".13.", ".013.")}, {"X-Vault-Token": app.replace(".13.", ".65549.")},
                 {"X-Vault-Token": "sym." + "9" * 40}, {"X-Vault-Token": app.split(".")[2]},
                 {"Authorization": f"Basic {app}"}, {"Authorization": app}, {"Authorization": "Bearer"},
                 {"Authorization": f"Bearer {app}", "X-Vault-Token": writer},
                 {"X-Vault-Token": cards["merchant_key"]},
                 {"X-Vault-Token": appliance.credential("demo-operator")["operations"]["token"]},
                 client.card_headers(cards, self.body, path=self.path)]
        for headers in wrong:
            with self.subTest(headers={name: value[:8] for name, value in headers.items()}):
                self.refused(self.send(headers), 403, "permission denied")

    def test_who_may_only_tokenize_does_not_open(self):
        self.assertEqual(ask("encode", "pan", {"value": PAN}, writer).status, 200)
        for role in ("pan", "card"):
            self.refused(ask("decode", role, {"value": old[role]}, writer), 403, "permission denied")

    def test_a_role_that_is_not_the_clients(self):
        self.refused(ask("encode", "supplied", {"value": PAN}, writer), 403, "permission denied")
        self.refused(ask("encode", "pan", {"value": PAN}, appliance.token("demo-roleless")), 403, "permission denied")
        self.refused(ask("encode", "pan", {"value": PAN}, appliance.token("demo-reader")), 403, "permission denied")

    def test_a_role_that_does_not_exist_here(self):
        for role in ("nope", "PAN", "pan%20", "%70an%00x".replace("%00", "%7e"), "p" * 3000):
            self.refused(ask("encode", role, {"value": PAN}), 404, "no such role")
        self.refused(ask("encode", "supplied", {"value": PAN}, appliance.token("other-app")), 404, "no such role")

    def test_a_role_may_be_percent_encoded(self):
        self.assertEqual(ask("encode", "%70%61n", {"value": PAN}).status, 200)

    def test_other_methods(self):
        for operation in ("encode", "decode", "validate", "rewrap"):
            for method in ("GET", "DELETE", "PATCH"):
                reply = appliance.main.request(method, f"/v1/transform/{operation}/pan", {"X-Vault-Token": app})
                self.refused(reply, 405, "unsupported operation")
                self.assertEqual(reply.headers["Allow"], "POST, PUT")

    def test_paths_that_do_not_exist(self):
        for path in ("/v1/transform/encode", "/v1/transform/encode/", "/v1/transform/encode/pan/x", "/v1/transform/encode/..",
                     "/v1/transform/Encode/pan", "/v1/transform/", "/v1/auth/token/lookup", "/v1/sys/seal"):
            reply = appliance.main.request("POST", path, {"X-Vault-Token": app}, self.body)
            self.refused(reply, 404, "no handler for this path")


class Reads(Case):
    def get(self, path, token=None):
        return self.data(client.vault_get(appliance.main, token or app, path))

    def test_lists_with_and_without_list_true(self):
        for path, ours in (("role", ["pan", "card", "card-2", "supplied", "generated", "several"]),
                           ("transformation", ["creditcard", "card", "card-2", "supplied", "generated"]),
                           ("template", ["builtin/creditcardnumber", "card"]),
                           ("alphabet", ["builtin/numeric"])):
            for query in ("", "?list=true"):
                data = self.get(f"transform/{path}{query}")
                self.assertEqual(list(data), ["keys"])
                self.assertEqual([key for key in ours if key in data["keys"]], ours)
                self.assertEqual(len(data["keys"]), len(set(data["keys"])))
                if path in ("role", "transformation"):
                    self.assertEqual(sorted(data["keys"]), sorted(ours), "what the configuration says and no more")

    def test_a_client_is_told_of_its_own_roles_only(self):
        self.assertEqual(self.get("transform/role", writer)["keys"], ["pan", "card"])
        self.assertEqual(self.get("transform/role", appliance.token("demo-roleless"))["keys"], [])

    def test_definitions(self):
        self.assertEqual(self.get("transform/role/several"), {"transformations": ["creditcard", "card"]})
        self.assertEqual(self.get("transform/transformation/creditcard"),
                         {"type": "fpe", "templates": ["builtin/creditcardnumber"], "tweak_source": "internal",
                          "allowed_roles": ["pan", "several"]})
        self.assertEqual(self.get("transform/transformation/generated")["tweak_source"], "generated")
        self.assertEqual(self.get("transform/transformation/card")["type"], "tokenization")
        self.assertEqual(self.get("transform/template/card")["pattern"], "([0-9a-f]{48})")
        numbers = self.get("transform/template/builtin/creditcardnumber")
        self.assertEqual((numbers["type"], numbers["alphabet"]), ("regex", "builtin/numeric"))
        self.assertEqual(self.get("transform/alphabet/builtin/numeric"), {"alphabet": "0123456789"})

    def test_definitions_that_do_not_exist_here(self):
        for kind in ("role", "transformation", "template", "alphabet"):
            for name in ("nope", "PAN", "x" * 3000):
                reply = client.vault_get(appliance.main, app, f"transform/{kind}/{name}")
                self.refused(reply, 404, "no such " + kind)
        reply = client.vault_get(appliance.main, appliance.token("other-app"), "transform/role/several")
        self.refused(reply, 404, "no such role")

    def test_writes_are_405(self):
        for path in ("role/pan", "role/new", "transformation/creditcard", "template/card", "alphabet/builtin/numeric", "role"):
            for method in ("POST", "PUT", "DELETE"):
                reply = appliance.main.request(method, "/v1/transform/" + path, {"X-Vault-Token": app}, b"{}")
                self.refused(reply, 405, "unsupported operation")
                self.assertEqual(reply.headers["Allow"], "GET, HEAD")

    def test_reads_need_a_token(self):
        for path in ("transform/role", "transform/role/pan", "transform/template/card", "auth/token/lookup-self"):
            self.refused(client.vault_get(appliance.main, "x", path), 403, "permission denied")

    def test_lookup_self_tells_who_and_never_the_token(self):
        reply = client.vault_get(appliance.main, writer, "auth/token/lookup-self")
        data = self.data(reply)
        self.assertEqual((data["display_name"], data["policies"], data["meta"]), ("demo-writer", ["tokenize"], {"tenant": "demo"}))
        self.assertEqual(data["type"], "service")
        self.assertIs(data["renewable"], False)
        self.assertNotIn(writer.split(".")[2], reply.body.decode())
        self.assertEqual(self.get("auth/token/lookup-self")["policies"], ["tokenize", "detokenize"])


class Health(unittest.TestCase):
    def get(self, query=""):
        return appliance.main.request("GET", "/v1/sys/health" + query)

    def test_it_answers_without_a_token(self):
        reply = self.get()
        self.assertEqual((reply.status, reply.media_type), (200, "application/json"))
        health = reply.json()
        self.assertEqual((health["initialized"], health["sealed"], health["standby"]), (True, False, False))
        self.assertEqual(health["server_time_utc"], NOW_S)
        self.assertRegex(health["version"], r"^[0-9]+\.[0-9]+\.[0-9]+$")

    def test_the_status_can_be_chosen_for_the_state_it_is_in(self):
        for query, status in (("?standbyok=true", 200), ("?sealedcode=299", 200), ("?activecode=299", 299),
                              ("?uninitcode=200&sealedcode=200", 200), ("?activecode=20", 200), ("?activecode=2000", 200),
                              ("?activecode=abc", 200), ("?activecode=100", 200), ("?activecode=999", 200)):
            self.assertEqual(self.get(query).status, status, query)

    def test_HEAD_has_no_body(self):
        reply = appliance.main.request("HEAD", "/v1/sys/health")
        self.assertEqual((reply.status, reply.body), (200, b""))


class Later(Case):
    """The clock moves on; the tokens carry their expiry."""

    def tearDown(self):
        clock.set(NOW_S)

    def test_a_card_token_opens_to_the_last_second_of_its_month_and_is_then_as_good_as_made_up(self):
        clock.set(1896134399)  # 2030-01-31T23:59:59Z
        self.assertEqual(value_of(ask("decode", "card", {"value": old["soon"]})), PAN)
        clock.set(1896134400)
        for operation in ("decode", "rewrap"):
            self.refused(ask(operation, "card", {"value": old["soon"]}), 400, NOT_OPENED)
        self.assertEqual(self.data(ask("validate", "card", {"value": old["soon"]})), {"valid": False})
        results = results_of(batch("decode", "card", [{"value": old["soon"]}, {"value": old["card"]}]))
        self.assertEqual(results[0], {"error": NOT_OPENED})
        self.assertEqual(results[1]["decoded_value"], PAN)


if __name__ == "__main__":
    unittest.main()
