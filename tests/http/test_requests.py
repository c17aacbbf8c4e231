# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Token requests as a member, a person with a link, an operator, an attacker and an auditor see them."""

import base64
import hashlib
import json
import re
import sqlite3
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import quote

import client
from appliance import THREAD_SANITIZER, Appliance, Clock
from request_client import IBAN, LIFE_S, Members, ed25519_verifies, signed_text, unb64, with_requests

PAN = "4111111111111111"
START_S = 1_900_000_000
MADE_UP = "rq:ej5ACWNwi1EcqBeuDPc4Z8C4Bgc:5zKtXEAq"

appliance: Appliance
members: Members
clock: Clock


def setUpModule():
    global appliance, members, clock
    appliance = with_requests(Appliance()).set_up()
    clock = Clock(appliance, START_S)
    appliance.start()
    members = Members(appliance)


def tearDownModule():
    appliance.finish()


def published_keys() -> dict[str, bytes]:
    reply = appliance.main.request("GET", "/.well-known/jwks.json")
    assert reply.status == 200, reply.body
    return {key["kid"]: unb64(key["x"]) for key in reply.json()["keys"]}


def rows(query: str) -> list[tuple]:
    """Of the store, beside the running appliance."""
    with closing(sqlite3.connect(f"file:{appliance.path('symbolon.db')}?mode=ro", uri=True)) as store:
        return store.execute(query).fetchall()


def count_rows() -> int:
    return rows("SELECT count(*) FROM token_request")[0][0]


class Documents(unittest.TestCase):
    maxDiff = None

    def test_a_request_is_answered_and_read_as_it_was_sent(self):
        body = members.body()
        reply = members.post(body)
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(reply.media_type, "application/json")
        made = reply.json()["tokenRequest"]
        self.assertRegex(made.pop("id"), r"^rq:[1-9A-HJ-NP-Za-km-z]{20,28}:5zKtXEAq$")
        self.assertEqual(made, body)
        found = members.get(reply.json()["tokenRequest"]["id"])
        self.assertEqual((found.status, found.json()), (200, reply.json()))

    def test_options_may_be_left_out_and_unknown_members_are_dropped(self):
        reply = members.post({"requestPayload": members.payload(surprise={"a": 1}), "more": 1})
        self.assertEqual(reply.status, 200, reply.body)
        self.assertEqual(set(reply.json()["tokenRequest"]), {"id", "requestPayload"})
        self.assertEqual(reply.json()["tokenRequest"]["requestPayload"], members.payload())

    def test_equal_requests_get_different_ids(self):
        self.assertNotEqual(members.make(), members.make())

    def assert_invalid(self, body, where: str):
        reply = members.post(body)
        self.assertEqual(reply.status, 400, (body, reply.body))
        self.assertEqual(reply.media_type, "application/json")
        error = reply.json()["error"]
        self.assertEqual(set(error), {"message", "tokenTraceId"})
        self.assertIn(where, error["message"])
        self.assertEqual(error["tokenTraceId"], reply.headers["X-Request-Id"])

    def test_what_is_wrong_is_named(self):
        transfer = members.payload()["transferBody"]

        def body(**changes):
            return {"requestPayload": members.payload(**changes)}

        def of_transfer(**changes):
            return body(transferBody={key: value for key, value in (transfer | changes).items() if value is not None})

        def to(destination):
            return of_transfer(instructions={"transferDestinations": [destination]})

        access = {"resourceTypeList": {"resources": ["ACCOUNTS"]}}
        for sent, where in (
                (b"", "JSON"), (b"{", "JSON"), (b"[]", "object"), ({}, "requestPayload is required"),
                ({"requestPayload": None}, "requestPayload"), ({"requestPayload": []}, "requestPayload"),
                ({"requestPayload": members.payload(), "requestOptions": []}, "requestOptions"),
                (body(transferBody=None), "exactly one"), (body(accessBody=access), "exactly one"),
                (of_transfer(currency="EUX"), "transferBody.currency"), (of_transfer(currency=None), "is required"),
                (of_transfer(lifetimeAmount="1e9"), "lifetimeAmount"), (of_transfer(lifetimeAmount="-1"), "lifetimeAmount"),
                (of_transfer(lifetimeAmount="1.00001"), "4 decimals"), (of_transfer(lifetimeAmount=25), "must be a string"),
                (of_transfer(lifetimeAmount="0.00"), "more than 0"), (of_transfer(executionDate="2030-02-30"), "executionDate"),
                (of_transfer(instructions=None), "instructions"), (of_transfer(instructions={}), "transferDestinations"),
                (of_transfer(instructions={"transferDestinations": []}), "must not be empty"),
                (to({"sepa": {"iban": "DE03120300000000202051"}}), "check digits"),
                (to({"sepa": {"iban": IBAN[:-1]}}), "length"), (to({}), "exactly one"),
                (to({"fasterPayments": {"sortCode": "12345", "accountNumber": "12345678"}}), "sortCode"),
                (body(redirectUrl="javascript:alert(1)"), "redirectUrl"), (body(redirectUrl="shop.example"), "redirectUrl"),
                (body(redirectUrl="https://u:p@shop.example"), "user information"),
                (body(redirectUrl="http://shop.example"), "loopback"), (body(redirectUrl=None), "redirectUrl is required"),
                (body(description="d" * 256), "description"), (body(description="a\u0000b"), "JSON"),
                (body(description="a\u001bb"), "control"), (body(refId="r" * 36), "refId"), (body(refId=None), "refId"),
                (body(to={"id": "m:1:2"}), "to.id"), (body(countries=["DE", "XX"]), "countries[1]"),
                (body(transferBody=None, accessBody={"resourceTypeList": {"resources": []}}), "resources"),
                (body(transferBody=None, accessBody={"resourceTypeList": {"resources": ["MONEY"]}}), "resources[0]"),
        ):
            with self.subTest(where=where, sent=sent):
                self.assert_invalid(sent, where)

    def test_a_body_must_be_announced_as_JSON_and_fit(self):
        headers = members.basic()
        main = appliance.main
        body = client.encode(members.body())
        self.assertEqual(main.request("POST", "/token-requests", headers, body).status, 415)
        large = client.encode(members.body(description="d" * 70000))
        reply = members.post(large)
        self.assertEqual(reply.status, 413, reply.body)
        self.assertEqual(set(reply.json()["error"]), {"errorCode", "message", "tokenTraceId"})


class Callers(unittest.TestCase):
    def test_who_is_unknown_is_challenged_twice(self):
        for headers in ({}, {"Authorization": "Basic Og=="}, {"Authorization": "Bearer x..y"},
                        {"Authorization": "Basic " + base64.b64encode(
                            f"{members.credential('demo-payments')['member_id']}:{'0' * 8}".encode()).decode()}):
            with self.subTest(headers=headers):
                reply = members.post(headers=headers)
                self.assertEqual(reply.status, 401)
                self.assertEqual(set(reply.json()["error"]), {"message", "tokenTraceId"})
                challenges = reply.headers.get_all("WWW-Authenticate")
                self.assertEqual([challenge.split()[0] for challenge in challenges], ["Bearer", "Basic"])

    def test_permissions_are_needed(self):
        request_id = members.make(name="demo-asker")
        for reply in (members.post(name="demo-auditor"), members.get(request_id, "demo-asker"),
                      members.get(request_id, "demo-asker", "/result")):
            self.assertEqual(reply.status, 403)
            self.assertEqual(reply.json()["error"]["errorCode"], "PermissionDenied")

    def test_too_many_requests_are_told_when_to_come_again(self):
        replies = [members.get(MADE_UP, "demo-hasty") for _ in range(8)]
        refused = [reply for reply in replies if reply.status == 429]
        self.assertTrue(refused)
        self.assertEqual(refused[0].json()["error"]["errorCode"], "RESOURCE_EXHAUSTED")
        self.assertGreaterEqual(int(refused[0].headers["Retry-After"]), 1)
        self.assertEqual(members.get(MADE_UP, "demo-payments").status, 404)  # others are not held up

    def test_what_banks_do_is_not_implemented(self):
        reply = appliance.main.request("POST", f"/token-requests/{members.make()}/authorization",
                                       members.basic() | {"Content-Type": "application/json"}, b'{"bankId":"b"}')
        self.assertEqual((reply.status, reply.json()["error"]["errorCode"]), (501, "UNIMPLEMENTED"))

    def test_the_wrong_method_and_path_answer_in_the_same_shape(self):
        reply = appliance.main.request("DELETE", "/token-requests", members.basic())
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "POST"))
        self.assertIn("message", reply.json()["error"])
        reply = appliance.main.request("GET", "/token-requests/a/b/c", members.basic())
        self.assertEqual((reply.status, reply.json()["error"]["errorCode"]), (404, "NOT_FOUND"))


class Ids(unittest.TestCase):
    def test_made_up_and_other_members_ids_look_the_same(self):
        mine = members.make()
        bodies = set()
        for request_id, name in ((MADE_UP, "demo-payments"), (mine[:-1] + "r", "demo-payments"),
                                 (mine, "demo-payments-2"), (mine, "other-payments"), ("rq:", "demo-payments"),
                                 ("rq:x", "demo-payments"), ("rq:" + "z" * 500, "demo-payments")):
            for what in ("", "/result"):
                with self.subTest(request_id=request_id, name=name, what=what):
                    reply = members.get(request_id, name, what)
                    self.assertEqual(reply.status, 404)
                    error = reply.json()["error"]
                    error.pop("tokenTraceId")
                    bodies.add(json.dumps(error))
        self.assertEqual(len(bodies), 1)

    def test_another_prefix_is_no_id_of_a_request(self):
        for request_id in ("tt:8zK1dic95omjWb72gvc3z3ELKbTNfnGd89MbDnM73er4:ZhBVAJSH8DeU1", "x", members.member_id()):
            self.assertEqual(members.get(request_id).status, 400)

    def test_colons_may_be_escaped(self):
        request_id = members.make()
        for spelled in (request_id.replace(":", "%3A"), request_id.replace(":", "%3a", 1)):
            self.assertEqual(members.get(spelled).json()["tokenRequest"]["id"], request_id)
        self.assertEqual(members.get(request_id.replace(":", "%253A")).status, 400)


class Results(unittest.TestCase):
    def assert_signed(self, result: dict, name: str = "demo-payments", state: str = 's-"91"'):
        signature = result["signature"]
        self.assertEqual(signature["memberId"], members.member_id(name))
        key = published_keys()[signature["keyId"]]
        self.assertEqual(signature["keyId"],
                         base64.urlsafe_b64encode(hashlib.sha256(key).digest()).decode()[:16])
        self.assertEqual(len(signature["signature"]), 86)
        text = signed_text(state, result["tokenId"])
        self.assertTrue(ed25519_verifies(key, text, unb64(signature["signature"])))
        self.assertFalse(ed25519_verifies(key, text + b" ", unb64(signature["signature"])))

    def test_a_pending_request_has_a_status_and_no_more(self):
        self.assertEqual(members.result(members.make()),
                         {"status": "PENDING", "statusReasonInformation": "Waiting for the user's consent.",
                          "bankId": "bank-a"})

    def test_an_approved_transfer_has_ids_and_a_signature(self):
        request_id = members.make()
        reply = members.decide(request_id, "approve")
        self.assertEqual((reply.status, reply.json()["status"]), (200, "PROCESSED"), reply.body)
        result = members.result(request_id)
        self.assertEqual(set(result), {"status", "tokenId", "transferId", "signature", "statusReasonInformation", "bankId"})
        self.assertEqual(result["status"], "PROCESSED")
        self.assertRegex(result["tokenId"], r"^tt:[1-9A-HJ-NP-Za-km-z]{40,44}:5zKtXEAq$")
        self.assertRegex(result["transferId"], r"^t:[1-9A-HJ-NP-Za-km-z]{40,44}:5zKtXEAq$")
        self.assert_signed(result)
        self.assertEqual(members.result(request_id), result)

    def test_other_kinds_have_other_ids(self):
        standing = {"amount": "5", "currency": "EUR", "frequency": "MNTH",
                    "instructions": members.payload()["transferBody"]["instructions"]}
        access = {"resourceTypeList": {"resources": ["ACCOUNTS", "BALANCES"]}, "transactionHistoryDays": 90}
        for change, ids in (({"standingOrderBody": standing}, {"tokenId", "standingOrderSubmissionId"}),
                            ({"accessBody": access, "tokenExpiration": "1999999999"}, {"tokenId"})):
            request_id = members.make({"requestPayload": members.payload(transferBody=None, callbackState=None, **change)})
            self.assertEqual(members.decide(request_id, "approve").status, 200)
            result = members.result(request_id)
            self.assertEqual(set(result), ids | {"status", "signature", "statusReasonInformation"})
            self.assert_signed(result, state="")

    def test_a_rejected_request_says_why(self):
        request_id = members.make()
        reply = members.decide(request_id, "reject", "Not our customer")
        self.assertEqual((reply.status, reply.json()["status"]), (200, "REJECTED"))
        self.assertEqual(members.result(request_id),
                         {"status": "REJECTED", "statusReasonInformation": "Not our customer", "bankId": "bank-a"})

    def test_what_is_decided_stays_and_what_is_not_expires(self):
        decided, pending = members.make(), members.make()
        self.assertEqual(members.decide(decided, "approve").status, 200)
        before = members.result(decided)
        clock.set(START_S + LIFE_S - 1)
        try:
            self.assertEqual(members.result(pending)["status"], "PENDING")
            clock.set(START_S + LIFE_S)
            self.assertEqual(members.result(pending)["status"], "EXPIRED")
            self.assertEqual(members.result(decided), before)
            for decision in ("approve", "reject"):
                reply = members.decide(pending, decision)
                self.assertEqual((reply.status, "EXPIRED" in reply.json()["detail"]), (409, True))
            self.assertEqual(members.get(pending).status, 200)
        finally:
            clock.set(START_S)

    def test_the_verifier_of_these_tests_agrees_with_RFC_8032(self):
        key = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")  # 7.1, test 2
        signature = bytes.fromhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                                  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00")
        self.assertTrue(ed25519_verifies(key, b"\x72", signature))
        self.assertFalse(ed25519_verifies(key, b"\x73", signature))
        self.assertFalse(ed25519_verifies(next(iter(published_keys().values())), b"\x72", signature))


class Operators(unittest.TestCase):
    def test_a_decision_is_taken_once(self):
        request_id = members.make()
        taken = members.decide(request_id, "approve")
        self.assertEqual(taken.status, 200)
        for decision in ("approve", "reject"):
            reply = members.decide(request_id, decision)
            self.assertEqual((reply.status, reply.media_type), (409, "application/problem+json"))
            self.assertIn("PROCESSED", reply.json()["detail"])
            self.assertEqual(reply.json()["redirectUrl"], taken.json()["redirectUrl"])

    def test_what_is_not_a_decision_is_refused(self):
        request_id = members.make()
        for body in (b"", b"{}", b"[]", {"decision": "maybe"}, {"decision": True}, {"decision": "approve", "reason": ""},
                     {"decision": "reject", "reason": "r" * 257}, {"decision": "reject", "reason": "a\nb"},
                     {"decision": "reject", "reason": 5}):
            reply = members.decide(request_id, "", body=body)
            self.assertEqual((reply.status, reply.media_type), (400, "application/problem+json"), body)
        self.assertEqual(members.result(request_id)["status"], "PENDING")

    def test_operators_decide_for_their_tenant_only(self):
        mine, others = members.make(), members.make(name="other-payments")
        self.assertEqual(members.decide(mine, "approve", name="other-desk").status, 404)
        self.assertEqual(members.decide(others, "approve").status, 404)
        self.assertEqual(members.decide(MADE_UP, "approve").status, 404)
        self.assertEqual(members.decide("tt:x:y", "approve").status, 400)
        self.assertEqual(members.decide(mine, "approve", name="demo-operator").status, 403)
        self.assertEqual(members.result(mine)["status"], "PENDING")

    def test_the_way_back_is_told(self):
        body = members.body(redirectUrl="https://shop.example/cb?a=1&b=%20")
        reply = members.decide(members.make(body), "reject", "No & never")
        self.assertTrue(reply.json()["redirectUrl"].startswith(
            "https://shop.example/cb?a=1&b=%20&request-id=rq%3A"), reply.body)
        self.assertIn("&error=access_denied&message=No%20%26%20never&", reply.json()["redirectUrl"])

    def test_of_many_at_once_exactly_one_decides(self):
        count, callers = (100 if THREAD_SANITIZER else 1000), 16
        with ThreadPoolExecutor(callers) as pool:
            ids = list(pool.map(lambda _: members.make(), range(count)))
            self.assertEqual(len(set(ids)), count)
            calls = [(request_id, decision) for request_id in ids for decision in ("approve", "reject")]
            replies = list(pool.map(lambda call: members.decide(*call), calls))
            results = list(pool.map(members.result, ids))
        for index, result in enumerate(results):
            pair = replies[2 * index:2 * index + 2]
            self.assertEqual(sorted(reply.status for reply in pair), [200, 409])
            winner = next(reply for reply in pair if reply.status == 200)
            self.assertEqual(winner.json()["status"], result["status"])


class HostedPage(unittest.TestCase):
    maxDiff = None

    def test_a_person_approves_and_goes_back_with_a_signed_result(self):
        request_id = members.make(members.body(redirectUrl="https://shop.example/cb?order=7"))
        page = members.open_page(request_id)
        self.assertEqual((page.status, page.actions), (200, [f"/app/request-token/{request_id}"]))
        done = members.press(request_id, page.fields | {"decision": "approve"})
        self.assertEqual((done.status, done.reply.body), (303, b""))
        where, parameters = done.way_back
        result = members.result(request_id)
        self.assertEqual(where, "https://shop.example/cb")
        self.assertEqual(parameters, {
            "order": "7", "request-id": request_id, "token-id": result["tokenId"], "transfer-id": result["transferId"],
            "transfer-status": "PROCESSED", "signature": parameters["signature"], "state": 's-"91"'})
        signature = json.loads(parameters["signature"])
        self.assertEqual(signature, result["signature"])
        self.assertTrue(ed25519_verifies(published_keys()[signature["keyId"]],
                                         signed_text('s-"91"', parameters["token-id"]), unb64(signature["signature"])))

    def test_a_person_rejects_and_goes_back_without_a_result(self):
        request_id = members.make()
        page = members.open_page(request_id)
        where, parameters = members.press(request_id, page.fields | {"decision": "reject"}).way_back
        self.assertEqual((where, parameters), ("https://shop.example/cb", {
            "request-id": request_id, "error": "access_denied", "message": "The request was rejected.", "state": 's-"91"'}))
        self.assertEqual(members.result(request_id)["status"], "REJECTED")

    def test_the_page_says_who_asks_for_what_and_until_when(self):
        page = members.open_page(members.make())
        for words in ("Café <Payments> & Söhne", "25.00", "EUR", "Shop Ltd", "2051", "Order 7", "inv-2030-0007",
                      "shop.example", "bank-a", "17 March 2030"):
            self.assertIn(words, " ".join(page.text.split()))
        self.assertNotIn(IBAN, page.reply.body.decode())

    def test_access_is_told_in_words(self):
        access = {"resourceTypeList": {"resources": ["ACCOUNTS", "BALANCES", "TRANSACTIONS"]}, "transactionHistoryDays": 90}
        page = members.open_page(members.make({"requestPayload": members.payload(transferBody=None, accessBody=access)}))
        for words in ("how much is on them", "90 days"):
            self.assertIn(words, page.text)

    def test_whatever_was_sent_is_text_and_nothing_else(self):
        evil = "</dd><script>alert(1)</script>\"'><img src=x onerror=alert(1)>&amp;"
        body = members.body(description=evil, refId="<b>r</b>", actingAs={"displayName": "<i>" + evil})
        body["requestOptions"]["bankId"] = evil
        body["requestPayload"]["transferBody"] |= {"remittanceReference": evil, "instructions": {"transferDestinations": [
            {"sepa": {"iban": IBAN}, "customerData": {"legalNames": [evil]}}]}}
        page = members.open_page(members.make(body))
        self.assertFalse({"script", "img", "i", "b"} & set(page.tags))
        self.assertGreaterEqual(page.text.count(evil), 5)

    def test_pages_are_locked_down(self):
        page = members.open_page(members.make())
        headers = page.reply.headers
        self.assertEqual(headers["Content-Security-Policy"],
                         "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
                         "form-action 'self' https://shop.example")
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(headers["X-Frame-Options"], "DENY")
        self.assertIn("form-action 'none'", members.open_page(MADE_UP).reply.headers["Content-Security-Policy"])
        body = page.reply.body.decode()
        for word in ("<script", "style=", "http://", "https://", "onclick", "//"):
            self.assertNotIn(word, body)
        style = appliance.main.request("GET", "/app/style.css")
        self.assertEqual((style.status, style.media_type), (200, "text/css; charset=utf-8"))
        for word in (b"url(", b"@import"):
            self.assertNotIn(word, style.body)

    def test_a_form_of_another_page_decides_nothing(self):
        mine, other = members.make(), members.make()
        good, foreign = members.open_page(mine).fields, members.open_page(other).fields
        form = "application/x-www-form-urlencoded"
        token = good["csrf"]
        for fields, status in (({"decision": "approve"}, 400), ({"csrf": "", "decision": "approve"}, 400),
                               (good, 400), (good | {"decision": "maybe"}, 400), (good | {"decision": "approve", "x": "1"}, 400),
                               (f"csrf={token}&csrf={token}&decision=approve".encode(), 400), (b"", 400), (b"&&", 400),
                               (foreign | {"decision": "approve"}, 403), ({"csrf": "x", "decision": "approve"}, 403),
                               ({"csrf": token[:-1], "decision": "reject"}, 403),
                               ({"csrf": "1" + token, "decision": "approve"}, 403)):
            with self.subTest(fields=fields):
                page = members.press(mine, fields)
                self.assertEqual(page.status, status)
                self.assertEqual(page.reply.media_type, "text/html; charset=utf-8")
        for kind in ("multipart/form-data; boundary=x", "text/plain", "application/json"):
            self.assertEqual(members.press(mine, good | {"decision": "approve"}, {"Content-Type": kind}).status, 415)
        self.assertEqual(members.result(mine)["status"], "PENDING")
        self.assertEqual(members.press(mine, good | {"decision": "approve"}, {"Content-Type": form}).status, 303)

    def test_a_form_is_good_for_half_an_hour(self):
        request_id = members.make()
        fields = members.open_page(request_id).fields | {"decision": "approve"}
        clock.set(START_S + 1800)
        try:
            stale = members.press(request_id, fields)
            self.assertEqual((stale.status, stale.links), (403, [f"/app/request-token/{request_id}"]))
            clock.set(START_S + 1799)
            self.assertEqual(members.press(request_id, fields).status, 303)
        finally:
            clock.set(START_S)

    def test_ends_have_pages(self):
        approved, rejected, expired = (members.make() for _ in range(3))
        form = members.open_page(expired).fields
        members.decide(approved, "approve")
        members.decide(rejected, "reject")
        for request_id, status, words in ((approved, 200, "Already approved"), (rejected, 200, "Already rejected"),
                                          (MADE_UP, 404, "do not know this link"), ("x", 404, "do not know this link")):
            page = members.open_page(request_id)
            self.assertEqual(page.status, status)
            self.assertIn(words, page.text)
            self.assertEqual(page.actions, [])
            self.assertEqual(page.links, [f"https://shop.example/cb?request-id={quote(request_id, safe='')}"]
                             if status == 200 else [])
            for secret in ("tt:", "tt%3A", "signature", "state="):
                self.assertNotIn(secret, page.reply.body.decode())
        clock.set(START_S + LIFE_S)
        try:
            for page in (members.open_page(expired), members.press(expired, form | {"decision": "approve"})):
                self.assertIn(page.status, (403, 410))
            self.assertEqual(members.open_page(expired).status, 410)
            self.assertIn("has expired", members.open_page(expired).text)
        finally:
            clock.set(START_S)

    def test_who_decides_late_hears_what_was_decided(self):
        request_id = members.make()
        fields = members.open_page(request_id).fields
        self.assertEqual(members.press(request_id, fields | {"decision": "approve"}).status, 303)
        again = members.press(request_id, fields | {"decision": "approve"})
        self.assertEqual(again.status, 409)
        self.assertIn("Already approved", again.text)
        self.assertTrue(again.links[0].startswith("https://shop.example/cb?request-id=rq%3A"))
        other = members.press(request_id, fields | {"decision": "reject"})
        self.assertEqual((other.status, other.links),
                         (409, [f"https://shop.example/cb?request-id={quote(request_id, safe='')}"]))
        self.assertEqual(members.result(request_id)["status"], "PROCESSED")

    def test_approving_and_rejecting_at_once_one_of_them_wins(self):
        for _ in range(20):
            request_id = members.make()
            fields = members.open_page(request_id).fields
            start = threading.Barrier(2)

            def press(decision):
                start.wait()
                return members.press(request_id, fields | {"decision": decision})

            with ThreadPoolExecutor(2) as pool:
                replies = list(pool.map(press, ("approve", "reject")))
            self.assertEqual(sorted(page.status for page in replies), [303, 409])
            winner = "PROCESSED" if replies[0].status == 303 else "REJECTED"
            self.assertEqual(members.result(request_id)["status"], winner)


class Cards(unittest.TestCase):
    def test_a_card_number_is_kept_as_its_token_and_shown_to_who_may_see_it(self):
        reply = members.post(members.with_card(PAN))
        self.assertEqual(reply.status, 200, reply.body)
        found = members.get(reply.json()["tokenRequest"]["id"]).json()["tokenRequest"]["requestPayload"]
        shown = found["transferBody"]["instructions"]["source"]["accountIdentifier"]["pan"]["pan"]
        self.assertRegex(shown, r"^[0-9a-f]{48}$")
        clear = members.with_card(PAN, "demo-payments-2")
        request_id = members.make(clear, "demo-payments-2")
        self.assertEqual(members.get(request_id, "demo-payments-2").json()["tokenRequest"]["requestPayload"],
                         clear["requestPayload"])

    def with_identification(self, pan: str, name: str) -> dict:
        """A card number wherever STET has an identification with a scheme."""
        body = members.body(name)
        card = {"schemeName": "CPAN", "identification": pan, "issuer": "FR"}
        body["requestPayload"]["transferBody"]["instructions"]["metadata"] = {"providerTransferMetadata": {
            "stetTransferMetadata": {"beneficiary": {"creditor": {"organisationId": card, "privateId": card},
                                                     "creditorAccount": {"other": card}}}}}
        return body

    def test_an_identification_that_is_a_card_number_is_kept_as_one(self):
        reply = members.post(self.with_identification(PAN, "demo-payments"))
        self.assertEqual(reply.status, 200, reply.body)
        self.assertNotIn(PAN.encode(), reply.body)
        self.assertEqual(len(set(re.findall(rb'"identification":"([0-9a-f]{48})"', reply.body))), 1)
        clear = self.with_identification(PAN, "demo-payments-2")
        request_id = members.make(clear, "demo-payments-2")
        self.assertEqual(members.get(request_id, "demo-payments-2").json()["tokenRequest"]["requestPayload"],
                         clear["requestPayload"])

    def test_no_file_of_the_appliance_has_the_number(self):
        for name in ("demo-payments", "demo-payments-2"):
            members.make(members.with_card("5555555555554444", name), name)
            members.make(self.with_identification("5555555555554444", name), name)
        for path in appliance.folder.rglob("*"):
            if path.is_file():
                self.assertNotIn(b"5555555555554444", path.read_bytes(), path.name)

    def test_what_looks_like_a_card_number_is_not_shown_to_people(self):
        for written, shown in ((PAN, "•" * 12 + "1111"), ("4111 1111-1111 1111.", "•••• ••••-•••• 1111."),
                               ("No. 7 4111111111111111 4", f"No. 7 {'•' * 12}1111 4"), ("4111111111111112", "4111111111111112"),
                               ("5" + PAN, "5" + PAN), ("x378282246310005y", "x•••••••••••0005y"), ("12-34", "12-34"),
                               (f"{PAN}, {PAN}", f"{'•' * 12}1111, {'•' * 12}1111"), ("7" * 40, "7" * 40), ("- - 4", "- - 4")):
            with self.subTest(written=written):
                transfer = members.payload()["transferBody"]
                transfer["instructions"]["transferDestinations"][0]["customerData"]["legalNames"] = [written]
                page = members.open_page(members.make(members.body(
                    description=written, actingAs={"displayName": written},
                    transferBody=transfer | {"remittanceReference": written})))
                self.assertEqual(page.text.count(shown), 4, page.text)

    def test_what_is_no_card_number_is_refused_and_not_repeated(self):
        for pan in ("4111111111111", "41111111111111111", "4111-1111-1111-1", "4111111111111112", ""):
            reply = members.post(members.with_card(pan))
            self.assertEqual(reply.status, 400)
            self.assertIn("accountIdentifier.pan.pan ", reply.json()["error"]["message"])
            self.assertFalse(pan and pan.encode() in reply.body)


class Records(unittest.TestCase):
    def test_each_step_is_audited_as_what_it_was(self):
        before = len(appliance.audit_lines())
        approved, rejected = members.make(), members.make()
        fields = members.open_page(approved).fields
        members.press(approved, fields | {"decision": "approve"})
        members.press(approved, fields | {"decision": "reject"})
        members.decide(rejected, "reject")
        members.result(rejected)
        members.get(MADE_UP)
        lines = appliance.audit_lines()[before:]
        one, two = lines[0]["request_number"], lines[1]["request_number"]
        self.assertGreater(two, one)
        self.assertEqual([(line["event"], line["outcome"], line.get("client"), line.get("request_number")) for line in lines], [
            ("token_request_create", "ok", "demo-payments", one), ("token_request_create", "ok", "demo-payments", two),
            ("token_request_page", "ok", "demo-payments", one), ("token_request_approve", "ok", "demo-payments", one),
            ("token_request_reject", "conflict", "demo-payments", one), ("token_request_reject", "ok", "demo-desk", two),
            ("token_request_read", "ok", "demo-payments", two), ("token_request_read", "not_found", "demo-payments", None)])
        self.assertEqual([(line["client_id"], line["tenant_id"]) for line in lines[2:6]], [(81, 1)] * 3 + [(86, 1)])

    def test_the_store_says_who_decided_what_and_from_where(self):
        on_page, at_desk = members.make(), members.make()
        fields = members.open_page(on_page).fields
        before = len(appliance.audit_lines())
        members.press(on_page, fields | {"decision": "approve"})
        members.decide(at_desk, "reject")
        lines = appliance.audit_lines()[before:]
        self.assertEqual(rows("SELECT number, decided_by, decided_client_id, decided_source FROM token_request"
                              " ORDER BY number DESC LIMIT 2"),
                         [(lines[1]["request_number"], "demo-desk", 86, lines[1]["source"]),
                          (lines[0]["request_number"], "page", 0, lines[0]["source"])])

    def test_without_a_line_nothing_is_asked_and_nothing_decided(self):
        by_form, by_desk = members.make(), members.make()
        fields = members.open_page(by_form).fields
        count = count_rows()
        audit = appliance.path("audit.log")
        kept = audit.rename(appliance.path("kept.log"))
        audit.mkdir()
        try:
            for reply in (members.press(by_form, fields | {"decision": "approve"}).reply, members.decide(by_desk, "approve"),
                          members.post()):
                self.assertEqual((reply.status, reply.headers["Retry-After"]), (503, "1"), reply.body)
        finally:
            audit.rmdir()
            kept.rename(audit)
        self.assertEqual(count_rows(), count)
        for request_id in (by_form, by_desk):
            self.assertEqual(members.result(request_id)["status"], "PENDING")
        self.assertEqual(members.press(by_form, fields | {"decision": "approve"}).status, 303)
        self.assertEqual(members.decide(by_desk, "reject").status, 200)

    def test_requests_and_decisions_outlive_the_process(self):
        pending, approved = members.make(), members.make()
        members.decide(approved, "approve")
        before = members.result(approved)
        appliance.restart()
        self.assertEqual(members.result(approved), before)
        self.assertEqual(members.result(pending)["status"], "PENDING")
        self.assertEqual(members.decide(pending, "approve").status, 200)


if __name__ == "__main__":
    unittest.main()
