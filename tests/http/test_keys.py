# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The life of keys in a running appliance: new, current, retired, released; and what is refused on the way."""

import json
import random
import threading
import unittest

import client
from appliance import Appliance, run

STORE = 'store { file = "symbolon.db" }'
PAN = "4111111111111111"

appliance: Appliance


def setUpModule():
    global appliance
    appliance = Appliance(plain_http=True).set_up()
    appliance.top = STORE
    appliance.tenants = appliance.tenants.replace(
        'client "demo-roleless"', 'client "demo-pinned" { id = 61  apis = {"transform"} }\n    client "demo-roleless"')
    appliance.start()


def tearDownModule():
    appliance.finish()


def luhn_complete(digits: str) -> str:
    total = sum(sum(divmod(int(d) * (2 if i % 2 == 0 else 1), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def some_pan(source: random.Random) -> str:
    return luhn_complete("4" + "".join(source.choice("0123456789") for _ in range(14)))


def operator(of: Appliance | None = None) -> dict:
    of = of or appliance
    return {"X-Vault-Token": of.credential("demo-operator")["operations"]["token"]}


def move(tenant: int, generation: int, action: str, of: Appliance | None = None) -> client.Reply:
    of = of or appliance
    return of.operations.request("POST", f"/operations/keys/{tenant}/{generation}/{action}", operator(of))


def evidence(of: Appliance | None = None) -> dict:
    of = of or appliance
    return of.operations.request("GET", "/operations/keys", operator(of)).json()


def states(tenant: int = 1) -> dict[int, str]:
    return {row["generation"]: row["state"] for row in evidence()["generations"] if row["tenant"] == tenant}


def vault(operation: str, value: str, role: str = "pan", name: str = "demo-app") -> client.Reply:
    return client.vault(appliance.main, appliance.token(name), operation, role, {"value": value})


def encode(value: str, role: str = "pan") -> str:
    return vault("encode", value, role).json()["data"]["encoded_value"]


def decode(token: str, role: str = "pan") -> str | None:
    reply = vault("decode", token, role)
    return reply.json()["data"]["decoded_value"] if reply.status == 200 else None


class Keys(unittest.TestCase):
    def test_1_evidence_shows_each_key_made_here(self):
        shown = evidence()
        self.assertEqual([slot["name"] for slot in shown["slots"]], ["softhsm"])
        slot = shown["slots"][0]
        self.assertTrue(slot["up"] and slot["in_use"])
        labels = {key["label"] for key in slot["keys"]}
        self.assertLessEqual({"symbolon:0:fpe:1", "symbolon:1:fpe:1", "symbolon:1:mac:1", "symbolon:0:tls:1"}, labels)
        for key in slot["keys"]:
            self.assertTrue(key["ok"] and key["made_here_and_never_left"], key)
        self.assertEqual(states(), {1: "current"})

    def test_2_what_does_not_exist_cannot_be_moved(self):
        self.assertEqual(move(1, 2, "activate").status, 404)
        self.assertEqual(move(9, 1, "load").status, 404)
        self.assertEqual(move(0, 1, "release").status, 404)
        for number in ("01", "65536", "x", "-1", "1.0", "99999999999"):
            reply = appliance.operations.request("POST", f"/operations/keys/1/{number}/load", operator())
            self.assertEqual(reply.status, 404, number)
        reply = move(1, 7, "load")  # no such key in the slot
        self.assertEqual(reply.status, 409)
        self.assertIn("symbolon:1:fpe:7", reply.json()["detail"])
        self.assertEqual(states(), {1: "current"})
        self.assertEqual(appliance.operations.request("POST", "/operations/keys/1/1/destroy", operator()).status, 404)

    def test_3_a_generation_goes_its_way(self):
        before = encode(PAN)
        appliance.generate(1, "fpe", generation=2)
        self.assertEqual(move(1, 2, "activate").status, 404)  # loaded first, so that every node can open it
        reply = move(1, 2, "load")
        self.assertEqual((reply.status, reply.json()["state"], reply.json()["changed"]), (200, "new", True))
        self.assertEqual(encode(PAN), before)  # a new one opens and does not issue
        self.assertEqual(move(1, 2, "activate").json(),
                         {"tenant": 1, "generation": 2, "state": "current", "changed": True})
        self.assertEqual(move(1, 2, "activate").json()["changed"], False)
        self.assertEqual(states(), {1: "retired", 2: "current"})
        after = encode(PAN)
        self.assertNotEqual(after, before)
        self.assertEqual((decode(before), decode(after)), (PAN, PAN))
        self.assertEqual(vault("rewrap", before).json()["data"]["encoded_value"], after)
        self.assertEqual(move(1, 2, "release").status, 409)  # the current one
        self.assertEqual(move(1, 2, "retire").status, 409)
        self.assertEqual(states(2), {1: "current"})  # the other tenant's

    def test_4_states_outlive_a_restart_and_win_over_the_configuration(self):
        old, new = encode(PAN), None
        appliance.generate(1, "fpe", generation=3)
        move(1, 3, "load")
        move(1, 3, "activate")
        new = encode(PAN)
        self.assertEqual(appliance.restart(), 0)
        self.assertEqual(states(), {1: "retired", 2: "retired", 3: "current"})
        self.assertEqual(encode(PAN), new)
        self.assertEqual(decode(old), PAN)

    def test_5_a_released_generation_opens_nothing(self):
        token = encode(PAN)
        appliance.generate(1, "fpe", generation=4)
        move(1, 4, "load")
        move(1, 4, "activate")
        reply = move(1, 3, "release")
        self.assertEqual((reply.status, reply.json()["state"], reply.json()["changed"]), (200, "released", True))
        self.assertIsNone(decode(token))
        self.assertEqual(move(1, 3, "activate").status, 409)
        self.assertEqual(appliance.restart(), 0)
        self.assertIsNone(decode(token))
        self.assertNotIn(3, states())
        self.assertEqual(move(1, 3, "load").json()["state"], "new")  # as long as the key is there, it can come back
        self.assertEqual(decode(token), PAN)

    def test_6_a_slot_of_PAN_tokens_is_not_given_twice(self):
        appliance.generate(1, "fpe", generation=10)
        reply = move(1, 10, "load")
        self.assertEqual(reply.status, 409)
        self.assertIn("generations 1 and 10 share PAN slot 1", reply.json()["detail"])
        self.assertEqual(appliance.restart(), 0)  # nothing of it was kept
        self.assertEqual(move(1, 1, "release").status, 200)
        self.assertEqual(move(1, 10, "load").status, 200)
        self.assertEqual(move(1, 10, "release").status, 200)
        self.assertEqual(move(1, 1, "load").status, 200)

    def test_7_nobody_but_an_administrator_sees_or_moves_keys(self):
        for headers in ({}, {"X-Vault-Token": "sym.15." + "A" * 43}, {"X-Vault-Token": appliance.token("demo-app")}):
            for method, path in (("GET", "/operations/keys"), ("POST", "/operations/keys/1/1/release")):
                reply = appliance.operations.request(method, path, headers)
                self.assertEqual(reply.status, 401)
                self.assertTrue(reply.headers["WWW-Authenticate"].startswith("Bearer"))
        self.assertEqual(appliance.main.request("GET", "/operations/keys", operator()).status, 404)
        self.assertEqual(states()[1], "new")

    def test_8_each_move_leaves_an_audit_line_that_names_the_key(self):
        move(2, 1, "release")
        lines = [line for line in appliance.audit_lines() if line["event"].startswith("key_")]
        self.assertEqual({line["event"] for line in lines}, {"key_load", "key_activate", "key_release", "key_retire"})
        last = lines[-1]
        self.assertEqual((last["event"], last["client"], last["key_tenant_id"], last["generation"], last["outcome"]),
                         ("key_release", "demo-operator", 2, 1, "conflict"))

    def test_9_nine_generations_serve_under_load_and_nobody_is_refused(self):
        """Tokens of every generation open all the time while the next ones come."""
        made: list[tuple[str, str]] = []
        wrong: list[str] = []
        stop = threading.Event()

        def caller(seed: int) -> None:
            source = random.Random(seed)
            while not stop.is_set():
                pan = some_pan(source)
                reply = vault("encode", pan)
                if reply.status != 200:
                    wrong.append(f"encode: {reply.status} {reply.body!r}")
                    continue
                made.append((pan, reply.json()["data"]["encoded_value"]))
                old_pan, token = source.choice(made)
                reply = vault("decode", token)
                if reply.status != 200 or reply.json()["data"]["decoded_value"] != old_pan:
                    wrong.append(f"decode: {reply.status} {reply.body!r}")

        move(1, 1, "release")
        move(1, 1, "load")
        threads = [threading.Thread(target=caller, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        live = states()
        for generation in range(1, 10):
            if generation not in live:
                appliance.generate(1, "fpe", generation=generation)
                self.assertEqual(move(1, generation, "load").status, 200)
            reply = move(1, generation, "activate")
            self.assertEqual(reply.status, 200, reply.body)
            goal = len(made) + 40
            while len(made) < goal and not wrong:
                threading.Event().wait(0.01)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual(sorted(states()), list(range(1, 10)))
        for pan, token in made:
            self.assertEqual(decode(token), pan)

    def test_the_evidence_is_that_of_symbolon_hsm(self):
        stranger = appliance.path("stranger")
        stranger.write_bytes(bytes(range(32)))
        run("softhsm2-util", "--import", stranger, "--aes", "--token", "symbolon", "--label", "symbolon:9:fpe:1", "--id", "09",
            "--pin", appliance.pin, env=appliance.env)
        shown = evidence()["slots"][0]["keys"]
        self.assertEqual(shown, json.loads(appliance.hsm("check", "--json", status=None))["keys"])
        self.assertEqual(shown, json.loads(appliance.hsm("keys", "list", "--json"))["keys"])
        for key in shown:
            made_here = key["label"] != "symbolon:9:fpe:1"
            self.assertEqual([key[name] for name in ("local", "never_extractable", "made_here_and_never_left", "ok")], [made_here] * 4)
            self.assertEqual("why" in key, not made_here)
            self.assertGreaterEqual(set(key), {"token", "private", "modifiable", "sign", "decrypt", "extractable", "derive"})


class Alone(unittest.TestCase):
    def test_without_a_store_the_configuration_has_the_states(self):
        lone = Appliance(plain_http=True).set_up()
        lone.start()
        try:
            reply = move(1, 1, "activate", lone)
            self.assertEqual(reply.status, 409)
            self.assertIn("no store", reply.json()["detail"])
            self.assertEqual(len(evidence(lone)["generations"]), 2)
        finally:
            lone.finish()


if __name__ == "__main__":
    unittest.main()
