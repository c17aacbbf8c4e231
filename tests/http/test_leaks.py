# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""After a run of requests that succeed and fail, nothing of cards, tokens, PIN or credentials may be left
where it does not belong: log, audit, metrics, configuration, command line, environment, memory.

What client secrets are computed from is in memory by design; the secrets as callers spell them, cards, tokens
and the PIN are not, once their request is over.
"""

import re
import unittest
from pathlib import Path

import client
import memory
from appliance import THREAD_SANITIZER, Appliance
from client import card_body, encode, post_card, request_bytes, with_check_digit

PLANTED = "planted-reference-8d41c0"


def setUpModule():
    global appliance, needles, secrets
    appliance = Appliance().set_up()
    appliance.configure()
    for name in ("demo-cards", "demo-app", "demo-writer", "other-app", "demo-gifts"):
        appliance.credential(name)
    secrets = {"merchant key": appliance.card("demo-cards")["merchant_key"], "token of demo-app": appliance.token("demo-app"),
               "token of demo-writer": appliance.token("demo-writer"), "token of other-app": appliance.token("other-app"),
               "password": appliance.credential("demo-gifts")["giftcard"]["password"]}
    appliance.start()
    needles = run_requests()
    needles["PIN"] = appliance.pin
    needles["SO PIN"] = appliance.text("so-pin")


def tearDownModule():
    appliance.finish()


def second_halves(wanted: dict[str, str]) -> dict[str, bytes]:
    """What is freed without being wiped loses its first bytes to the allocator."""
    return {name: text[len(text) // 2:].encode() for name, text in wanted.items()}


class Suite:
    """Cards that no other test uses, so that a find tells which request left it."""

    def __init__(self):
        self.number = 0
        self.needles = {}

    def pan(self, why):
        self.number += 1
        pan = with_check_digit("5%014d" % (73190462815735 + 7919 * self.number))
        self.needles[f"PAN {why}"] = pan
        return pan

    def keep(self, why, reply):
        """The tokens of a reply."""
        for i, token in enumerate(re.findall(rb'"(?:token|encoded_value)":"([0-9a-f]{12,48})"', reply.body)):
            self.needles[f"token {i} of {why}"] = token.decode()
        return reply


def run_requests() -> dict[str, str]:
    suite = Suite()
    cards, app, main = appliance.card("demo-cards"), appliance.token("demo-app"), appliance.main

    def card(why, pan=None, **more):
        return suite.keep(why, post_card(main, cards, card_body(pan or suite.pan(why), **more)))

    def value(why, operation, role, body, token=app):
        return suite.keep(why, client.vault(main, token, operation, role, body))

    card("card token")
    card("card token with metadata", metadata={"note": suite.pan("in metadata")})
    card("expired", expiration_date="0101")
    card("wrong Luhn", suite.pan("wrong Luhn")[:-1] + "x")
    post_card(main, cards, {"type": "card", "card": {"pan": suite.pan("no expiry")}})
    post_card(main, cards, b'{"type":"card","card":{"pan":"%s"' % suite.pan("cut JSON").encode())
    post_card(main, cards, encode(suite.pan("as the body")))
    post_card(main, cards, {suite.pan("as a name"): 1})
    post_card(main, cards | {"merchant_key": "0" * 64}, card_body(suite.pan("wrong credential")))
    main.request("GET", "/v2/tokens/" + suite.pan("in a path"))
    main.request("GET", "/livez?pan=" + suite.pan("in a query"))
    main.request("GET", "/livez", {"X-Note": suite.pan("in a header")})
    main.request("POST", "/v1/transform/encode/" + suite.pan("as a role"), {"X-Vault-Token": app}, b"{}")
    main.request("POST", "/v1/transform/encode/pan", {"X-Vault-Token": suite.pan("as a credential")}, b"{}")
    main.raw(b"POST /v2/tokens HTTP/1.1\r\nHost : a\r\n\r\n" + encode(card_body(suite.pan("behind a refused head"))))
    for role in ("pan", "card"):
        made = value(f"encode {role}", "encode", role, {"value": suite.pan(f"encode {role}")})
        token = made.json()["data"]["encoded_value"]
        for operation in ("decode", "validate", "rewrap"):
            value(f"{operation} {role}", operation, role, {"value": token})
        batch = [{"value": suite.pan(f"batch {role} {i}"), "reference": PLANTED} for i in range(40)]
        results = value(f"batch {role}", "encode", role, {"batch_input": batch + [{"value": "x"}]}).json()["data"]["batch_results"]
        value(f"batch decode {role}", "decode", role,
              {"batch_input": [{"value": result.get("encoded_value", "")} for result in results]})
    value("spaced", "encode", "pan", {"value": " ".join(re.findall("....", suite.pan("spaced")))})
    value("refused decode", "decode", "pan", {"value": suite.pan("refused decode")})
    value("forbidden", "decode", "pan", {"value": suite.pan("forbidden")}, appliance.token("demo-writer"))
    value("tweak", "encode", "pan", {"value": suite.pan("tweak"), "tweak": suite.pan("as a tweak")})
    chunked(suite, app)
    kept_alive(suite, cards)
    cut_off(suite, cards)
    return suite.needles


def chunked(suite, app):
    body = encode({"value": suite.pan("in chunks")})
    sent = b"".join(b"%x\r\n%s\r\n" % (1, body[i:i + 1]) for i in range(len(body))) + b"0\r\n\r\n"
    headers = {"X-Vault-Token": app, "Transfer-Encoding": "chunked"}
    suite.keep("chunks", appliance.main.request("POST", "/v1/transform/encode/pan", headers, sent))


def kept_alive(suite, cards):
    with appliance.main.connect() as connection:
        for i in range(3):
            body = encode(card_body(suite.pan(f"kept alive {i}")))
            connection.sendall(request_bytes("POST", client.CARD_PATH, client.card_headers(cards, body), body))
            suite.keep(f"kept alive {i}", client.read_reply(connection))


def cut_off(suite, cards):
    """A client that goes away before its body is whole, and is gone when this returns."""
    body = encode(card_body(suite.pan("cut off")))
    before = appliance.metric('symbolon_http_requests_total{class="4xx"}')
    with appliance.main.connect() as connection:
        headers = client.card_headers(cards, body) | {"Content-Length": str(len(body) + 50)}
        connection.sendall(request_bytes("POST", client.CARD_PATH, headers, body))
    while appliance.metric('symbolon_http_requests_total{class="4xx"}') == before:
        pass


class Leaks(unittest.TestCase):
    def forbidden(self):
        return {name: text.encode() for name, text in {**needles, **secrets}.items()}

    def assert_clean(self, where, data):
        self.assertEqual(memory.find_in(data, self.forbidden()), {}, where)

    def test_the_run_was_one(self):
        """Enough was asked for the other tests to mean something."""
        self.assertGreater(len(needles), 150)
        self.assertGreater(len(appliance.audit_lines()), 30)
        self.assertIn('"event":"request_failed"', appliance.text("symbolon.log"))

    def test_the_scanner_finds_what_is_there(self):
        self.assertEqual(memory.find_in(b"x" + PLANTED.encode() + b"y", {"planted": PLANTED.encode()}), {"planted": 1})
        with self.assertRaises(AssertionError):
            self.assert_clean("planted", b"..." + next(iter(needles.values())).encode())

    def test_log_audit_metrics_and_configuration(self):
        for name in ("symbolon.log", "audit.log", "symbolon.conf"):
            data = appliance.path(name).read_bytes()
            self.assertGreater(len(data), 0)
            self.assert_clean(name, data)
        self.assert_clean("metrics", appliance.metrics().encode())

    def test_parts_of_card_numbers_are_not_logged_either(self):
        """Not the first six with the last four, not the middle: nine digits of a card in a row are too many."""
        logged = appliance.text("symbolon.log") + appliance.text("audit.log")
        for name, text in needles.items():
            if name.startswith("PAN"):
                self.assertNotIn(text[:9], logged, name)
                self.assertNotIn(text[-9:], logged, name)

    def test_every_file_in_the_folder_but_those_that_hold_the_secret(self):
        for path in appliance.folder.rglob("*"):
            if path.is_file() and path.name not in ("pin", "so-pin"):
                self.assert_clean(path, path.read_bytes())

    def test_command_line_and_environment(self):
        for name in ("cmdline", "environ"):
            self.assert_clean(name, Path(f"/proc/{appliance.process.pid}/{name}").read_bytes())

    def test_the_process_allows_no_core_file(self):
        limits = Path(f"/proc/{appliance.process.pid}/limits").read_text()
        self.assertRegex(limits, r"(?m)^Max core file size +0 +0 ")

    def test_the_token_of_the_HSM_holds_no_card(self):
        for path in appliance.path("tokens").rglob("*"):
            if path.is_file():
                self.assert_clean(path, path.read_bytes())


@unittest.skipIf(THREAD_SANITIZER, "most of the memory is the sanitizer's; other builds are searched")
class Memory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """One walk through the memory for all needles."""
        cls.found = cls.find(needles | {f"secret {name}": text for name, text in secrets.items()})

    @staticmethod
    def find(wanted):
        try:
            return memory.find_in_process(appliance.process.pid, second_halves(wanted))
        except PermissionError:
            raise unittest.SkipTest("reading the memory of another process takes root") from None

    def starting_with(self, *kinds):
        return [line for line in self.found if line.startswith(kinds)]

    def test_the_scanner_finds_what_is_there(self):
        """A body is in memory while its request lasts."""
        pan = with_check_digit("510088112233445")
        body = encode(card_body(pan))
        with appliance.main.connect() as connection:
            headers = client.card_headers(appliance.card("demo-cards"), body) | {"Content-Length": str(len(body))}
            connection.sendall(request_bytes("POST", client.CARD_PATH, headers, body[:-1]))
            while appliance.metric("symbolon_requests_in_flight") < 2:
                pass
            self.assertTrue(self.find({"PAN in flight": pan}))
            connection.sendall(body[-1:])
            self.assertEqual(client.read_reply(connection).status, 200)

    def test_no_PIN_stays(self):
        self.assertEqual(self.starting_with("PIN", "SO PIN"), [])

    def test_no_credential_stays_as_it_is_spelled(self):
        """The appliance keeps 32 bytes a client, in locked memory; what callers sent is wiped like a card."""
        self.assertEqual(self.starting_with("secret"), [])

    def test_no_card_number_stays_when_its_request_is_over(self):
        self.assertEqual(self.starting_with("PAN"), [])

    def test_no_token_stays_when_its_request_is_over(self):
        self.assertEqual(self.starting_with("token"), [])


@unittest.skipIf(THREAD_SANITIZER, "most of the memory is the sanitizer's; other builds are searched")
class FirstRequest(unittest.TestCase):
    def test_what_comes_with_a_head_that_cannot_be_parsed_is_wiped_even_by_a_worker_that_never_had_another(self):
        fresh = appliance.clone()
        self.addCleanup(fresh.remove)
        fresh.start()
        wanted = {}
        for i in range(10):
            pan = with_check_digit("5%014d" % (60011122233344 + 7919 * i))
            wanted[f"PAN {i}"] = pan
            head = b"POST /v2/tokens HTTP/1.1\r\nHost a\r\nContent-Length: 200\r\n\r\n"
            self.assertIn(b"HTTP/1.1 400 ", fresh.main.raw(head + encode(card_body(pan))))
        try:
            found = memory.find_in_process(fresh.process.pid, second_halves(wanted))
        except PermissionError:
            self.skipTest("reading the memory of another process takes root")
        self.assertEqual(found, [])
        self.assertEqual(fresh.stop(), 0)


if __name__ == "__main__":
    unittest.main()
