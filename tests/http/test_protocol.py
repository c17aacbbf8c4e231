# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP and TLS as spoken by the appliance itself: malformed requests as raw bytes over TLS and plain
HTTP, the headers of every reply, paths that nobody owns, and what each listener serves.
"""

import json
import re
import socket
import ssl
import time
import unittest

import client
from appliance import Appliance
from client import CARD_PATH, card_body, card_headers, encode, request_bytes

UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
HEAD = b"POST /v2/tokens HTTP/1.1\r\nHost: a\r\n"
GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n"
BEHIND = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"  # must not be answered


def setUpModule():
    global secure, plain
    secure, plain = Appliance().set_up(), Appliance(plain_http=True).set_up()
    for appliance in (secure, plain):
        appliance.configure()
        appliance.card("demo-cards")
        appliance.token("demo-app")
        appliance.start()


def tearDownModule():
    try:
        secure.finish()
    finally:
        plain.finish()


def statuses(raw: bytes) -> list[int]:
    """The status of every reply in these bytes; no body holds a status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", raw)]


def body_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[2]


class Case(unittest.TestCase):
    def problem(self, reply, status, title):
        self.assertEqual(reply.media_type, "application/problem+json")
        problem = reply.json()
        self.assertEqual((reply.status, problem["type"], problem["title"], problem["status"]),
                         (status, "about:blank", title, status))
        self.assertTrue(problem["detail"])


PROBES = [
    ("a length and chunks", HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks and a length", HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("two different lengths", HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400),
    ("two equal lengths", HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    ("a length with a sign", HEAD + b"Content-Length: +5\r\n\r\nhello", 400),
    ("a negative length", HEAD + b"Content-Length: -5\r\n\r\nhello", 400),
    ("a hexadecimal length", HEAD + b"Content-Length: 0x5\r\n\r\nhello", 400),
    ("a list of lengths", HEAD + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    ("a length of 20 digits", HEAD + b"Content-Length: 99999999999999999999\r\n\r\nhello", 400),
    ("identity, then chunks", HEAD + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("an unknown coding", HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    ("bare line feeds", b"POST /v2/tokens HTTP/1.1\nHost: a\nContent-Length: 0\n\n", 400),
    ("a space before a colon", HEAD + b"Content-Length : 0\r\n\r\n", 400),
    ("a folded line", HEAD + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", 400),
    ("a carriage return in a value", HEAD + b"X: a\rb\r\nContent-Length: 0\r\n\r\n", 400),
    ("a NUL in a value", HEAD + b"X: a\0b\r\nContent-Length: 0\r\n\r\n", 400),
    ("no Host", b"POST /v2/tokens HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 400),
    ("two Hosts", HEAD + b"Host: b\r\nContent-Length: 0\r\n\r\n", 400),
    ("an encoded NUL in the path", b"GET /livez%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an encoded line end in the path", b"GET /v1/transform/role/x%0d%0ay HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("60 headers", GET + b"".join(b"X-%d: y\r\n" % i for i in range(60)) + b"\r\n", 431),
    ("70 headers", GET + b"".join(b"X-%d: y\r\n" % i for i in range(70)) + b"\r\n", 431),
    ("white space before the request", b"   " + GET + b"\r\n", 400),
]
REFUSED_SOMEHOW = [
    ("an unknown method", b"JUNK /livez HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TRACE", b"TRACE /livez HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a head of 20 KiB", GET + b"X: " + b"y" * 20000 + b"\r\n\r\n"),
    ("HTTP/2.0", b"GET /livez HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("no version", b"GET /livez\r\nHost: a\r\n\r\n"),
]


class Malformed(Case):
    def listeners(self):
        return (("TLS", secure.main), ("plain", plain.main), ("operations", secure.operations))

    def test_a_malformed_request_is_refused_and_ends_its_connection(self):
        for where, listener in self.listeners():
            for name, sent, status in PROBES:
                with self.subTest(where=where, probe=name):
                    raw = listener.raw(sent + BEHIND)
                    self.assertEqual(statuses(raw), [status], raw[:300])
                    self.assertIn(b"Content-Type: application/problem+json", raw)
                    self.assertIn(b"\r\nConnection: close\r\n", raw)
                    self.assertEqual(json.loads(body_of(raw))["status"], status)

    def test_what_the_server_does_not_speak_is_refused(self):
        for where, listener in self.listeners():
            for name, sent in REFUSED_SOMEHOW:
                with self.subTest(where=where, probe=name):
                    raw = listener.raw(sent + BEHIND)
                    self.assertEqual(len(statuses(raw)), 1, raw[:300])
                    self.assertTrue(400 <= statuses(raw)[0] <= 505 and statuses(raw)[0] != 404, raw[:60])

    def test_a_credential_or_type_in_two_lines_is_refused_whatever_the_lines_say(self):
        """RFC 9110, 5.3: of two lines, one reader takes the first and another the last."""
        token = secure.token("demo-app")
        body = encode({"value": "4111111111111111"})
        head = f"POST /v1/transform/encode/pan HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
        kind, vault, bearer = "Content-Type: application/json\r\n", f"X-Vault-Token: {token}\r\n", f"Authorization: Bearer {token}\r\n"
        for lines in (bearer * 2, vault * 2, kind * 2 + vault, bearer + "authorization: Basic Og==\r\n", "Authorization:\r\n" + bearer,
                      vault + "X-VAULT-TOKEN: x\r\n", kind + vault + "content-type: text/plain\r\n", vault + "Session-Key: x\r\n" * 2,
                      vault + "Api-Key: x\r\napi-key: y\r\n"):
            with self.subTest(lines=lines.replace(token, "TOKEN")):
                raw = secure.main.raw((head + lines + "\r\n").encode() + body + BEHIND)
                self.assertEqual(statuses(raw), [400], raw[:300])
                self.assertIn(b"Content-Type: application/problem+json", raw)
        for lines in (vault, bearer, bearer + vault + kind, vault + "Accept: a/b\r\nAccept: c/d\r\n"):
            with self.subTest(lines=lines.replace(token, "TOKEN")):
                self.assertEqual(statuses(secure.main.raw((head + lines + "Connection: close\r\n\r\n").encode() + body)), [200])

    def test_malformed_chunks_are_refused_and_nothing_behind_them_is_read(self):
        token = plain.token("demo-app").encode()
        head = (b"POST /v1/transform/encode/pan HTTP/1.1\r\nHost: a\r\nX-Vault-Token: " + token +
                b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunks in (b"0x5\r\nhello\r\n0\r\n\r\n", b"-1\r\nhello\r\n0\r\n\r\n", b"0_5\r\nhello\r\n0\r\n\r\n",
                       b"5\r\nhelloworld\r\n0\r\n\r\n", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n", b"\r\n\r\n"):
            with self.subTest(chunks=chunks):
                raw = plain.main.raw(head + chunks + BEHIND)
                self.assertEqual(statuses(raw), [400], raw[:300])

    def test_a_body_shorter_than_announced_is_not_processed(self):
        body = encode(card_body())
        before = len(plain.audit_lines())
        with plain.main.connect() as connection:
            headers = card_headers(plain.card("demo-cards"), body) | {"Content-Length": str(len(body) + 1)}
            connection.sendall(request_bytes("POST", CARD_PATH, headers, body))
            client.end_of_sending(connection)
            reply = client.read_reply(connection)
        self.assertEqual((reply.status, reply.json()), (400, {
            "status": "invalid-request", "message": "Body is shorter than announced or badly chunked"}))
        self.assertEqual(len(plain.audit_lines()), before)

    def test_nothing_of_a_malformed_request_reaches_the_log(self):
        secure.main.raw(b"GET /planted%0d%0apath HTTP/1.1\r\nHost: planted-host\r\nPlanted: value\r\n\r\n")
        secure.main.request("GET", "/planted/path?planted=query", {"Planted": "value"})
        self.assertNotIn("lanted", secure.text("symbolon.log"))


class EveryReply(Case):
    def replies(self):
        body = encode(card_body())
        yield secure.main.request("GET", "/livez")
        yield secure.main.request("GET", "/nope")
        yield secure.main.request("DELETE", "/livez")
        yield client.post_card(secure.main, secure.card("demo-cards"), card_body())
        yield secure.main.request("POST", CARD_PATH, {}, body)
        yield client.vault(secure.main, secure.token("demo-app"), "encode", "pan", {"value": "x"})

    def test_headers_of_every_reply(self):
        identities = set()
        for reply in self.replies():
            self.assertRegex(reply.headers["X-Request-Id"], UUID)
            identities.add(reply.headers["X-Request-Id"])
            self.assertEqual(reply.headers["Cache-Control"], "no-store")
            self.assertEqual(reply.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(reply.headers["Strict-Transport-Security"], "max-age=31536000")
            self.assertRegex(reply.headers["Date"], "^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT$")
            self.assertEqual(reply.headers["Content-Length"], str(len(reply.body)))
            self.assertIsNotNone(reply.media_type)
            for name in ("Server", "Access-Control-Allow-Origin", "Set-Cookie", "Transfer-Encoding"):
                self.assertNotIn(name, reply.headers)
            self.assertEqual(len(reply.headers.keys()), len({name.lower() for name in reply.headers.keys()}))
        self.assertEqual(len(identities), 6)

    def test_a_request_id_that_is_sent_is_not_taken_over(self):
        reply = secure.main.request("GET", "/livez", {"X-Request-Id": "mine"})
        self.assertRegex(reply.headers["X-Request-Id"], UUID)

    def test_plain_HTTP_does_not_promise_TLS(self):
        self.assertNotIn("Strict-Transport-Security", plain.main.request("GET", "/livez").headers)

    def test_a_preflight_request_gets_no_permission(self):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        for target in (CARD_PATH, "/livez", "/v1/transform/encode/pan"):
            reply = secure.main.request("OPTIONS", target, headers)
            self.assertEqual(reply.status, 405)
            self.assertFalse([name for name in reply.headers if name.lower().startswith("access-control")])


class Connections(Case):
    def test_HEAD_is_GET_without_its_body(self):
        for listener in (secure.main, plain.main):
            got = listener.request("GET", "/livez")
            raw = listener.raw(b"HEAD /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertEqual(statuses(raw), [200])
            self.assertEqual(body_of(raw), b"")
            self.assertIn(b"\r\nContent-Length: %d\r\n" % len(got.body), raw)

    def test_one_connection_serves_many_requests_good_and_bad(self):
        credential = secure.card("demo-cards")
        good, bad = encode(card_body()), encode(card_body("4242424242424241"))
        with secure.main.connect() as connection:
            for body, status in ((good, 200), (bad, 400), (good, 200), (b"{", 400), (good, 200)):
                connection.sendall(request_bytes("POST", CARD_PATH, card_headers(credential, body), body))
                reply = client.read_reply(connection)
                self.assertEqual(reply.status, status)
                self.assertEqual(reply.headers["Connection"], "keep-alive")
            for target, status in (("/livez", 200), ("/nope", 404), (CARD_PATH, 405), ("/readyz", 200)):
                connection.sendall(request_bytes("GET", target, {}, None))
                self.assertEqual(client.read_reply(connection).status, status)

    def test_one_connection_serves_several_clients_and_remembers_none(self):
        body = encode({"value": "4111111111111111"})
        with secure.main.connect() as connection:
            for headers, status in (({"X-Vault-Token": secure.token("demo-app")}, 200), ({}, 403),
                                    ({"X-Vault-Token": secure.token("demo-app")}, 200)):
                connection.sendall(request_bytes("POST", "/v1/transform/encode/pan", headers, body))
                self.assertEqual(client.read_reply(connection).status, status)

    def test_requests_sent_together_are_answered_in_order(self):
        raw = secure.main.raw(GET + b"\r\n" + b"GET /nope HTTP/1.1\r\nHost: a\r\n\r\n" + BEHIND)
        self.assertEqual(statuses(raw), [200, 404, 200])

    def test_close_is_honoured(self):
        raw = secure.main.raw(BEHIND)
        self.assertEqual(statuses(raw), [200])
        self.assertIn(b"\r\nConnection: close\r\n", raw)

    def test_an_expected_continue_comes_before_the_body(self):
        body = encode(card_body())
        headers = card_headers(secure.card("demo-cards"), body)
        with secure.main.connect() as connection:
            head = request_bytes("POST", CARD_PATH, headers | {"Expect": "100-continue", "Content-Length": str(len(body))}, b"")
            connection.sendall(head)
            self.assertEqual(connection.recv(100), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(body)
            self.assertEqual(client.read_reply(connection).status, 200)


class Paths(Case):
    def test_a_path_that_nobody_owns_is_a_problem(self):
        for path in ("/", "/nope", "/V2/tokens", "/V1/transform/encode/pan", "/v2", "/v3/tokens", "/LIVEZ", "/livez/",
                     "/livez.", "//livez", "/%6civez", "/../livez", "/v1/", "/api/tokens", "/operations/keys"):
            with self.subTest(path=path):
                self.problem(secure.main.request("GET", path), 404, "Not Found")

    def test_a_path_of_an_API_is_refused_in_its_own_shape(self):
        for path in ("/v2/Tokens", "/v2/tokens/", "/v2/%74okens"):
            reply = secure.main.request("POST", path, {}, b"{}")
            self.assertEqual((reply.status, reply.json()), (404, {"status": "invalid-request", "message": "No such resource"}))
        for path in ("/v1/transform/ENCODE/pan", "/v1/transform", "/v1/sys/Health"):
            reply = secure.main.request("POST", path, {}, b"{}")
            if path == "/v1/transform":
                self.assertEqual(reply.status, 404)
            else:
                self.assertEqual((reply.status, reply.json()), (404, {"errors": ["no handler for this path"]}))

    def test_an_absolute_target_means_its_path_and_other_forms_nothing(self):
        own = f"localhost:{plain.port}"
        for target, status in (("http://localhost/livez", 200), (f"http://{own}/livez", 200), (f"http://{own}/nope", 404),
                               (f"https://{own}/livez", 400), ("https://localhost:1/v2/tokens", 400), ("*", 400), ("livez", 400)):
            raw = plain.main.raw(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            self.assertEqual(statuses(raw), [status], target)
        for target in (f"https://localhost:{secure.port}/livez", "https://localhost/livez"):
            self.assertEqual(secure.main.request("GET", target).status, 200, target)
        self.assertEqual(secure.main.request("GET", "http://localhost/livez").status, 400)


class Listeners(Case):
    def test_liveness_and_readiness_are_on_both(self):
        for listener in (secure.main, secure.operations, plain.main, plain.operations):
            for path, text in (("/livez", b"live\n"), ("/readyz", b"ready\n")):
                reply = listener.request("GET", path)
                self.assertEqual((reply.status, reply.body, reply.media_type), (200, text, "text/plain; charset=utf-8"))
                refused = listener.request("POST", path, {}, b"")
                self.problem(refused, 405, "Method Not Allowed")
                self.assertEqual(refused.headers["Allow"], "GET, HEAD")

    def test_metrics_are_on_the_operations_listener_only(self):
        self.problem(secure.main.request("GET", "/metrics"), 404, "Not Found")
        reply = secure.operations.request("GET", "/metrics")
        self.assertEqual((reply.status, reply.media_type), (200, "text/plain; version=0.0.4; charset=utf-8"))
        for line in reply.body.decode().splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) symbolon_\w+ .+|symbolon_\w+(\{\w+="[^"]*"\})? -?[0-9.]+)$')
        self.assertEqual(secure.metric("symbolon_hsm_up"), 1)

    def settle(self):
        """Waits until only the scrape is in flight: a request is counted when it is over, after its reply."""
        for _ in range(1000):
            if secure.metric("symbolon_requests_in_flight") == 1:
                return
            time.sleep(0.01)
        self.fail("requests stay in flight")

    def test_requests_are_counted_by_class(self):
        name = 'symbolon_http_requests_total{class="%s"}'
        self.settle()
        before = {kind: secure.metric(name % kind) for kind in ("2xx", "4xx")}
        secure.main.request("GET", "/nope")
        client.post_card(secure.main, secure.card("demo-cards"), card_body())
        self.settle()
        # The scrape of each metric is a request that succeeds, too.
        self.assertEqual(secure.metric(name % "4xx"), before["4xx"] + 1)
        self.assertGreater(secure.metric(name % "2xx"), before["2xx"])

    def test_the_APIs_are_not_on_the_operations_listener(self):
        for method, path in (("POST", CARD_PATH), ("POST", "/v1/transform/encode/pan"), ("GET", "/v1/sys/health")):
            self.problem(secure.operations.request(method, path, {}, b"" if method == "POST" else None), 404, "Not Found")

    def test_operations_are_refused_in_their_own_shape(self):
        self.problem(secure.operations.request("POST", "/operations/nothing", {}, b""), 404, "Not Found")


class Tls(unittest.TestCase):
    def handshake(self, lowest, highest, ciphers=None):
        context = ssl.create_default_context(cafile=str(secure.path("tls.pem")))
        if ciphers:
            context.set_ciphers(ciphers)
        context.minimum_version, context.maximum_version = lowest, highest
        with socket.create_connection(("127.0.0.1", secure.port)) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as connection:
                return connection.cipher()

    def test_1_2_and_1_3_are_spoken_with_authenticated_encryption(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            cipher, spoken, _ = self.handshake(version, version)
            self.assertEqual(spoken, name)
            self.assertRegex(cipher, "GCM|CHACHA20")

    def test_older_versions_are_refused(self):
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises((ssl.SSLError, ConnectionError)), self.assertWarns(DeprecationWarning):
                self.handshake(version, version, "ALL:@SECLEVEL=0")

    def test_ciphers_without_authenticated_encryption_or_forward_secrecy_are_refused(self):
        for ciphers in ("ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384", "NULL:@SECLEVEL=0"):
            with self.subTest(ciphers=ciphers), self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, ciphers)

    def test_plain_HTTP_on_the_TLS_port_gets_no_answer_to_its_question(self):
        with socket.create_connection(("127.0.0.1", secure.port), client.TIMEOUT_S) as connection:
            connection.sendall(BEHIND)
            try:
                self.assertNotIn(b"200", client.read_to_end(connection)[:20])
            except ConnectionResetError:
                pass

    def test_a_connection_cut_without_a_word_is_not_processed(self):
        body = encode(card_body())
        before = len(secure.audit_lines())
        with secure.main.connect() as connection:
            headers = card_headers(secure.card("demo-cards"), body) | {"Content-Length": str(len(body))}
            connection.sendall(request_bytes("POST", CARD_PATH, headers, body[:-1]))
            socket.socket.shutdown(connection, socket.SHUT_WR)
            try:
                self.assertEqual(client.read_reply(connection).status, 400)
            except (ssl.SSLError, ConnectionError):
                pass  # it may also be cut from the other side
        self.assertEqual(len(secure.audit_lines()), before)


if __name__ == "__main__":
    unittest.main()
