# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: the configuration is taken over as a whole or not at all, and nobody who is served is disturbed."""

import json
import signal
import threading
import time
import unittest
from contextlib import suppress

import client
from appliance import Appliance

STORE = 'store { file = "symbolon.db" }'
PAN = "4111111111111111"

appliance: Appliance


def setUpModule():
    global appliance
    appliance = Appliance().set_up()
    appliance.top = f"{STORE}\nheader_timeout = 60\nidle_timeout = 60"
    appliance.start()


def tearDownModule():
    appliance.finish()


def log_lines(event: str) -> list[dict]:
    lines = [json.loads(line) for line in appliance.text("symbolon.log").splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def reload(of: str = "reloaded") -> dict:
    """Sends SIGHUP and waits for its outcome in the log."""
    before = len(log_lines(of))
    appliance.process.send_signal(signal.SIGHUP)
    while len(log_lines(of)) == before:
        assert appliance.process.poll() is None, appliance.text("symbolon.log")[-2000:]
        time.sleep(0.01)
    return log_lines(of)[-1]


def change(old: str, new: str) -> None:
    text = appliance.text("symbolon.conf")
    assert old in text, old
    appliance.configure(text.replace(old, new, 1))


def encode(name: str = "demo-app", role: str = "pan") -> client.Reply:
    return client.vault(appliance.main, appliance.token(name), "encode", role, {"value": PAN})


class Reload(unittest.TestCase):
    def setUp(self):
        self.before = appliance.text("symbolon.conf")
        for name in ("demo-app", "demo-writer"):
            appliance.token(name)  # known before the file changes

    def tearDown(self):
        appliance.configure(self.before)
        reload()
        appliance.forget_credentials()

    def test_a_new_client_is_served_and_a_removed_one_is_not(self):
        old_token = appliance.token("demo-writer")
        change('client "demo-writer" { id = 14', 'client "demo-late" { id = 77')
        reload()
        self.assertEqual(encode("demo-late").status, 200)
        self.assertEqual(client.vault(appliance.main, old_token, "encode", "pan", {"value": PAN}).status, 403)

    def test_a_rotated_secret_works_with_the_one_before_until_that_is_taken_away(self):
        old = appliance.token("demo-app")
        change('client "demo-app" { id = 13', 'client "demo-app" { id = 13  generation = 2  accept_previous = true')
        reload()
        appliance.forget_credentials()
        new = appliance.token("demo-app")
        self.assertNotEqual(old, new)
        for token in (old, new):
            self.assertEqual(client.vault(appliance.main, token, "encode", "pan", {"value": PAN}).status, 200)
        change("accept_previous = true", "accept_previous = false")
        reload()
        self.assertEqual(client.vault(appliance.main, old, "encode", "pan", {"value": PAN}).status, 403)
        self.assertEqual(client.vault(appliance.main, new, "encode", "pan", {"value": PAN}).status, 200)

    def test_roles_and_transformations_come_and_go(self):
        change('role "pan" { transformations = {"creditcard"} }',
               'role "pan" { transformations = {"creditcard"} }\n    role "late" { transformations = {"creditcard"} }')
        change('roles = {"pan", "card", "card-2"', 'roles = {"late", "card", "card-2"')
        reload()
        self.assertEqual(encode(role="late").status, 200)
        self.assertEqual(encode(role="pan").status, 403)

    def test_a_faulty_file_changes_nothing_and_is_told_by_line(self):
        token = encode().json()["data"]["encoded_value"]
        for old, new, what in (('id = 13', 'id = 14', "14"), ('keys 1 { state = "current" }', 'keys 1 { state = "what" }', "what"),
                               ('listen = "127', 'listen = "x127', "listen"),
                               ('tls { certificate = "tls.pem" }', 'tls { certificate = "gone.pem" }', "gone.pem")):
            change(old, new)
            why = reload("reload_refused")["why"]
            self.assertIn(what, why)
            self.assertIn("symbolon.conf", why) if what != "gone.pem" else None
            appliance.configure(self.before)
            self.assertEqual(encode().json()["data"]["encoded_value"], token)

    def test_what_only_a_restart_can_change_refuses_all_of_it(self):
        change("connections = 64", "connections = 65")
        change('client "demo-writer" { id = 14', 'client "demo-late" { id = 77')
        why = reload("reload_refused")["why"]
        self.assertIn("connections changes with a restart only", why)
        self.assertEqual(encode("demo-writer").status, 200)

    def test_each_option_that_needs_a_restart_is_named_with_its_line_and_nothing_is_taken_over(self):
        for old, new, named in (
                ("header_timeout = 60", "header_timeout = 61", "header_timeout"), ("idle_timeout = 60", "idle_timeout = 61", "idle_timeout"),
                ("connections = 64", "connections = 64\nbody_limit = 4096", "body_limit"), ("connections = 64", "connections = 63", "connections"),
                (f'listen = "127.0.0.1:{appliance.port}"', f'listen = "127.0.0.2:{appliance.port}"', "listen"),
                (f'operations_listen = "127.0.0.1:{appliance.operations_port}"',
                 f'operations_listen = "127.0.0.2:{appliance.operations_port}"', "operations_listen"),
                ('file = "symbolon.db"', 'file = "other.db"', "store file"), ('file = "audit.log"', 'file = "other.log"', "audit file"),
                ('file = "audit.log"', 'file = "audit.log"  sync = "always"', "audit sync"),
                ('pin_file = "pin"', 'pin_file = "pin"  lanes = 2', "slot softhsm"),
                ("connections = 64", "connections = 64\nserial { min_tokens = 7 }", "serial (but for session_idle)"),
                ("connections = 64", 'connections = 64\nrequests { realm = "x" }', "requests realm"),
                ('certificate = "tls.pem"', 'certificate = "tls.pem"  key = "symbolon:0:tls:2"', "tls key")):
            with self.subTest(named=named, new=new):
                change(old, new)
                line = appliance.text("symbolon.conf")[:appliance.text("symbolon.conf").index(new)].count("\n") + 1 + new.count("\n")
                change('client "demo-writer" { id = 14', 'client "demo-late" { id = 77')
                self.assertEqual(reload("reload_refused")["why"],
                                 f"{appliance.path('symbolon.conf')}:{line}: {named} changes with a restart only")
                self.assertEqual(encode("demo-writer").status, 200)
                appliance.configure(self.before)

    def test_the_connections_of_an_address_are_bounded_anew_on_both_listeners(self):
        change("connections = 64", "connections = 64\nconnections_per_address = 3")
        reload()
        for listener in (appliance.main, appliance.operations):
            source = client.fresh_source()
            connections = [listener.connect(source) for _ in range(3)]
            with suppress(OSError), listener.connect(source) as one_too_many:  # TLS is ended by an alert
                self.assertEqual(client.read_to_end(one_too_many), b"")
            for connection in connections:  # header_timeout would have ended these before
                connection.sendall(client.request_bytes("GET", "/livez", None, None))
                self.assertEqual(client.read_reply(connection).status, 200)
            for connection in connections:
                connection.close()

    def test_a_key_that_is_missing_refuses_the_reload(self):
        change('keys 1 { state = "current" }', 'keys 1 { state = "current" }\n    keys 5 { state = "new" }')
        self.assertIn("symbolon:1:fpe:5", reload("reload_refused")["why"])
        self.assertEqual(encode().status, 200)

    def test_a_new_tenant_and_one_that_goes(self):
        appliance.generate(9)
        change('tenant "other" {', 'tenant "late" {\n    id = 9\n    keys 1 { state = "current" }\n'
               '    client "late-app" { id = 91  apis = {"transform"}  roles = {"pan"} }\n'
               '    transformation "creditcard" { id = 1  template = "builtin/creditcardnumber" }\n'
               '    role "pan" { transformations = {"creditcard"} }\n}\ntenant "other" {')
        reload()
        late = encode("late-app")
        self.assertEqual(late.status, 200)
        token = appliance.token("late-app")
        appliance.configure(self.before)
        reload()
        self.assertEqual(client.vault(appliance.main, token, "encode", "pan", {"value": PAN}).status, 403)

    def test_connections_and_requests_go_on_through_many_reloads(self):
        stop, wrong, done = threading.Event(), [], [0]

        def caller() -> None:
            request = client.request_bytes("POST", "/v1/transform/encode/pan", {"X-Vault-Token": token},
                                           client.encode({"value": PAN}))
            with appliance.main.connect() as connection:
                while not stop.is_set():
                    connection.sendall(request)
                    reply = client.read_reply(connection, "POST")
                    done[0] += 1
                    if reply.status != 200:
                        wrong.append(reply.body)

        token = appliance.token("demo-app")
        threads = [threading.Thread(target=caller) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            reload()
        goal = done[0] + 50
        while done[0] < goal and all(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(done[0], goal)

    def test_each_reload_leaves_an_audit_line(self):
        reload()
        change("connections = 64", "connections = 65")
        reload("reload_refused")
        lines = [line for line in appliance.audit_lines() if line["event"] == "reload"]
        self.assertEqual([line["outcome"] for line in lines[-2:]], ["ok", "config"])


if __name__ == "__main__":
    unittest.main()
