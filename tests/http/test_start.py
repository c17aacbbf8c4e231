# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Starting and stopping: what is refused and why, what a stop owes to those it interrupts, and that tokens
outlive the process because nothing of them is stored.

Status 78 (EX_CONFIG) tells a supervisor that trying again is of no use.
"""

import json
import signal
import socket
import time
import unittest

import client
from appliance import EX_CONFIG, SOFTHSM, Appliance, free_port, run
from client import CARD_PATH, card_body, card_headers, encode, post_card, request_bytes

SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"  # writes down every call to the module behind it
EX_UNAVAILABLE, EX_IOERR = 69, 74


def setUpModule():
    global base
    base = Appliance().set_up()


def tearDownModule():
    base.remove()


class Case(unittest.TestCase):
    """Each test has a copy of the slot of its own."""

    def setUp(self):
        self.appliance = base.clone()
        self.addCleanup(self.appliance.remove)
        self.appliance.configure()

    def refused(self, *words, status=EX_CONFIG):
        got, text = self.appliance.start_refused()
        self.assertEqual(got, status, text)
        self.assertNotIn("Sanitizer", text)
        for word in words:
            self.assertIn(word, text)
        return text

    def refused_with(self, old, new, *words, status=EX_CONFIG):
        text = self.appliance.configuration()
        self.assertIn(old, text)
        self.appliance.configure(text.replace(old, new, 1))
        return self.refused(*words, status=status)


class Pin(Case):
    def setUp(self):
        super().setUp()
        self.trace = self.appliance.path("spy.log")
        self.appliance.extra_env = {"PKCS11SPY": SOFTHSM, "PKCS11SPY_OUTPUT": str(self.trace)}
        self.appliance.module = SPY
        self.appliance.configure()
        self.right_pin = self.appliance.pin

    def logins(self):
        return sum(line.endswith(": C_Login") for line in self.trace.read_text().splitlines())

    def test_a_wrong_PIN_is_tried_once_and_never_again_by_itself(self):
        self.appliance.write_secret("pin", "0000")
        text = self.refused("C_Login", "it was tried once and will not be tried again", "--pin-retry")
        self.assertNotIn("0000", text)
        self.assertEqual(self.logins(), 1)
        self.refused("refused before login", "--pin-retry")
        self.assertEqual(self.logins(), 1)
        self.appliance.write_secret("pin", self.right_pin)
        self.refused("refused before login")
        self.assertEqual(self.logins(), 1)
        self.appliance.options = ["--pin-retry"]
        self.appliance.start()
        self.assertEqual(self.appliance.stop(), 0)
        self.assertEqual(self.logins(), 2)
        self.appliance.options = []
        self.appliance.start()
        self.assertEqual(self.appliance.stop(), 0)

    def test_no_command_tries_a_wrong_PIN_twice(self):
        self.appliance.write_secret("pin", "0000")
        self.assertEqual(self.appliance.symbolon("credential", "show", "demo-app", status=None).returncode, EX_CONFIG)
        self.assertEqual(self.logins(), 1)

    def test_a_PIN_that_others_may_read_is_not_used(self):
        self.appliance.path("pin").chmod(0o644)
        self.refused("pin", "mode is 0644")
        self.assertEqual(self.logins(), 0)

    def test_a_PIN_file_that_is_missing_empty_or_a_link(self):
        pin = self.appliance.path("pin")
        self.appliance.write_secret("pin", "")
        self.refused("pin: must hold")
        pin.unlink()
        got, text = self.appliance.start_refused()
        self.assertNotEqual(got, 0)
        self.assertIn("pin: No such file", text)
        self.appliance.write_secret("real-pin", self.right_pin)
        pin.symlink_to(self.appliance.path("real-pin"))
        self.assertNotEqual(self.appliance.start_refused()[0], 0)
        self.assertEqual(self.logins(), 0)


class Slot(Case):
    def test_an_absent_slot(self):
        self.refused_with('token = "symbolon"', 'token = "absent"', 'no token with label "absent"', "symbolon-hsm init")

    def test_a_module_that_is_none(self):
        self.refused_with(SOFTHSM, "/usr/lib/softhsm/none.so", "/usr/lib/softhsm/none.so")
        self.refused_with(SOFTHSM, "/usr/lib/x86_64-linux-gnu/libcrypto.so.3", "/usr/lib/x86_64-linux-gnu/libcrypto.so.3")

    def test_a_serial_number_of_another_token(self):
        self.refused_with('token = "symbolon"', 'token = "symbolon"  serial = "0123456789abcdef"', "0123456789abcdef")

    def test_a_key_that_is_not_there(self):
        self.refused_with('keys 1 { state = "current" }', 'keys 3 { state = "current" }',
                          "key symbolon:1:fpe:3: not in the token", "symbolon-hsm keys generate", "symbolon.conf:12:")


class Keys(unittest.TestCase):
    """A slot whose FF1 key of tenant 1 was made by others."""

    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance()
        cls.addClassCleanup(cls.appliance.remove)
        cls.appliance.init_token()
        cls.appliance.generate(0)
        cls.appliance.generate(1, "mac")
        cls.appliance.generate(2)
        cls.appliance.certify()
        cls.appliance.configure()

    def tool(self, *words):
        run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "symbolon", "--login", "--pin", self.appliance.pin,
            *words, env=self.appliance.env)

    def refused_key(self, attribute, *flags, kind="AES:32"):
        self.tool("--keygen", "--key-type", kind, "--label", "symbolon:1:fpe:1", *flags)
        try:
            status, text = self.appliance.start_refused()
        finally:
            self.tool("--delete-object", "--type", "secrkey", "--label", "symbolon:1:fpe:1")
        self.assertEqual(status, EX_CONFIG, text)
        self.assertRegex(text, rf'^symbolon: .*symbolon\.conf:\d+: key symbolon:1:fpe:1: {attribute}\n$')

    def test_an_extractable_key(self):
        self.refused_key("CKA_EXTRACTABLE is true, must be false", "--private", "--sensitive", "--extractable")

    def test_a_key_with_DECRYPT(self):
        self.refused_key("CKA_DECRYPT is true, must be false", "--private", "--sensitive", "--usage-decrypt")

    def test_a_key_that_is_not_sensitive(self):
        self.refused_key("CKA_SENSITIVE is false, must be true", "--private")

    def test_a_key_that_needs_no_login(self):
        self.refused_key("CKA_PRIVATE is false, must be true", "--sensitive")

    def test_a_key_that_is_too_short(self):
        self.refused_key("CKA_VALUE_LEN is 16, must be 32", "--private", "--sensitive", kind="AES:16")

    def test_two_keys_of_one_name(self):
        self.tool("--keygen", "--key-type", "AES:32", "--label", "symbolon:1:fpe:1", "--private", "--sensitive", "--id", "01")
        self.refused_key("2 objects match, must be exactly one", "--private", "--sensitive", "--id", "02")
        self.tool("--delete-object", "--type", "secrkey", "--label", "symbolon:1:fpe:1")

    def test_check_lists_what_is_wrong(self):
        self.tool("--keygen", "--key-type", "AES:32", "--label", "symbolon:1:fpe:1", "--private", "--sensitive", "--extractable")
        try:
            text = self.appliance.hsm("check", status=1)
        finally:
            self.tool("--delete-object", "--type", "secrkey", "--label", "symbolon:1:fpe:1")
        self.assertRegex(text, r"(?m)^NOT OK +.*symbolon:1:fpe:1.*CKA_EXTRACTABLE")


class CheckValues(Case):
    def pinned(self, label):
        keys = json.loads(self.appliance.hsm("keys", "list", "--json"))["keys"]
        return next(key["check_value"] for key in keys if key["label"] == label)

    def test_a_key_that_is_not_the_pinned_one(self):
        wrong = "%06X" % (int(self.pinned("symbolon:1:fpe:1"), 16) ^ 1)
        self.refused_with('keys 1 { state = "current" }', f'keys 1 {{ state = "current"  check_value = "{wrong}" }}',
                          "symbolon:1:fpe:1", "check value", f"must be {wrong.lower()}", "another key under the same name")

    def test_the_pinned_one(self):
        self.appliance.keys = f'    keys 1 {{ state = "current"  check_value = "{self.pinned("symbolon:1:fpe:1")}" }}'
        self.appliance.start()
        self.assertEqual(self.appliance.stop(), 0)


class Configuration(Case):
    def complaint(self, old, new, line_of, words):
        """The complaint names the file and the line in which `line_of` stands."""
        text = self.appliance.configuration()
        self.assertIn(old, text)
        text = text.replace(old, new, 1)
        self.appliance.configure(text)
        line = text[:text.index(line_of)].count("\n") + 1
        for command in ("serve", "check"):
            done = self.appliance.symbolon(command, status=EX_CONFIG)
            self.assertIn(f"symbolon.conf:{line}: ", done.stderr)
            self.assertIn(words, done.stderr)

    def test_an_unknown_name(self):
        self.complaint("connections = 64", "conections = 64", "conections", "conections")

    def test_a_wrong_type(self):
        self.complaint("connections = 64", 'connections = "many"', "connections", "connections")

    def test_a_number_out_of_range(self):
        self.complaint("connections = 64", "connections = 0", "connections", "connections")

    def test_plain_HTTP_on_an_address_of_the_world(self):
        text = self.appliance.configuration().replace("plain_http = false", "plain_http = true")
        for address in ("0.0.0.0", "192.0.2.1", "[::]"):
            self.appliance.configure(text.replace(f'listen = "127.0.0.1:{self.appliance.port}"',
                                                  f'listen = "{address}:{self.appliance.port}"', 1))
            self.refused("symbolon.conf:", "plain_http", "loopback")

    def test_a_client_with_an_id_that_is_taken(self):
        self.complaint('client "demo-cards-2" { id = 12', 'client "demo-cards-2" { id = 11', 'client "demo-cards-2"', "11")

    def test_a_role_with_a_transformation_that_does_not_exist(self):
        self.complaint('role "pan" { transformations = {"creditcard"}', 'role "pan" { transformations = {"nope"}', 'role "pan"', "nope")

    def test_all_bad_values_are_told_together(self):
        text = self.appliance.configuration().replace("connections = 64", "connections = 0\nidle_timeout = 0\nlog_level = \"loud\"")
        self.appliance.configure(text)
        message = self.refused("connections", "idle_timeout", "log_level")
        self.assertGreaterEqual(message.count("symbolon.conf:"), 3)

    def test_a_file_that_is_not_there(self):
        self.appliance.path("symbolon.conf").unlink()
        status, text = self.appliance.start_refused()
        self.assertNotEqual(status, 0)
        self.assertIn("symbolon.conf", text)

    def test_a_certificate_of_another_key(self):
        other = Appliance()
        self.addCleanup(other.remove)
        other.init_token()
        other.generate(0, "tls")
        other.certify()
        self.appliance.path("tls.pem").write_text(other.text("tls.pem"))
        self.refused("tls.pem")

    def test_an_audit_file_that_another_process_writes(self):
        self.appliance.start()
        self.appliance.port, self.appliance.operations_port = free_port(), free_port()
        self.appliance.configure()
        self.refused("audit.log", "another process writes it")
        self.assertEqual(self.appliance.stop(), 0)

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", self.appliance.port))
            taken.listen()
            self.refused(str(self.appliance.port), status=EX_IOERR)


class Stop(Case):
    def setUp(self):
        super().setUp()
        self.credential = self.appliance.card("demo-cards")
        self.appliance.start()

    def half_sent(self, connection, body):
        """Sends a request but for the last ten bytes, and waits until a worker has it."""
        headers = card_headers(self.credential, body) | {"Content-Length": str(len(body))}
        connection.sendall(request_bytes("POST", CARD_PATH, headers, body[:-10]))
        # The scrape itself is in flight, too.
        while self.appliance.metric("symbolon_requests_in_flight") < 2:
            time.sleep(0.01)

    def test_a_request_in_flight_gets_its_reply_and_the_process_ends_well(self):
        body = encode(card_body())
        with self.appliance.main.connect() as connection, self.appliance.main.connect() as resting:
            resting.sendall(request_bytes("GET", "/livez", {}, None))
            self.assertEqual(client.read_reply(resting).status, 200)
            self.half_sent(connection, body)
            self.appliance.process.send_signal(signal.SIGTERM)
            while '"event":"stopping"' not in self.appliance.text("symbolon.log"):
                time.sleep(0.01)
            for i in range(10):
                self.assertIsNone(self.appliance.process.poll(), "it waits for the request in flight")
                connection.sendall(body[len(body) - 10 + i:len(body) - 9 + i])
                time.sleep(0.02)
            reply = client.read_reply(connection)
        self.assertEqual((reply.status, reply.json()["status"]), (200, "approved"))
        self.assertEqual(self.appliance.process.wait(60), 0)
        self.appliance.process = None
        self.assertNotIn("requests_cut_off", self.appliance.text("symbolon.log"))
        self.assertEqual([line["event"] for line in self.appliance.audit_lines()], ["start", "card_tokenize", "stop"])

    def test_whoever_comes_while_it_stops_is_turned_away(self):
        body = encode(card_body())
        with self.appliance.main.connect() as connection, self.appliance.main.connect() as kept:
            kept.sendall(request_bytes("GET", "/livez", {}, None))
            client.read_reply(kept)
            self.half_sent(connection, body)
            self.appliance.process.send_signal(signal.SIGTERM)
            while self.appliance.operations.request("GET", "/readyz").status == 200:
                time.sleep(0.01)
            try:
                kept.sendall(request_bytes("POST", CARD_PATH, card_headers(self.credential, body), body))
                reply = client.read_reply(kept)
                self.assertEqual((reply.status, reply.headers["Connection"]), (503, "close"))
            except (OSError, client.http.client.HTTPException):
                pass  # a connection at rest may also be closed
            connection.sendall(body[-10:])
            self.assertEqual(client.read_reply(connection).status, 200)
        self.assertEqual(self.appliance.process.wait(60), 0)
        self.appliance.process = None

    def test_SIGINT_stops_as_well_and_SIGHUP_does_not(self):
        self.appliance.process.send_signal(signal.SIGHUP)
        while "reloaded" not in self.appliance.text("symbolon.log"):
            time.sleep(0.01)
        self.assertEqual(self.appliance.main.request("GET", "/livez").status, 200)
        self.appliance.process.send_signal(signal.SIGINT)
        self.assertEqual(self.appliance.process.wait(60), 0)
        self.appliance.process = None


class Tokens(Case):
    cards = [(client.with_check_digit(("4%014d" % i)[:11 + i % 8]), "68%02d" % (1 + i % 12)) for i in range(200)]

    def make(self, node):
        items = [{"value": pan, "metadata": {"expiration_date": expiry}} for pan, expiry in self.cards]
        reply = client.vault(node.main, node.token("demo-app"), "encode", "card", {"batch_input": items})
        return [result["encoded_value"] for result in reply.json()["data"]["batch_results"]]

    def open(self, node, tokens):
        body = {"batch_input": [{"value": token} for token in tokens]}
        reply = client.vault(node.main, node.token("demo-app"), "decode", "card", body)
        return [(result["decoded_value"], result["metadata"]["expiration_date"])
                for result in reply.json()["data"]["batch_results"]]

    def test_every_card_token_opens_after_a_restart_with_nothing_stored(self):
        self.appliance.start()
        tokens = self.make(self.appliance)
        files = sorted(path.name for path in self.appliance.folder.iterdir())
        self.assertEqual(self.appliance.stop(), 0)
        self.appliance.path("audit.log").unlink()
        self.appliance.path("symbolon.log").unlink()
        self.appliance.start()
        self.assertEqual(self.open(self.appliance, tokens), self.cards)
        self.assertEqual(self.make(self.appliance), tokens)
        self.assertEqual(sorted(path.name for path in self.appliance.folder.iterdir()), files)
        self.assertEqual(self.appliance.stop(), 0)

    def test_a_second_node_with_a_copy_of_the_slot_gives_and_opens_the_same_tokens(self):
        second = base.clone()
        self.addCleanup(second.remove)
        second.configure()
        self.assertEqual(second.card("demo-cards"), self.appliance.card("demo-cards"))
        self.appliance.start()
        second.start()
        posted = [post_card(node.main, node.card("demo-cards"), card_body()).json() for node in (self.appliance, second)]
        self.assertEqual(posted[0], posted[1])
        self.assertEqual(self.open(second, self.make(self.appliance)), self.cards)
        self.assertEqual(second.stop(), 0)
        self.assertEqual(self.appliance.stop(), 0)

    def test_another_slot_gives_other_tokens_and_opens_none(self):
        self.appliance.start()
        tokens = self.make(self.appliance)
        stranger = Appliance().set_up()
        self.addCleanup(stranger.remove)
        stranger.configure()
        stranger.start()
        self.assertEqual(set(self.make(stranger)) & set(tokens), set())
        body = {"batch_input": [{"value": token} for token in tokens]}
        reply = client.vault(stranger.main, stranger.token("demo-app"), "decode", "card", body)
        self.assertEqual(reply.json()["data"]["batch_results"],
                         [{"error": "value is not a token that can be opened"}] * len(tokens))
        self.assertEqual(client.vault(stranger.main, self.appliance.token("demo-app"), "decode", "card", body).status, 403)
        self.assertEqual(stranger.stop(), 0)
        self.assertEqual(self.appliance.stop(), 0)

    def test_a_client_of_the_next_generation_has_a_new_secret_and_the_old_one_while_it_is_accepted(self):
        before = self.appliance.card("demo-cards")
        block = 'client "demo-cards" { id = 11'
        self.appliance.edits = {block: block + "  generation = 2  accept_previous = true"}
        self.appliance.forget_credentials()
        self.appliance.configure()
        after = self.appliance.card("demo-cards")
        self.assertEqual(after["authenticity_token"], before["authenticity_token"])
        self.assertNotEqual(after["merchant_key"], before["merchant_key"])
        self.appliance.start()
        replies = [post_card(self.appliance.main, credential, card_body()) for credential in (before, after)]
        self.assertEqual([reply.status for reply in replies], [200, 200])
        self.assertEqual(replies[0].json(), replies[1].json())
        self.appliance.edits = {block: block + "  generation = 2"}
        self.assertEqual(self.appliance.restart(), 0)
        replies = [post_card(self.appliance.main, credential, card_body()) for credential in (before, after)]
        self.assertEqual([reply.status for reply in replies], [401, 200])
        self.assertEqual(self.appliance.stop(), 0)


if __name__ == "__main__":
    unittest.main()
