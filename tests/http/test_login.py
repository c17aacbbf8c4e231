# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""AppRole login: a client's name and token buy a login token for one hour.

Two nodes share the keys. Each has a wall clock of its own that the tests move.
"""

import base64
import unittest

import client
from appliance import Appliance, Clock
from client import basic_authorization, card_body, encode

PAN = "4111111111111111"
LOGIN = "/v1/auth/approle/login"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-%s[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
START_S = 1893553445  # 2030-01-02T03:04:05Z
LIFE_S, SKEW_S = 3600, 60
BAD_SHAPE = "role_id and secret_id must be strings in a JSON object"
BAD_LOGIN = "invalid role or secret ID"
APP_BLOCK = 'client "demo-app" { id = 13'


def setUpModule():
    global node, second, clock, second_clock
    node = Appliance().set_up()
    node.configure()
    second = node.clone()
    for name in ("demo-app", "demo-writer", "demo-reader", "demo-roleless", "demo-cards", "demo-gifts", "demo-operator", "other-app"):
        node.credential(name)
    second.configure()
    clock, second_clock = Clock(node, START_S), Clock(second, START_S)
    node.start()
    second.start()


def tearDownModule():
    try:
        second.finish()
    finally:
        node.finish()


def post_login(body, method="POST", headers=None, where=None):
    return (where or node).main.request(method, LOGIN, headers or {}, encode(body))


def login(name="demo-app", secret=None, **how):
    return post_login({"role_id": name, "secret_id": node.token(name) if secret is None else secret}, **how)


def login_token(name="demo-app", **how):
    return login(name, **how).json()["auth"]["client_token"]


def ask(token, operation="encode", role="pan", value=PAN, where=None):
    return client.vault((where or node).main, token, operation, role, {"value": value})


def lookup(token, where=None):
    return client.vault_get((where or node).main, token, "auth/token/lookup-self")


class Case(unittest.TestCase):
    def setUp(self):
        clock.set(START_S)
        second_clock.set(START_S)

    def refused(self, reply, status, error):
        self.assertEqual((reply.status, reply.json()), (status, {"errors": [error]}))
        self.assertEqual(reply.media_type, "application/json")


class Login(Case):
    def test_the_reply_is_what_clients_of_the_wire_format_know(self):
        for method in ("POST", "PUT"):
            reply = login(method=method)
            self.assertEqual((reply.status, reply.media_type), (200, "application/json"))
            data = reply.json()
            self.assertEqual(data.pop("request_id"), reply.headers["X-Request-Id"])
            auth = data.pop("auth")
            self.assertEqual(data, {"lease_id": "", "renewable": False, "lease_duration": 0, "data": None, "wrap_info": None,
                                    "warnings": None})
            self.assertRegex(auth.pop("client_token"), "^" + UUID % "8" + "$")
            self.assertEqual(auth, {"accessor": "13", "policies": ["tokenize", "detokenize"],
                                    "token_policies": ["tokenize", "detokenize"], "metadata": {"role_name": "demo-app"},
                                    "lease_duration": LIFE_S, "renewable": False, "entity_id": "", "token_type": "service",
                                    "orphan": True})

    def test_the_token_does_what_the_client_may_and_no_more(self):
        token = login_token()
        made = ask(token).json()["data"]["encoded_value"]
        self.assertEqual(made, ask(node.token("demo-app")).json()["data"]["encoded_value"])
        self.assertEqual(ask(token, "decode", value=made).json()["data"], {"decoded_value": PAN})
        self.assertEqual(client.vault_get(node.main, token, "transform/role").json()["data"]["keys"],
                         client.vault_get(node.main, node.token("demo-app"), "transform/role").json()["data"]["keys"])
        writer = login_token("demo-writer")
        self.assertEqual(ask(writer).status, 200)
        self.refused(ask(writer, "decode", value=made), 403, "permission denied")
        self.refused(ask(writer, role="supplied"), 403, "permission denied")
        self.refused(ask(login_token("demo-roleless")), 403, "permission denied")
        self.refused(ask(login_token("demo-reader")), 403, "permission denied")

    def test_the_token_is_one_of_its_own_tenant(self):
        ours, theirs = (ask(login_token(name)).json()["data"]["encoded_value"] for name in ("demo-app", "other-app"))
        self.assertNotEqual(ours[:-1], theirs[:-1])
        self.assertEqual(lookup(login_token("other-app")).json()["data"]["meta"], {"tenant": "other"})

    def test_the_token_comes_in_either_header(self):
        token, body = login_token(), encode({"value": PAN})
        for headers in ({"X-Vault-Token": token}, {"Authorization": f"Bearer {token}"},
                        {"Authorization": f"Bearer {token}", "X-Vault-Token": token}):
            self.assertEqual(node.main.request("POST", "/v1/transform/encode/pan", headers, body).status, 200)

    def test_what_the_headers_say_is_nothing_to_it(self):
        for headers in ({"X-Vault-Token": "nonsense"}, {"Authorization": "Basic Og=="}, {"X-Vault-Namespace": "team/a"},
                        {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}):
            self.assertEqual(login(headers=headers).status, 200)

    def test_lookup_self_counts_down(self):
        token = login_token()
        for age in (0, 1, 1800, 3599):
            clock.set(START_S + age)
            data = lookup(token).json()["data"]
            self.assertEqual((data["ttl"], data["creation_ttl"]), (LIFE_S - age, LIFE_S))
            self.assertEqual((data["expire_time"], data["path"]), ("2030-01-02T04:04:05Z", "auth/approle/login"))
            self.assertEqual((data["id"], data["accessor"], data["display_name"]), ("13", "13", "demo-app"))
            self.assertEqual(data["policies"], ["tokenize", "detokenize"])
            self.assertNotIn(token, lookup(token).body.decode())

    def test_lookup_self_of_the_token_that_lasts(self):
        data = lookup(node.token("demo-app")).json()["data"]
        self.assertEqual((data["ttl"], data["creation_ttl"], data["expire_time"], data["path"]), (0, 0, None, "auth/token/create"))


class Refused(Case):
    def test_wrong_names_and_secrets_cannot_be_told_apart(self):
        right = node.token("demo-app")
        last = "A" if right[-1] != "A" else "B"
        pairs = [("nobody", right), ("DEMO-APP", right), ("demo-app ", right), ("", right), ("13", right), ("demo-writer", right),
                 ("other-app", right), ("demo-app\u00e9", right), ("d" * 2000, right),
                 ("demo-app", ""), ("demo-app", right[:-1]), ("demo-app", right + "A"), ("demo-app", right[:-1] + last),
                 ("demo-app", right.split(".")[2]), ("demo-app", node.token("demo-writer")), ("demo-app", node.token("other-app")),
                 ("demo-app", right.upper()), ("demo-app", "x" * 2000), ("nobody", "nothing"), ("", "")]
        for name, secret in pairs:
            with self.subTest(name=name[:20], secret=secret[:8]):
                self.refused(login(name, secret), 400, BAD_LOGIN)

    def test_clients_of_other_APIs_do_not_log_in(self):
        merchant, gifts = node.card("demo-cards"), node.credential("demo-gifts")["giftcard"]
        operator = node.credential("demo-operator")["operations"]["token"]
        secret = base64.urlsafe_b64encode(bytes.fromhex(merchant["merchant_key"])).rstrip(b"=").decode()
        for name, tried in (("demo-cards", merchant["merchant_key"]), (merchant["authenticity_token"], merchant["merchant_key"]),
                            ("demo-cards", f"sym.11.{secret}"), ("demo-gifts", gifts["password"]),
                            ("demo-gifts", f"sym.19.{gifts['password']}"), ("demo-operator", operator)):
            with self.subTest(name=name):
                self.refused(login(name, tried), 400, BAD_LOGIN)

    def test_a_login_token_buys_no_other(self):
        token = login_token()
        self.refused(login("demo-app", token), 400, BAD_LOGIN)
        self.refused(login("demo-app", f"sym.13.{token}"), 400, BAD_LOGIN)

    def test_bodies_that_are_none(self):
        right = encode({"role_id": "demo-app", "secret_id": node.token("demo-app")})
        for body in (b"", b"{", right[:-1], right + b"}", b"[]", b"null", b'"x"', b"{}", b'{"role_id":"demo-app"}',
                     encode({"secret_id": node.token("demo-app")}), encode({"role_id": 13, "secret_id": node.token("demo-app")}),
                     encode({"role_id": "demo-app", "secret_id": 7}), encode({"role_id": None, "secret_id": None}),
                     encode({"role_id": ["demo-app"], "secret_id": node.token("demo-app")}),
                     encode([{"role_id": "demo-app", "secret_id": node.token("demo-app")}]),
                     right[:-1] + b',"role_id":"demo-app"}', right.replace(b"demo-app", b"demo-app\\u0000"),
                     right.replace(b"demo-app", b"demo-app\xff"), b"role_id=demo-app&secret_id=x", b"[" * 4000):
            with self.subTest(body=body[:30]):
                self.refused(post_login(body), 400, BAD_SHAPE)

    def test_a_body_of_more_than_four_KiB(self):
        right = encode({"role_id": "demo-app", "secret_id": node.token("demo-app")})
        self.assertEqual(post_login(right + b" " * (4096 - len(right))).status, 200)
        self.refused(post_login(right + b" " * (4097 - len(right))), 413, "request body is too large")

    def test_other_methods_and_paths(self):
        for method in ("GET", "DELETE", "PATCH"):
            reply = node.main.request(method, LOGIN, {})
            self.refused(reply, 405, "unsupported operation")
            self.assertEqual(reply.headers["Allow"], "POST, PUT")
        for path in ("/v1/auth/approle", "/v1/auth/approle/login/", "/v1/auth/approle/Login", "/v1/auth/userpass/login/demo-app",
                     "/v1/auth/token/create", "/v1/auth/token/renew-self", "/v1/auth/token/revoke-self"):
            self.assertEqual(node.main.request("POST", path, {"X-Vault-Token": login_token()}, b"{}").status, 404)

    def test_login_tokens_that_are_none(self):
        token = login_token()
        flips = [token[:i] + "%x" % (int(token[i], 16) ^ 1) + token[i + 1:] for i in range(36) if token[i] != "-"]
        for wrong in (*flips, token[:-1], token + "0", token.replace("-", ""), "{" + token + "}",
                      "00000000-0000-8000-8000-000000000000", "ffffffff-ffff-8fff-bfff-ffffffffffff"):
            with self.subTest(token=wrong):
                self.refused(ask(wrong), 403, "permission denied")

    def test_a_login_token_is_good_for_the_transform_API_alone(self):
        token = login_token()
        body = encode(card_body())
        for headers in ({"X-Vault-Token": token}, {"Authorization": f"Bearer {token}"},
                        basic_authorization({"username": "demo-app", "password": token})):
            headers = {"Content-Type": "application/json", **headers}
            self.assertEqual(node.main.request("POST", "/v2/tokens", headers, body).status, 401)
            self.assertEqual(node.main.request("POST", "/v1/Token", headers, body).status, 401)
            self.assertEqual(node.main.request("PUT", "/Auth/verify", headers, b"").status, 401)


class Life(Case):
    def test_it_ends_after_an_hour_on_every_node(self):
        token = login_token()
        for age, alive in ((0, True), (1, True), (3599, True), (3600, False), (3601, False), (7200, False), (10 ** 8, False)):
            with self.subTest(age=age):
                clock.set(START_S + age)
                second_clock.set(START_S + age)
                for where in (node, second):
                    self.assertEqual(ask(token, where=where).status, 200 if alive else 403)
                    self.assertEqual(lookup(token, where).status, 200 if alive else 403)

    def test_an_expired_token_is_refused_like_a_made_up_one(self):
        token = login_token()
        clock.set(START_S + LIFE_S)
        for refused in (token, "00000000-0000-8000-8000-000000000000"):
            self.refused(ask(refused), 403, "permission denied")
            self.refused(lookup(refused), 403, "permission denied")

    def test_a_node_may_be_a_minute_behind_and_no_more(self):
        token = login_token()
        for behind, alive in ((1, True), (SKEW_S, True), (SKEW_S + 1, False), (3600, False), (10 ** 8, False)):
            second_clock.set(START_S - behind)
            self.assertEqual(ask(token, where=second).status, 200 if alive else 403, behind)

    def test_the_token_that_lasts_does(self):
        for age in (0, LIFE_S, 10 ** 9):
            clock.set(START_S + age)
            self.assertEqual(ask(node.token("demo-app")).status, 200)

    def test_it_outlives_a_restart_because_nothing_is_stored(self):
        token = login_token()
        self.assertEqual(second.restart(), 0)
        self.assertEqual(ask(token, where=second).status, 200)

    def test_it_dies_with_the_secret_that_bought_it(self):
        token = login_token()
        self.addCleanup(second.restart)
        self.addCleanup(setattr, second, "edits", {})
        for generation, alive in (("  generation = 2  accept_previous = true", True), ("  generation = 2", False),
                                  ("  generation = 3  accept_previous = true", False)):
            second.edits = {APP_BLOCK: APP_BLOCK + generation}
            self.assertEqual(second.restart(), 0)
            self.assertEqual(ask(token, where=second).status, 200 if alive else 403, generation)
            self.assertEqual(login(where=second).status, 200 if alive else 400, generation)

    def test_it_loses_what_its_client_loses(self):
        token = login_token()
        self.addCleanup(second.restart)
        self.addCleanup(setattr, second, "edits", {})
        second.edits = {'permissions = {"tokenize", "detokenize"}\n': 'permissions = {"tokenize"}\n'}
        self.assertEqual(second.restart(), 0)
        self.assertEqual(ask(token, where=second).status, 200)
        self.assertEqual(ask(token, "decode", where=second).status, 403)
        second.edits = {APP_BLOCK: 'client "demo-app" { id = 99'}
        self.assertEqual(second.restart(), 0)
        self.assertEqual(ask(token, where=second).status, 403)


class Records(Case):
    def lines(self, request):
        before = len(node.audit_lines())
        reply = request()
        return reply, node.audit_lines()[before:]

    def line(self, request, **expected):
        reply, lines = self.lines(request)
        self.assertEqual(len(lines), 1, lines)
        line = dict(lines[0])
        for name in ("number", "time", "source"):
            line.pop(name)
        self.assertEqual(line.pop("request_id"), reply.headers["X-Request-Id"])
        self.assertEqual(line.pop("status"), reply.status)
        self.assertEqual(line, expected)

    def test_a_login_leaves_a_line_and_so_does_every_refusal(self):
        nobody, token = {"event": "login", "items": 0, "failed_items": 0}, login_token()
        self.line(login, **nobody, client="demo-app", client_id=13, tenant_id=1, outcome="ok")
        self.line(lambda: login("demo-app", "sym.13.wrong"), **nobody, outcome="credential")
        self.line(lambda: login("made-up-by-the-caller", "x"), **nobody, outcome="credential")
        self.line(lambda: login("demo-app", token), **nobody, outcome="credential")
        self.line(lambda: post_login(b"{"), **nobody, outcome="input")

    def test_what_is_done_with_the_token_is_on_the_clients_account(self):
        token = login_token()
        self.line(lambda: ask(token), event="transform_encode", client="demo-app", client_id=13, tenant_id=1, role="pan", items=1,
                  failed_items=0, generation=1, outcome="ok")
        _, lines = self.lines(lambda: lookup(token))
        self.assertEqual(lines, [])

    def test_no_secret_reaches_log_or_audit_file(self):
        secret, token = node.token("demo-app"), login_token()
        almost = secret[:-4] + "AAAA"
        ask(token)
        login("demo-app", token)
        login("demo-app", almost)
        post_login(encode({"role_id": secret, "secret_id": "x"}))
        post_login(encode({"role_id": "demo-app", "secret_id": secret})[:-1])
        clock.set(START_S + LIFE_S)
        ask(token)
        for name in ("symbolon.log", "audit.log"):
            text = node.text(name)
            for word in (secret.split(".")[2][:20], token, token.split("-")[-1], PAN):
                self.assertNotIn(word, text, name)

    def test_no_refusal_repeats_what_was_sent(self):
        for reply in (login("made-up-name", "made-up-secret"), post_login(b'{"role_id":"made-up-name","secret_id":7}')):
            self.assertNotIn("made-up", reply.body.decode())


class Health(Case):
    def test_it_tells_the_time_of_its_node(self):
        for moment in (START_S, START_S + 1, 0, 4102444800):
            clock.set(moment)
            reply = node.main.request("GET", "/v1/sys/health")
            self.assertEqual((reply.status, reply.json()["server_time_utc"]), (200, moment))


if __name__ == "__main__":
    unittest.main()
