# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The serial-token API from outside: the published example, the walk-through, the data, and every refusal."""

import functools
import gzip
import hashlib
import json
import operator
import re
import unittest

from appliance import Appliance
from client import encode, read_reply
from serial_client import JSON_API, NAMES, PAYMENT_ID, Client, fresh_ident, order_body, with_serials

TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
KEY = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
MADE_UP = "5b0f7c1e-1d7a-8c55-9a52-0c6a3b8f2e11"
DICE = "\u2680\u2681\u2682\u2683\u2684\u2685"
DICE_PATH = "/api/alphabets/DICE"


def setUpModule():
    global appliance, caller, peer, stranger
    appliance = with_serials(Appliance()).set_up()
    appliance.configure()
    for name in NAMES:
        appliance.credential(name)
    appliance.start()
    caller, peer, stranger = (Client(appliance, name).open_session()
                              for name in ("demo-serial", "demo-serial-2", "other-serial"))


def tearDownModule():
    appliance.finish()


class Case(unittest.TestCase):
    maxDiff = None

    def refused(self, reply, status, code, **source):
        self.assertEqual((reply.status, reply.media_type), (status, JSON_API), reply.body)
        [error] = reply.json()["errors"]
        self.assertEqual((error["status"], error["code"]), (str(status), code))
        self.assertTrue(error["title"] and error["detail"])
        self.assertEqual(error.get("source", {}), source)


class Example(Case):
    BODY = b"""{
    "data": {
        "attributes": {
            "size": "1000",
            "digits": "10",
            "alphabet": "UPPER_HEX"
        },
        "type": "tokens",
        "relationships": {
            "payment": {
                "data": {
                    "id": "3F1C7a2e-91D4-4b0e-8f57-61d7e2A94c08",
                    "ident": "pi_4Qx7Zt2LmN8vBc5RkH1sYpWd",
                    "type": "transaction"
                }
            }
        }
    }
}
"""

    def test_the_published_request_gets_the_published_reply_field_by_field(self):
        session = Client(appliance).open_session()
        reply = session.send("POST", "/api/tokens", {
            "User-Agent": "HTTPie/3.2.2", "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive",
            "Accept": JSON_API, "Content-Type": JSON_API, "Session-Key": session.session_key}, self.BODY)
        self.assertEqual(reply.status, 201)
        for name, value in (("Content-Type", JSON_API), ("Accept", JSON_API), ("Cache-Control", "no-cache"),
                            ("Connection", "keep-alive")):
            self.assertEqual(reply.headers.get_all(name), [value])
        self.assertRegex(reply.headers["Date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        id, requested = reply.json()["data"]["id"], reply.json()["data"]["attributes"]["timestamps"]["requested"]
        self.assertRegex(id, KEY)
        self.assertRegex(requested, TIME)
        self.assertEqual(reply.headers["Location"], f"/api/tokens/{id}")
        self.assertEqual(json.loads(reply.body, object_pairs_hook=list), [  # the order of members counts
            ("links", [("self", "/api/tokens"), ("info", f"/api/tokens/{id}")]),
            ("data", [
                ("attributes", [
                    ("available", "1099511627776"), ("status", "requested"), ("analysis", "none"), ("size", "1000"),
                    ("reachable", "100000"), ("alphabet", "UPPER_HEX"), ("timestamps", [("requested", requested)]),
                    ("digits", "10")]),
                ("id", id),
                ("type", "tokens"),
                ("relationships", [("payment", [("data", [
                    ("id", "3F1C7a2e-91D4-4b0e-8f57-61d7e2A94c08"), ("ident", "pi_4Qx7Zt2LmN8vBc5RkH1sYpWd"),
                    ("type", "transaction")])])])])])
        session.finished(id)
        self.assertEqual(len(session.data(id).body), 10999)
        again = session.call("POST", "/api/tokens", self.BODY)
        self.refused(again, 409, "payment_used", pointer="/data/relationships/payment/data/ident")

    def test_a_size_too_large_is_scaled_down(self):
        attributes = caller.order(size="250000", digits="12")["attributes"]
        self.assertEqual((attributes["size"], attributes["reachable"], attributes["available"]),
                         ("87381", "87381", "281474976710656"))


class Sessions(Case):
    def test_a_session_from_its_grant_to_its_end(self):
        client = Client(appliance)
        reply = client.keyed("POST", "/api/sessions", {"data": {"type": "session", "attributes": {"note": "n\u00f6te"}}},
                             **{"User-Agent": "agent/1"})
        self.assertEqual((reply.status, reply.media_type), (201, JSON_API))
        data = reply.json()["data"]
        self.assertRegex(data["id"], KEY)
        self.assertEqual(reply.headers["Location"], f"/api/sessions/{data['id']}")
        self.assertEqual(data["type"], "sessions")
        attributes = data["attributes"]
        self.assertEqual((attributes["note"], attributes["agent"]), ("n\u00f6te", "agent/1"))
        self.assertRegex(attributes["client"], r"^127\.")
        self.assertEqual(attributes["limits"], {"maxTokens": 100000, "maxDigits": 100, "minTokens": 1000, "minDigits": 3})
        self.assertRegex(attributes["timestamps"]["granted"], TIME)
        self.assertEqual(data["relationships"]["customer"]["data"]["status"], "granted")
        client.session_key = data["id"]
        self.assertIn(data, client.keyed("GET", "/api/sessions").json()["data"])
        one = client.keyed("GET", f"/api/sessions/{data['id']}")
        self.assertEqual((one.status, one.json()["data"]), (200, data))
        self.assertEqual(client.get("/api/tokens").json()["data"], [])
        ended = client.keyed("DELETE", f"/api/sessions/{data['id']}", None, **{"Session-Key": data["id"]})
        self.assertEqual(ended.status, 200)
        [revoked] = ended.json()["data"]
        self.assertEqual(revoked["id"], data["id"])
        self.assertRegex(revoked["attributes"]["timestamps"]["revoked"], TIME)
        self.refused(client.get("/api/tokens"), 401, "session_invalid", header="Session-Key")
        self.refused(client.keyed("GET", f"/api/sessions/{data['id']}"), 404, "not_found")
        self.assertNotIn(data["id"], [session["id"] for session in client.keyed("GET", "/api/sessions").json()["data"]])

    def test_the_session_key_is_asked_of_whoever_ends_it(self):
        client, second = Client(appliance).open_session(), Client(appliance).open_session()
        target = f"/api/sessions/{client.session_key}"
        for key in (None, MADE_UP, second.session_key, client.api_key, ""):
            reply = client.keyed("DELETE", target, None, **{"Session-Key": key})
            self.refused(reply, 401, "session_invalid", header="Session-Key")
            self.assertEqual(reply.headers["WWW-Authenticate"], 'Session-Key realm="api"')
        theirs = peer.keyed("DELETE", target, None, **{"Session-Key": client.session_key})
        self.refused(theirs, 404, "not_found")
        self.assertEqual(client.get("/api/tokens").status, 200)
        self.refused(peer.keyed("GET", target), 404, "not_found")
        self.assertNotIn(client.session_key, [session["id"] for session in peer.keyed("GET", "/api/sessions").json()["data"]])

    def test_attributes_are_required_and_a_note_is_a_short_text(self):
        for data, pointer in (({}, "/data"), ({"attributes": []}, "/data/attributes"), ({"attributes": None}, "/data/attributes")):
            self.refused(caller.keyed("POST", "/api/sessions", {"data": {"type": "sessions", **data}}), 422,
                         "attributes_invalid", pointer=pointer)
        for note in (5, None, ["x"], "x" * 256):
            body = {"data": {"type": "sessions", "attributes": {"note": note}}}
            self.refused(caller.keyed("POST", "/api/sessions", body), 422, "note_invalid", pointer="/data/attributes/note")
        self.refused(caller.keyed("POST", "/api/sessions", {"data": {"type": "tokens", "attributes": {}}}), 409,
                     "type_wrong", pointer="/data/type")
        self.refused(caller.keyed("POST", "/api/sessions", {"data": {"attributes": {}}}), 422, "type_wrong", pointer="/data")

    def test_an_api_key_that_is_missing_or_wrong_is_refused(self):
        wrong = caller.api_key[:-1] + ("0" if caller.api_key[-1] != "0" else "1")
        for key in (None, "", "x", MADE_UP, wrong, caller.api_key + "0", caller.session_key, "{" + caller.api_key + "}"):
            for method, body in (("GET", None), ("POST", {"data": {"type": "session", "attributes": {}}})):
                reply = caller.send(method, "/api/sessions", {"Api-Key": key}, body)
                self.refused(reply, 401, "api_key_invalid", header="Api-Key")
                self.assertEqual(reply.headers["WWW-Authenticate"], 'Api-Key realm="api"')

    def test_a_session_key_that_is_missing_or_wrong_is_refused(self):
        key = caller.session_key
        for place in range(0, 36, 5):
            for other in (MADE_UP, None, "", "x", key + "0", caller.api_key, key[:place] + ("0" if key[place] != "0" else "1") + key[place + 1:]):
                reply = caller.call("GET", "/api/tokens", None, {"Session-Key": other})
                self.refused(reply, 401, "session_invalid", header="Session-Key")
                self.assertEqual(reply.headers["WWW-Authenticate"], 'Session-Key realm="api"')
        self.refused(caller.call("POST", "/api/tokens", order_body(), {"Session-Key": MADE_UP}), 401, "session_invalid",
                     header="Session-Key")
        self.refused(caller.call("GET", "/api/tokens", None, {"Session-Key": None, "Api-Key": caller.api_key}), 401,
                     "session_invalid", header="Session-Key")
        self.assertEqual(caller.get("/api/tokens", **{"Session-Key": key.upper()}).status, 200)  # a UUID's case says nothing

    def test_a_key_sent_twice_is_refused(self):
        for name, key, target in (("Session-Key", caller.session_key, "/api/tokens"),
                                  ("Api-Key", caller.api_key, "/api/sessions")):
            head = f"GET {target} HTTP/1.1\r\nHost: x\r\n" + f"{name}: {key}\r\n" * 2 + "\r\n"
            with appliance.main.connect() as connection:
                connection.sendall(head.encode())
                reply = read_reply(connection)
                self.assertEqual((reply.status, reply.media_type), (400, "application/problem+json"))

    def test_no_key_is_written_down(self):
        client = Client(appliance).open_session()
        client.order()
        client.keyed("GET", f"/api/sessions/{client.session_key}")
        client.keyed("DELETE", f"/api/sessions/{client.session_key}", None, **{"Session-Key": client.session_key})
        for name in ("symbolon.log", "audit.log"):
            for key in (client.session_key, client.api_key):
                self.assertNotIn(key, appliance.text(name))


class Alphabets(Case):
    PRESETS = {"BASE16": "0123456789abcdef", "LOWER_HEX": "0123456789abcdef", "UPPER_HEX": "0123456789ABCDEF",
               "UPPER_VOWELS": "AEIOU", "DICE": DICE, "UPPER_EPCG30": "0123456789ABCDEFGHKMNPRSTVWXYZ"}

    def names(self, query=""):
        reply = caller.get("/api/alphabets" + query)
        self.assertEqual(reply.status, 200, reply.body)
        return [alphabet["id"] for alphabet in reply.json()["data"]]

    def test_presets_by_name(self):
        for name, characters in self.PRESETS.items():
            reply = caller.get(f"/api/alphabets/{name}")
            self.assertEqual((reply.status, reply.media_type), (200, JSON_API))
            parity = functools.reduce(operator.xor, map(ord, characters)) if len(characters) % 2 else 0
            self.assertEqual(reply.json()["data"], {
                "attributes": {"chars": characters, "length": len(characters), "bytes": len(characters.encode()),
                               "parity": parity, "style": "preset"}, "id": name, "type": "alphabet"})
        self.refused(caller.get("/api/alphabets/NOPE"), 404, "alphabet_unknown")
        self.refused(caller.get("/api/alphabets/upper_hex"), 404, "alphabet_unknown")

    def test_filters_combine(self):
        self.assertEqual(self.names(), sorted(self.names()))
        self.assertEqual(self.names("?filter[style]=preset"), self.names())
        self.assertEqual(self.names("?filter[length]=16"), ["BASE16", "LOWER_HEX", "UPPER_HEX"])
        self.assertEqual(self.names("?filter%5Blength%5D=5"), ["UPPER_VOWELS"])
        self.assertEqual(self.names("?filter[chars]=AEIOU&filter[length]=26"), ["UPPER_LATIN"])
        self.assertEqual(self.names("?filter[chars]=%E2%9A%83"), ["DICE"])
        self.assertEqual(self.names("?filter[chars]=0aA"), ["BASE62"])
        self.assertEqual(self.names("?filter[length]=7"), [])
        for query, parameter in (("filter[length]=x", "filter[length]"), ("filter[length]=-1", "filter[length]"),
                                 ("filter[style]=odd", "filter[style]"), ("filter[chars]=%FF", "filter[chars]")):
            self.refused(caller.get("/api/alphabets?" + query), 400, "parameter_invalid", parameter=parameter)
        self.assertEqual(caller.get("/api/alphabets?page=2").status, 400)

    def test_available_and_reachable_with_digits(self):
        for name, digits, available, reachable in (
                ("LOWER_HEX", 11, "17592186044416", "95325"), ("UPPER_EPCG30", 20, str(30 ** 20), "52428"),
                ("UPPER_VOWELS", 100, str(5 ** 100), "10485"), ("BASE62", 100, str(62 ** 100), "10485"),
                ("DICE", 4, "1296", "1296"), ("DECIMAL", 3, "1000", "1000")):
            data = caller.get(f"/api/alphabets/{name}/{digits}").json()["data"]
            self.assertEqual((data["id"], data["type"]), (name, "alphabet"))
            attributes = data["attributes"]
            self.assertEqual((attributes["digits"], attributes["available"], attributes["reachable"]),
                             (str(digits), available, reachable))
        for digits in ("0", "2", "101", "010", "+5", "-5", "5.0", "1" + "0" * 30, "x", "%35x"):
            self.refused(caller.get(f"/api/alphabets/UPPER_HEX/{digits}"), 404, "digits_out_of_range")
        self.refused(caller.get("/api/alphabets/NOPE/10"), 404, "alphabet_unknown")

    def add(self, name, characters, who=None):
        body = {"data": {"id": name, "type": "alphabet", "attributes": {"chars": characters}}}
        return (who or caller).call("POST", "/api/alphabets", body)

    def test_the_life_of_a_custom_alphabet(self):
        created = self.add("BAS", "bas", peer)
        self.assertEqual((created.status, created.media_type), (201, JSON_API))
        self.assertEqual(created.headers["Location"], "/api/alphabets/BAS")
        data = created.json()["data"]
        self.assertEqual(data, {"attributes": {"chars": "bas", "length": 3, "bytes": 3, "parity": 112, "style": "custom"},
                                "id": "BAS", "type": "alphabet"})
        self.assertEqual(self.add("BAR", "bar", peer).json()["data"]["attributes"]["parity"], 113)
        self.assertEqual(self.add("BAT4", "bat4", peer).json()["data"]["attributes"]["parity"], 0)
        listed = peer.get("/api/alphabets?filter[style]=custom&filter[length]=3").json()["data"]
        self.assertEqual([alphabet["id"] for alphabet in listed], ["BAR", "BAS"])
        self.assertEqual(self.names("?filter[style]=custom&filter[chars]=bas"), [])  # another client's
        self.refused(caller.get("/api/alphabets/BAS"), 404, "alphabet_unknown")
        self.assertEqual(peer.capacity("BAS", 13), (str(3 ** 13), "80659"))
        self.refused(self.add("BAS", "xyz", peer), 409, "alphabet_exists", pointer="/data/id")
        self.refused(caller.call("DELETE", "/api/alphabets/BAS"), 404, "not_found")
        gone = peer.call("DELETE", "/api/alphabets/BAS")
        self.assertEqual((gone.status, gone.json()["data"]), (200, data))
        self.refused(peer.call("DELETE", "/api/alphabets/BAS"), 404, "not_found")
        self.refused(peer.call("DELETE", "/api/alphabets/DICE"), 404, "not_found")
        rest = peer.call("DELETE", "/api/alphabets")
        self.assertEqual([alphabet["id"] for alphabet in rest.json()["data"]], ["BAR", "BAT4"])
        self.assertEqual(peer.call("DELETE", "/api/alphabets").json()["data"], [])

    def test_characters_that_make_no_alphabet(self):
        for characters in ("", "a", "aba", "ab\u0301", "a\u0000", "a\nb", "a\u007f", "a\u0085", "ab\u200d", 5, None, ["a", "b"]):
            reply = self.add("WRONG", characters)
            if characters == "a\u0000":
                self.refused(reply, 400, "json_invalid", pointer="")
            else:
                self.refused(reply, 422, "chars_invalid", pointer="/data/attributes/chars")
        invalid = b'{"data":{"id":"WRONG","type":"alphabet","attributes":{"chars":"a\xff"}}}'
        self.refused(caller.call("POST", "/api/alphabets", invalid), 400, "json_invalid", pointer="")
        many = "".join(map(chr, range(0x20000, 0x20000 + 65537)))
        body = {"data": {"id": "MANY", "type": "alphabet", "attributes": {"chars": many}}}
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.refused(caller.call("POST", "/api/alphabets", raw), 422, "chars_invalid", pointer="/data/attributes/chars")
        raw = raw.replace(many[-1].encode(), b"")
        self.assertEqual(caller.call("POST", "/api/alphabets", raw).json()["data"]["attributes"]["length"], 65536)
        id, file = caller.produce(size="1000", digits="3", alphabet="MANY")
        self.assertEqual(len(set(file.decode().split("\n"))), 1000)
        self.assertEqual(caller.call("DELETE", "/api/alphabets/MANY").status, 200)

    def test_names_that_name_no_alphabet(self):
        for name in ("", "A", "a", "Ab", "1A", "_A", "A-B", "A B", "\u00c4A", "A" * 33, 5, None):
            self.refused(self.add(name, "abc"), 422, "name_invalid", pointer="/data/id")
        for name in ("DICE", "UPPER_HEX", "BASE62"):
            self.refused(self.add(name, "abc"), 409, "alphabet_exists", pointer="/data/id")


class Orders(Case):
    def post(self, change, query=""):
        body = order_body(alphabet="BASE62", digits="33")
        change(body)
        return caller.call("POST", "/api/tokens" + query, body)

    def attribute(self, name, value):
        return self.post(lambda body: body["data"]["attributes"].__setitem__(name, value))

    def test_digits_that_are_none(self):
        for digits in ("", "0", "2", "101", "010", "+5", "-5", " 5", "5 ", "5.0", "1e1", "1" + "0" * 30, "x", "\u0665",
                       0, 2, 101, -5, 5.5, True, None, [], {}):
            self.refused(self.attribute("digits", digits), 422, "digits_invalid", pointer="/data/attributes/digits")

    def test_sizes_that_are_none(self):
        for size in ("", "0", "00", "01000", "+1000", "-1", "1000.0", "1e3", "1" + "0" * 20, "1" + "0" * 30, 0, -1, 1000.5,
                     False, None, [1000]):
            self.refused(self.attribute("size", size), 422, "size_invalid", pointer="/data/attributes/size")
        for size in ("1", "999", 999):
            self.refused(self.attribute("size", size), 422, "size_too_small", pointer="/data/attributes/size")

    def test_numbers_come_as_strings_or_integers_and_go_as_strings(self):
        for size, digits in (("1000", "34"), (1000, 34), ("1000", 34)):
            attributes = caller.order(size=size, digits=digits, alphabet="BASE62")["attributes"]
            self.assertEqual((attributes["size"], attributes["digits"]), ("1000", "34"))
        for size in ("1" + "0" * 19, "99999999999999999999"):  # beyond 64 bits, and still a number
            self.assertEqual(caller.order(size=size, digits="100", alphabet="BASE60")["attributes"]["size"], "10485")

    def test_alphabets_that_are_none(self):
        for name in ("NOPE", "", "upper_hex", "UPPER_HEX ", "\u2680"):
            self.refused(self.attribute("alphabet", name), 422, "alphabet_unknown", pointer="/data/attributes/alphabet")
        for name in (5, None, ["DICE"]):
            self.refused(self.attribute("alphabet", name), 422, "alphabet_invalid", pointer="/data/attributes/alphabet")

    def test_a_document_without_its_parts(self):
        for name in ("size", "digits", "alphabet"):
            self.refused(self.post(lambda body: body["data"]["attributes"].pop(name)), 422, "attribute_missing",
                         pointer="/data/attributes")
        self.refused(self.post(lambda body: body["data"].pop("attributes")), 422, "attributes_invalid", pointer="/data")
        self.refused(self.post(lambda body: body["data"].update(attributes=[])), 422, "attributes_invalid",
                     pointer="/data/attributes")
        self.refused(self.post(lambda body: body["data"].pop("type")), 422, "type_wrong", pointer="/data")
        for type in ("token", "TOKENS", 5, None):
            self.refused(self.post(lambda body: body["data"].update(type=type)), 409, "type_wrong", pointer="/data/type")
        self.refused(self.post(lambda body: body["data"].update(id=MADE_UP)), 403, "client_id_forbidden", pointer="/data/id")
        self.refused(self.post(lambda body: body.pop("data")), 422, "data_invalid", pointer="")
        for data in ([], "x", None, 5):
            self.refused(self.post(lambda body: body.update(data=data)), 422, "data_invalid", pointer="/data")

    def test_payments_that_are_none(self):
        def payment(**changes):
            return self.post(lambda body: body["data"]["relationships"]["payment"]["data"].update(changes))

        here = "/data/relationships/payment"
        for type in ("payment", "", 5, None):
            self.refused(payment(type=type), 422, "payment_type_invalid", pointer=f"{here}/data/type")
        for id in ("", PAYMENT_ID[:-1], PAYMENT_ID + "0", PAYMENT_ID.replace("-", ""), "g" + PAYMENT_ID[1:], 5, None):
            self.refused(payment(id=id), 422, "payment_id_invalid", pointer=f"{here}/data/id")
        for ident in ("", "pi_", "pi_" + "a" * 23, "pi_" + "a" * 25, "PI_" + "a" * 24, "pi-" + "a" * 24, "pi_" + "a" * 23 + "_",
                      "pi_" + "a" * 23 + "\u00e9", "pi_" + "a" * 22 + "\u00e9", 5, None):
            self.refused(payment(ident=ident), 422, "payment_ident_invalid", pointer=f"{here}/data/ident")
        self.refused(self.post(lambda body: body["data"].pop("relationships")), 422, "payment_missing", pointer="/data")
        self.refused(self.post(lambda body: body["data"]["relationships"].pop("payment")), 422, "payment_missing",
                     pointer="/data/relationships")
        self.refused(self.post(lambda body: body["data"]["relationships"]["payment"].pop("data")), 422, "payment_missing",
                     pointer=here)

    def test_an_ident_buys_one_line_of_its_client(self):
        ident = fresh_ident()
        line = caller.order(ident=ident, digits="35")
        for who in (caller, Client(appliance).open_session()):
            self.refused(who.call("POST", "/api/tokens", order_body(ident=ident, digits="36")), 409, "payment_used",
                         pointer="/data/relationships/payment/data/ident")
        self.assertEqual(caller.call("DELETE", f"/api/tokens/{line['id']}").status, 200)
        self.refused(caller.call("POST", "/api/tokens", order_body(ident=ident)), 409, "payment_used",
                     pointer="/data/relationships/payment/data/ident")
        self.assertEqual(peer.call("POST", "/api/tokens", order_body(ident=ident)).status, 201)

    def test_an_order_that_is_refused_takes_nothing(self):
        ident = fresh_ident()
        body = order_body(size="5", digits="37", ident=ident)
        self.refused(caller.call("POST", "/api/tokens", body), 422, "size_too_small", pointer="/data/attributes/size")
        self.assertEqual(caller.capacity("UPPER_HEX", 37)[0], str(16 ** 37))
        self.assertEqual(caller.order(digits="37", ident=ident)["attributes"]["available"], str(16 ** 37))

    def test_what_is_not_JSON(self):
        body = encode(order_body())
        for sent in (b"", b"{", body[:-1], body + b"x", body + b"{}", body.replace(b'"type"', b'"size"', 1) + b",", b"\xff" + body,
                     body.replace(b"BASE", b"\xff"), b"[" * 10000, body.replace(b'"size": "1000"', b'"size": "1000", "size": "2000"')):
            if sent != body:
                self.refused(caller.call("POST", "/api/tokens", sent), 400, "json_invalid", pointer="")
        self.refused(caller.call("POST", "/api/tokens", b"[]"), 422, "data_invalid", pointer="")
        self.refused(caller.call("POST", "/api/tokens", b" " * 70000), 413, "body_too_large")
        self.refused(caller.call("POST", "/api/tokens"), 411, "body_missing")

    def test_analyses_are_not_made(self):
        self.refused(self.post(lambda body: None, "?analysis=metrics"), 400, "parameter_unknown", parameter="analysis")
        self.assertEqual(self.post(lambda body: None, "?analysis=none").status, 201)
        self.assertEqual(self.post(lambda body: None, "?other=1").status, 400)

    def test_a_seed_is_echoed_and_brings_hashes(self):
        for seed in ("x", "", 5, None, MADE_UP[:-1]):
            self.refused(caller.call("POST", "/api/tokens", order_body(digits="38", seed=seed)), 422, "seed_invalid",
                         pointer="/meta/seed")
        reply = caller.call("POST", "/api/tokens", order_body(digits="38", seed=MADE_UP))
        self.assertEqual((reply.status, reply.json()["meta"]), (201, {"seed": MADE_UP}))
        id = reply.json()["data"]["id"]
        attributes = caller.finished(id)
        self.assertEqual(attributes["filehashes"], {"data": hashlib.sha256(caller.data(id).body).hexdigest()})
        self.assertEqual(caller.get(f"/api/tokens/{id}").json()["meta"], {"seed": MADE_UP})


class Negotiation(Case):
    def test_the_body_is_of_the_JSON_API_type_without_parameters(self):
        for media in ("application/json", "text/plain", f"{JSON_API}; charset=utf-8", f'{JSON_API}; ext="https://e.test/x"',
                      "application/vnd.api", None, ""):
            reply = caller.call("POST", "/api/tokens", order_body(), {"Content-Type": media})
            self.refused(reply, 415, "unsupported_media_type", header="Content-Type")
            reply = caller.keyed("POST", "/api/sessions", {"data": {"type": "session", "attributes": {}}}, **{"Content-Type": media})
            self.refused(reply, 415, "unsupported_media_type", header="Content-Type")
        for media in (JSON_API, JSON_API.upper(), f'{JSON_API}; profile="https://example.test/p"'):
            self.assertEqual(caller.call("POST", "/api/tokens", order_body(), {"Content-Type": media}).status, 201)

    def test_the_reply_must_be_acceptable(self):
        for accept in (f"{JSON_API}; charset=utf-8", f'{JSON_API};ext="https://e.test/x"',
                       f"{JSON_API}; version=1, {JSON_API}; charset=utf-8"):
            for reply in (caller.get("/api/tokens", Accept=accept), caller.call("POST", "/api/tokens", order_body(), {"Accept": accept}),
                          caller.get("/api/alphabets/DICE", Accept=accept), caller.keyed("GET", "/api/sessions", Accept=accept)):
                self.refused(reply, 406, "not_acceptable", header="Accept")
        for accept in (None, "*/*", "application/*", f"{JSON_API};q=0.5", f"{JSON_API}; charset=utf-8, {JSON_API}", "text/html, */*"):
            self.assertEqual(caller.get("/api/tokens", Accept=accept).status, 200)

    def test_methods_and_paths_that_are_not_served(self):
        reply = caller.call("PUT", "/api/tokens", order_body())
        self.refused(reply, 405, "method_not_allowed")
        self.assertEqual(set(reply.headers["Allow"].split(", ")), {"GET", "HEAD", "POST", "DELETE"})
        for path in ("/api/nope", "/api/tokens/" + MADE_UP + "/snapshot/x", "/api"):
            self.assertEqual(caller.get(path).status, 404)


class Lines(Case):
    def test_every_status_of_a_line_as_of_then(self):
        id = caller.order(size="2000", digits="20", alphabet="UPPER_LATIN")["id"]
        available = str(26 ** 20)
        last = caller.finished(id)
        infos = {status: caller.get(f"/api/tokens/{id}/{status}") for status in ("requested", "started", "ended", "finished")}
        steps = list(infos)
        for step, reply in infos.items():
            self.assertEqual((reply.status, reply.media_type), (200, JSON_API))
            attributes = reply.json()["data"]["attributes"]
            self.assertEqual(attributes["status"], step)
            self.assertEqual(list(attributes["timestamps"]), steps[:steps.index(step) + 1])
            self.assertEqual("progress" in attributes, step != "requested")
            self.assertEqual("data" in reply.json()["links"], step in ("ended", "finished"))
            made = 2000 if step in ("ended", "finished") else 0
            self.assertEqual(attributes["available"], str(int(available) - made))
            for name in ("rate", "partial", "checksum", "filesizes"):
                self.assertEqual(name in attributes, step == "finished", name)
        self.assertEqual(infos["finished"].json()["data"]["attributes"], last)
        times = [last["timestamps"][step] for step in steps]
        self.assertEqual(times, sorted(times))
        self.assertEqual((last["progress"], last["partial"], last["filesizes"]), (100, False, {"data": 2000 * 21 - 1}))
        self.assertTrue(last["rate"] > 0)
        for status in ("analyzed", "deleted", "snapshot", "analysis", "score", "delta", "Finished"):
            self.refused(caller.get(f"/api/tokens/{id}/{status}"), 404, "not_found")

    def test_a_status_that_is_not_reached(self):
        """The line stands behind others, so it is asked for before its turn; if it was faster, it is finished."""
        for _ in range(20):
            ids = [caller.order(size="100000", digits="10", alphabet="BASE60")["id"] for _ in range(3)]
            early = [caller.get(f"/api/tokens/{ids[-1]}/finished"), caller.data(ids[-1]), caller.data(ids[-1], "?format=gz")]
            for id in ids:
                caller.finished(id)
            if all(reply.status == 404 for reply in early):
                break
        for reply in early:
            self.refused(reply, 404, "status_not_reached")

    def test_a_session_lists_its_own_lines(self):
        first, second = Client(appliance).open_session(), Client(appliance).open_session()
        ids = [first.order(digits="39")["id"] for _ in range(3)]
        self.assertEqual([line["id"] for line in first.get("/api/tokens").json()["data"]], ids)
        self.assertEqual(second.get("/api/tokens").json()["data"], [])
        self.assertEqual(second.get(f"/api/tokens/{ids[0]}").status, 200)  # lines belong to the client
        gone = first.call("DELETE", f"/api/tokens/{ids[0]}")
        attributes = gone.json()["data"]["attributes"]
        self.assertEqual((gone.status, attributes["status"]), (200, "deleted"))
        self.assertRegex(attributes["timestamps"]["deleted"], TIME)
        for target in ("", "/requested", "/data"):
            self.refused(first.get(f"/api/tokens/{ids[0]}{target}"), 404, "not_found")
        self.refused(first.call("DELETE", f"/api/tokens/{ids[0]}"), 404, "not_found")
        rest = first.call("DELETE", "/api/tokens")
        self.assertEqual([line["id"] for line in rest.json()["data"]], ids[1:])
        self.assertEqual({line["attributes"]["status"] for line in rest.json()["data"]}, {"deleted"})
        self.assertEqual(first.call("DELETE", "/api/tokens").json()["data"], [])

    def test_other_clients_lines_and_made_up_ids_do_not_exist(self):
        id = caller.order(digits="40")["id"]
        caller.finished(id)
        flipped = ["%08x" % (int(id[:8], 16) ^ 1 << bit) + id[8:] for bit in range(0, 32, 5)]
        for who, asked in [(peer, id), (stranger, id), (caller, MADE_UP), (caller, caller.session_key), (caller, "x"),
                           (caller, id + "0"), *((caller, other) for other in flipped)]:
            for method, target in (("GET", ""), ("GET", "/finished"), ("GET", "/data"), ("DELETE", "")):
                self.refused(who.call(method, f"/api/tokens/{asked}{target}"), 404, "not_found")
        self.assertEqual(caller.get(f"/api/tokens/{id}").status, 200)


class Data(Case):
    def test_the_file_in_every_form(self):
        id, plain = caller.produce(size="8000", digits="15", alphabet="BASE62")
        self.assertEqual(len(plain), 8000 * 16 - 1)
        tokens = plain.decode().split("\n")
        self.assertEqual((len(set(tokens)), {len(token) for token in tokens}), (8000, {15}))
        self.assertTrue(all(re.fullmatch("[0-9A-Za-z]{15}", token) for token in tokens))
        reply = caller.data(id)
        self.assertEqual((reply.status, reply.media_type), (200, "application/json; charset=utf-8"))
        self.assertEqual((reply.headers["Content-Length"], reply.headers["Accept-Ranges"]), (str(len(plain)), "bytes"))
        self.assertEqual(reply.body, plain)
        packed = caller.data(id, "?format=gz")
        self.assertEqual((packed.status, packed.media_type), (200, "application/gzip"))
        self.assertEqual((packed.headers["Content-Length"], packed.headers["Transfer-Encoding"]), (None, "chunked"))
        self.assertEqual(packed.headers["Accept-Ranges"], "none")
        self.assertIsNone(packed.headers["Content-Encoding"])
        self.assertEqual(gzip.decompress(packed.body), plain)
        self.assertEqual(caller.data(id, "?format=gz").body, packed.body)
        head = caller.call("HEAD", f"/api/tokens/{id}/data")
        self.assertEqual((head.status, head.headers["Content-Length"], head.body), (200, str(len(plain)), b""))
        self.assertEqual(caller.call("HEAD", f"/api/tokens/{id}/data?format=gz").status, 200)
        for query, name in (("?format=zip", "format"), ("?format=", "format"), ("?Format=gz", "Format"),
                            ("?page=1", "page"), ("?format=gz&x=1", "x")):
            self.refused(caller.data(id, query), 400, "parameter_unknown", parameter=name)
        self.refused(caller.call("DELETE", "/api/tokens?x=1"), 400, "parameter_unknown", parameter="x")

    def test_the_checksum_is_that_of_the_tokens(self):
        id, plain = caller.produce(size="1001", digits="12", alphabet="UPPER_LATIN")
        columns = [functools.reduce(operator.xor, map(ord, column)) for column in zip(*plain.decode().split("\n"))]
        self.assertEqual(caller.finished(id)["checksum"], "".join(f"{column:07b}" for column in columns))

    def ranges(self, id, file):
        size = len(file)
        for value, first, last in (("bytes=0-0", 0, 0), ("bytes=0-", 0, size - 1), ("bytes=5-9", 5, 9), ("bytes=-1", size - 1, size - 1),
                                   ("bytes=-17", size - 17, size - 1), (f"bytes=-{size + 5}", 0, size - 1),
                                   (f"bytes=100-{size + 5}", 100, size - 1), (f"bytes={size - 1}-", size - 1, size - 1),
                                   ("bytes=4097-8193", 4097, 8193)):
            reply = caller.data(id, Range=value)
            self.assertEqual((reply.status, reply.headers["Content-Range"]), (206, f"bytes {first}-{last}/{size}"), value)
            self.assertEqual(reply.headers["Content-Length"], str(last - first + 1))
            self.assertEqual(reply.body, file[first:last + 1])
        for value in (f"bytes={size}-", f"bytes={size}-{size + 9}", "bytes=-0"):
            reply = caller.data(id, Range=value)
            self.refused(reply, 416, "range_unsatisfiable", header="Range")
            self.assertEqual(reply.headers["Content-Range"], f"bytes */{size}")
        for value in ("bytes=0-1,5-6", "lines=0-1", "bytes=9-5", "bytes=x-", "bytes", "bytes=-", "bytes=1-2-3"):
            reply = caller.data(id, Range=value)
            self.assertEqual((reply.status, reply.headers["Content-Range"], reply.body), (200, None, file), value)
        head = caller.call("HEAD", f"/api/tokens/{id}/data", None, {"Range": "bytes=0-4"})
        self.assertEqual((head.status, head.headers["Content-Length"]), (200, str(size)))
        packed = caller.data(id, "?format=gz", Range="bytes=0-4")
        self.assertEqual((packed.status, gzip.decompress(packed.body)), (200, file))

    def test_ranges(self):
        self.ranges(*caller.produce(size="5000", digits="10", alphabet="LOWER_HEX"))

    def test_ranges_of_characters_of_three_bytes(self):
        self.ranges(*caller.produce(size="3000", digits="9", alphabet="DICE"))

    def test_no_ranges_where_widths_differ(self):
        body = {"data": {"id": "WIDTHS", "type": "alphabet", "attributes": {"chars": "a\u00e9\u20ac\U0001f600"}}}
        self.assertEqual(caller.call("POST", "/api/alphabets", body).status, 201)
        id, file = caller.produce(size="2000", digits="12", alphabet="WIDTHS")
        self.assertEqual(len(set(file.decode().split("\n"))), 2000)
        reply = caller.data(id, Range="bytes=0-4")
        self.assertEqual((reply.status, reply.headers["Accept-Ranges"], reply.body), (200, "none", file))
        self.assertEqual(reply.headers["Content-Length"], str(caller.finished(id)["filesizes"]["data"]))
        self.assertEqual(gzip.decompress(caller.data(id, "?format=gz").body), file)


class Spaces(Case):
    def test_all_three_letter_words_once_in_several_lines_and_then_no_more(self):
        ids, seen = [], []
        for size, got, who in (("5000", 5000, caller), ("1000", 1000, peer), ("9999", 9999, caller)):
            data = who.order(size=size, digits="3", alphabet="LOWER_LATIN")
            self.assertEqual(data["attributes"]["available"], str(17576 - len(seen)))
            seen += who.tokens(data["id"])
            ids.append(data["id"])
        self.assertEqual(caller.capacity("LOWER_LATIN", 3), ("1577", "1577"))
        body = order_body(size="100", digits="3", alphabet="LOWER_LATIN")
        self.refused(caller.call("POST", "/api/tokens", body), 422, "size_too_small", pointer="/data/attributes/size")
        rest = caller.order(size="100000", digits="3", alphabet="LOWER_LATIN")
        self.assertEqual((rest["attributes"]["size"], rest["attributes"]["reachable"]), ("1577", "1577"))
        seen += caller.tokens(rest["id"])
        letters = "abcdefghijklmnopqrstuvwxyz"
        self.assertEqual(sorted(seen), [a + b + c for a in letters for b in letters for c in letters])
        self.assertEqual(caller.capacity("LOWER_LATIN", 3), ("0", "0"))
        attributes = caller.finished(rest["id"])
        self.assertEqual((attributes["available"], attributes["reachable"]), ("0", "0"))
        body = order_body(size="1000", digits="3", alphabet="LOWER_LATIN")
        self.refused(caller.call("POST", "/api/tokens", body), 409, "space_exhausted", pointer="/data/attributes")
        self.assertEqual(stranger.capacity("LOWER_LATIN", 3), ("17576", "17576"))  # of another tenant

    def test_all_throws_of_five_dice_in_one_line(self):
        data = caller.order(size="7776", digits="5", alphabet="DICE")
        attributes = caller.finished(data["id"])
        self.assertEqual((attributes["checksum"], attributes["filesizes"]), ("0" * 70, {"data": 124415}))
        tokens = caller.tokens(data["id"])
        self.assertEqual((len(tokens), len(set(tokens)), {len(token) for token in tokens}), (7776, 7776, {5}))
        self.assertEqual(set("".join(tokens)), set(DICE))
        self.assertEqual(caller.capacity("DICE", 5), ("0", "0"))
        self.refused(caller.call("POST", "/api/tokens", order_body(size="7776", digits="5", alphabet="DICE")), 409,
                     "space_exhausted", pointer="/data/attributes")

    def test_a_space_smaller_than_the_least_line_is_had_whole(self):
        body = order_body(size="215", digits="3", alphabet="DICE")
        self.refused(caller.call("POST", "/api/tokens", body), 422, "size_too_small", pointer="/data/attributes/size")
        data = caller.order(size="216", digits="3", alphabet="DICE")
        self.assertEqual(len(set(caller.tokens(data["id"]))), 216)

    def test_a_space_is_shared_by_the_names_of_its_characters_and_by_clients_but_not_by_tenants(self):
        first = caller.tokens(caller.order(digits="21", alphabet="LOWER_HEX")["id"])
        second = peer.tokens(peer.order(digits="21", alphabet="BASE16")["id"])
        foreign = stranger.tokens(stranger.order(digits="21", alphabet="BASE16")["id"])
        self.assertEqual(len(set(first + second + foreign)), 3000)
        self.assertEqual(caller.capacity("BASE16", 21)[0], str(16 ** 21 - 2000))
        self.assertEqual(stranger.capacity("BASE16", 21)[0], str(16 ** 21 - 1000))


class Proof(Case):
    def prove(self, token, digits=22, alphabet="UPPER_LATIN", who=None):
        return (who or caller).get(f"/api/alphabets/{alphabet}/{digits}/tokens/{token}")

    def test_a_token_proves_its_line_and_place(self):
        caller.order(digits="22", alphabet="UPPER_LATIN")
        id, file = caller.produce(digits="22", alphabet="UPPER_LATIN")
        tokens = file.decode().split("\n")
        for place in (0, 1, 500, 999):
            reply = self.prove(tokens[place])
            self.assertEqual((reply.status, reply.media_type), (200, JSON_API))
            data = reply.json()["data"]
            self.assertEqual((data["id"], data["type"]), (id, "tokens"))
            self.assertEqual(data["attributes"], {"alphabet": "UPPER_LATIN", "digits": "22", "serial": str(1000 + place),
                                                  "position": str(place)})
        forged = ("A" if tokens[0][0] != "A" else "B") + tokens[0][1:]
        for token in (forged, tokens[0].lower(), tokens[0][:-1], tokens[0] + "A", "A" * 22, "%FF", "x"):
            self.refused(self.prove(token), 404, "not_found")
        self.refused(self.prove(tokens[0], who=peer), 404, "not_found")
        self.refused(self.prove(tokens[0], who=stranger), 404, "not_found")
        self.refused(self.prove(tokens[0], digits=23), 404, "not_found")
        self.refused(self.prove(tokens[0], alphabet="NOPE"), 404, "alphabet_unknown")
        self.refused(self.prove(tokens[0], digits="022"), 404, "digits_out_of_range")
        self.assertNotIn(tokens[0], appliance.text("audit.log") + appliance.text("symbolon.log"))

    def test_a_token_of_dice(self):
        id, file = caller.produce(digits="12", alphabet="DICE")
        token = file.decode().split("\n")[7]
        quoted = "".join(f"%{byte:02X}" for byte in token.encode())
        self.assertEqual(self.prove(quoted, 12, "DICE").json()["data"]["id"], id)

    def test_tokens_of_characters_that_mean_something_in_a_path(self):
        for name, characters, size in (("SIGNS", "/ab%?# ;+", "1000"), ("DOTS", "./", "1024")):
            body = {"data": {"id": name, "type": "alphabet", "attributes": {"chars": characters}}}
            self.assertEqual(caller.call("POST", "/api/alphabets", body).status, 201)
            id, file = caller.produce(size=size, digits="10", alphabet=name)
            for place, token in list(enumerate(file.decode().split("\n")))[:100]:
                quoted = "".join(f"%{byte:02X}" for byte in token.encode())
                data = self.prove(quoted, 10, name).json()["data"]
                self.assertEqual((data["id"], data["attributes"]["position"]), (id, str(place)))
            self.assertEqual(caller.call("DELETE", f"/api/alphabets/{name}").status, 200)


class Audit(Case):
    def test_orders_and_downloads_are_on_record(self):
        client = Client(appliance).open_session()
        id, _ = client.produce(size="1234", digits="41")
        client.call("DELETE", f"/api/tokens/{id}")
        lines = [line for line in appliance.audit_lines() if line.get("client") == "demo-serial"]
        found = [(line["event"], line["items"], line["status"]) for line in lines]
        for event in (("serial_order", 1234, 201), ("serial_data", 1234, 200), ("serial_delete", 1234, 200)):
            self.assertIn(event, found)
        self.assertEqual({line["outcome"] for line in lines if line["status"] < 300}, {"ok"})


class AtRest(Case):
    def test_the_store_opens_nothing(self):
        """Neither a session key nor a token stands in the store, its log or the shared memory beside it."""
        import pathlib
        import uuid
        session = Client(appliance).open_session()
        id, plain = session.produce(size="1000", digits="14", alphabet="UPPER_LATIN")
        stored = b"".join(path.read_bytes() for path in pathlib.Path(appliance.path("store.db")).parent.glob("store.db*"))
        self.assertIn(uuid.UUID(id).bytes, stored)  # the scan finds what is there
        self.assertNotIn(uuid.UUID(session.session_key).bytes, stored)
        self.assertNotIn(session.session_key.encode(), stored)
        for token in plain.split(b"\n"):
            self.assertNotIn(token, stored)

    def test_a_user_agent_of_any_bytes_leaves_the_list_of_sessions_readable(self):
        for agent in ("ua\xe9", "\xc3\xa9" * 500, '"quoted\\"'):
            session = Client(appliance)
            reply = session.send("POST", "/api/sessions", {"Api-Key": session.api_key, "User-Agent": agent,
                                                           "Content-Type": JSON_API},
                                 b'{"data":{"type":"sessions","attributes":{}}}')
            self.assertEqual(reply.status, 201, agent)
        reply = session.keyed("GET", "/api/sessions")
        self.assertGreaterEqual(len(json.loads(reply.body.decode("utf-8"))["data"]), 3)


if __name__ == "__main__":
    unittest.main()
