# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Members that sign their requests (a detached JWS as Bearer), and those who only look like it."""

import hashlib
import hmac
import json
import signal
import time
import unittest

import client
from appliance import Appliance, Clock
from member_client import MemberKey, b64url, detached, signing_input
from request_client import Members, with_requests

START_S = 1_900_000_000
DAY_MS = 24 * 3600 * 1000
BODY_LIMIT = 64 * 1024
PATH = "/token-requests"
MADE_UP = f"{PATH}/rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKtXEAq"

appliance: Appliance
members: Members
clock: Clock
keys: dict[str, MemberKey]


def setUpModule():
    global appliance, members, clock, keys
    appliance = with_requests(Appliance()).set_up()
    keys = {name: MemberKey(appliance.folder, name, algorithm) for name, algorithm in (
        ("ed", "EdDSA"), ("ec", "ES256"), ("rsa", "RS256"), ("ed-of-another", "EdDSA"), ("ed-of-nobody", "EdDSA"))}
    for member, files in (("demo-payments", ("ed", "ec", "rsa")), ("demo-payments-2", ("ed-of-another",))):
        listed = ", ".join(f'"{keys[name].file}"' for name in files)
        appliance.tenants = appliance.tenants.replace(f'client "{member}" {{', f'client "{member}" {{ public_keys = {{{listed}}} ', 1)
    clock = Clock(appliance, START_S)
    appliance.start()
    members = Members(appliance)


def tearDownModule():
    appliance.finish()


def header_of(name: str = "ed", member: str = "demo-payments", **changes) -> dict:
    """What the header says of a POST; a change to None takes the member out."""
    key = keys[name]
    header = {"alg": key.algorithm, "kid": key.kid, "mid": members.member_id(member), "host": "localhost",
              "method": "POST", "path": PATH, "exp": START_S * 1000 + 60_000} | changes
    return {name: value for name, value in header.items() if value is not None}


def send(jws: str, body: bytes | None = None, method: str = "POST", target: str = PATH, **headers) -> client.Reply:
    headers = {"Authorization": f"Bearer {jws}"} | headers
    if body is not None:
        headers = {"Content-Type": "application/json"} | headers
    return appliance.main.request(method, target, headers, body)


def signed(header: dict | bytes, body: bytes, name: str = "ed") -> str:
    return detached(header, body, keys[name].sign)


class Case(unittest.TestCase):
    def setUp(self):
        self.body = client.encode(members.body())

    def assert_taken(self, reply: client.Reply):
        self.assertEqual(reply.status, 200, reply.body)

    def assert_refused(self, reply: client.Reply):
        """All look the same, whatever was wrong."""
        self.assertEqual(reply.status, 401, reply.body)
        self.assertEqual(reply.media_type, "application/json")
        self.assertEqual(reply.json(), {"error": {"message": "The authorization information is missing or invalid.",
                                                  "tokenTraceId": reply.headers["X-Request-Id"]}})
        self.assertEqual(reply.headers.get_all("WWW-Authenticate"), [
            'Bearer realm="token-requests", error="invalid_token"', 'Basic realm="token-requests", charset="UTF-8"'])

    def try_header(self, header: dict | bytes, name: str = "ed"):
        """Signed as it stands, by the key of that name."""
        return send(signed(header, self.body, name), self.body)


class Signed(Case):
    def test_each_kind_of_key_makes_and_reads_a_request(self):
        for name in ("ed", "ec", "rsa"):
            with self.subTest(key=name):
                made = send(signed(header_of(name), self.body, name), self.body)
                self.assert_taken(made)
                path = f"{PATH}/{made.json()['tokenRequest']['id']}"
                for method, target in (("GET", path), ("GET", f"{path}/result"), ("HEAD", path),
                                       ("GET", path.replace(":", "%3A"))):
                    jws = signed(header_of(name, method=method, path=target), b"", name)
                    self.assert_taken(send(jws, method=method, target=target))

    def test_what_a_key_signs_is_audited_as_its_members(self):
        before = len(appliance.audit_lines())
        self.assert_taken(self.try_header(header_of()))
        self.assert_refused(self.try_header(header_of(), "ed-of-nobody"))
        lines = appliance.audit_lines()[before:]
        self.assertEqual([(line["event"], line["outcome"], line.get("client")) for line in lines],
                         [("token_request_create", "ok", "demo-payments"), ("authentication_failed", "credential", None)])

    def test_a_signature_is_good_again_until_it_ends(self):
        """Decided: nothing is remembered of it. A POST is not idempotent anyway, and each makes a request."""
        jws = signed(header_of(), self.body)
        replies = [send(jws, self.body) for _ in range(2)]
        for reply in replies:
            self.assert_taken(reply)
        self.assertNotEqual(*(reply.json()["tokenRequest"]["id"] for reply in replies))

    def test_a_member_has_the_permissions_of_its_own(self):
        made = send(signed(header_of(), self.body), self.body).json()["tokenRequest"]["id"]
        path = f"{PATH}/{made}"
        other = signed(header_of("ed-of-another", "demo-payments-2", method="GET", path=path), b"", "ed-of-another")
        self.assertEqual(send(other, method="GET", target=path).status, 404)

    def test_the_member_may_be_named_with_dashes_and_the_port_of_the_host(self):
        self.assert_taken(self.try_header(header_of(mid=members.member_id().replace(":", "-"))))
        port = f"localhost:{appliance.port}"
        for host in (port, "localhost", "LOCALHOST"):
            jws = signed(header_of(host=host), self.body)
            self.assert_taken(send(jws, self.body, Host=port))

    def test_the_host_that_is_named_is_that_of_the_public_URL_whatever_Host_says(self):
        for host in ("localhost", "shop.example", f"shop.example:{appliance.port}"):
            self.assert_taken(send(signed(header_of(host="localhost"), self.body), self.body, Host=host))

    def test_the_API_key_opens_beside_the_keys(self):
        self.assert_taken(members.post())
        self.assert_taken(self.try_header(header_of()))

    def test_the_largest_body_is_covered_and_one_byte_more_is_not_read(self):
        def of_length(length: int) -> bytes:
            without = len(client.encode(members.body() | {"ignored": ""}))
            return client.encode(members.body() | {"ignored": "x" * (length - without)})

        largest, too_large = of_length(BODY_LIMIT), of_length(BODY_LIMIT + 1)
        self.assert_taken(send(signed(header_of(), largest), largest))
        self.assert_refused(send(signed(header_of(), largest), largest[:-3] + b'y"}'))
        chunked = b"%x\r\n%s\r\n0\r\n\r\n"
        for body, headers in ((too_large, {}), (chunked % (len(too_large), too_large), {"Transfer-Encoding": "chunked"})):
            reply = send(signed(header_of(), too_large), body, **headers)
            self.assertEqual(reply.status, 413, reply.body)
            self.assertEqual(set(reply.json()["error"]), {"errorCode", "message", "tokenTraceId"})
        self.assert_taken(send(signed(header_of(), largest), chunked % (len(largest), largest), **{"Transfer-Encoding": "chunked"}))


class Swapped(Case):
    """A signature is taken from one request and put before another."""

    def test_another_path(self):
        path = f"{PATH}/{members.make()}"
        jws = signed(header_of(method="GET", path=path), b"")
        self.assert_taken(send(jws, method="GET", target=path))
        for target in (path + "/result", MADE_UP, path + "/", path.replace(":", "%3A", 1), path.replace("rq:", "rq%3a")):
            with self.subTest(target=target):
                reply = send(jws, method="GET", target=target)
                if target == path + "/":
                    self.assertEqual(reply.status, 404)  # nothing has this path, whoever asks
                else:
                    self.assert_refused(reply)

    def test_another_method(self):
        path = f"{PATH}/{members.make()}"
        head = send(signed(header_of(method="GET", path=path), b""), method="HEAD", target=path)
        self.assertEqual((head.status, head.body), (401, b""))
        for method in ("GET", "post", "PUT", ""):
            with self.subTest(method=method):
                self.assert_refused(self.try_header(header_of(method=method)))

    def test_another_host(self):
        for named, host in (("shop.example", "localhost"), ("shop.example", "shop.example"), ("localhost:1", "localhost"),
                            ("localhost.shop.example", "localhost"), ("localhost:1", "localhost:1"), ("", "localhost")):
            with self.subTest(named=named, host=host):
                self.assert_refused(send(signed(header_of(host=named), self.body), self.body, Host=host))

    def test_another_query(self):
        path = f"{PATH}/{members.make()}"

        def get(named: str | None, query: str) -> client.Reply:
            return send(signed(header_of(method="GET", path=path, query=named), b""), method="GET", target=path + query)

        for named, query in ((None, ""), ("", ""), (None, "?"), ("a=1", "?a=1"), ("a=1&b=%20", "?a=1&b=%20")):
            with self.subTest(named=named, query=query):
                self.assert_taken(get(named, query))
        for named, query in ((None, "?a=1"), ("", "?a=1"), ("a=1", "?a=2"), ("a=1", ""), ("a=1", "?a=1&b=2"),
                             ("?a=1", "?a=1"), ("b=%20", "?b=+"), ("a=A", "?a=a")):
            with self.subTest(named=named, query=query):
                self.assert_refused(get(named, query))

    def test_another_body(self):
        for name in ("ed", "ec", "rsa"):
            jws = signed(header_of(name), self.body, name)
            for body in (self.body + b" ", self.body[:-1] + b" }", self.body.replace(b"25.00", b"95.00"), b"", b"{}"):
                with self.subTest(key=name, body=body):
                    self.assert_refused(send(jws, body))
        self.assert_refused(send(signed(header_of(), b""), self.body))

    def test_a_body_in_the_middle_is_not_the_payload(self):
        header, _, signature = signed(header_of(), self.body).split(".")
        for middle in (b64url(self.body), "e30"):
            self.assert_refused(send(f"{header}.{middle}.{signature}", self.body))

    def test_another_end(self):
        now_ms = START_S * 1000
        for exp in (now_ms + 1, now_ms + DAY_MS, str(now_ms + 60_000)):
            with self.subTest(exp=exp):
                self.assert_taken(self.try_header(header_of(exp=exp)))
        for exp in (now_ms, now_ms - 1, START_S + 60, now_ms + DAY_MS + 1, 10**15 - 1, 10**18, -now_ms, 0, "", "soon",
                    f"{now_ms + 60_000}.0", f" {now_ms + 60_000}", now_ms + 60_000.5, None):
            with self.subTest(exp=exp):
                self.assert_refused(self.try_header(header_of(exp=exp)))

    def test_a_signature_ends_while_time_goes_on(self):
        jws = signed(header_of(), self.body)
        self.assert_taken(send(jws, self.body))
        try:
            clock.set(START_S + 59)
            self.assert_taken(send(jws, self.body))
            clock.set(START_S + 60)
            self.assert_refused(send(jws, self.body))
        finally:
            clock.set(START_S)


class Keys(Case):
    def test_a_key_that_is_not_registered(self):
        self.assert_refused(self.try_header(header_of("ed-of-nobody"), "ed-of-nobody"))
        self.assert_refused(self.try_header(header_of("ed"), "ed-of-nobody"))

    def test_the_key_of_another_member(self):
        self.assert_taken(self.try_header(header_of("ed-of-another", "demo-payments-2"), "ed-of-another"))
        for header, name in ((header_of("ed-of-another"), "ed-of-another"), (header_of("ed", "demo-payments-2"), "ed"),
                             (header_of("ed"), "ed-of-another"), (header_of("ed", "demo-asker"), "ed")):
            with self.subTest(header=header):
                self.assert_refused(self.try_header(header, name))

    def test_a_kid_that_nobody_knows(self):
        right = keys["ed"].kid
        for kid in ("", right[:-1], right + "A", right.swapcase(), "A" * 16, keys["ec"].kid, "../ed.pem", None):
            with self.subTest(kid=kid):
                self.assert_refused(self.try_header(header_of(kid=kid)))

    def test_a_member_that_nobody_knows(self):
        right = members.member_id()
        for mid in ("", right[:-1], right + "x", "m:2u79hmKe2wUJLapKMWQuvR24Jes7:5zKtXEAq", right.replace(":", "-", 1),
                    "demo-payments", "81", None):
            with self.subTest(mid=mid):
                self.assert_refused(self.try_header(header_of(mid=mid)))

    def test_a_client_of_another_API_has_no_member_id(self):
        credential = appliance.credential("demo-desk")
        self.assertNotIn("requests", credential)

    def test_a_key_that_is_shown_in_the_header_counts_for_nothing(self):
        x = b64url(keys["ed-of-nobody"].raw)
        for more in ({"x": x}, {"jku": "https://shop.example/jwks.json"}, {"x5u": "https://shop.example/c.pem"}):
            self.assert_refused(self.try_header(header_of() | more, "ed-of-nobody"))
        nested = json.dumps(header_of())[:-1] + ',"jwk":{"kty":"OKP","crv":"Ed25519","x":"%s"}}' % x
        self.assert_refused(self.try_header(nested.encode(), "ed-of-nobody"))


class Algorithms(Case):
    def test_none_is_no_algorithm(self):
        for algorithm in ("none", "None", "NONE", "nOnE", "", None):
            for signature in ("", "AA", b64url(bytes(64))):
                header = json.dumps(header_of(alg=algorithm)).encode()
                with self.subTest(algorithm=algorithm, signature=signature):
                    self.assert_refused(send(f"{b64url(header)}..{signature}", self.body))
            self.assert_refused(self.try_header(header_of(alg=algorithm)))

    def test_the_key_decides_which_algorithm_it_is(self):
        others = ("EdDSA", "ES256", "RS256", "PS256", "ES384", "RS512", "HS256", "Ed25519", "eddsa", "es256")
        for name in ("ed", "ec", "rsa"):
            for algorithm in others:
                if algorithm == keys[name].algorithm:
                    continue
                with self.subTest(key=name, algorithm=algorithm):
                    self.assert_refused(self.try_header(header_of(name, alg=algorithm), name))
            for signer in ("ed", "ec", "rsa"):
                if signer == name:
                    continue
                for algorithm in (keys[name].algorithm, keys[signer].algorithm):
                    with self.subTest(key=name, signer=signer, algorithm=algorithm):
                        self.assert_refused(self.try_header(header_of(name, alg=algorithm), signer))

    def test_an_HMAC_with_a_public_key_as_the_secret(self):
        for name in ("ed", "ec", "rsa"):
            key = keys[name]
            for secret in (key.pem, key.pem.strip(), key.der, key.raw, key.kid.encode()):
                for algorithm in ("HS256", key.algorithm):
                    with self.subTest(key=name, secret=secret, algorithm=algorithm):
                        jws = detached(header_of(name, alg=algorithm), self.body,
                                       lambda message: hmac.digest(secret, message, hashlib.sha256))
                        self.assert_refused(send(jws, self.body))

    def test_a_signature_of_another_shape(self):
        for name in ("ed", "ec", "rsa"):
            header = json.dumps(header_of(name)).encode()
            right = keys[name].sign(signing_input(header, self.body))
            for wrong in (right[:-1], right + b"\0", b"\0" + right, bytes(len(right)), right[::-1], b"", right * 2,
                          right[:-1] + bytes([right[-1] ^ 1]), b"\xff" * len(right), bytes(2048)):
                with self.subTest(key=name, wrong=wrong):
                    self.assert_refused(send(f"{b64url(header)}..{b64url(wrong)}", self.body))


class Headers(Case):
    def test_extensions_that_must_be_understood_are_not(self):
        plain = json.dumps(header_of())[:-1]
        for more in (',"crit":["exp"]', ',"crit":["b64"],"b64":false', ',"crit":[]', ',"crit":"exp"', ',"crit":1',
                     ',"b64":false', ',"b64":true', ',"zip":null', ',"x5c":["AA"]', ',"epk":{}'):
            with self.subTest(more=more):
                self.assert_refused(self.try_header((plain + more + "}").encode()))
        for more in ('', ',"typ":"JWT"', ',"cty":"application/json"', ',"iat":1', ',"b64":"false"'):
            with self.subTest(more=more):
                self.assert_taken(self.try_header((plain + more + "}").encode()))

    def test_an_unencoded_payload_is_not_what_is_verified(self):
        header = json.dumps(header_of(b64="false")).encode()  # RFC 7797
        signature = keys["ed"].sign(b64url(header).encode() + b"." + self.body)
        self.assert_refused(send(f"{b64url(header)}..{b64url(signature)}", self.body))

    def test_no_member_stands_twice(self):
        plain = json.dumps(header_of())[1:]
        for name, value in header_of().items():
            for other in (json.dumps(value), '"x"', "1"):
                with self.subTest(name=name, other=other):
                    self.assert_refused(self.try_header(f'{{"{name}":{other},{plain}'.encode()))
                    self.assert_refused(self.try_header(f'{{{plain[:-1]},"{name}":{other}}}'.encode()))
        self.assert_refused(self.try_header(('{"al\\u0067":"none",' + plain).encode()))

    def test_what_is_no_flat_object(self):
        plain = json.dumps(header_of())
        for header in (b"", b"{}", b"[]", b"null", b'"x"', plain[:-1].encode(), (plain + "}").encode(),
                       ("\ufeff" + plain).encode(), plain.encode("utf-16"), (plain + "\0").encode(),
                       plain.encode()[:-1] + b',"x":"\xff"}', plain.encode()[:-1] + b",}", f"[{plain}]".encode(),
                       plain.replace('"', "'").encode(), b'{"x":' * 2000):
            with self.subTest(header=header[:60]):
                self.assert_refused(self.try_header(header))

    def test_each_statement_must_be_there_and_be_a_text(self):
        for name in ("alg", "kid", "mid", "host", "method", "path"):
            for value in (None, 1):
                with self.subTest(name=name, value=value):
                    self.assert_refused(self.try_header(header_of(**{name: value})))

    def test_base64url_is_taken_at_its_word(self):
        jws = signed(header_of(), self.body)
        header, signature = jws.split("..")
        self.assert_taken(send(jws, self.body))
        loose = signature[:-1] + chr(ord(signature[-1]) + 1)  # the same 64 bytes to a decoder that looks away
        for wrong in (f"{header}=..{signature}", f"{header}..{signature}==", f"{header}..{signature}=", f"{header}==..{signature}==",
                      f"{header}..{loose}", f"{header}...{signature}", f"{header}.{signature}", f"..{signature}", f"{header}..",
                      "..", ".", header, f"{header}..{signature}.", f"{header}..{signature[:40]}+{signature[41:]}",
                      f"{header}..{signature[:40]}/{signature[41:]}", f"{header}..{signature[:40]} {signature[40:]}",
                      f"{header}..{signature[:40]}~{signature[41:]}", f"{header}..{signature}A", f"\"{jws}\"", f"{jws},{jws}",
                      f"{jws} {jws}", f"{header}..{signature}%3D"):
            with self.subTest(wrong=wrong):
                self.assert_refused(send(wrong, self.body))

    def test_the_scheme_has_no_case_and_is_no_other(self):
        jws = signed(header_of(), self.body)
        for scheme in ("bearer", "BEARER"):
            self.assert_taken(send("", self.body, Authorization=f"{scheme} {jws}"))
        for value in (jws, f"JWS {jws}", f"Basic {jws}", f"Bearer{jws}", f"Bearer  {jws}", "Bearer"):
            with self.subTest(value=value[:12]):
                self.assert_refused(send("", self.body, Authorization=value))

    def test_a_signature_beside_an_API_key_is_one_credential_too_many(self):
        basic, bearer = members.basic()["Authorization"], "Bearer " + signed(header_of(), self.body)
        for first, second in ((basic, bearer), (bearer, basic), (bearer, bearer), (basic, basic)):
            head = (f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    f"Authorization: {first}\r\nAuthorization: {second}\r\nContent-Length: {len(self.body)}\r\n\r\n")
            with appliance.main.connect() as connection:
                connection.sendall(head.encode() + self.body)
                reply = client.read_reply(connection)
            self.assertEqual((reply.status, reply.media_type), (400, "application/problem+json"))
        for value in (f"{basic}, {bearer}", f"{bearer}, {basic}"):
            self.assert_refused(send("", self.body, Authorization=value))

    def test_a_signature_in_the_query_is_nobodys(self):
        jws = signed(header_of(query=None), self.body)
        reply = appliance.main.request("POST", f"{PATH}?access_token={jws}", {"Content-Type": "application/json"}, self.body)
        self.assertEqual(reply.status, 401)
        self.assertEqual(reply.headers.get_all("WWW-Authenticate")[0], 'Bearer realm="token-requests"')


class Reloads(Case):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.reload, appliance.text("symbolon.conf"))

    def change(self, old: str, new: str):
        text = appliance.text("symbolon.conf")
        self.assertIn(old, text)
        self.reload(text.replace(old, new, 1))

    def reload(self, text: str):
        appliance.configure(text)
        before = appliance.text("symbolon.log").count('"event":"reloaded"')
        appliance.process.send_signal(signal.SIGHUP)
        while appliance.text("symbolon.log").count('"event":"reloaded"') == before:
            self.assertNotIn("reload_refused", appliance.text("symbolon.log"))
            time.sleep(0.01)

    def test_who_is_taken_out_of_the_configuration_is_a_stranger_from_then_on(self):
        jws = signed(header_of(), self.body)
        other = signed(header_of("ed-of-another", "demo-payments-2"), self.body, "ed-of-another")
        by_rsa = signed(header_of("rsa"), self.body, "rsa")
        for each in (jws, other, by_rsa):
            self.assert_taken(send(each, self.body))
        self.change('"ed.pem", ', "")
        self.assert_refused(send(jws, self.body))
        self.assert_taken(send(by_rsa, self.body))
        self.change('client "demo-payments" { public_keys = {"ec.pem", "rsa.pem"}  id = 81',
                    'client "demo-payments" { public_keys = {"ed.pem", "rsa.pem"}  id = 91')
        for each in (jws, by_rsa):  # the name is there again, but another client has it
            self.assert_refused(send(each, self.body))
        self.assert_taken(send(other, self.body))
        self.change('id = 91', 'id = 81')
        self.assert_taken(send(jws, self.body))


class Records(Case):
    def test_no_signature_and_no_key_id_is_written_anywhere(self):
        jws = signed(header_of(), self.body)
        wrong = signed(header_of("ed-of-nobody"), self.body, "ed-of-nobody")
        self.assert_taken(send(jws, self.body))
        self.assert_refused(send(wrong, self.body))
        for text in (appliance.text("symbolon.log"), appliance.text("audit.log"), appliance.metrics()):
            for word in (jws, wrong, jws.partition("..")[2], wrong.partition("..")[2], keys["ed-of-nobody"].kid):
                self.assertNotIn(word, text)


if __name__ == "__main__":
    unittest.main()
