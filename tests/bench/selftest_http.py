# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The parts that measure over HTTP measure what they say: their peers answer, their load fails when a reply does, what
they count is there. Nothing here depends on speed."""

import os
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

from house import ADDRESS, Requests, constant_server, new_appliance, pans, receive, tests_http  # noqa: E402
from load import wrk, write_requests  # noqa: E402
from measure import Bench  # noqa: E402
from part_serial import Line  # noqa: E402

BUILD = Path(os.environ.get("SYMBOLON_BUILD", "build/dev")).resolve()
ROOT = Path(__file__).resolve().parents[2]


def setUpModule():
    global bench, node, soft, client, serial_client
    bench = Bench(root=ROOT, build=BUILD, out=BUILD, quick=True)
    _, client, serial_client = tests_http(bench)
    node, soft = new_appliance(bench), new_appliance(bench, in_memory=True)


def tearDownModule():
    soft.finish()
    node.finish()


class KeyInMemory(unittest.TestCase):
    def test_it_serves_as_the_appliance_does(self):
        values = pans(client, 30)
        for which in (node, soft):
            tokens = Requests(bench, which).tokens_of(values)
            self.assertFalse(set(tokens) & set(values))
            self.assertEqual({len(token) for token in tokens}, {16})

    def test_it_says_at_its_start_that_it_protects_nothing(self):
        self.assertIn("keys_in_memory", soft.text("symbolon.log"))
        self.assertNotIn("keys_in_memory", node.text("symbolon.log"))

    def test_another_process_has_the_same_keys(self):
        values = pans(client, 5)
        before = Requests(bench, soft).tokens_of(values)
        soft.restart()
        self.assertEqual(Requests(bench, soft).tokens_of(values), before)

    def test_every_kind_of_card_is_tokenized(self):
        for path in (Requests(bench, soft).cards(pans(client, 3)), Requests(bench, soft).gift_cards(pans(client, 3))):
            self.assertGreater(wrk(soft.port, path, 1, 1).requests, 0)


class ConstantServer(unittest.TestCase):
    def test_it_answers_with_the_bytes_it_was_given_on_a_connection_that_is_kept(self):
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        server = constant_server(bench, reply, node.folder)
        self.addCleanup(server.stop)
        with client.Listener(server.port).connect(ADDRESS) as connection:
            for _ in range(3):
                connection.sendall(Requests(bench, node).transform("encode", {"value": "4242424242424242"}))
                self.assertEqual(receive(connection), (reply, b"hello"))


class Load(unittest.TestCase):
    def test_only_its_owner_may_read_the_file_of_requests(self):
        path = Requests(bench, node).values("encode", pans(client, 2))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_all_requests_are_sent_and_a_run_with_one_refusal_is_no_figure(self):
        good = Requests(bench, node).transform("encode", {"value": pans(client, 1)[0]})
        bad = Requests(bench, node).transform("encode", {"value": "1"})
        path = write_requests(node.path("mixed"), [good] * 20 + [bad])
        with self.assertRaisesRegex(AssertionError, "are no success"):
            wrk(node.port, path, 2, 1)

    def test_a_server_that_is_not_there_is_no_figure(self):
        path = Requests(bench, node).values("encode", pans(client, 1))
        with self.assertRaises(AssertionError):
            wrk(1, path, 1, 1)


class Serials(unittest.TestCase):
    def test_a_download_that_is_cut_short_is_no_figure(self):
        caller = serial_client.Client(node).open_session()
        line = Line(node, caller, 2000)
        self.assertGreater(line.download(), 0)
        self.assertGreater(line.download("?format=gz"), 0)
        line.size += 1
        with self.assertRaises(AssertionError):
            line.download()

    def test_a_line_is_as_long_as_it_was_ordered(self):
        with self.assertRaisesRegex(AssertionError, "smaller"):
            Line(node, serial_client.Client(node).open_session(), 20_000_000)


if __name__ == "__main__":
    unittest.main()
