# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""symbolon-hsm keys destroy and check beside a running appliance, whose store decides what may go."""

import json
import signal
import subprocess
import unittest

import client
from appliance import SOFTHSM, SYMBOLON_HSM, Appliance

PAN = "4111111111111111"

appliance: Appliance


def setUpModule():
    global appliance
    appliance = Appliance(plain_http=True).set_up()
    appliance.top = 'store { file = "symbolon.db" }'
    appliance.start()
    for generation in (2, 3):
        appliance.generate(1, "fpe", generation=generation)


def tearDownModule():
    appliance.finish()


def hsm(*words, status: int = 0, config: bool = True) -> str:
    """As an operator would, in the appliance's folder: the slot comes from its configuration."""
    named = ("--config", "symbolon.conf") if config else ()
    done = subprocess.run([SYMBOLON_HSM, *map(str, words), *named], cwd=appliance.folder, env=appliance.env, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL, start_new_session=True, timeout=120)
    assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout if status == 0 else done.stdout + done.stderr


def destroy(tenant: int, use: str, generation: int, *words, status: int = 0) -> str:
    return hsm("keys", "destroy", "--tenant", tenant, "--use", use, "--generation", generation, "--so-pin-file", "so-pin",
               "--yes", f"symbolon:{tenant}:{use}:{generation}", *words, status=status)


def labels() -> set[str]:
    return {key["label"] for key in json.loads(hsm("keys", "list", "--json"))["keys"]}


def move(tenant: int, generation: int, action: str) -> client.Reply:
    token = {"X-Vault-Token": appliance.credential("demo-operator")["operations"]["token"]}
    return appliance.operations.request("POST", f"/operations/keys/{tenant}/{generation}/{action}", token)


def moved(tenant: int, generation: int, action: str) -> None:
    reply = move(tenant, generation, action)
    assert reply.status == 200, reply.body


def vault(operation: str, value: str, name: str = "demo-app") -> client.Reply:
    return client.vault(appliance.main, appliance.token(name), operation, "pan", {"value": value})


def encode(value: str = PAN, name: str = "demo-app") -> str:
    return vault("encode", value, name).json()["data"]["encoded_value"]


def opens(token: str, name: str = "demo-app") -> bool:
    reply = vault("decode", token, name)
    return reply.status == 200 and reply.json()["data"]["decoded_value"] == PAN


class Destruction(unittest.TestCase):
    def test_1_what_is_not_released_stays(self):
        moved(1, 2, "load")
        for generation, state in ((1, "current"), (2, "new")):
            self.assertIn(f"is {state}; release it first", destroy(1, "fpe", generation, status=1))
        moved(1, 2, "activate")
        self.assertIn("is retired; release it first", destroy(1, "fpe", 1, status=1))
        self.assertIn("knows it: an appliance has used it", destroy(1, "fpe", 1, "--never-used", status=1))
        self.assertIn("belongs to the appliance", destroy(0, "fpe", 1, status=1))
        self.assertIn("does not know it", destroy(1, "fpe", 3, status=1))
        self.assertIn("the tenant is still there", destroy(1, "mac", 1, status=1))
        self.assertIn("generation 1 of the tenant is retired",
                      hsm("keys", "destroy", "--module", SOFTHSM, "--token", "symbolon", "--pin-file", "pin", "--store",
                          "symbolon.db", "--tenant", 1, "--use", "mac", "--generation", 1, "--so-pin-file", "so-pin", "--yes",
                          "symbolon:1:mac:1", status=1, config=False))
        self.assertLessEqual({f"symbolon:1:fpe:{n}" for n in (1, 2, 3)}, labels())

    def test_2_a_released_generation_goes_while_others_serve(self):
        moved(1, 1, "activate")
        old = encode()
        moved(1, 2, "activate")
        new, other = encode(), encode(name="other-app")
        self.assertTrue(opens(old))
        moved(1, 1, "release")
        shown = destroy(1, "fpe", 1, "--transcript", "record")
        self.assertIn("symbolon.conf", shown)  # which still names it
        record = appliance.text("record")
        self.assertIn("destroyed     symbolon:1:fpe:1", record)
        self.assertIn("outcome       done", record)
        self.assertNotIn("symbolon:1:fpe:1", labels())
        self.assertFalse(opens(old))
        self.assertTrue(opens(new) and opens(other, "other-app"))
        self.assertEqual(encode(), new)
        self.assertIn("not in the token", destroy(1, "fpe", 1, status=1))  # twice
        reply = move(1, 1, "load")  # it cannot come back
        self.assertEqual(reply.status, 409)
        self.assertIn("symbolon:1:fpe:1", reply.json()["detail"])
        self.assertTrue(opens(new))

    def test_3_the_appliance_starts_without_it(self):
        new = encode()
        self.assertEqual(appliance.restart(), 0)
        self.assertTrue(opens(new))

    def test_4_evidence_has_the_states(self):
        moved(1, 3, "load")
        told = json.loads(hsm("check", "--json"))
        self.assertTrue(told["ok"], told)
        self.assertEqual(told["store"], str(appliance.path("symbolon.db")))
        keys = {key["label"]: key for key in told["keys"]}
        self.assertEqual({label: keys[label]["state"] for label in ("symbolon:1:fpe:2", "symbolon:1:fpe:3", "symbolon:2:fpe:1")},
                         {"symbolon:1:fpe:2": "current", "symbolon:1:fpe:3": "new", "symbolon:2:fpe:1": "current"})
        self.assertTrue(keys["symbolon:1:mac:1"]["known_to_store"])
        self.assertNotIn("state", keys["symbolon:1:mac:1"])
        self.assertFalse(keys["symbolon:0:tls:1"]["known_to_store"])
        self.assertRegex(hsm("keys", "list"), r"symbolon:1:fpe:2 +fpe +[0-9A-F]{6} current, ok")

    def test_5_another_key_under_a_released_label_is_not_taken_for_it(self):
        moved(1, 3, "release")
        self._by_another_tool("symbolon:1:fpe:3")
        appliance.generate(1, "fpe", generation=3)
        shown = hsm("check", "--json", status=1)
        self.assertIn("its check value is not the one that the store remembers", shown)
        self.assertIn("it is another key", destroy(1, "fpe", 3, status=1))
        self.assertIn("symbolon:1:fpe:3", labels())

    def test_6_a_tenant_goes_with_all_its_keys_and_nobody_else_does(self):
        lost, kept = encode(name="other-app"), encode()
        begin = appliance.tenants.index('tenant "other"')
        whole, appliance.tenants = appliance.tenants, appliance.tenants[:begin]
        appliance.configure()
        appliance.process.send_signal(signal.SIGHUP)
        self._wait_until(lambda: move(2, 1, "release").status == 200)
        self.assertIn("credentials of the tenant's clients", destroy(2, "mac", 1))
        destroy(2, "fpe", 1)
        self.assertTrue(opens(kept))
        self.assertEqual({label for label in labels() if label.startswith("symbolon:2:")}, set())
        appliance.tenants = whole
        appliance.configure()
        for tenant_use in ("fpe", "mac"):
            appliance.generate(2, tenant_use)
        appliance.process.send_signal(signal.SIGHUP)  # new keys under the old labels are not taken for them
        self._wait_until(lambda: "symbolon:2:mac:1: its check value is not" in appliance.text("symbolon.log"))
        self.assertTrue(opens(kept))
        self.assertNotEqual(client.vault(appliance.main, appliance.token("demo-app"), "decode", "pan",
                                         {"value": lost}).json().get("data", {}).get("decoded_value"), PAN)

    def test_7_a_key_that_is_needed_and_gone_is_found(self):
        self._by_another_tool("symbolon:1:fpe:2")
        shown = hsm("check", status=1)
        self.assertRegex(shown, r"NOT OK +symbolon:1:fpe:2 +is current, and not in the token")

    def _by_another_tool(self, label: str) -> None:
        subprocess.run(["pkcs11-tool", "--module", SOFTHSM, "--token-label", "symbolon", "--login", "--pin", appliance.pin,
                        "--delete-object", "--type", "secrkey", "--label", label], env=appliance.env, check=True,
                       capture_output=True)

    def _wait_until(self, true) -> None:
        for _ in range(600):
            if true():
                return
            signal.sigtimedwait([], 0.05)
        self.fail("did not come about")


if __name__ == "__main__":
    unittest.main()
