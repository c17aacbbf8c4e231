# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The audit file: a line for every request that touches account data, before its reply leaves; no line,
no service.
"""

import resource
import threading
import unittest

import client
from appliance import TWO_GENERATIONS, Appliance
from client import card_body, encode, post_card

PAN = "4111111111111111"
FIELDS = ["number", "time", "event", "request_id", "source", "client", "client_id", "tenant_id", "role", "items",
          "failed_items", "generation", "request_number", "status", "outcome"]


def setUpModule():
    global appliance
    appliance = Appliance().set_up()
    appliance.generate(1, "fpe", generation=2)
    appliance.keys = TWO_GENERATIONS
    appliance.configure()
    for name in ("demo-cards", "demo-cards-2", "demo-app", "demo-writer", "demo-reader", "demo-gifts", "other-app"):
        appliance.credential(name)
    appliance.restore_signals = False  # SIGXFSZ stays ignored, so that a file size limit is an error and not the end
    appliance.start()


def tearDownModule():
    appliance.finish()


def ask(operation, role, body, token="demo-app"):
    return client.vault(appliance.main, appliance.token(token), operation, role, body)


class Case(unittest.TestCase):
    def lines_of(self, request):
        """The reply, and the lines written by the time it is here."""
        before = len(appliance.audit_lines())
        reply = request()
        return reply, appliance.audit_lines()[before:]

    def line(self, request, **expected):
        """The one line of a request: its id, time and place in the file, and what is expected, exactly."""
        before = appliance.audit_lines()[-1]["number"]
        reply, lines = self.lines_of(request)
        self.assertEqual(len(lines), 1, lines)
        line = dict(lines[0])
        self.assertEqual(list(line), [name for name in FIELDS if name in line])
        self.assertEqual(line.pop("number"), before + 1)
        self.assertRegex(line.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(line.pop("request_id"), reply.headers["X-Request-Id"])
        self.assertRegex(line.pop("source"), r"^127\.\d+\.\d+\.\d+$")
        self.assertEqual(line.pop("status"), reply.status)
        self.assertEqual(line, expected)
        return reply

    def no_line(self, request):
        reply, lines = self.lines_of(request)
        self.assertEqual(lines, [])
        return reply


DEMO_APP = {"client": "demo-app", "client_id": 13, "tenant_id": 1}
DEMO_CARDS = {"client": "demo-cards", "client_id": 11, "tenant_id": 1}
NOBODY = {"event": "authentication_failed", "items": 0, "failed_items": 0, "outcome": "credential"}


class Lines(Case):
    def test_a_card_token(self):
        self.line(lambda: post_card(appliance.main, appliance.card("demo-cards"), card_body()), event="card_tokenize",
                  **DEMO_CARDS, items=1, failed_items=0, generation=2, outcome="ok")

    def test_a_refused_card(self):
        for body in (card_body("4242424242424241"), b"{", {"type": "card"}):
            reply = self.line(lambda: post_card(appliance.main, appliance.card("demo-cards"), body), event="card_tokenize",
                              **DEMO_CARDS, items=1, failed_items=1, outcome="input")
            self.assertEqual(reply.status, 400)

    def test_every_operation_of_the_transform_API(self):
        token = ask("encode", "pan", {"value": PAN}).json()["data"]["encoded_value"]
        for operation, value in (("encode", PAN), ("decode", token), ("validate", token), ("rewrap", token)):
            self.line(lambda: ask(operation, "pan", {"value": value}), event="transform_" + operation, **DEMO_APP, role="pan",
                      items=1, failed_items=0, generation=2, outcome="ok")

    def test_a_batch_counts_its_items_and_those_that_failed(self):
        items = [{"value": PAN}] * 2000 + [{"value": "x"}, {}, 7]
        self.line(lambda: ask("encode", "pan", {"batch_input": items}), event="transform_encode", **DEMO_APP, role="pan",
                  items=2003, failed_items=3, generation=2, outcome="ok")

    def test_a_lone_value_that_fails(self):
        self.line(lambda: ask("decode", "card", {"value": "0" * 48}), event="transform_decode", **DEMO_APP, role="card",
                  items=1, failed_items=1, outcome="input")

    def test_a_body_that_is_none(self):
        self.line(lambda: ask("encode", "pan", b"{"), event="transform_encode", **DEMO_APP, role="pan", items=0,
                  failed_items=0, outcome="input")

    def test_who_may_not(self):
        self.line(lambda: ask("decode", "pan", {"value": PAN}, "demo-writer"), event="transform_decode", client="demo-writer",
                  client_id=14, tenant_id=1, items=0, failed_items=0, outcome="forbidden")
        self.line(lambda: post_card(appliance.main, appliance.card("demo-reader"), card_body()), event="card_tokenize",
                  client="demo-reader", client_id=16, tenant_id=1, items=0, failed_items=0, outcome="forbidden")

    def test_a_role_that_is_not_the_clients_is_named_and_one_that_does_not_exist_is_not(self):
        self.line(lambda: ask("encode", "supplied", {"value": PAN}, "demo-writer"), event="transform_encode",
                  client="demo-writer", client_id=14, tenant_id=1, role="supplied", items=0, failed_items=0,
                  outcome="forbidden")
        self.line(lambda: ask("encode", "made-up-by-the-caller", {"value": PAN}), event="transform_encode", **DEMO_APP,
                  items=0, failed_items=0, outcome="not_found")

    def test_the_other_tenant(self):
        self.line(lambda: ask("encode", "pan", {"value": PAN}, "other-app"), event="transform_encode", client="other-app",
                  client_id=23, tenant_id=2, role="pan", items=1, failed_items=0, generation=1, outcome="ok")

    def test_generations_that_are_mixed_are_not_named(self):
        appliance.keys = '    keys 1 { state = "current" }\n    keys 2 { state = "retired" }'
        self.assertEqual(appliance.restart(), 0)
        old = ask("encode", "pan", {"value": PAN}).json()["data"]["encoded_value"]
        appliance.keys = TWO_GENERATIONS
        self.assertEqual(appliance.restart(), 0)
        new = ask("encode", "pan", {"value": PAN}).json()["data"]["encoded_value"]
        self.line(lambda: ask("decode", "pan", {"value": old}), event="transform_decode", **DEMO_APP, role="pan", items=1,
                  failed_items=0, generation=1, outcome="ok")
        for values in ((old, new), (new, old), (old, new, new), ("x", new, old)):
            items = [{"value": value} for value in values]
            self.line(lambda: ask("decode", "pan", {"batch_input": items}), event="transform_decode", **DEMO_APP, role="pan",
                      items=len(items), failed_items=values.count("x"), outcome="ok")

    def test_a_credential_that_fails(self):
        wrong = appliance.card("demo-cards") | {"merchant_key": "0" * 64}
        self.line(lambda: post_card(appliance.main, wrong, card_body()), **NOBODY)
        self.line(lambda: client.vault(appliance.main, "sym.13.wrong", "encode", "pan", {"value": PAN}),
                  **NOBODY)
        self.line(lambda: client.vault_get(appliance.main, "nonsense", "transform/role"),
                  **NOBODY)

    def test_what_touches_no_account_data_leaves_no_line(self):
        for target in ("/livez", "/readyz", "/nope", "/v1/sys/health", "/v2/tokens"):
            self.no_line(lambda: appliance.main.request("GET", target))
        for path in ("transform/role", "transform/template/card", "auth/token/lookup-self"):
            self.no_line(lambda: client.vault_get(appliance.main, appliance.token("demo-app"), path))
        self.no_line(lambda: appliance.operations.request("GET", "/metrics"))

    def test_the_file_is_the_owners_alone(self):
        self.assertEqual(appliance.path("audit.log").stat().st_mode & 0o777, 0o600)


class Numbers(Case):
    def assert_no_gaps(self):
        numbers = [line["number"] for line in appliance.audit_lines()]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))

    def test_there_is_no_gap_over_a_restart(self):
        for _ in range(2):
            post_card(appliance.main, appliance.card("demo-cards"), card_body())
            self.assertEqual(appliance.restart(), 0)
        self.assert_no_gaps()
        self.assertEqual([line["event"] for line in appliance.audit_lines()][-2:], ["stop", "start"])

    def test_there_is_no_gap_when_many_write_at_once(self):
        def work():
            for _ in range(20):
                ask("encode", "pan", {"value": PAN})
        before = len(appliance.audit_lines())
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(appliance.audit_lines()), before + 80)
        self.assert_no_gaps()

    def test_a_torn_last_line_is_ended_and_the_count_goes_on(self):
        self.assertEqual(appliance.stop(), 0)
        last = appliance.audit_lines()[-1]["number"]
        path = appliance.path("audit.log")
        whole = path.read_bytes()
        path.write_bytes(whole + b'{"number":%d,"time":"20' % (last + 1))
        appliance.start()
        lines = path.read_bytes().splitlines()
        self.assertEqual(lines[-2], b'{"number":%d,"time":"20' % (last + 1))
        self.assertIn(b'{"number":%d,' % (last + 1), lines[-1])
        self.assertEqual(appliance.stop(), 0)
        path.write_bytes(whole)
        appliance.start()
        self.assert_no_gaps()


class Unwritable(Case):
    def limit(self, size):
        resource.prlimit(appliance.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_without_a_line_there_is_no_service(self):
        self.assertEqual(appliance.restart(), 0)
        token = ask("encode", "pan", {"value": PAN}).json()["data"]["encoded_value"]
        size = appliance.path("audit.log").stat().st_size
        for room in (0, 50):  # no byte fits, or a part of a line
            self.limit(size + room)
            reply = post_card(appliance.main, appliance.card("demo-cards"), card_body())
            self.assertEqual((reply.status, reply.json()), (503, {"status": "error", "message": "Service unavailable"}))
            self.assertEqual(reply.headers["Retry-After"], "1")
            for operation, value in (("encode", PAN), ("decode", token), ("rewrap", token)):
                reply = ask(operation, "pan", {"value": value})
                self.assertEqual((reply.status, reply.json()), (503, {"errors": ["the audit file cannot be written"]}))
                self.assertNotIn(PAN, reply.body.decode())
            reply = ask("encode", "pan", {"batch_input": [{"value": PAN}] * 50})
            self.assertEqual((reply.status, reply.json()), (503, {"errors": ["the audit file cannot be written"]}))
            reply = client.vault(appliance.main, "sym.13.wrong", "encode", "pan", {"value": PAN})
            self.assertEqual(reply.status, 503, "a failed authentication must be recorded, too")
            self.assertEqual(appliance.path("audit.log").stat().st_size, size, "no part of a line stays")
        self.assertEqual(appliance.main.request("GET", "/livez").status, 200)
        self.limit(resource.RLIM_INFINITY)
        self.line(lambda: post_card(appliance.main, appliance.card("demo-cards"), card_body()), event="card_tokenize",
                  **DEMO_CARDS, items=1, failed_items=0, generation=2, outcome="ok")

    def test_an_appliance_that_cannot_write_its_first_line_does_not_start(self):
        self.assertEqual(appliance.stop(), 0)
        try:
            audit = appliance.path("audit.log")
            kept = audit.rename(appliance.path("kept.log"))
            audit.mkdir()
            status, text = appliance.start_refused()
            self.assertNotEqual(status, 0)
            self.assertIn("audit.log", text)
            audit.rmdir()
            audit.write_text("not an audit file\n")
            self.assertEqual(appliance.start_refused()[0], 78)
        finally:
            if audit.is_dir():
                audit.rmdir()
            kept.rename(audit)
            appliance.start()


class EveryLineIsSynced(Case):
    def test_sync_always_serves_and_records_as_well(self):
        appliance.edits = {'audit { file = "audit.log" }': 'audit { file = "audit.log"  sync = "always" }'}
        self.assertEqual(appliance.restart(), 0)
        self.line(lambda: post_card(appliance.main, appliance.card("demo-cards"), card_body()), event="card_tokenize",
                  **DEMO_CARDS, items=1, failed_items=0, generation=2, outcome="ok")
        appliance.edits = {}
        self.assertEqual(appliance.restart(), 0)


if __name__ == "__main__":
    unittest.main()
