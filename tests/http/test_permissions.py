# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Every route with every credential. The routes are read from the route tables in web/apis, so a route
without a row here fails, and so does a row without a route.
"""

import itertools
import re
import unittest
from pathlib import Path

import client
from appliance import Appliance
from client import card_body, encode
from customer_client import ACCOUNT, OTHER_ACCOUNT, Customers, with_customers
from serial_client import JSON_API, NAMES, Client, order_body, with_serials

numbers = itertools.count()
ROOT = Path(__file__).resolve().parents[2]

# A row of a route table: {METHODS, "/pattern", PERMISSION, ...
ROUTE = re.compile(r'\{\s*([A-Z_]+(?:\s*\|\s*[A-Z_]+)*),\s*"(/[^"]*)",\s*(PERMISSION_\w+)')
MACRO = re.compile(r"#define\s+(\w+)\s+\(?((?:HTTP_\w+)(?:\s*\|\s*HTTP_\w+)*)\)?")

TOKEN_CLIENTS = ("demo-app", "demo-writer", "demo-reader", "demo-roleless", "other-app", "other-writer")
GIFT_CLIENTS = ("demo-gifts", "other-gifts")
CARD_CLIENTS = ("demo-cards", "demo-cards-2", "demo-lax", "demo-reader", "other-cards")

REQUEST_CLIENTS = ("demo-shop", "demo-shop-reader")
REQUESTS = """    client "demo-shop" { id = 81  apis = {"requests"}  permissions = {"tokenize", "read"} }
    client "demo-shop-reader" { id = 82  apis = {"requests"}  permissions = {"read"} }
    client "demo-clerk" { id = 83  apis = {"operations"}  permissions = {"approve"} }
"""
REQUEST_BODY = {"requestPayload": {
    "refId": "order-7", "to": {"id": "m:2u79hmKe2wUJLapKMWQuvR24Jes7:ZhCLMCmKAvzfw"}, "redirectUrl": "https://shop.example/cb",
    "transferBody": {"currency": "EUR", "lifetimeAmount": "25.00", "instructions": {"transferDestinations": [
        {"sepa": {"iban": "DE02120300000000202051"}}]}}}}
CUSTOMER_CLIENTS = ("demo-crm", "demo-crm-writer", "demo-crm-reader", "other-crm")

# The columns: how a request presents itself.
COLUMNS = ("nobody", "wrong token", "wrong digest", "operator", "clerk", *(f"member:{name}" for name in REQUEST_CLIENTS), *(f"token:{name}" for name in TOKEN_CLIENTS),
           *(f"digest:{name}" for name in CARD_CLIENTS), *(f"basic:{name}" for name in GIFT_CLIENTS),
           "wrong password", *(f"key as token:{name}" for name in CARD_CLIENTS),
           *(f"secret:{name}" for name in CUSTOMER_CLIENTS), *(f"access:{name}" for name in CUSTOMER_CLIENTS),
           *(f"apikey:{name}" for name in NAMES), *(f"session:{name}" for name in NAMES), "wrong api key", "wrong session")


def only(refused: int, **served) -> dict[str, int]:
    """The row in which everybody is refused but those named. `_` stands for the column's punctuation."""
    row = dict.fromkeys(COLUMNS, refused)
    for name, status in served.items():
        kind, _, who = name.partition("_")
        row[f"{kind}:{who.replace('_', '-')}"] = status
    return row


def everybody(status: int) -> dict[str, int]:
    return dict.fromkeys(COLUMNS, status)


ANY_TRANSFORM_CLIENT = only(403, token_demo_app=200, token_demo_writer=200, token_demo_reader=200,
                            token_demo_roleless=200, token_other_app=200, token_other_writer=200)
TOKENIZE = only(403, token_demo_app=200, token_demo_writer=200, token_other_app=200, token_other_writer=200)
DETOKENIZE = only(403, token_demo_app=200, token_other_app=200)
CARD = only(401, digest_demo_cards=200, digest_demo_cards_2=200, digest_demo_lax=200, digest_other_cards=200,
            digest_demo_reader=403)
GIFTCARD = only(401, basic_demo_gifts=200, basic_other_gifts=200)

MAY_PRODUCE = ("demo-serial", "demo-serial-2", "demo-serial-maker", "other-serial")
MAY_READ = ("demo-serial", "demo-serial-2", "demo-serial-reader", "other-serial")


def api_key(status: int) -> dict[str, int]:
    """Every client of the serial API, with its Api-Key."""
    return only(401) | {f"apikey:{name}": status for name in NAMES}


def session(who: tuple[str, ...], status: int) -> dict[str, int]:
    """A session of any client is known, and those named may do it."""
    return only(401) | {f"session:{name}": status if name in who else 403 for name in NAMES}


ADMIN = {column: {"operator": 200, "clerk": 403}.get(column, 401) for column in COLUMNS}
NO_SUCH_KEY = ADMIN | {"operator": 404}  # who may move keys hears that there is none

# An access token of the other tenant is for another account.
CRM_WRITE = only(401, access_demo_crm=201, access_demo_crm_writer=201, access_demo_crm_reader=403, access_other_crm=403)
CRM_READ = only(401, access_demo_crm=200, access_demo_crm_writer=403, access_demo_crm_reader=200, access_other_crm=403)


def instead(row: dict[str, int], made: int) -> dict[str, int]:
    return {column: made if status == 201 else status for column, status in row.items()}


TABLE = {
    "POST /token-requests": only(401, member_demo_shop=200, member_demo_shop_reader=403),
    # A request of another member does not exist.
    "GET /token-requests/{id}": only(401, member_demo_shop=200, member_demo_shop_reader=404),
    "GET /token-requests/{id}/result": only(401, member_demo_shop=200, member_demo_shop_reader=404),
    "POST /token-requests/{id}/authorization": only(401, member_demo_shop=501, member_demo_shop_reader=501),
    "GET /.well-known/jwks.json": everybody(200),
    "GET /app/style.css": everybody(200),
    "GET /app/request-token/{id}": everybody(200),
    # Whoever has the link may decide, with the page's own form only.
    "POST /app/request-token/{id}": everybody(403),
    "POST /operations/token-requests/{id}": ADMIN | {"operator": 403, "clerk": 200},
    "POST /v1/accounts/{aid}/auth/token": only(401, secret_demo_crm=200, secret_demo_crm_writer=200,
                                               secret_demo_crm_reader=200, secret_other_crm=403),
    "GET /v1/accounts/{aid}/auth/jwks": everybody(200),
    "POST /v1/accounts/{aid}/customers/users/{customer_id}/tokens": CRM_WRITE,
    "GET /v1/accounts/{aid}/customers/users/{customer_id}/tokens": CRM_READ,
    "DELETE /v1/accounts/{aid}/customers/users/{customer_id}/tokens/{tid}": instead(CRM_WRITE, 404),
    "POST /v1/accounts/{aid}/customers/tokens/events": instead(CRM_WRITE, 200),
    "GET /v1/accounts/{aid}/customers/tokens/events": CRM_READ,
    "DELETE /v1/accounts/{aid}/customers/tokens/events": instead(CRM_WRITE, 204),
    "GET /operations/keys": ADMIN,
    "POST /operations/keys/{tenant}/{generation}/load": NO_SUCH_KEY,
    "POST /operations/keys/{tenant}/{generation}/activate": NO_SUCH_KEY,
    "POST /operations/keys/{tenant}/{generation}/retire": NO_SUCH_KEY,
    "POST /operations/keys/{tenant}/{generation}/release": NO_SUCH_KEY,
    "POST /operations/keys/{tenant}/{generation}/rewrap": NO_SUCH_KEY,
    "POST /v1/Token": GIFTCARD,
    "PUT /Auth/verify": GIFTCARD,
    "GET /Health": everybody(200),
    # The credential stands in the body, so what the headers say is nothing to it.
    "POST /v1/auth/approle/login": everybody(200),
    "PUT /v1/auth/approle/login": everybody(200),
    "POST /v1/transform/metadata/{role}": DETOKENIZE,
    "PUT /v1/transform/metadata/{role}": DETOKENIZE,
    "POST /v2/tokens": CARD,
    "POST /v1/transform/encode/{role}": TOKENIZE,
    "POST /v1/transform/decode/{role}": DETOKENIZE,
    "POST /v1/transform/validate/{role}": TOKENIZE,
    "POST /v1/transform/rewrap/{role}": TOKENIZE,
    "PUT /v1/transform/encode/{role}": TOKENIZE,
    "PUT /v1/transform/decode/{role}": DETOKENIZE,
    "PUT /v1/transform/validate/{role}": TOKENIZE,
    "PUT /v1/transform/rewrap/{role}": TOKENIZE,
    "GET /v1/transform/role": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/role/{name}": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/transformation": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/transformation/{name}": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/template": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/template/{name}": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/template/{family}/{name}": ANY_TRANSFORM_CLIENT,
    "GET /v1/transform/alphabet": ANY_TRANSFORM_CLIENT,
    # No alphabet has a name without a family: who may ask is told so.
    "GET /v1/transform/alphabet/{name}": {column: 404 if status == 200 else status
                                          for column, status in ANY_TRANSFORM_CLIENT.items()},
    "GET /v1/transform/alphabet/{family}/{name}": ANY_TRANSFORM_CLIENT,
    "GET /v1/auth/token/lookup-self": ANY_TRANSFORM_CLIENT,
    "GET /v1/sys/health": everybody(200),
    "POST /api/sessions": api_key(201),
    "GET /api/sessions": api_key(200),
    "GET /api/sessions/{id}": api_key(200),
    "GET /api/alphabets": session(MAY_READ, 200),
    "POST /api/alphabets": session(MAY_PRODUCE, 201),
    "GET /api/alphabets/{name}": session(MAY_READ, 200),
    "GET /api/alphabets/{name}/{digits}": session(MAY_READ, 200),
    "DELETE /api/alphabets/{name}": session(MAY_PRODUCE, 200),
    "DELETE /api/alphabets": session(MAY_PRODUCE, 200),
    "POST /api/tokens": session(MAY_PRODUCE, 201),
    "GET /api/tokens": session(MAY_READ, 200),
    "DELETE /api/tokens": session(MAY_PRODUCE, 200),
    # Nobody has the line and the token: who may ask is told so.
    "GET /api/alphabets/{name}/{digits}/tokens/{token}": session(MAY_READ, 404),
    "GET /api/tokens/{id}": session(MAY_READ, 404),
    "GET /api/tokens/{id}/data": session(MAY_READ, 404),
    "GET /api/tokens/{id}/{status}": session(MAY_READ, 404),
    "DELETE /api/tokens/{id}": session(MAY_PRODUCE, 404),
    "GET /livez": everybody(200),
    "GET /readyz": everybody(200),
    "GET /metrics": everybody(200),
    # The last: it ends the sessions.
    "DELETE /api/sessions/{id}": api_key(200),
}

MADE_UP = "5b0f7c1e-1d7a-8c55-9a52-0c6a3b8f2e11"

# What stands for the captures of each route.
TARGETS = {
    "/api/alphabets/{name}": "/api/alphabets/DICE",
    "/api/alphabets/{name}/{digits}": "/api/alphabets/DICE/5",
    "/api/alphabets/{name}/{digits}/tokens/{token}": "/api/alphabets/UPPER_HEX/10/tokens/0123456789",
    "/api/tokens/{id}": f"/api/tokens/{MADE_UP}",
    "/api/tokens/{id}/data": f"/api/tokens/{MADE_UP}/data",
    "/api/tokens/{id}/{status}": f"/api/tokens/{MADE_UP}/finished",
    "{role}": "pan",
    "/v1/transform/role/{name}": "/v1/transform/role/pan",
    "/v1/transform/transformation/{name}": "/v1/transform/transformation/creditcard",
    "/v1/transform/template/{name}": "/v1/transform/template/card",
    "/v1/transform/template/{family}/{name}": "/v1/transform/template/builtin/creditcardnumber",
    "/v1/transform/alphabet/{name}": "/v1/transform/alphabet/nope",
    "/v1/transform/alphabet/{family}/{name}": "/v1/transform/alphabet/builtin/numeric",
}

OPERATIONS_ONLY = ("/metrics", "/operations/")


def setUpModule():
    global appliance, sessions, access, request_id
    appliance = with_customers(with_serials(Appliance())).set_up()
    appliance.tenants = appliance.tenants.replace('    client "demo-cards" {', REQUESTS + '    client "demo-cards" {', 1)
    appliance.configure()
    for name in ("demo-operator", "demo-clerk", *REQUEST_CLIENTS, *TOKEN_CLIENTS, *CARD_CLIENTS, *GIFT_CLIENTS, *NAMES, *CUSTOMER_CLIENTS):
        appliance.credential(name)
    appliance.start()
    made = appliance.main.request("POST", "/token-requests", {"Content-Type": "application/json", **member("demo-shop")},
                                  encode(REQUEST_BODY))
    assert made.status == 200, made.body
    request_id = made.json()["tokenRequest"]["id"]
    access = {name: Customers(appliance, name, OTHER_ACCOUNT if name == "other-crm" else ACCOUNT).log_in().token
              for name in CUSTOMER_CLIENTS}
    sessions = {name: Client(appliance, name).open_session() for name in NAMES}


def tearDownModule():
    appliance.finish()


def routes_of_the_sources() -> set[str]:
    found = set()
    for path in sorted((ROOT / "web" / "apis").rglob("*.c")):
        text = path.read_text()
        macros = dict(MACRO.findall(text))
        for methods, pattern, _ in ROUTE.findall(text):
            spelled = "|".join(macros.get(word.strip(), word.strip()) for word in methods.split("|"))
            found |= {f"{word.strip().removeprefix('HTTP_')} {pattern}" for word in spelled.split("|")}
    return found


def target_of(method: str, pattern: str, column: str) -> str:
    if pattern == "/api/sessions/{id}":  # the client's own, or anybody's
        return f"/api/sessions/{sessions.get(column.partition(':')[2], sessions['demo-serial']).session_key}"
    if method == "DELETE" and pattern == "/api/alphabets/{name}":
        return "/api/alphabets/CUSTOM"
    if "token-request" in pattern or "/request-token/" in pattern:
        return pattern.format(id=request_id)
    if pattern.startswith("/v1/accounts/"):
        return pattern.format(aid=ACCOUNT, customer_id="c", tid="none")
    return TARGETS.get(pattern, pattern.replace("{role}", TARGETS["{role}"]))


def body_of(method: str, pattern: str, token: str) -> bytes | None:
    if pattern == "/token-requests":
        return encode(REQUEST_BODY)
    if pattern.startswith("/app/"):
        return b"decision=approve&csrf=1.AAAA" if method == "POST" else None
    if pattern == "/operations/token-requests/{id}":
        return encode({"decision": "approve"})
    if pattern.endswith("/auth/token"):
        return encode({"grant_type": "client_credentials", "audience": f"https://api.example/v1/accounts/{ACCOUNT}"})
    if pattern.endswith("/tokens/events") and method != "GET":
        return encode({"token": {"type": "t", "value": "v"}})
    if method in ("GET", "DELETE") or pattern.startswith(OPERATIONS_ONLY):
        return None
    if pattern.startswith("/v1/accounts/"):
        return encode({"type": "t", "value": f"v{next(numbers)}"})
    if pattern == "/api/sessions":
        return encode({"data": {"type": "session", "attributes": {}}})
    if pattern == "/api/alphabets":
        return encode({"data": {"type": "alphabet", "id": "CUSTOM", "attributes": {"chars": "abc"}}})
    if pattern == "/api/tokens":
        return encode(order_body())
    if pattern == "/v2/tokens":
        return encode(card_body())
    if pattern == "/v1/Token":
        return encode({"cardnumber": "6006491234567890", "securitycode": "4821"})
    if pattern == "/Auth/verify":
        return b""
    if pattern == "/v1/auth/approle/login":
        return encode({"role_id": "demo-app", "secret_id": appliance.token("demo-app")})
    opens = any(word in pattern for word in ("decode", "validate", "rewrap", "metadata"))
    return encode({"value": token if opens else "4111111111111111"})


def member(name: str) -> dict:
    credential = appliance.credential(name)["requests"]
    return client.basic_authorization({"username": credential["member_id"], "password": credential["api_key"]})


def credential_headers(column: str, body: bytes | None, path: str) -> dict:
    kind, _, name = column.partition(":")
    if kind == "nobody":
        return {}
    if kind == "wrong token":
        return {"X-Vault-Token": "sym.13." + "A" * 43}
    if kind == "clerk":
        return {"X-Vault-Token": appliance.credential("demo-clerk")["operations"]["token"]}
    if kind == "member":
        return member(name)
    if kind == "operator":
        return {"X-Vault-Token": appliance.credential("demo-operator")["operations"]["token"]}
    if kind == "token":
        return {"X-Vault-Token": appliance.token(name)}
    if kind == "basic":
        return client.basic_authorization(appliance.credential(name)["giftcard"])
    if kind == "secret":
        credential = appliance.credential(name)["customers"]
        return client.basic_authorization({"username": credential["client_id"], "password": credential["client_secret"]})
    if kind == "access":
        return {"Authorization": f"Bearer {access[name]}"}
    if kind == "wrong password":
        return client.basic_authorization({"username": "demo-gifts", "password": "A" * 43})
    if kind == "apikey":
        ends = {"Session-Key": sessions[name].session_key} if path.startswith("/api/sessions/") else {}
        return {"Api-Key": sessions[name].api_key, **ends}
    if kind == "session":
        return {"Session-Key": sessions[name].session_key}
    if kind == "wrong api key":
        return {"Api-Key": MADE_UP}
    if kind == "wrong session":
        return {"Session-Key": MADE_UP}
    if kind == "key as token":
        return {"Authorization": "Bearer " + appliance.card(name)["merchant_key"]}
    credential = appliance.card(name or "demo-cards")
    if kind == "wrong digest":
        credential = credential | {"merchant_key": "0" * 64}
    return client.card_headers(credential, body or b"", path=path)


class Matrix(unittest.TestCase):
    def test_every_route_has_a_row_and_every_row_a_route(self):
        routes = routes_of_the_sources()
        self.assertEqual(routes - set(TABLE), set(), "routes without a row in this test")
        self.assertEqual(set(TABLE) - routes, set(), "rows whose route is gone")

    def test_no_row_of_a_route_table_escapes_the_pattern_that_reads_them(self):
        for path in sorted((ROOT / "web" / "apis").rglob("*.c")):
            text = path.read_text()
            rows = len(re.findall(r"PERMISSION_\w+,\s*AUDIT_\w+,", text))
            self.assertEqual(len(ROUTE.findall(text)), rows, path)
            self.assertEqual(bool(re.search(r"struct route \w+\[\]", text)), rows > 0, path)

    def test_every_row_names_every_credential(self):
        for route, row in TABLE.items():
            self.assertEqual(set(row), set(COLUMNS), route)

    def test_every_route_answers_every_credential_as_the_table_says(self):
        tokens = {tenant: client.vault(appliance.main, appliance.token(f"{tenant}-app"), "encode", "pan",
                                       {"value": "4111111111111111"}).json()["data"]["encoded_value"]
                  for tenant in ("demo", "other")}
        for route, row in TABLE.items():
            method, pattern = route.split()
            listener = appliance.operations if pattern.startswith(OPERATIONS_ONLY) else appliance.main
            media = JSON_API if pattern.startswith("/api/") else "application/json"
            for column, status in row.items():
                target = target_of(method, pattern, column)
                body = body_of(method, pattern, tokens["other" if ":other" in column else "demo"])
                if pattern.startswith("/app/"):
                    media = "application/x-www-form-urlencoded"
                headers = {**credential_headers(column, body, target), "Content-Type": media}
                with self.subTest(route=route, credential=column):
                    self.assertEqual(listener.request(method, target, headers, body).status, status)

    def test_roles_are_a_permission_of_their_own(self):
        """A client with every permission and no role reaches no value."""
        for operation in ("encode", "decode", "validate", "rewrap", "metadata"):
            reply = client.vault(appliance.main, appliance.token("demo-roleless"), operation, "pan", {"value": "x"})
            self.assertEqual((reply.status, reply.json()), (403, {"errors": ["permission denied"]}))


if __name__ == "__main__":
    unittest.main()
