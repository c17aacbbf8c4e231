# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Two slots that hold the same keys: one goes away under load and comes back, and nobody is refused.

The second slot is a copy of the first one's files under another label, in a second instance of SoftHSM (the same
module under another path)."""

import re
import shutil
import threading
import time
import unittest

import client
from appliance import SOFTHSM, Appliance

PANS = [client.with_check_digit("4%014d" % i) for i in range(50)]


def copy_token(node: Appliance, label: str) -> None:
    """A clone of the token, as a vendor's tool would make it: another label and serial number, the same objects."""
    tokens = node.path("tokens")
    original = next(tokens.iterdir())
    twin = tokens / "5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a5a"
    shutil.copytree(original, twin)
    data = (twin / "token.object").read_bytes()
    serials = set(re.findall(rb"[0-9a-f]{16}", data))
    assert len(label) == len("symbolon") and data.count(b"symbolon") == 1 and len(serials) == 1
    serial = serials.pop()
    data = data.replace(b"symbolon", label.encode()).replace(serial, serial[:-4] + b"5a5a")
    (twin / "token.object").write_bytes(data)


def two_slots(**options) -> Appliance:
    node = Appliance(plain_http=True, **options).set_up()
    copy_token(node, "replica2")
    second = node.path("second-module.so")
    shutil.copy(SOFTHSM, second)
    node.edits = {'slot "softhsm" {': f'slot "second" {{ module = "{second}"  token = "replica2"  pin_file = "pin"'
                                      '  priority = 2  replica = true }\nslot "softhsm" { priority = 1 '}
    return node


def slots(node: Appliance) -> dict[str, dict]:
    operator = {"X-Vault-Token": node.credential("demo-operator")["operations"]["token"]}
    return {slot["name"]: slot for slot in node.operations.request("GET", "/operations/keys", operator).json()["slots"]}


def encode(node: Appliance, pan: str) -> client.Reply:
    return client.vault(node.main, node.token("demo-app"), "encode", "pan", {"value": pan})


def until(condition, what: str) -> None:
    end = time.monotonic() + 60  # only ends a test that hangs
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class TwoSlots(unittest.TestCase):
    def test_calls_go_on_at_the_next_slot_and_come_back(self):
        node = two_slots()
        node.start()
        first = next(path for path in node.path("tokens").iterdir() if b"replica2" not in (path / "token.object").read_bytes())
        wrong, done, stop = [], [0], threading.Event()
        try:
            expected = {pan: encode(node, pan).json()["data"]["encoded_value"] for pan in PANS}
            self.assertTrue(slots(node)["softhsm"]["in_use"])

            def caller() -> None:
                while not stop.is_set():
                    for pan in PANS:
                        reply = encode(node, pan)
                        done[0] += 1
                        if reply.status != 200 or reply.json()["data"]["encoded_value"] != expected[pan]:
                            wrong.append((reply.status, reply.body))

            threads = [threading.Thread(target=caller) for _ in range(3)]
            for thread in threads:
                thread.start()
            first.rename(node.path("away"))
            until(lambda: not slots(node)["softhsm"]["up"], "the first slot's going is not noticed")
            self.assertTrue(slots(node)["second"]["in_use"])
            self.assertEqual(node.operations.request("GET", "/readyz").status, 200)
            goal = done[0] + 100
            until(lambda: done[0] >= goal, "no service from the second slot")
            node.path("away").rename(first)
            until(lambda: slots(node)["softhsm"]["in_use"], "the first slot is not used again")
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong[:3], [])
        finally:
            stop.set()
            node.finish()

    def test_a_slot_with_other_keys_under_the_same_labels_is_not_used(self):
        node = two_slots()
        node.top = 'store { file = "symbolon.db" }'
        other = Appliance(plain_http=True).set_up()  # the same labels, other keys
        twin = next(path for path in node.path("tokens").iterdir() if b"replica2" in (path / "token.object").read_bytes())
        shutil.rmtree(twin)
        copy_token(other, "replica2")
        foreign = next(path for path in other.path("tokens").iterdir() if b"replica2" in (path / "token.object").read_bytes())
        shutil.copytree(foreign, twin)
        shutil.copy(other.path("pin"), node.path("pin2"))
        node.path("pin2").chmod(0o600)
        node.edits = {old: new.replace('token = "replica2"  pin_file = "pin"', 'token = "replica2"  pin_file = "pin2"')
                      for old, new in node.edits.items()}
        node.configure()
        status, text = node.start_refused()
        self.assertEqual(status, 78, text)
        self.assertIn("check value", text)
        node.remove()
        other.remove()


if __name__ == "__main__":
    unittest.main()
