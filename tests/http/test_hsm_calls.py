# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What a request costs in calls to the HSM, counted by OpenSC's pkcs11-spy between appliance and module."""

import re
import unittest
from collections import Counter

import client
from appliance import SOFTHSM, Appliance

SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"
CALLS_A_SLICE = 12  # ten rounds, and two more at most


def setUpModule():
    global appliance
    appliance = Appliance(plain_http=True).set_up()
    appliance.configure()
    appliance.token("demo-app")
    appliance.card("demo-cards")
    appliance.module = SPY
    appliance.extra_env = {"PKCS11SPY": SOFTHSM, "PKCS11SPY_OUTPUT": str(appliance.path("spy.log"))}
    appliance.start()
    calls_of(lambda: encode([{"value": "4111111111111111"}]))  # whatever is done at first use is done


def tearDownModule():
    appliance.finish()


def calls_during(request) -> Counter:
    before = appliance.path("spy.log").stat().st_size
    request()
    with appliance.path("spy.log").open("rb") as trace:
        trace.seek(before)
        return Counter(re.findall(r"^\d+: (C_\w+)$", trace.read().decode(errors="replace"), re.MULTILINE))


def calls_of(request) -> Counter:
    """The calls that the module saw while the request ran: the quietest of three times, because the watcher asks
    every key for an answer every two seconds."""
    return min((calls_during(request) for _ in range(3)), key=lambda calls: sum(calls.values()))


def send(operation, role, items):
    reply = client.vault(appliance.main, appliance.token("demo-app"), operation, role, {"batch_input": items})
    assert reply.status == 200, reply.body[:200]
    results = reply.json()["data"]["batch_results"]
    assert not any("error" in result for result in results), results[:3]
    return results


def encode(items, role="pan"):
    return send("encode", role, items)


def pans(count, length=16):
    return [{"value": client.with_check_digit(("4%014d" % i).ljust(18, "3")[:length - 1])} for i in range(count)]


class Calls(unittest.TestCase):
    def assert_cheap(self, calls, slices=1):
        self.assertGreaterEqual(sum(calls.values()), 10 * slices, calls)
        self.assertLessEqual(sum(calls.values()), CALLS_A_SLICE * slices, calls)

    def test_a_thousand_numbers(self):
        self.assert_cheap(calls_of(lambda: encode(pans(1000))))

    def test_a_full_slice(self):
        self.assert_cheap(calls_of(lambda: encode(pans(1024))))

    def test_opening_a_thousand_tokens(self):
        items = [{"value": result["encoded_value"]} for result in encode(pans(1000))]
        self.assert_cheap(calls_of(lambda: send("decode", "pan", items)))

    def test_a_thousand_numbers_of_all_lengths(self):
        items = [pans(1, 12 + i % 8)[0] for i in range(1000)]
        self.assert_cheap(calls_of(lambda: encode(items)))

    def test_one_number(self):
        self.assert_cheap(calls_of(lambda: encode(pans(1))))

    def test_one_card_token(self):
        self.assert_cheap(calls_of(lambda: client.post_card(appliance.main, appliance.card("demo-cards"), client.card_body())))

    def test_a_thousand_card_tokens(self):
        items = pans(1000)
        self.assert_cheap(calls_of(lambda: encode(items, "card")))
        tokens = [{"value": result["encoded_value"]} for result in encode(items, "card")]
        self.assert_cheap(calls_of(lambda: send("decode", "card", tokens)))

    def test_several_slices_cost_as_many_times_as_much(self):
        self.assert_cheap(calls_of(lambda: encode(pans(3000))), 3)

    def test_a_refused_value_or_credential_costs_nothing(self):
        token = appliance.token("demo-app")
        for body in ({"value": "4111111111111112"}, {"batch_input": [{"value": "x"}] * 100}, b"{"):
            self.assertEqual(calls_of(lambda: client.vault(appliance.main, token, "encode", "pan", body)), Counter())
        self.assertEqual(calls_of(lambda: client.vault(appliance.main, "sym.13.x", "encode", "pan", pans(1)[0])), Counter())

    def test_health_costs_nothing(self):
        for path in ("/livez", "/readyz", "/v1/sys/health"):
            self.assertEqual(calls_of(lambda: appliance.main.request("GET", path)), Counter(), path)


if __name__ == "__main__":
    unittest.main()
