# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What values of customers cost in calls to the HSM, counted by OpenSC's pkcs11-spy between appliance and module."""

import re
import unittest
from collections import Counter

import client
from appliance import SOFTHSM, Appliance
from customer_client import NAMES, Customers, with_customers

SHORT = 12  # values whose halves fit in machine words go by themselves
TWEAKS = 2  # of values in the store, each has its own; those of a lone one are remembered
SPY = "/usr/lib/x86_64-linux-gnu/pkcs11-spy.so"


def setUpModule():
    global appliance, crm
    appliance = with_customers(Appliance(plain_http=True)).set_up()
    appliance.configure()
    appliance.token("demo-app")
    for name in NAMES:
        appliance.credential(name)
    appliance.module = SPY
    appliance.extra_env = {"PKCS11SPY": SOFTHSM, "PKCS11SPY_OUTPUT": str(appliance.path("spy.log"))}
    appliance.start()
    crm = Customers(appliance).log_in()


def tearDownModule():
    appliance.finish()


def calls_of(request) -> int:
    """How often the module was called while the request ran; its second time, when prefixes are known."""
    for _ in range(2):
        before = appliance.path("spy.log").stat().st_size
        request()
    with appliance.path("spy.log").open("rb") as trace:
        trace.seek(before)
        return sum(Counter(re.findall(r"^\d+: (C_\w+)$", trace.read().decode(errors="replace"), re.MULTILINE)).values())


class Calls(unittest.TestCase):
    def test_a_page_of_a_hundred_costs_its_longest_value_and_its_longest_short_one(self):
        for customer, count in (("lone", 1), ("many", 100)):
            for i in range(count):
                value = f"{customer}-{i:03}" + "x" * (i % 7) if i else f"{customer}-longest-of-all"
                self.assertEqual(crm.create(customer, {"type": "t", "value": value}).status, 201)
        one, many = (calls_of(lambda: crm.list(customer, "?limit=100")) for customer in ("lone", "many"))
        self.assertGreaterEqual(one, 10)
        self.assertLessEqual(many, one + SHORT + TWEAKS)

    def test_a_page_of_events_does_too(self):
        def record(value: str) -> None:
            crm.call("POST", "tokens/events", {"token": {"type": "t", "value": value}, "event": {"event": "e"}})
        record("event-000")
        one = calls_of(lambda: crm.call("GET", "tokens/events?limit=100"))
        for i in range(1, 50):
            record(f"event-{i:03}")
        self.assertLessEqual(calls_of(lambda: crm.call("GET", "tokens/events?limit=100")), one + TWEAKS)

    def test_a_batch_of_a_role_does_too(self):
        def send(operation: str, items: list) -> list:
            reply = client.vault(appliance.main, appliance.token("demo-app"), operation, "crm", {"batch_input": items})
            results = reply.json()["data"]["batch_results"]
            assert not any("error" in result for result in results), results[:3]
            return results
        items = [{"value": f"value-{i:04}", "metadata": {"type": "t"}} for i in range(1000)]
        made = [{"value": row["encoded_value"]} for row in send("encode", items)]
        self.assertEqual([row["decoded_value"] for row in send("decode", made)], [item["value"] for item in items])
        for operation, batch in (("encode", items), ("decode", made)):
            self.assertLessEqual(calls_of(lambda: send(operation, batch)), calls_of(lambda: send(operation, batch[:1])) + 2)

    def test_who_may_not_see_values_costs_nothing(self):
        writer, reader = (Customers(appliance, f"demo-crm-{kind}").log_in() for kind in ("writer", "reader"))
        self.assertEqual(writer.create("blind", {"type": "t", "value": "blind"}).status, 201)
        self.assertEqual(calls_of(lambda: reader.list("blind")), 0)


if __name__ == "__main__":
    unittest.main()
