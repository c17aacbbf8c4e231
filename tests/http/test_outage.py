# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What is scarce or goes away while the appliance runs: memory in flight, and the token's files."""

import json
import ssl
import threading
import time
import unittest

import client
from appliance import Appliance

MEMORY = 32 << 20
ENCODE = "/v1/transform/encode/pan"

secure = plain = None


def setUpModule():
    global secure, plain
    secure, plain = Appliance().set_up(), Appliance(plain_http=True).set_up()
    plain.top = f"memory_in_flight = {MEMORY}"
    secure.start()
    plain.start()


def tearDownModule():
    try:
        secure.finish()
    finally:
        plain.finish()


def encode(body: bytes) -> client.Reply:
    return plain.main.request("POST", ENCODE, {"X-Vault-Token": plain.token("demo-app")}, body)


class MemoryInFlight(unittest.TestCase):
    def test_a_small_body_that_needs_much_is_turned_away(self):
        reply = encode(b'{"batch_input":[' + b"1," * 2_000_000 + b"1]}")
        self.assertEqual((reply.status, reply.json()), (503, {"errors": ["the appliance is at its limit, try again"]}))
        self.assertEqual(reply.headers["Retry-After"], "1")

    def test_it_bounds_what_many_hold_together_and_is_given_back(self):
        bodies = [b'{"batch_input":[' + b"1," * 150_000 + b"1]}"] * 6  # 10 MB of tree and as much of reply for each
        replies, seen = [], []
        threads = [threading.Thread(target=lambda body=body: replies.append(encode(body))) for body in bodies]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            seen.append(plain.metric("symbolon_bytes_in_flight"))
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        self.assertEqual(len(replies), len(bodies))
        self.assertTrue({reply.status for reply in replies} <= {200, 503})
        self.assertLessEqual(max(seen), MEMORY)
        self.assertEqual(plain.metric("symbolon_bytes_in_flight"), 0)
        self.assertEqual(encode(json.dumps({"value": "4111111111111111"}).encode()).status, 200)


class TokenLost(unittest.TestCase):
    def wait_for_readiness(self, status):
        end = time.monotonic() + client.TIMEOUT_S
        while secure.operations.request("GET", "/readyz").status != status:
            self.assertLess(time.monotonic(), end, f"/readyz does not become {status}")
            time.sleep(0.1)

    def log_events(self, event):
        return [line for line in secure.text("symbolon.log").splitlines() if f'"event":"{event}"' in line]

    def test_readiness_tells_and_new_connections_work_again_when_it_is_back(self):
        before = secure.main.request("POST", ENCODE, {"X-Vault-Token": secure.token("demo-app")},
                                     b'{"value":"4111111111111111"}').json()["data"]
        secure.path("tokens").rename(secure.path("elsewhere"))
        self.wait_for_readiness(503)
        self.assertEqual(secure.metric("symbolon_hsm_up"), 0)
        with self.assertRaises(ssl.SSLError):
            secure.main.request("GET", "/livez")
        self.assertEqual(len(self.log_events("hsm_down")), 1)
        secure.path("elsewhere").rename(secure.path("tokens"))
        self.wait_for_readiness(200)
        self.assertEqual(secure.metric("symbolon_hsm_up"), 1)
        self.assertEqual(len(self.log_events("hsm_up")), 1)
        after = secure.main.request("POST", ENCODE, {"X-Vault-Token": secure.token("demo-app")},
                                    b'{"value":"4111111111111111"}')
        self.assertEqual((after.status, after.json()["data"]), (200, before))


if __name__ == "__main__":
    unittest.main()
