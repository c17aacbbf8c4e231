# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Serial tokens when things go wrong: kill -9, clients that hang up, a store that cannot be written, a key
replaced under its label, sessions that end by themselves. No string may ever be issued twice.
"""

import contextlib
import gzip
import resource
import sqlite3
import threading
import time
import unittest

from appliance import EX_CONFIG, SOFTHSM, Appliance, Clock, run
from serial_client import JSON_API, NAMES, Client, order_body, with_serials

PROFILE = "serial { max_tokens = 4000000  max_cells = 40000000  session_idle = 3600 }"
NOON = 1900000000


def setUpModule():
    global base
    base = with_serials(Appliance(), PROFILE).set_up()


def tearDownModule():
    base.remove()


class Case(unittest.TestCase):
    def setUp(self):
        self.appliance = base.clone()
        self.appliance.top = base.top
        self.addCleanup(self.appliance.remove)
        self.appliance.configure()
        for name in NAMES:
            self.appliance.credential(name)

    def kill(self):
        self.appliance.process.kill()
        self.appliance.process.wait()
        self.appliance.process = None

    def start(self, name="demo-serial"):
        self.appliance.start()
        return Client(self.appliance, name).open_session()

    def stop(self):
        self.assertEqual(self.appliance.stop(), 0)
        for word in ("Sanitizer", "runtime error"):
            self.assertNotIn(word, self.appliance.text("symbolon.log"))


class Killed(Case):
    def test_a_line_whose_order_was_answered_is_produced_after_kill_9(self):
        client = self.start()
        before, file = client.produce(size="5000", digits="11", seed=client.session_key)
        waiting = [client.order(size="50000", digits="11")["id"] for _ in range(4)]
        self.kill()
        self.appliance.start()  # the session is still good
        self.assertEqual(client.data(before).body, file)
        self.assertEqual(gzip.decompress(client.data(before, "?format=gz").body), file)
        tokens = file.decode().split("\n")
        for id in waiting:
            tokens += client.tokens(id)
        self.assertEqual((len(tokens), len(set(tokens))), (205000, 205000))
        self.assertEqual(client.capacity("UPPER_HEX", 11)[0], str(16 ** 11 - 205000))
        self.stop()

    def keep_ordering(self, client, answered, stop):
        while not stop.is_set():
            try:
                reply = client.call("POST", "/api/tokens", order_body(size="1000", digits="12"))
            except OSError:
                return
            except Exception:  # half a reply
                return
            if reply.status == 201:
                answered.append(reply.json()["data"]["id"])

    def test_no_string_comes_twice_however_often_the_process_is_killed_among_orders(self):
        clients = [self.start(), Client(self.appliance, "demo-serial-2").open_session()]
        answered = [[], []]
        for round in range(3):
            stop = threading.Event()
            threads = [threading.Thread(target=self.keep_ordering, args=(client, ids, stop))
                       for client, ids in zip(clients, answered)]
            goal = [len(ids) + 5 + 3 * round for ids in answered]
            for thread in threads:
                thread.start()
            while any(len(ids) < wanted for ids, wanted in zip(answered, goal)):
                time.sleep(0.001)
            self.kill()
            stop.set()
            for thread in threads:
                thread.join()
            self.appliance.start()
        tokens, lines = [], 0
        for client, ids in zip(clients, answered):
            listed = [line["id"] for line in client.get("/api/tokens").json()["data"]]
            self.assertLessEqual(set(ids), set(listed))  # what was answered is there; more may be
            lines += len(listed)
            for id in listed:
                tokens += client.tokens(id)
        self.assertEqual((len(tokens), len(set(tokens))), (1000 * lines, 1000 * lines))
        self.assertEqual(clients[0].capacity("UPPER_HEX", 12)[0], str(16 ** 12 - 1000 * lines))
        self.stop()

    def test_kill_9_among_downloads_changes_no_byte(self):
        client = self.start()
        id, file = client.produce(size="300000", digits="10")
        with self.appliance.main.connect() as connection:
            connection.sendall(f"GET /api/tokens/{id}/data HTTP/1.1\r\nHost: x\r\nSession-Key: {client.session_key}\r\n\r\n".encode())
            self.assertTrue(connection.recv(100).startswith(b"HTTP/1.1 200"))
            self.kill()
        self.appliance.start()
        self.assertEqual(client.data(id).body, file)
        self.assertEqual(client.data(id, Range="bytes=1000000-").body, file[1000000:])
        self.stop()

    def test_a_stop_in_the_middle_of_production_loses_nothing(self):
        client = self.start()
        id = client.order(size="2000000", digits="10")["id"]
        self.stop()
        self.appliance.start()
        attributes = client.finished(id)
        self.assertEqual((attributes["size"], attributes["filesizes"]), ("2000000", {"data": 21999999}))
        self.stop()


class HungUp(Case):
    def test_a_client_that_hangs_up_frees_its_worker(self):
        client = self.start()
        id = client.order(size="3000000", digits="10")["id"]
        client.finished(id)
        for query in ("", "?format=gz"):
            for _ in range(4):
                connection = self.appliance.main.connect()
                connection.sendall(f"GET /api/tokens/{id}/data{query} HTTP/1.1\r\nHost: x\r\n"
                                   f"Session-Key: {client.session_key}\r\n\r\n".encode())
                self.assertTrue(connection.recv(15).startswith(b"HTTP/1.1 200"))
                connection.close()
        while self.appliance.metric("symbolon_requests_in_flight") > 1:  # the scrape itself
            time.sleep(0.01)
        reply = client.data(id, Range="bytes=32999990-")
        self.assertEqual((reply.status, len(reply.body)), (206, 9))
        self.stop()


class Unwritable(Case):
    def limit(self, size):
        resource.prlimit(self.appliance.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def test_a_store_that_cannot_grow_answers_503_and_recovers(self):
        self.appliance.restore_signals = False  # SIGXFSZ stays ignored: a write beyond is an error and not the end
        client = self.start()
        first, file = client.produce(size="1000", digits="13")
        # The write-ahead log is larger than the audit file and is the only one that meets the limit.
        size = self.appliance.path("store.db-wal").stat().st_size
        self.assertGreater(size, 2 * self.appliance.path("audit.log").stat().st_size)
        self.limit(size)
        seen = 0
        for _ in range(20):
            reply = client.call("POST", "/api/tokens", order_body(size="1000", digits="13"))
            if reply.status == 503:
                seen += 1
                self.assertEqual((reply.media_type, reply.headers["Retry-After"]), (JSON_API, "1"))
                self.assertEqual(reply.json()["errors"][0]["status"], "503")
        self.assertEqual(seen, 20)
        body = {"data": {"type": "session", "attributes": {}}}
        self.assertEqual(client.keyed("POST", "/api/sessions", body).status, 503)
        self.assertEqual(client.data(first).body, file)  # reading goes on
        self.assertEqual(client.capacity("UPPER_HEX", 13)[0], str(16 ** 13 - 1000))
        self.limit(resource.RLIM_INFINITY)
        tokens = file.decode().split("\n") + client.tokens(client.order(size="1000", digits="13")["id"])
        self.assertEqual(len(set(tokens)), 2000)
        self.assertEqual(client.capacity("UPPER_HEX", 13)[0], str(16 ** 13 - 2000))
        self.stop()


class Refused(Case):
    def test_a_key_replaced_under_its_label_is_refused_at_start(self):
        client = self.start()
        client.produce(size="1000", digits="10")
        self.stop()
        run("pkcs11-tool", "--module", SOFTHSM, "--token-label", "symbolon", "--login", "--pin", self.appliance.pin,
            "--delete-object", "--type", "secrkey", "--label", "symbolon:1:fpe:1", env=self.appliance.env)
        self.appliance.generate(1, "fpe")
        status, text = self.appliance.start_refused()
        self.assertEqual(status, EX_CONFIG, text)
        self.assertIn("symbolon:1:fpe:1", text)
        self.assertIn("replaced", text)

    def test_a_store_that_another_appliance_has_open_is_refused(self):
        self.start()
        twin = base.clone()
        self.addCleanup(twin.remove)
        twin.top = base.top.replace("store.db", str(self.appliance.path("store.db")))
        twin.configure()
        status, text = twin.start_refused()
        self.assertNotEqual(status, 0)
        self.assertIn("store.db", text)
        self.stop()

    def test_a_damaged_store_is_refused(self):
        self.start()
        self.stop()
        path = self.appliance.path("store.db")
        content = bytearray(path.read_bytes())
        content[:16] = b"not a database.."
        path.write_bytes(content)
        status, text = self.appliance.start_refused()
        self.assertEqual(status, EX_CONFIG, text)
        self.assertIn("store.db", text)


class Rotated(Case):
    def test_old_lines_are_the_same_under_a_new_key_and_gone_when_theirs_is_released(self):
        self.appliance.generate(1, "fpe", generation=2)
        client = self.start()
        id, file = client.produce(size="1000", digits="10")
        small, small_file = client.produce(size="7776", digits="5", alphabet="DICE")
        operator = {"X-Vault-Token": self.appliance.credential("demo-operator")["operations"]["token"]}

        def move(generation, action):
            path = f"/operations/keys/1/{generation}/{action}"
            self.assertEqual(self.appliance.operations.request("POST", path, operator).status, 200)

        move(2, "load")
        move(2, "activate")
        self.assertEqual((client.data(id).body, client.data(small).body), (file, small_file))
        _, more = client.produce(size="1000", digits="10")  # the space stays with its key
        client.produce(size="1000", digits="11")
        self.assertEqual(len(set((file + b"\n" + more).split(b"\n"))), 2000)
        move(1, "release")
        for query in ("", "?format=gz"):
            reply = client.data(id, query)
            self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (410, "space_closed"))
        reply = client.call("POST", "/api/tokens", order_body(size="1000", digits="10"))
        self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (409, "space_closed"))
        self.assertEqual(client.get(f"/api/tokens/{id}/finished").status, 200)
        self.assertEqual(len(client.tokens(client.order(size="1000", digits="11")["id"])), 1000)
        self.stop()


class Restored(Case):
    def test_an_older_copy_and_skipped_serials_issue_nothing_twice(self):
        client = self.start()
        known, file = client.produce(size="1000", digits="10")
        with contextlib.closing(sqlite3.connect(self.appliance.path("store.db"))) as store:
            store.execute("VACUUM INTO ?", (str(self.appliance.path("copy.db")),))
        forgotten, lost = client.produce(size="5000", digits="10")
        _, fresh = client.produce(size="1000", digits="12")  # of a space that the copy does not know
        self.stop()
        for name in ("store.db", "store.db-wal", "store.db-shm"):
            self.appliance.path(name).unlink(missing_ok=True)
        self.appliance.path("copy.db").rename(self.appliance.path("store.db"))
        self.appliance.symbolon("skip-serials", "10000")
        self.appliance.start()
        self.assertEqual(client.data(known).body, file)
        self.assertEqual(client.get(f"/api/tokens/{forgotten}").status, 404)
        for digits, before in (("10", file + b"\n" + lost), ("12", fresh)):
            _, after = client.produce(size="20000", digits=digits)
            self.assertEqual(set(before.split(b"\n")) & set(after.split(b"\n")), set())
        target = "/api/alphabets/UPPER_HEX/10/tokens/"
        self.assertEqual(client.get(target + file[:10].decode()).status, 200)
        self.assertEqual(client.get(target + lost[:10].decode()).status, 404)
        self.stop()


class Idle(Case):
    def test_a_session_that_is_not_used_ends_and_its_lines_stay(self):
        clock = Clock(self.appliance, NOON)
        self.addCleanup(clock._file.close)
        client = self.start()
        id, file = client.produce(size="1000", digits="10")
        clock.set(NOON + 3540)
        self.assertEqual(client.get("/api/tokens").status, 200)
        clock.set(NOON + 3540 + 3540)
        self.assertEqual(client.get("/api/tokens").status, 200)  # each use counts anew
        clock.set(NOON + 3540 + 3540 + 3720)
        reply = client.get("/api/tokens")
        self.assertEqual((reply.status, reply.json()["errors"][0]["code"]), (401, "session_invalid"))
        later = Client(self.appliance).open_session()
        self.assertEqual(later.data(id).body, file)
        self.assertEqual(later.get("/api/tokens").json()["data"], [])
        self.stop()


if __name__ == "__main__":
    unittest.main()
