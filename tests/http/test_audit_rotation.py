# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The audit file is moved, removed or blocked while the appliance serves: a new one goes on with the numbers, or
nothing is served.
"""

import json
import unittest

import client
from appliance import Appliance


class Rotation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.appliance = Appliance().set_up()
        cls.addClassCleanup(cls.appliance.remove)
        cls.appliance.configure()
        cls.token = cls.appliance.token("demo-app")
        cls.appliance.start()
        cls.addClassCleanup(cls.appliance.finish)

    def encode(self, status=200):
        reply = client.vault(self.appliance.main, self.token, "encode", "pan", {"value": "4111111111111111"})
        self.assertEqual(reply.status, status)
        return reply

    def lines(self, name):
        return [(line["number"], line["event"]) for line in map(json.loads, self.appliance.text(name).splitlines())]

    def test_a_moved_file_is_followed_by_a_new_one(self):
        self.encode()
        self.appliance.path("audit.log").rename(self.appliance.path("audit.log.1"))
        self.encode()
        number, event = self.lines("audit.log.1")[-1]
        self.assertEqual(event, "transform_encode")
        self.assertEqual(self.lines("audit.log"), [(number + 1, "audit_reopened"), (number + 2, "transform_encode")])

    def test_a_removed_file_leaves_a_gap(self):
        self.encode()
        last = self.lines("audit.log")[-1][0]
        self.appliance.path("audit.log").unlink()
        self.encode()
        self.assertEqual(self.lines("audit.log"), [(last + 1, "audit_reopened"), (last + 2, "transform_encode")])

    def test_nothing_is_served_while_the_file_cannot_be_made(self):
        self.encode()
        last = self.lines("audit.log")[-1][0]
        self.appliance.path("audit.log").unlink()
        self.appliance.path("audit.log").mkdir()
        for _ in range(3):
            self.assertNotIn(b"encoded_value", self.encode(503).body)
        self.appliance.path("audit.log").rmdir()
        self.encode()
        self.assertEqual(self.lines("audit.log"), [(last + 1, "audit_reopened"), (last + 2, "transform_encode")])


if __name__ == "__main__":
    unittest.main()
