# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Customer tokens as a client, an attacker and an auditor see them."""

import base64
import hashlib
import json
import signal
import sqlite3
import threading
import time
import unittest
from contextlib import closing

import client
from appliance import Appliance
from customer_client import (ACCOUNT, CLOSED_ACCOUNT, OTHER_ACCOUNT, SECOND_ACCOUNT, Customers, with_customers)

VALUE = "a1b79ef1a62d94ffa86b3f3d846df0ee3993af92"
BODY = {"type": "sha1:email", "value": VALUE}
DAY_S = 86400

appliance: Appliance
crm: Customers


def setUpModule():
    global appliance, crm
    appliance = with_customers(Appliance()).set_up()
    appliance.start()
    crm = Customers(appliance).log_in()


def tearDownModule():
    appliance.finish()


_numbers = iter(range(10**6))


def fresh(prefix: str = "v") -> str:
    return f"{prefix}-{next(_numbers)}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class P256:
    """ECDSA verification over P-256 in plain integers: nothing of it is shared with the appliance."""

    P = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffff
    N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
    G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
         0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)

    @classmethod
    def add(cls, a, b):
        if a is None or b is None:
            return b if a is None else a
        if a[0] == b[0] and (a[1] + b[1]) % cls.P == 0:
            return None
        slope = ((3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, cls.P) if a == b
                 else (b[1] - a[1]) * pow(b[0] - a[0], -1, cls.P))
        x = (slope * slope - a[0] - b[0]) % cls.P
        return x, (slope * (a[0] - x) - a[1]) % cls.P

    @classmethod
    def times(cls, k, point):
        total = None
        while k:
            if k & 1:
                total = cls.add(total, point)
            point, k = cls.add(point, point), k >> 1
        return total

    @classmethod
    def verify(cls, key: dict, message: bytes, signature: bytes) -> bool:
        point = tuple(int.from_bytes(unb64(key[name]), "big") for name in "xy")
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        if len(signature) != 64 or not (0 < r < cls.N and 0 < s < cls.N):
            return False
        e, w = int.from_bytes(hashlib.sha256(message).digest(), "big"), pow(s, -1, cls.N)
        found = cls.add(cls.times(e * w % cls.N, cls.G), cls.times(r * w % cls.N, point))
        return found is not None and found[0] % cls.N == r


class AccessTokens(unittest.TestCase):
    def test_another_implementation_verifies_a_token_with_the_published_key(self):
        keys = appliance.main.request("GET", f"/v1/accounts/{ACCOUNT}/auth/jwks").json()["keys"]
        self.assertEqual(len(keys), 1)
        head, claims, signature = crm.token.split(".")
        header = json.loads(unb64(head))
        self.assertEqual(header, {"alg": "ES256", "typ": "JWT", "kid": keys[0]["kid"]})
        thumbprint = json.dumps({name: keys[0][name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        self.assertEqual(keys[0]["kid"], b64(hashlib.sha256(thumbprint.encode()).digest()))
        self.assertTrue(P256.verify(keys[0], f"{head}.{claims}".encode(), unb64(signature)))
        said = json.loads(unb64(claims))
        self.assertEqual(said["sub"], "demo-crm")
        self.assertEqual(said["aud"], f"https://api.example/v1/accounts/{ACCOUNT}")
        self.assertEqual(said["exp"] - said["iat"], DAY_S)
        self.assertEqual(said["scope"], "read:customers write:customers")

    def test_the_reply_is_that_of_the_source(self):
        reply = crm.ask()
        self.assertEqual((reply.status, sorted(reply.json())), (200, ["access_token", "expires_in", "token_type"]))
        self.assertEqual((reply.json()["token_type"], reply.json()["expires_in"]), ("Bearer", DAY_S))
        self.assertEqual(reply.headers["Cache-Control"], "no-store")

    def test_a_wrong_secret_or_grant_gets_nothing(self):
        wrong = client.basic_authorization({"username": "demo-crm", "password": "A" * 43})
        for headers in (wrong, {"Authorization": "Basic Og=="}, {"Authorization": f"Bearer {crm.token}"}):
            reply = crm.ask(headers=headers)
            self.assertEqual(reply.status, 401)
            self.assertTrue(reply.headers["WWW-Authenticate"].startswith("Basic"))
        for body in ({}, [], {"grant_type": "password", "audience": "x"}, {"grant_type": "client_credentials"},
                     {"grant_type": "client_credentials", "audience": 7}, b"{", b""):
            self.assertIn(crm.ask(body=body).status, (400, 411), body)
        for audience in ("https://api.example", "ftp://h/v1/accounts/" + ACCOUNT, "https:///v1/accounts/" + ACCOUNT,
                         f"https://h/v1/accounts/{ACCOUNT}/", f"https://h/v1/accounts/{ACCOUNT}?x", "x" * 600):
            self.assertEqual(crm.ask(audience).status, 400, audience)
        for account in (OTHER_ACCOUNT, "T77777777"):
            self.assertEqual(crm.ask(f"https://h/v1/accounts/{account}").status, 403)
        self.assertEqual(crm.ask(f"https://h/v1/accounts/{ACCOUNT}", account="T123").status, 200)
        self.assertEqual(crm.ask(account="T1234567").status, 400)

    def assert_refused(self, token: str, what: str) -> None:
        reply = crm.call("GET", "users/c/tokens", token=token)
        self.assertEqual(reply.status, 401, what)
        self.assertEqual(reply.headers["WWW-Authenticate"], 'Bearer realm="customers", error="invalid_token"', what)
        self.assertEqual(reply.json()["error"]["code"], "unauthorized")

    def test_what_the_appliance_did_not_sign_is_refused(self):
        head, claims, signature = crm.token.split(".")
        header, said = json.loads(unb64(head)), json.loads(unb64(claims))

        def forged(header, said, signature=signature):
            return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(said).encode())}.{signature}"

        self.assert_refused(forged({"alg": "none", "typ": "JWT"}, said, ""), "none")
        for algorithm in ("none", "None", "HS256", "ES384", "RS256", "EdDSA"):
            self.assert_refused(forged({**header, "alg": algorithm}, said), algorithm)
        key = appliance.main.request("GET", f"/v1/accounts/{ACCOUNT}/auth/jwks").body
        import hmac
        text = f"{b64(json.dumps({**header, 'alg': 'HS256'}).encode())}.{claims}"
        self.assert_refused(f"{text}.{b64(hmac.digest(key, text.encode(), 'sha256'))}", "HMAC with the public key")
        self.assert_refused(f"{head}.{b64(json.dumps({**said, 'scope': 'admin:customers'}).encode())}.{signature}", "scope")
        r, s = unb64(signature)[:32], unb64(signature)[32:]
        der = b"\x30\x44\x02\x20" + r + b"\x02\x20" + s
        for name, other in (("DER", der), ("zeros", bytes(64)), ("short", r), ("long", r + s + b"\0"),
                            ("r zero", bytes(32) + s), ("swapped", s + r), ("r + n", (int.from_bytes(r, "big") + P256.N).to_bytes(33, "big")[-32:] + s)):
            self.assert_refused(f"{head}.{claims}.{b64(other)}", name)
        last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(signature[-1])
        sibling = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last ^ 1]
        self.assert_refused(crm.token[:-1] + sibling, "another spelling of the same signature")
        for text in (crm.token + "=", crm.token + ".", head + "." + claims, "..", ".", "a" * 5000):
            self.assert_refused(text, text[:40])

    def test_a_token_is_good_for_its_account_and_scopes_only(self):
        body = dict(BODY, value=fresh())
        for account in (SECOND_ACCOUNT, OTHER_ACCOUNT, "T77777777"):
            self.assertEqual(crm.call("POST", "users/c/tokens", body, account=account).status, 403)
        reader = Customers(appliance, "demo-crm-reader").log_in()
        writer = Customers(appliance, "demo-crm-writer").log_in()
        reply = reader.create("c", body)
        self.assertEqual(reply.status, 403)
        self.assertEqual(reply.headers["WWW-Authenticate"],
                         'Bearer realm="customers", error="insufficient_scope", scope="admin:customers write:customers"')
        self.assertEqual(writer.create("c", body).status, 201)
        self.assertEqual(writer.list("c").status, 403)
        self.assertEqual(reader.list("c").status, 200)

    def test_no_credential_is_challenged_without_an_error(self):
        for headers in ({}, {"Authorization": "Basic Og=="}, {"Authorization": "Bearerx"}):
            reply = appliance.main.request("GET", f"/v1/accounts/{ACCOUNT}/customers/users/c/tokens", headers)
            self.assertEqual((reply.status, reply.headers["WWW-Authenticate"]), (401, 'Bearer realm="customers"'))

    def test_credentials_of_other_APIs_do_not_open_this_one(self):
        self.assert_refused(appliance.token("demo-app"), "a token of the transform API")
        reply = client.vault(appliance.main, crm.token, "decode", "crm", {"value": "x"})
        self.assertEqual(reply.status, 403)


class Expiry(unittest.TestCase):
    def test_a_token_begins_and_ends(self):
        from appliance import Clock
        timed = with_customers(Appliance(plain_http=True)).set_up()
        clock = Clock(timed, 1_800_000_000)
        timed.start()
        try:
            caller = Customers(timed).log_in()
            for second, status in ((0, 200), (-60, 200), (-61, 401), (DAY_S + 59, 200), (DAY_S + 60, 401)):
                clock.set(1_800_000_000 + second)
                self.assertEqual(caller.list("c").status, status, second)
        finally:
            timed.finish()

    def test_a_removed_or_renewed_client_is_shut_out_with_its_tokens(self):
        node = with_customers(Appliance(plain_http=True)).set_up()
        node.start()
        try:
            old = Customers(node).log_in()

            def reload(text: str) -> None:
                node.configure(text)
                done = node.text("symbolon.log").count('"reloaded"')
                node.process.send_signal(signal.SIGHUP)
                while node.text("symbolon.log").count('"reloaded"') == done:
                    time.sleep(0.01)

            plain = node.text("symbolon.conf")
            reload(plain.replace('client "demo-crm" { id = 71', 'client "demo-crm" { id = 71  generation = 2  accept_previous = true'))
            self.assertEqual(old.list("c").status, 200)
            reload(plain.replace('client "demo-crm" { id = 71', 'client "demo-crm" { id = 71  generation = 2'))
            self.assertEqual(old.list("c").status, 401)
            reload(plain)
            self.assertEqual(old.list("c").status, 200)
            reload(plain.replace('accounts = {"T12345678", "P00000002", "T00000003"}', 'accounts = {"P00000002"}', 1))
            self.assertEqual(old.list("c").status, 401)
        finally:
            node.finish()


class Tokens(unittest.TestCase):
    def test_the_source_s_example(self):
        reply = crm.create("cust-7", dict(BODY, metadata={"exp_month": 10, "exp_year": 20, "mask_pan": "**** **** **** 3477"}))
        self.assertEqual((reply.status, reply.media_type), (201, "application/json"))
        token = reply.json()
        self.assertEqual(list(token), ["type", "value", "id", "created_at", "created_by", "updated_at", "token_id", "metadata"])
        self.assertEqual((token["type"], token["value"], token["created_by"]), ("sha1:email", VALUE, "demo-crm"))
        self.assertEqual(token["created_at"], token["updated_at"])
        self.assertRegex(token["id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual(token["metadata"]["mask_pan"], "**** **** **** 3477")
        self.assertEqual(crm.list("cust-7").json(), [token])
        gone = crm.delete("cust-7", token["token_id"])
        self.assertEqual(gone.status, 200)
        self.assertEqual(gone.json()["deleted_by"], "demo-crm")
        self.assertIn("deleted_at", gone.json())
        self.assertEqual(crm.delete("cust-7", token["token_id"]).status, 404)
        self.assertEqual(crm.list("cust-7").json(), [])
        self.assertEqual([row["id"] for row in crm.list("cust-7", "?include_deleted=true").json()], [token["id"]])
        self.assertEqual(crm.create("cust-7", BODY).status, 201)  # it blocks nothing

    def test_values_of_every_kind_come_back(self):
        customer = fresh("c")
        values = ["x", " ", "\u00e9\u4e16\U0001f600", "a" * 1024, "\u4e16" * 341, "'; DROP TABLE subject; --", "%00", "\\\"\n\t"]
        for value in values:
            reply = crm.create(customer, {"type": fresh("t"), "value": value})
            self.assertEqual((reply.status, reply.json().get("value")), (201, value))
        self.assertEqual([row["value"] for row in crm.list(customer, "?limit=100").json()], values[::-1])

    def test_a_generated_id_opens_without_the_store(self):
        # A value that does not fit into its id opens through its record.
        for value in ("short", "v" * 176, "v" * 177, "v" * 1024):
            kind = "type-%d" % len(value) if len(value) < 100 else "t-1234"
            token_id = crm.create(fresh("c"), {"type": kind, "value": value}).json()["token_id"]
            self.assertLessEqual(len(token_id), 255)
            reply = client.vault(appliance.main, appliance.token("demo-app"), "decode", "crm", {"value": token_id})
            self.assertEqual(reply.status, 200, len(value))
            self.assertEqual(reply.json()["data"], {"decoded_value": value, "metadata": {"type": kind}})
        reply = client.vault(appliance.main, appliance.token("demo-app"), "encode", "crm",
                             {"value": "v" * 177, "metadata": {"type": "t-1234"}})
        self.assertEqual(reply.status, 400)  # a role makes nothing that it could not open again
        for made_up in ("A" * 40, "A" * 14, "", "x" * 256, token_id[:-1]):
            reply = client.vault(appliance.main, appliance.token("demo-app"), "decode", "crm", {"value": made_up})
            self.assertEqual(reply.status, 400, made_up)

    def test_the_transform_API_makes_the_same_id(self):
        value = fresh()
        data = client.vault(appliance.main, appliance.token("demo-app"), "encode", "crm",
                            {"value": value, "metadata": {"type": "mail"}}).json()["data"]
        self.assertEqual(crm.create("c", {"type": "mail", "value": value}).json()["token_id"], data["encoded_value"])
        self.assertEqual(client.vault(appliance.main, appliance.token("demo-app"), "encode", "crm", {"value": value}).status, 400)

    def test_accounts_share_nothing(self):
        second = Customers(appliance, account=SECOND_ACCOUNT).log_in()
        other = Customers(appliance, "other-crm", OTHER_ACCOUNT).log_in()
        body = {"type": "t", "value": fresh()}
        ids = {caller.create("c", body).json()["token_id"] for caller in (crm, second, other)}
        self.assertEqual(len(ids), 3)
        mine = crm.create("c2", {"type": "t", "value": fresh(), "token_id": fresh("id")}).json()
        self.assertEqual(second.delete("c2", mine["token_id"]).status, 404)
        self.assertEqual(second.list("c2").json(), [])

    def test_uniqueness(self):
        value, name = fresh(), fresh("id")
        self.assertEqual(crm.create("c", {"type": "t", "value": value, "token_id": name}).status, 201)
        for customer in ("c", "d"):
            reply = crm.create(customer, {"type": "t", "value": value})
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (400, "token_exists"))
            self.assertEqual(reply.json()["error"]["errors"][0]["path"], "/value")
            reply = crm.create(customer, {"type": "t", "value": fresh(), "token_id": name})
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (400, "token_exists"))
            self.assertEqual(reply.json()["error"]["errors"][0]["path"], "/token_id")
        self.assertEqual(crm.create("c", {"type": "u", "value": value}).status, 201)
        self.assertEqual(crm.delete("d", name).status, 404)  # of another customer
        self.assertEqual(crm.delete("c", name).status, 200)

    def test_what_can_be_created_can_be_deleted_by_its_name(self):
        for name in ("a/b", "a?b#c", "a%2fb", "...", " x".strip() + "\u00a0", "\u4e16" * 255, "~!@$&'()*+,;=:"):
            self.assertEqual(crm.create("c", {"type": "t", "value": fresh(), "token_id": name}).status, 201, name)
            reply = crm.delete("c", name)
            self.assertEqual((reply.status, reply.json().get("token_id")), (200, name))

    def test_metadata_comes_back_as_it_was_sent(self):
        for text in (b'{"a" : "x\\"}y" ,\n "b":[1,{"c":"]"}] }', b"{}", b'{"deep":' * 14 + b"{}" + b"}" * 14, b'{"n":-0.10e+2,"u":"\\u00e9"}'):
            value = fresh()
            body = b'{"x":{"metadata":[]}, "type":"t","value":"%s", "metad\\u0061ta" : %s , "z":0}' % (value.encode(), text)
            reply = crm.create("raw", body)
            self.assertEqual(reply.status, 201, reply.body)
            self.assertEqual(reply.json()["metadata"], json.loads(text))
            self.assertEqual(crm.list("raw", "?limit=1").json()[0]["metadata"], json.loads(text))

    def test_a_name_of_one_s_own_means_no_other_value(self):
        value = fresh()
        name = client.vault(appliance.main, appliance.token("demo-app"), "encode", "crm",
                            {"value": value, "metadata": {"type": "t"}}).json()["data"]["encoded_value"]
        reply = crm.create("mallory", {"type": "t", "value": fresh(), "token_id": name})
        self.assertEqual((reply.status, reply.json()["error"]["errors"][0]["path"]), (400, "/token_id"))
        self.assertEqual(crm.create("alice", {"type": "t", "value": value, "token_id": name}).status, 201)

    def test_pages_go_from_new_to_old(self):
        customer = fresh("c")
        made = [crm.create(customer, {"type": "even" if i % 2 == 0 else "odd", "value": fresh()}).json()["id"] for i in range(25)]
        seen, after = [], ""
        while True:
            page = crm.list(customer, f"?limit=10{after}").json()
            if not page:
                break
            seen += [row["id"] for row in page]
            after = f"&starting_after={page[-1]['id']}"
        self.assertEqual(seen, made[::-1])
        reply = crm.list(customer, "?total=true&type=odd&limit=100")
        self.assertEqual((reply.headers["total-count"], len(reply.json())), ("12", 12))
        kinds = crm.call("POST", crm.tokens_path(customer), {"type": "sha1:e mail&", "value": fresh()}).json()["type"]
        self.assertEqual([row["type"] for row in crm.list(customer, "?type=sha1%3Ae%20mail%26").json()], [kinds])
        self.assertIsNone(crm.list(customer).headers["total-count"])
        self.assertEqual(len(crm.list(customer).json()), 10)

    def test_a_customer_that_is_not_listed_is_unknown(self):
        closed = Customers(appliance, account=CLOSED_ACCOUNT).log_in()
        self.assertEqual(closed.create("anna", {"type": "t", "value": fresh()}).status, 201)
        reply = closed.create("berta", {"type": "t", "value": fresh()})
        self.assertEqual((reply.status, reply.json()["error"]["code"]), (404, "customer_not_found"))

    def test_a_client_without_detokenize_sees_no_value(self):
        customer, value = fresh("c"), fresh()
        writer = Customers(appliance, "demo-crm-writer").log_in()
        reader = Customers(appliance, "demo-crm-reader").log_in()
        token = writer.create(customer, {"type": "t", "value": value}).json()
        self.assertEqual(token["value"], value)  # what it has just sent
        self.assertNotIn("value", reader.list(customer).json()[0])
        self.assertEqual(crm.list(customer).json()[0]["value"], value)
        self.assertNotIn("value", writer.delete(customer, token["token_id"]).json())

    def test_bad_input(self):
        cases = (({}, "/type"), ({"type": "t"}, "/value"), ({"type": "", "value": "v"}, "/type"), ({"type": "t", "value": ""}, "/value"),
                 ({"type": 1, "value": "v"}, "/type"), ({"type": "t", "value": None}, "/value"), ({"type": "t", "value": "v" * 1025}, "/value"),
                 ({"type": "t" * 256, "value": "v"}, "/type"), ({"type": "t", "value": "v", "token_id": ""}, "/token_id"),
                 ({"type": "t", "value": "v", "token_id": "x" * 256}, "/token_id"), ({"type": "t", "value": "v", "token_id": " x"}, "/token_id"),
                 ({"type": "t", "value": "v", "token_id": "x "}, "/token_id"), ({"type": "t", "value": "v", "token_id": ".."}, "/token_id"),
                 ({"type": "t", "value": "v", "token_id": "."}, "/token_id"), ({"type": "t", "value": "v", "token_id": "a\tb"}, "/token_id"),
                 ({"type": "t", "value": "v", "token_id": "a\x7f"}, "/token_id"), ({"type": "t", "value": "v", "token_id": 7}, "/token_id"),
                 ({"type": "t", "value": "v", "metadata": []}, "/metadata"), ({"type": "t", "value": "v", "metadata": "x"}, "/metadata"),
                 ({"type": "t", "value": "v", "metadata": {"x": "y" * 16384}}, "/metadata"), ([], "/"), (b"{", "/"), (b'{"type":"t\\u0000","value":"v"}', "/"),
                 (b'{"type":"t","type":"t","value":"v"}', "/"), (b'{"type":"t","value":"\xff"}', "/"))
        for body, path in cases:
            reply = crm.create("bad", body)
            error = reply.json()["error"]
            self.assertEqual((reply.status, error["code"], error["errors"][0]["path"]), (400, "invalid_request", path), body)
            self.assertNotIn("y" * 20, reply.body.decode())
        deep = {"type": "t", "value": "v", "metadata": json.loads('{"a":' * 16 + "1" + "}" * 16)}
        self.assertEqual(crm.create("bad", deep).status, 400)
        self.assertEqual(crm.create("bad", {"type": "t", "value": "v", "metadata": {"x": "y" * 65536}}).status, 413)
        self.assertEqual(crm.create("bad", {"type": "t", "value": "v"}, "?delete_token_events=maybe").status, 400)
        self.assertEqual(crm.list("bad").json(), [])

    def test_bad_paths_and_pages(self):
        body = {"type": "t", "value": fresh()}
        for customer in (" x", "x ", "x" * 256, "\u4e16" * 256):
            self.assertEqual(crm.create(customer, body).status, 400, customer)
        for customer in ("x" * 255, "a/b", "\u4e16" * 255, "100%", "a b"):
            body["value"] = fresh()
            self.assertEqual(crm.create(customer, body).status, 201, customer)
            self.assertEqual(len(crm.list(customer).json()), 1, customer)
        self.assertIn(crm.call("GET", "users/a%00b/tokens").status, (400, 404))
        for aid in ("x", "T1234567", "T123456789", "X12345678", "t12345678"):
            self.assertIn(crm.call("GET", "users/c/tokens", account=aid).status, (400, 403), aid)
        for query in ("?limit=0", "?limit=101", "?limit=x", "?limit=-1", "?limit=", "?limit=1e1", "?starting_after=x",
                      "?starting_after=00000000-0000-4000-8000-000000000000", "?total=1", "?include_deleted=yes"):
            self.assertEqual(crm.list("c", query).status, 400, query)
        self.assertEqual(crm.call("PUT", "users/c/tokens", body).status, 405)
        self.assertEqual(crm.call("GET", "users/c/nothing").status, 404)


class Events(unittest.TestCase):
    def record(self, value: str, event: dict | None = None) -> client.Reply:
        return crm.call("POST", "tokens/events", {"token": {"type": "t", "value": value}, **({"event": event} if event else {})})

    def test_the_latest_status_counts_until_it_ends(self):
        value = fresh()
        self.assertEqual(self.record(value).json()["status"], "UNKNOWN")
        self.record(value, {"event": "opt", "status": "OPT_OUT"})
        self.record(value, {"event": "opt", "status": "SOON", "expires_at": "2020-01-02T03:04:05.5+01:00"})
        detail = self.record(value, {"event": "note"}).json()
        self.assertEqual(detail["status"], "OPT_OUT")
        self.assertEqual([row["event"] for row in detail["events"]], ["opt", "opt", "note"])
        self.assertEqual(detail["events"][1]["expires_at"], "2020-01-02T02:04:05.500Z")
        self.assertNotIn("customer", detail)
        crm.create("who", {"type": "t", "value": value})
        self.assertEqual(self.record(value).json()["customer"], {"customer_id": "who"})

    def test_a_status_ends_as_the_account_says(self):
        event = self.record(fresh(), {"event": "e", "status": "PENDING"}).json()["events"][0]
        self.assertIn("expires_at", event)

    def test_deleted_events_are_gone_and_can_be_asked_for(self):
        value = fresh()
        identity = self.record(value, {"event": "a", "status": "A", "metadata": {"n": 1}}).json()["id"]
        self.record(value, {"event": "b", "status": "B"})
        token = {"token": {"type": "t", "value": value}}
        self.assertEqual(crm.call("DELETE", "tokens/events", {**token, "event": "b"}).status, 204)
        self.assertEqual(self.record(value).json()["status"], "A")
        self.assertEqual(crm.call("DELETE", "tokens/events", token).status, 204)
        self.assertNotIn(identity, [row["id"] for row in crm.call("GET", "tokens/events?limit=100").json()])
        shown = crm.call("GET", "tokens/events?limit=100&deleted_since=2020-01-01T00:00:00Z").json()
        events = [row for row in shown if row["id"] == identity][0]["events"]
        self.assertEqual([row["status"] for row in events], ["DELETED", "DELETED"])
        self.assertEqual(crm.call("DELETE", "tokens/events", {"token": {"type": "t", "value": fresh()}}).status, 404)

    def test_creating_a_token_may_delete_its_events_first(self):
        value = fresh()
        self.record(value, {"event": "a", "status": "A"})
        body = {"type": "t", "value": value}
        self.assertEqual(crm.create("c", body, "?delete_token_events=true").status, 201)
        self.assertEqual(self.record(value).json()["status"], "UNKNOWN")
        self.record(value, {"event": "b", "status": "B"})
        self.assertEqual(crm.create("c", body, "?delete_token_events=true").status, 400)  # it exists
        self.assertEqual(self.record(value).json()["status"], "B")  # and nothing was deleted

    def test_one_value_has_a_bounded_number_of_events(self):
        value = fresh()
        for _ in range(100):
            self.assertEqual(self.record(value, {"event": "e"}).status, 200)
        self.assertEqual(self.record(value, {"event": "e"}).status, 400)
        self.assertEqual(self.record(value).status, 200)
        crm.call("DELETE", "tokens/events", {"token": {"type": "t", "value": value}})
        self.assertEqual(self.record(value, {"event": "e"}).status, 200)
        for _ in range(99):
            self.record(value, {"event": "e"})
        crm.call("DELETE", "tokens/events", {"token": {"type": "t", "value": value}})  # 200 by now, of which half are forgotten
        shown = crm.call("GET", "tokens/events?limit=100&deleted_since=2020-01-01T00:00:00Z").json()
        self.assertEqual([len(row["events"]) for row in shown if row["token"]["value"] == value], [100])
        value, big = fresh(), {"x": "y" * 16000}
        self.assertEqual([self.record(value, {"event": "e", "metadata": big}).status for _ in range(5)], [200] * 4 + [400])

    def test_lists_have_pages_and_a_beginning(self):
        ids = [self.record(fresh(), {"event": "e"}).json()["id"] for _ in range(5)]
        page = crm.call("GET", "tokens/events?limit=2").json()
        self.assertEqual([row["id"] for row in page], ids[:2:-1])
        page = crm.call("GET", f"tokens/events?limit=2&starting_after={page[-1]['id']}").json()
        self.assertEqual([row["id"] for row in page], ids[2:0:-1])
        self.assertEqual(crm.call("GET", "tokens/events?since_datetime=2999-01-01T00:00:00Z").json(), [])

    def test_bad_input(self):
        token = {"type": "t", "value": "v"}
        for body, path in (({}, "/token"), ({"token": 1}, "/token"), ({"token": {"type": "t"}}, "/token/value"),
                           ({"token": token, "event": "e"}, "/event"), ({"token": token, "event": {}}, "/event/event"),
                           ({"token": token, "event": {"event": "e", "status": ""}}, "/event/status"),
                           ({"token": token, "event": {"event": "e", "expires_at": "tomorrow"}}, "/event/expires_at"),
                           ({"token": token, "event": {"event": "e", "expires_at": "2030-02-30T00:00:00Z"}}, "/event/expires_at"),
                           ({"token": token, "event": {"event": "e", "metadata": 1}}, "/event/metadata"), ([], "/")):
            reply = crm.call("POST", "tokens/events", body)
            self.assertEqual((reply.status, reply.json()["error"]["errors"][0]["path"]), (400, path), body)
        for query in ("since_datetime=x", "deleted_since=2030-01-01", "limit=0", "starting_after=1"):
            self.assertEqual(crm.call("GET", f"tokens/events?{query}").status, 400, query)


class Keys(unittest.TestCase):
    def test_uniqueness_events_and_values_hold_across_a_change_of_key(self):
        node = with_customers(Appliance(plain_http=True)).set_up()
        node.start()
        try:
            caller = Customers(node).log_in()
            operator = {"X-Vault-Token": node.credential("demo-operator")["operations"]["token"]}

            def move(generation: int, action: str) -> client.Reply:
                return node.operations.request("POST", f"/operations/keys/1/{generation}/{action}", operator)

            value = "value under generation one"
            old = caller.create("c", {"type": "t", "value": value}).json()
            caller.call("POST", "tokens/events", {"token": {"type": "t", "value": value}, "event": {"event": "e", "status": "S"}})
            node.generate(1, "fpe", generation=2)
            self.assertEqual((move(2, "load").status, move(2, "activate").status), (200, 200))
            self.assertEqual(caller.create("d", {"type": "t", "value": value}).json()["error"]["code"], "token_exists")
            self.assertEqual(caller.list("c").json()[0]["value"], value)
            self.assertEqual(caller.call("POST", "tokens/events", {"token": {"type": "t", "value": value}}).json()["status"], "S")
            reply = move(1, "release")
            self.assertEqual(reply.status, 409)
            self.assertIn("rewrap first", reply.json()["detail"])
            self.assertEqual(move(2, "rewrap").status, 409)
            self.assertEqual(move(1, "rewrap").json(), {"tenant": 1, "generation": 1, "state": "retired", "changed": True,
                                                        "values_moved": 1, "values_left": 0})
            self.assertEqual(caller.list("c").json()[0]["value"], value)
            self.assertEqual(move(1, "release").status, 200)
            self.assertEqual(caller.list("c").json()[0], old)
            self.assertEqual(caller.create("d", {"type": "t", "value": value}).json()["error"]["code"], "token_exists")
            reply = client.vault(node.main, node.token("demo-app"), "decode", "crm", {"value": old["token_id"]})
            self.assertEqual(reply.status, 400)  # the name itself was sealed under the released key
        finally:
            node.finish()


class Outage(unittest.TestCase):
    def test_without_the_HSM_nothing_is_made_or_shown_and_afterwards_all_is_as_before(self):
        node = with_customers(Appliance(plain_http=True)).set_up()
        node.start()

        def wait_for_readiness(status: int) -> None:
            while node.operations.request("GET", "/readyz").status != status:
                time.sleep(0.05)

        try:
            caller, reader = (Customers(node, name).log_in() for name in ("demo-crm", "demo-crm-reader"))
            kept = caller.create("c", {"type": "t", "value": "kept"}).json()
            event = {"token": {"type": "t", "value": "kept"}, "event": {"event": "e", "status": "S"}}
            node.path("tokens").rename(node.path("elsewhere"))
            wait_for_readiness(503)
            for reply in (caller.create("c", {"type": "t", "value": "lost"}), caller.list("c"), caller.call("POST", "tokens/events", event),
                          caller.call("DELETE", "tokens/events", {"token": event["token"]}), caller.delete("c", kept["token_id"]), caller.ask()):
                self.assertEqual((reply.status, reply.json()["error"]["code"]), (503, "unavailable"))
                self.assertIsNotNone(reply.headers["Retry-After"])
            rows = reader.list("c").json()  # who sees no values needs no HSM
            self.assertEqual([row["id"] for row in rows], [kept["id"]])
            node.path("elsewhere").rename(node.path("tokens"))
            wait_for_readiness(200)
            self.assertEqual(caller.list("c").json(), [kept])
            self.assertEqual(caller.call("POST", "tokens/events", {"token": event["token"]}).json()["events"], [])
        finally:
            node.finish()


class Store(unittest.TestCase):
    def test_no_value_reaches_store_log_or_audit(self):
        secrets = ["needle-%d-%s" % (i, "x" * (i * 40)) for i in range(6)]
        for value in secrets:
            crm.create("leak", {"type": "t", "value": value})
            crm.create("leak", {"type": "t", "value": value})  # refused
            crm.call("POST", "tokens/events", {"token": {"type": "t", "value": value}, "event": {"event": "e"}})
        crm.list("leak")
        files = [path for path in appliance.folder.iterdir() if path.is_file()]
        self.assertTrue(any(path.name == "symbolon.db-wal" for path in files))
        for path in files:
            data = path.read_bytes()
            for value in secrets:
                self.assertNotIn(value[:20].encode(), data, path)

    def test_audit_lines_count_and_name_no_value(self):
        crm.create("c", {"type": "t", "value": fresh()})
        lines = [line for line in appliance.audit_lines() if line["event"] == "customer_token_create"]
        self.assertEqual((lines[-1]["client"], lines[-1]["items"], lines[-1]["outcome"]), ("demo-crm", 1, "ok"))

    def test_what_was_made_opened_and_refused_is_counted(self):
        def counted() -> tuple[int, ...]:
            return tuple(appliance.metric(f'symbolon_tokens_total{{operation="{name}"}}') for name in ("tokenize", "detokenize")) + (
                appliance.metric("symbolon_tokens_refused_total"),)

        def change(request) -> tuple[int, ...]:
            before = counted()
            request()
            return tuple(after - old for old, after in zip(before, counted()))

        customer, value = fresh("c"), fresh()
        reader = Customers(appliance, "demo-crm-reader").log_in()
        self.assertEqual(change(lambda: crm.create(customer, {"type": "t", "value": value})), (1, 0, 0))
        self.assertEqual(change(lambda: crm.create(customer, {"type": "t", "value": value})), (0, 0, 1))
        self.assertEqual(change(lambda: crm.create(customer, {"type": "t", "value": fresh()})), (1, 0, 0))
        self.assertEqual(change(lambda: crm.list(customer)), (0, 2, 0))
        self.assertEqual(change(lambda: reader.list(customer)), (0, 0, 0))

    def test_a_list_goes_by_an_index_and_without_offset(self):
        path = appliance.path("symbolon.db")
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            plan = " ".join(row[3] for row in db.execute(
                "EXPLAIN QUERY PLAN SELECT customer_token.id FROM customer_token INDEXED BY customer_token_live"
                " CROSS JOIN subject ON subject.number = customer_token.subject"
                " WHERE customer_token.tenant_id = 1 AND customer_token.account = ? AND customer_token.customer_id = ?"
                " AND customer_token.number < ? AND customer_token.deleted_ms = 0 ORDER BY customer_token.number DESC LIMIT 10",
                (ACCOUNT, "c", 2**60)))
        self.assertIn("SEARCH customer_token USING INDEX customer_token_live (tenant_id=? AND account=? AND customer_id=? AND number<?)", plan)
        self.assertNotIn("TEMP B-TREE", plan)
        source = (client_root() / "appliance/store/statements.c").read_text()
        self.assertNotIn("OFFSET", source[source.index("SQL_CUSTOMER_LIST_LIVE"):])

    def test_what_somebody_exchanges_in_the_store_is_refused_and_shown_to_nobody(self):
        """Rows of one account, type and length: all that tells them apart is the value."""
        customer, values = fresh("c"), [fresh("exchanged"), fresh("exchanged")]
        ids = [crm.create(customer, {"type": "swap", "value": value}).json()["token_id"] for value in values]
        long_values = [fresh("long") + "x" * 300 for _ in range(2)]
        long_ids = [crm.create(fresh("c"), {"type": "swap", "value": value}).json()["token_id"] for value in long_values]
        for value in values:
            event = crm.call("POST", "tokens/events", {"token": {"type": "swap", "value": value}, "event": {"event": "e"}})
            self.assertEqual(event.status, 200)

        def decode(token_id: str) -> dict:
            return client.vault(appliance.main, appliance.token("demo-app"), "decode", "crm",
                                {"batch_input": [{"value": token_id}]}).json()["data"]["batch_results"][0]

        def in_store(statement: str, parameters=()) -> list:
            with closing(sqlite3.connect(appliance.path("symbolon.db"), timeout=60)) as db, db:
                return db.execute(statement, parameters).fetchall()

        def exchange(token_ids: list[str]) -> None:
            """What is sealed of these tokens' values."""
            rows = [in_store("SELECT sealed, subject.number FROM customer_token JOIN subject ON subject.number = subject"
                             " WHERE token_id = ? AND deleted_ms = 0", (token_id,))[0] for token_id in token_ids]
            for mine, other in (rows, rows[::-1]):
                in_store("UPDATE subject SET sealed = ? WHERE number = ?", (other[0], mine[1]))

        def rename(token_id: str, name: str) -> None:
            in_store("UPDATE customer_token SET token_id = ? WHERE token_id = ? AND deleted_ms = 0", (name, token_id))

        def refusals() -> list:
            yield crm.list(customer)
            yield crm.delete(customer, ids[0])
            yield crm.call("GET", "tokens/events?limit=100")

        exchange(ids)
        exchange(long_ids)
        before = len(appliance.audit_lines())
        for reply in refusals():
            self.assertEqual((reply.status, reply.json()["error"]["code"]), (500, "internal"))
            for value in values:
                self.assertNotIn(value, reply.body.decode())
        self.assertEqual([(line["event"], line["outcome"]) for line in appliance.audit_lines()[before:]], [
            ("customer_token_list", "not_genuine"), ("customer_token_delete", "not_genuine"), ("token_event_list", "not_genuine")])
        self.assertIn('"outcome":"not_genuine"', appliance.text("symbolon.log").splitlines()[-1])
        self.assertIn("error", decode(long_ids[0]))
        self.assertEqual(decode(ids[0])["decoded_value"], values[0])  # which is in the token id itself

        exchange(ids)
        exchange(long_ids)
        self.assertEqual({row["value"] for row in crm.list(customer).json()}, set(values))
        self.assertEqual([decode(token_id).get("decoded_value") for token_id in long_ids], long_values)

        for old, new in ((long_ids[0], "kept"), (long_ids[1], long_ids[0]), ("kept", long_ids[1])):  # rows change their names
            rename(old, new)
        self.assertEqual(["error" in decode(token_id) for token_id in long_ids], [True, True])

    def test_kill_9_under_load_loses_and_doubles_nothing(self):
        node = with_customers(Appliance(plain_http=True)).set_up()
        node.start()
        try:
            callers = [Customers(node).log_in() for _ in range(4)]
            acknowledged: list[str] = []
            stop = threading.Event()

            def run(caller: Customers, number: int) -> None:
                for i in range(10**6):
                    if stop.is_set():
                        return
                    try:
                        reply = caller.create(f"c{number}", {"type": "t", "value": f"{number}:{i}"})
                    except (OSError, ValueError, client.http.client.HTTPException):
                        return
                    if reply.status == 201:
                        acknowledged.append(reply.json()["id"])

            threads = [threading.Thread(target=run, args=(caller, number)) for number, caller in enumerate(callers)]
            for thread in threads:
                thread.start()
            while len(acknowledged) < 100:
                time.sleep(0.005)
            node.process.kill()
            node.process.wait()
            stop.set()
            for thread in threads:
                thread.join()
            node.start()
            caller = Customers(node).log_in()
            found: list[str] = []
            for number in range(4):
                after = ""
                while page := caller.list(f"c{number}", f"?limit=100{after}").json():
                    found += [row["id"] for row in page]
                    after = f"&starting_after={page[-1]['id']}"
            self.assertEqual(len(found), len(set(found)))
            self.assertLessEqual(set(acknowledged), set(found))
        finally:
            node.finish()


def client_root():
    from pathlib import Path
    return Path(__file__).resolve().parents[2]


if __name__ == "__main__":
    unittest.main()
