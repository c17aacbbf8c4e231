# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The formats of the transform API that keep digits or follow a pattern, what `symbolon formats` says of
them, and which are refused at start.

Generation 2 is the current one. Formats that cannot name their generation are pinned to 1.
"""

import base64
import random
import re
import unittest

import client
from appliance import EX_CONFIG, TWO_GENERATIONS, Appliance
from client import luhn_sum, with_check_digit

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GREEK = "αβγδεζηθικλμνξοπρστυφχψω"
MIXED = "aé中🔑bü字🎲cß"  # one to four bytes each

NAMES = ("first-six", "last-four", "both", "ssn", "plate", "greek", "mixed", "choice", "lower", "supplied", "generated",
         "ssn-supplied", "ssn-generated", "plate-supplied", "plate-generated", "six-supplied", "evil-1", "evil-2", "evil-3", "any",
         "narrow", "cut")
TENANTS = """
tenant "demo" {
    id = 1
%(keys)s
    alphabet "letters" { characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" }
    alphabet "greek" { characters = "αβγδεζηθικλμνξοπρστυφχψω" }
    alphabet "mixed" { characters = "aé中🔑bü字🎲cß" }
    client "gifts" {
        id = 10
        apis = {"giftcard"}
        issuer_range "60357100" { code = 0 }
        issuer_range "603571" { code = 4 }
        issuer_range "7" { digits = 12  luhn = false  token_digits = 30 }
    }
    client "cards" { id = 12  apis = {"card"} }
    client "app" {
        id = 11
        apis = {"transform"}
        permissions = {"tokenize", "detokenize"}
        roles = {""" + ", ".join(f'"{name}"' for name in (*NAMES, "card", "gift", "several")) + """}
    }
    transformation "first-six" { id = 1  template = "pan-first-six" }
    transformation "last-four" { id = 2  template = "pan-last-four" }
    transformation "both" { id = 3  template = "pan-first-six-last-four"  generation = 1 }
    transformation "ssn" { id = 4  template = "builtin/socialsecuritynumber"  generation = 1 }
    transformation "plate" { id = 5  template = "regex"  pattern = '([A-Z]{3})-([A-Z]{3})'  alphabet = "letters"  generation = 1 }
    transformation "greek" { id = 6  template = "regex"  pattern = 'key: (.+)'  alphabet = "greek"  generation = 1 }
    transformation "mixed" { id = 7  template = "regex"  pattern = '<(.+)>'  alphabet = "mixed"  generation = 1 }
    transformation "choice" { id = 8  template = "regex"  pattern = 'A([0-9]{7})|B([0-9]{8})|C([0-9]+)'  alphabet = "builtin/numeric"  generation = 1 }
    transformation "lower" { id = 9  template = "regex"  pattern = '([a-z0-9]{2,40})@[a-z.]+'  alphabet = "builtin/alphanumericlower"  generation = 1 }
    transformation "supplied" { id = 10  template = "builtin/creditcardnumber"  tweak_source = "supplied" }
    transformation "generated" { id = 11  template = "builtin/creditcardnumber"  tweak_source = "generated" }
    transformation "ssn-supplied" { id = 12  template = "builtin/socialsecuritynumber"  generation = 1  tweak_source = "supplied" }
    transformation "ssn-generated" { id = 13  template = "builtin/socialsecuritynumber"  generation = 1  tweak_source = "generated" }
    transformation "plate-supplied" { id = 14  template = "regex"  pattern = '([A-Z]{6})'  alphabet = "letters"  generation = 1  tweak_source = "supplied" }
    transformation "plate-generated" { id = 15  template = "regex"  pattern = '([A-Z]{6})'  alphabet = "letters"  generation = 1  tweak_source = "generated" }
    transformation "six-supplied" { id = 16  template = "pan-first-six"  tweak_source = "supplied" }
    transformation "evil-1" { id = 17  template = "regex"  pattern = '((a+)+)+b'  alphabet = "builtin/alphalower"  generation = 1 }
    transformation "evil-2" { id = 18  template = "regex"  pattern = '(([a-z]+)+)+x'  alphabet = "builtin/alphalower"  generation = 1 }
    transformation "evil-3" { id = 19  template = "regex"  pattern = '((a|aa)+)+c'  alphabet = "builtin/alphalower"  generation = 1 }
    transformation "any" { id = 20  template = "regex"  pattern = '(.*)'  alphabet = "builtin/alphanumeric"  generation = 1 }
    transformation "narrow" { id = 21  template = "regex"  pattern = '([0-5]{8})'  alphabet = "builtin/numeric"  generation = 1 }
    transformation "cut" { id = 25  template = "regex"  pattern = '(.{6}).*'  alphabet = "mixed"  generation = 1 }
    transformation "card" { id = 22  template = "card"  of = "cards" }
    transformation "gift" { id = 23  template = "giftcard"  of = "gifts" }
    transformation "creditcard" { id = 24  template = "builtin/creditcardnumber" }
""" + "".join(f'    role "{name}" {{ transformations = {{"{name}"}} }}\n' for name in NAMES) + """
    role "card" { transformations = {"card"} }
    role "gift" { transformations = {"gift"} }
    role "several" { transformations = {"creditcard", "first-six", "ssn", "plate", "supplied"} }
}
"""

PAN = "4111111111111111"
SSN = "078-05-1120"
GIFT = with_check_digit("603571" + "1" * 9)
NOT_OPENED = "value is not a token that can be opened"
NO_MATCH = "value does not match the pattern"
TOO_SMALL = "value has too few captured characters, under 1,000,000 values"
old = {}  # tokens made when generation 1 was the current one
OLD_VALUES = {"first-six": PAN, "last-four": PAN, "both": PAN, "ssn": SSN, "plate": "ABC-DEF", "greek": "key: αβγδεζ"}


def setUpModule():
    global appliance, app
    appliance = Appliance()
    appliance.tenants = TENANTS
    appliance.init_token()
    appliance.generate(0)
    appliance.generate(1)
    appliance.certify()
    appliance.configure()
    app = appliance.token("app")
    appliance.start()
    old.update({role: value_of(ask("encode", role, value)) for role, value in OLD_VALUES.items()})
    appliance.generate(1, "fpe", generation=2)
    appliance.keys = TWO_GENERATIONS
    assert appliance.restart() == 0


def tearDownModule():
    appliance.finish()


def ask(operation, role, value, **more):
    return client.vault(appliance.main, app, operation, role, {"value": value, **more})


def batch(operation, role, items):
    reply = client.vault(appliance.main, app, operation, role, {"batch_input": items})
    return reply.json()["data"]["batch_results"]


def value_of(reply):
    data = reply.json()["data"]
    return data["encoded_value"] if "encoded_value" in data else data["decoded_value"]


def tweak(text):
    return base64.b64encode(text).decode()


class Case(unittest.TestCase):
    def data(self, reply):
        self.assertEqual(reply.status, 200, reply.body[:300])
        return reply.json()["data"]

    def refused(self, reply, *errors, status=400):
        self.assertEqual((reply.status, reply.json()), (status, {"errors": list(errors)}))

    def round_trip(self, role, value, **more):
        """The token, which opens to the value and, made again, is the same."""
        token = self.data(ask("encode", role, value, **more))["encoded_value"]
        self.assertEqual(self.data(ask("decode", role, token, **more)), {"decoded_value": value})
        self.assertEqual(self.data(ask("encode", role, value, **more)), {"encoded_value": token})
        self.assertEqual(self.data(ask("validate", role, token, **more)), {"valid": True})
        return token


class KeptDigits(Case):
    kept = {"first-six": (6, 0, 13), "last-four": (0, 4, 12), "both": (6, 4, 16)}  # first, last, shortest PAN

    def pans(self, length, count=20):
        return [with_check_digit("".join(random.choices("0123456789", k=length - 1))) for _ in range(count)]

    def test_the_kept_digits_stay_and_the_rest_does_not(self):
        for role, (first, last, shortest) in self.kept.items():
            for length in range(shortest, 20):
                pans = self.pans(length)
                tokens = [result["encoded_value"] for result in batch("encode", role, [{"value": pan} for pan in pans])]
                for pan, token in zip(pans, tokens):
                    self.assertRegex(token, f"^[0-9]{{{length}}}$")
                    self.assertEqual((token[:first], token[length - last:]), (pan[:first], pan[length - last:]))
                self.assertNotEqual(tokens, pans)
                opened = batch("decode", role, [{"value": token} for token in tokens])
                self.assertEqual([result["decoded_value"] for result in opened], pans)

    def test_a_token_with_a_slot_fails_Luhn_and_names_its_generation(self):
        for role in ("first-six", "last-four"):
            for length in range(self.kept[role][2], 20):
                for result in batch("encode", role, [{"value": pan} for pan in self.pans(length)]):
                    self.assertEqual(luhn_sum(result["encoded_value"]), 2)

    def test_a_card_number_is_no_token_of_a_format_with_a_slot(self):
        for role in ("first-six", "last-four"):
            self.refused(ask("decode", role, PAN), NOT_OPENED)

    def test_a_pinned_token_may_pass_for_a_card_and_only_one_in_ten_strings_opens(self):
        values = ["411111%06d1111" % i for i in range(1000)]
        opened = [result.get("decoded_value") for result in batch("decode", "both", [{"value": value} for value in values])]
        pans = [pan for pan in opened if pan is not None]
        self.assertTrue(50 < len(pans) < 200, len(pans))
        self.assertEqual({luhn_sum(pan) for pan in pans}, {0})

    def test_no_two_numbers_share_a_token(self):
        """In the smallest domain there is: six digits between those that are kept and the slot."""
        pans = [with_check_digit("411111%06d" % i) for i in range(0, 1000000, 500)]
        tokens = {result["encoded_value"] for result in batch("encode", "first-six", [{"value": pan} for pan in pans])}
        self.assertEqual(len(tokens), len(pans))

    def test_spaces_and_hyphens_stay_in_place(self):
        for role in self.kept:
            plain = self.round_trip(role, PAN)
            for pattern in ("{} {} {} {}", "{}-{}-{}-{}", "-{}  {}--{} {} "):
                spelled = pattern.format(*(PAN[i:i + 4] for i in range(0, 16, 4)))
                self.assertEqual(self.round_trip(role, spelled), pattern.format(*(plain[i:i + 4] for i in range(0, 16, 4))))

    def test_numbers_with_too_few_digits_besides_those_kept(self):
        for role, length in (("first-six", 12), ("both", 12), ("both", 15)):
            for operation in ("encode", "decode"):
                self.refused(ask(operation, role, self.pans(length, 1)[0]), "value has too few digits besides those that are kept")

    def test_numbers_that_are_none(self):
        for role in self.kept:
            for value, error in (("4111111111111112", "fails the Luhn check"), ("1" * 11, "must hold 12 to 19 digits"),
                                 ("1" * 20, "must hold 12 to 19 digits"), ("", "must hold 12 to 19 digits"),
                                 ("4111x11111111111", "may hold only digits, spaces and hyphens"),
                                 ("\uff14" * 16, "may hold only digits, spaces and hyphens"),
                                 (PAN + "\n", "may hold only digits, spaces and hyphens")):
                with self.subTest(role=role, value=value):
                    self.refused(ask("encode", role, value), "value " + error)


class SocialSecurityNumbers(Case):
    def test_it_stays_one_with_or_without_hyphens(self):
        token = self.round_trip("ssn", SSN)
        self.assertRegex(token, r"^\d{3}-\d\d-\d{4}$")
        for pattern in ("{}{}{}", "{} {} {}", "{}-{}{}", "{}{} {}"):
            value = pattern.format(*SSN.split("-"))
            self.assertEqual(self.round_trip("ssn", value), pattern.format(*token.split("-")))

    def test_zeros_come_back(self):
        for value in ("000-00-0000", "000000001", "999-99-9999"):
            self.round_trip("ssn", value)

    def test_values_that_are_none(self):
        for value in ("07805112", "0780511200", "078-05-112", "078-05-11200", "07-805-1120", "078--05-1120", "078.05.1120", "x78051120",
                      "\uff10\uff17\uff18051120", "078\u201105\u20111120", " 078-05-1120", "078-05-1120 ", "078-05-1120\n", "078-05-1120\n078-05-1120",
                      "\u0660" * 9):
            with self.subTest(value=value):
                for operation in ("encode", "decode"):
                    self.refused(ask(operation, "ssn", value), NO_MATCH)
                self.assertEqual(self.data(ask("validate", "ssn", value)), {"valid": False})
        self.refused(ask("encode", "ssn", ""), "value is empty")


class Patterns(Case):
    def test_what_the_groups_match_is_replaced_over_the_alphabet_and_the_rest_stays(self):
        self.assertRegex(self.round_trip("plate", "ABC-DEF"), "^[A-Z]{3}-[A-Z]{3}$")
        self.assertRegex(self.round_trip("greek", "key: αβγδεζ"), f"^key: [{GREEK}]{{6}}$")
        self.assertRegex(self.round_trip("mixed", f"<{MIXED}>"), f"^<[{MIXED}]{{10}}>$")
        self.assertRegex(self.round_trip("lower", "johndoe@example.com"), "^[a-z0-9]{7}@example.com$")

    def test_characters_of_every_width_come_back_at_every_length(self):
        for role, form, alphabet, lengths in (("mixed", "<%s>", MIXED, range(6, 70)), ("greek", "key: %s", GREEK, range(5, 70))):
            values = [form % "".join(random.choices(alphabet, k=length)) for length in lengths]
            tokens = [result["encoded_value"] for result in batch("encode", role, [{"value": value} for value in values])]
            self.assertEqual([len(token) for token in tokens], [len(value) for value in values])
            opened = batch("decode", role, [{"value": token} for token in tokens])
            self.assertEqual([result["decoded_value"] for result in opened], values)

    def test_alternatives(self):
        for value, form in (("A1234567", r"^A\d{7}$"), ("B12345678", r"^B\d{8}$"), ("C123456", r"^C\d{6}$"), ("C" + "1" * 300, r"^C\d{300}$")):
            self.assertRegex(self.round_trip("choice", value), form)
        for value in ("A123456", "A12345678", "B1234567", "D1234567", "C", "A1234567B12345678"):
            self.refused(ask("encode", "choice", value), NO_MATCH)

    def test_a_value_of_which_a_part_matches_or_nothing(self):
        for value in ("xABC-DEF", "ABC-DEFx", "ABC-DEF\n", "\nABC-DEF", "ABC-DEF ABC-DEF", "ABC-DE", "---", "abc-def", "ABC\u2010DEF", "ÄBC-DEF"):
            with self.subTest(value=value):
                for operation in ("encode", "decode", "rewrap"):
                    self.refused(ask(operation, "plate", value), NO_MATCH)
        for operation in ("encode", "decode", "rewrap"):
            self.refused(ask(operation, "plate", ""), "value is empty")

    def test_captured_characters_that_are_not_in_the_alphabet(self):
        for role, value in (("greek", "key: abcdef"), ("greek", "key: αβγδεΖ"), ("greek", "key: αβγδε\u0301"), ("mixed", "<abcdefgh>"),
                            ("mixed", "<a🔒🔒🔒🔒🔒>"), ("any", "not letters, not digits"), ("cut", "é中🔑bü🔒"), ("cut", "aaaaae"),
                            ("cut", "aaaaae\u0301"), ("cut", "é🔑è中üc"), ("cut", "\U0001f511" * 5 + "\U0001f512c")):
            with self.subTest(role=role, value=value):
                self.refused(ask("encode", role, value), "value holds a captured character outside the alphabet")

    def test_a_pattern_counts_characters_whatever_their_bytes(self):
        """`(.{6}).*` takes six characters of one to four bytes and leaves the seventh, in the alphabet or not."""
        for six in ("é中🔑büc", "aaaaaé", "🔑" * 6, "aaaaaa", "中中中🎲🎲🎲"):
            for rest in ("", "c", "🔑🎲", "🔒", "e\u0301", "not captured"):
                with self.subTest(six=six, rest=rest):
                    token = self.round_trip("cut", six + rest)
                    self.assertEqual((len(token), token[6:]), (6 + len(rest), rest))
                    self.assertRegex(token[:6], f"^[{MIXED}]{{6}}$")
        for few in ("é中🔑bü", "🔑🔑", "字" * 5):  # six bytes and more, but not six characters
            for operation in ("encode", "decode"):
                self.refused(ask(operation, "cut", few), NO_MATCH)

    def test_too_few_captured_characters(self):
        for role, value in (("lower", "abc@x"), ("choice", "C12345"), ("greek", "key: αβγδ"), ("mixed", "<aé中🔑b>"), ("any", "abc")):
            for operation in ("encode", "decode"):
                self.refused(ask(operation, role, value), TOO_SMALL)

    def test_a_token_that_would_not_match_again_is_not_made(self):
        """The pattern takes six digits of ten, so that most tokens fall outside it."""
        values = ["".join(random.choices("012345", k=8)) for _ in range(300)]
        results = batch("encode", "narrow", [{"value": value} for value in values])
        made = [(value, result["encoded_value"]) for value, result in zip(values, results) if "error" not in result]
        errors = {result["error"] for result in results if "error" in result}
        self.assertEqual(errors, {"value has a token that would not match the pattern: pattern and alphabet disagree"})
        for value, token in made:
            self.assertRegex(token, "^[0-5]{8}$")
            self.assertEqual(value_of(ask("decode", "narrow", token)), value)

    def test_an_expression_that_backtracks_badly_ends(self):
        for role, last in (("evil-1", "b"), ("evil-2", "x"), ("evil-3", "c")):
            for length in (30, 1000, 8192):
                self.refused(ask("encode", role, "a" * length), NO_MATCH)
                value = "a" * (length - 1) + last
                reply = ask("encode", role, value)
                self.assertNotIn(NO_MATCH, reply.body.decode())
                if reply.status == 200:
                    self.assertEqual(value_of(ask("decode", role, value_of(reply))), value)


class LongValues(Case):
    def test_a_value_of_a_hundred_kilobytes_is_refused_by_itself(self):
        for role in ("plate", "greek", "choice", "any", "ssn", "evil-1"):
            for operation in ("encode", "decode"):
                self.refused(ask(operation, role, "1" * 102400), "value is longer than 8192 bytes")
        for role in ("first-six", "last-four", "both"):
            self.refused(ask("encode", role, "1" * 102400), "value must hold 12 to 19 digits")
        results = batch("encode", "plate", [{"value": "ABC-DEF"}, {"value": "A" * 102400}, {"value": "ABC-DEG"}])
        self.assertEqual([list(result) for result in results], [["encoded_value"], ["error"], ["encoded_value"]])

    def test_a_hundred_kilobytes_of_separators_come_back(self):
        value = PAN[:6] + " -" * 51200 + PAN[6:]
        self.assertTrue(self.round_trip("first-six", value).startswith(PAN[:6] + " -"))

    def test_the_longest_values_that_are_transformed(self):
        value = "".join(random.choices("abcXYZ019", k=4096))
        self.round_trip("any", value)
        self.round_trip("greek", "key: " + "".join(random.choices(GREEK, k=4093)))  # 8191 bytes

    def test_more_captured_characters_than_can_be_transformed(self):
        for length in (4097, 8192):
            reply = ask("encode", "any", "a" * length)
            self.assertEqual(reply.status, 400)
            self.assertNotIn("too few", reply.body.decode())


class Tweaks(Case):
    values = {"supplied": PAN, "ssn-supplied": SSN, "plate-supplied": "ABCDEF", "six-supplied": PAN,
              "generated": PAN, "ssn-generated": SSN, "plate-generated": "ABCDEF"}
    right, wrong = tweak(b"7 bytes"), tweak(b"7 BYTES")

    def test_a_supplied_tweak_is_needed_again(self):
        for role in ("supplied", "ssn-supplied", "plate-supplied", "six-supplied"):
            token = self.round_trip(role, self.values[role], tweak=self.right)
            self.assertNotEqual(value_of(ask("encode", role, self.values[role], tweak=self.wrong)), token)
            self.assertNotIn(self.values[role], ask("decode", role, token, tweak=self.wrong).body.decode())

    def test_a_generated_tweak_comes_back_is_needed_and_never_the_same(self):
        for role in ("generated", "ssn-generated", "plate-generated"):
            made = [self.data(ask("encode", role, self.values[role])) for _ in range(20)]
            self.assertEqual({tuple(data) for data in made}, {("encoded_value", "tweak")})
            self.assertEqual(len({data["tweak"] for data in made}), 20)
            self.assertGreater(len({data["encoded_value"] for data in made}), 15)
            for data in made:
                self.assertEqual(len(base64.b64decode(data["tweak"], validate=True)), 7)
                self.assertEqual(value_of(ask("decode", role, data["encoded_value"], tweak=data["tweak"])), self.values[role])
            self.refused(ask("decode", role, made[0]["encoded_value"]), "value needs a tweak")
            reply = ask("decode", role, made[0]["encoded_value"], tweak=made[1]["tweak"])
            self.assertNotIn(self.values[role], reply.body.decode())

    def test_each_item_of_a_batch_has_a_tweak_of_its_own(self):
        results = batch("encode", "ssn-generated", [{"value": SSN}] * 50)
        self.assertEqual(len({result["tweak"] for result in results}), 50)
        items = [{"value": result["encoded_value"], "tweak": result["tweak"]} for result in results]
        self.assertEqual(batch("decode", "ssn-generated", items), [{"decoded_value": SSN}] * 50)
        mixed = [{"value": SSN, "tweak": self.right}, {"value": SSN}, {"value": SSN, "tweak": self.wrong}, {"value": SSN, "tweak": "x"}]
        results = batch("encode", "ssn-supplied", mixed)
        self.assertEqual([list(result) for result in results], [["encoded_value"], ["error"], ["encoded_value"], ["error"]])

    def test_tweaks_that_are_missing_or_malformed(self):
        for role in ("supplied", "ssn-supplied", "plate-supplied", "six-supplied"):
            for operation in ("encode", "decode", "rewrap"):
                self.refused(ask(operation, role, self.values[role]), "value needs a tweak")
                self.refused(ask(operation, role, self.values[role], tweak=""), "value needs a tweak")
                for given in (tweak(b"6bytes"), tweak(b"8 bytes!"), tweak(b"x" * 1000), "A", "!!!!!!!!!!==", "AAAAAAAAAA=", "AAAAAAAAAA=A", "=",
                              "AAAAAAAAAA==\n", " AAAAAAAAAA==", "AAAA AAAAAA==", "\u0410AAAAAAAAA=="):
                    with self.subTest(role=role, operation=operation, tweak=given[:20]):
                        self.refused(ask(operation, role, self.values[role], tweak=given), "value has a tweak that is not 7 bytes in base64")
                for given in (7, [], {}, True):
                    self.refused(ask(operation, role, self.values[role], tweak=given), "value has a tweak that is not a string")

    def test_a_tweak_where_none_is_taken(self):
        unwanted = "value comes with a tweak that this transformation does not take"
        for role, value in OLD_VALUES.items():
            for operation in ("encode", "decode", "rewrap"):
                self.refused(ask(operation, role, value if operation == "encode" else old[role], tweak=self.right), unwanted)
        for role in ("generated", "ssn-generated", "plate-generated"):
            self.refused(ask("encode", role, self.values[role], tweak=self.right), unwanted)


class Records(Case):
    values = {"card": (PAN, {"expiration_date": "6802"}), "gift": (GIFT, {"securitycode": "1234"})}

    unwanted = "value comes with a tweak that this transformation does not take"

    def token(self, role):
        value, metadata = self.values[role]
        token = self.data(ask("encode", role, value, metadata=metadata))["encoded_value"]
        self.assertEqual(value_of(ask("decode", role, token)), value)
        return token

    def test_a_tweak_is_refused(self):
        for role, (value, metadata) in self.values.items():
            cases = [("encode", value)]
            if role == "card":  # no gift-card token is rewrapped at all
                cases.append(("rewrap", self.token(role)))
            for operation, given in cases:
                for text in (tweak(b"7 bytes"), "x", "AAAA"):
                    with self.subTest(role=role, operation=operation, tweak=text):
                        self.refused(ask(operation, role, given, metadata=metadata, tweak=text), self.unwanted)

    def test_a_tweak_is_refused_when_a_token_is_opened(self):
        replies = [ask("decode", role, self.token(role), tweak=tweak(b"7 bytes")) for role in self.values]
        self.assertEqual([(reply.status, reply.json()) for reply in replies], [(400, {"errors": [self.unwanted]})] * 2)

    def test_an_item_with_a_tweak_fails_alone(self):
        for role, (value, metadata) in self.values.items():
            item = {"value": value, "metadata": metadata}
            results = batch("encode", role, [item, {**item, "tweak": tweak(b"7 bytes")}, item])
            self.assertEqual([list(result) for result in results], [["encoded_value"], ["error"], ["encoded_value"]])

    def test_an_expiration_date_that_is_there_must_be_one(self):
        """Neither null nor nothing may make a token that never expires."""
        for given, error in ((None, "has an expiration_date that is not a string"), ("", "has an expiration_date that is not YYMM")):
            self.refused(ask("encode", "card", PAN, metadata={"expiration_date": given}), "value " + error)
            item = {"value": PAN, "metadata": {"expiration_date": given}}
            results = batch("encode", "card", [item, {"value": PAN, "metadata": {"expiration_date": "6802"}}, item])
            self.assertEqual(results[0], {"error": "value " + error})
            self.assertEqual(list(results[1]), ["encoded_value"])
            self.assertEqual(results[2], results[0])


class Generations(Case):
    def test_a_pinned_format_stays_with_its_generation(self):
        for role in ("both", "ssn", "plate", "greek"):
            self.assertEqual(value_of(ask("encode", role, OLD_VALUES[role])), old[role])
            self.assertEqual(appliance.audit_lines()[-1]["generation"], 1)
            self.assertEqual(value_of(ask("decode", role, old[role])), OLD_VALUES[role])
            self.assertEqual(value_of(ask("rewrap", role, old[role])), old[role])

    def test_a_format_with_a_slot_moves_on_and_still_opens_what_is_old(self):
        for role in ("first-six", "last-four"):
            self.assertEqual((luhn_sum(old[role]), value_of(ask("decode", role, old[role]))), (1, PAN))
            new = value_of(ask("encode", role, PAN))
            self.assertEqual(luhn_sum(new), 2)
            self.assertEqual(value_of(ask("rewrap", role, old[role])), new)

    def test_a_generated_tweak_is_renewed_when_a_pinned_token_is_rewrapped(self):
        made = self.data(ask("encode", "ssn-generated", SSN))
        renewed = self.data(ask("rewrap", "ssn-generated", made["encoded_value"], tweak=made["tweak"]))
        self.assertNotEqual(renewed["tweak"], made["tweak"])
        self.assertEqual(value_of(ask("decode", "ssn-generated", renewed["encoded_value"], tweak=renewed["tweak"])), SSN)


class Roles(Case):
    def test_a_role_with_several_transformations_needs_a_name(self):
        for value in (PAN, SSN, "ABC-DEF"):
            for operation in ("encode", "decode", "rewrap"):
                self.refused(ask(operation, "several", value), "value needs a transformation: the role has several")
                self.refused(ask(operation, "several", value, transformation="last-four"),
                             "value names a transformation that the role does not have")
                self.refused(ask(operation, "several", value, transformation=["ssn"]), "value names a transformation that is not a string")

    def test_the_named_one_is_used_and_gives_what_it_gives_alone(self):
        for name, role, value in (("first-six", "first-six", PAN), ("ssn", "ssn", SSN), ("plate", "plate", "ABC-DEF")):
            token = value_of(ask("encode", role, value))
            self.assertEqual(value_of(ask("encode", "several", value, transformation=name)), token)
            self.assertEqual(value_of(ask("decode", "several", token, transformation=name)), value)

    def test_a_batch_mixes_them_in_its_order(self):
        kinds = [("creditcard", PAN, {}), ("first-six", PAN, {}), ("ssn", SSN, {}), ("plate", "ABC-DEF", {}),
                 ("supplied", PAN, {"tweak": tweak(b"7 bytes")})]
        items = [{"transformation": name, "value": value, "reference": str(i), **more}
                 for i, (name, value, more) in enumerate(random.choices(kinds, k=3000))]
        bad = [{"value": PAN}, {"value": SSN, "transformation": "creditcard"}, {"value": PAN, "transformation": "nope"}]
        results = batch("encode", "several", [*items, *bad])
        self.assertEqual([result["reference"] for result in results[:3000]], [item["reference"] for item in items])
        self.assertEqual([list(result) for result in results[3000:]], [["error"]] * 3)
        tokens = [{**item, "value": result["encoded_value"]} for item, result in zip(items, results)]
        opened = batch("decode", "several", tokens)
        self.assertEqual([result["decoded_value"] for result in opened], [item["value"] for item in items])

    def test_definitions_are_those_of_the_configuration(self):
        def get(path):
            return self.data(client.vault_get(appliance.main, app, "transform/" + path))
        self.assertEqual(get("template/plate"), {"type": "regex", "pattern": "([A-Z]{3})-([A-Z]{3})", "alphabet": "letters"})
        self.assertEqual(get("transformation/plate"), {"type": "fpe", "templates": ["plate"], "tweak_source": "internal",
                                                       "allowed_roles": ["plate", "several"]})
        self.assertEqual(get("transformation/ssn-generated")["templates"], ["builtin/socialsecuritynumber"])
        self.assertEqual(get("alphabet/letters"), {"alphabet": LETTERS})
        self.assertEqual(get("alphabet/greek"), {"alphabet": GREEK})
        self.assertEqual(get("alphabet/mixed"), {"alphabet": MIXED})
        names = get("alphabet?list=true")["keys"]
        self.assertLessEqual({"letters", "greek", "mixed", "builtin/numeric", "builtin/alphaupper"}, set(names))
        for name in names:
            characters = get("alphabet/" + name)["alphabet"]
            self.assertEqual(len(characters), len(set(characters)))
        self.assertLessEqual({"plate", "greek", "builtin/socialsecuritynumber", "pan-first-six"}, set(get("template")["keys"]))


class Listed(Case):
    """`symbolon formats`, read by its columns."""

    @classmethod
    def setUpClass(cls):
        lines = appliance.symbolon("formats").stdout.splitlines()
        cls.head = lines[0].split()
        cls.rows = {line.split()[1]: line.split(None, 10)[2:] for line in lines[1:]}

    def test_every_format_has_a_row_and_no_other(self):
        self.assertEqual(self.head, ["TENANT", "TRANSFORMATION", "TEMPLATE", "LENGTH", "DOMAIN", "ODDS", "CANDIDATES", "SLOT", "TWEAK",
                                     "GEN", "NOTE"])
        gifts = {"gift/60357100", "gift/603571+code", "gift/7", "gift/other"}
        self.assertEqual(set(self.rows), set(NAMES) | gifts | {"card", "creditcard"})

    def test_numbers_that_keep_digits(self):
        lax, note = "always fails Luhn; no authenticity", "not distinguishable from a PAN"
        slot = ["yes", "internal", "-", lax]
        self.assertEqual(self.rows["creditcard"], ["builtin/creditcardnumber", "12-19", "2^36.5", "2.0e-01", "10^11.0", *slot])
        self.assertEqual(self.rows["first-six"], ["pan-first-six", "13-19", "2^19.9", "2.0e-01", "10^6.0", *slot])
        self.assertEqual(self.rows["last-four"], ["pan-last-four", "12-19", "2^23.3", "2.0e-01", "10^7.0", *slot])
        self.assertEqual(self.rows["both"],
                         ["pan-first-six-last-four", "16-19", "2^19.9", "1.0e-01", "10^5.0", "no", "internal", "1", note])

    def test_patterns(self):
        """DOMAIN and CANDIDATES are those of the shortest value that is taken: a million at least."""
        note = "no slot: pinned to its generation; every well-formed value opens"
        smallest = ("2^19.9", "10^6.0")
        for name, template, domain, candidates in (
                ("ssn", "builtin/socialsecuritynumber", "2^29.9", "10^9.0"), ("plate", "regex", "2^28.2", "10^8.5"),
                ("narrow", "regex", "2^26.6", "10^8.0"), ("greek", "regex", *smallest), ("mixed", "regex", *smallest),
                ("choice", "regex", *smallest), ("lower", "regex", *smallest), ("any", "regex", *smallest),
                ("cut", "regex", *smallest)):
            with self.subTest(name=name):
                self.assertEqual(self.rows[name], [template, "any", domain, "1", candidates, "no", "internal", "1", note])

    def test_every_row_names_its_tweak_and_the_generation_it_is_pinned_to(self):
        for name, row in self.rows.items():
            with self.subTest(name=name):
                tweak_source = next((source for source in ("supplied", "generated") if name.endswith(source)), "internal")
                has_no_pin = row[0] in ("card", "giftcard") or row[5] == "yes"
                self.assertEqual(row[6:8], [tweak_source, "-" if has_no_pin else "1"])

    def test_records(self):
        gift = ["yes", "internal", "-"]
        self.assertEqual(self.rows["card"],
                         ["card", "48", "2^192.0", "3.3e-35", "10^19.0", "no", "internal", "-", "authentic: a made-up token does not open"])
        self.assertEqual(self.rows["gift/60357100"],
                         ["giftcard", "16", "2^49.8", "6.0e-06", "10^7.0", *gift, "600 s; always fails Luhn"])
        self.assertEqual(self.rows["gift/603571+code"],
                         ["giftcard", "22", "2^69.8", "6.0e-06", "10^9.0", *gift, "600 s; always fails Luhn; carries the code"])
        self.assertEqual(self.rows["gift/7"],
                         ["giftcard", "30", "2^96.3", "6.1e-16", "10^11.0", *gift, "600 s; always fails Luhn"])
        self.assertEqual(self.rows["gift/other"],
                         ["giftcard", "28", "2^89.7", "6.7e-06", "10^19.0", *gift, "600 s; always fails Luhn"])

    def test_no_odds_of_a_record_exceed_the_limit(self):
        for name, row in self.rows.items():
            if row[0] == "giftcard":
                self.assertLessEqual(float(row[3]), 1e-5, name)


EIGHT_MORE = [f"603571{number:02}" for number in range(1, 9)]  # prefixes of as many digits as 60357100


def eight_more(options=""):
    """Replaces the range of "7" by ranges before it."""
    return "".join(f'issuer_range "{prefix}" {{ {options} }}\n        ' for prefix in EIGHT_MORE) + 'issuer_range "7"'


class NineRanges(unittest.TestCase):
    def test_tokens_grow_so_that_all_ranges_of_one_length_stay_under_the_limit(self):
        node = appliance.clone()
        self.addCleanup(node.remove)
        node.configure(node.configuration().replace('issuer_range "7"', eight_more()))
        rows = [line.split() for line in node.symbolon("formats").stdout.splitlines()]
        rows = {row[1]: row for row in rows if row[2] == "giftcard"}
        self.assertEqual(rows["gift/60357100"][3:7], ["16", "2^49.8", "6.0e-06", "10^7.0"])
        for prefix in EIGHT_MORE:
            with self.subTest(prefix=prefix):
                self.assertEqual(rows["gift/" + prefix][3:7], ["17", "2^53.2", "6.1e-07", "10^7.0"])
        odds = {}
        for row in rows.values():
            odds[row[3]] = odds.get(row[3], 0) + float(row[5])
        self.assertEqual(set(odds), {"16", "17", "22", "28", "30"})
        self.assertLessEqual(max(odds.values()), 1e-5, odds)


class RefusedAtStart(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.node = appliance.clone()
        cls.addClassCleanup(cls.node.remove)

    def refused(self, old_text, new_text, *words, line_of=None, lines_below=0):
        """Every command refuses, and names the line `lines_below` the one of `line_of` (or of what was changed)."""
        text = self.node.configuration()
        self.assertEqual(text.count(old_text), 1, old_text)
        at = text.index(line_of or old_text)
        line = text[:at].count("\n") + 1 + lines_below
        self.node.configure(text.replace(old_text, new_text))
        for command in ("serve", "check", "formats"):
            with self.subTest(command=command, text=new_text[:60]):
                done = self.node.symbolon(command, status=EX_CONFIG)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, rf"(?m)^(symbolon: )?{re.escape(str(self.node.path('symbolon.conf')))}:{line}: ")
                for word in words:
                    self.assertIn(word, done.stderr)

    PLATE = "pattern = '([A-Z]{3})-([A-Z]{3})'  alphabet = \"letters\""
    SSN = 'template = "builtin/socialsecuritynumber"  generation = 1 }'

    def pattern(self, pattern, *words, alphabet="letters"):
        self.refused(self.PLATE, f"pattern = '{pattern}'  alphabet = \"{alphabet}\"", 'transformation "plate"', *words)

    def test_a_domain_under_a_million(self):
        for pattern, alphabet in (("([0-9]{5})", "builtin/numeric"), ("([A-Z]{4})", "letters"), ("([0-9]{5}|[0-9])", "builtin/numeric"),
                                  ("([0-9]{3})-([0-9]{2})", "builtin/numeric"), ("([0-9])*", "builtin/numeric"), ("()", "letters")):
            self.pattern(pattern, "under 1,000,000 values", alphabet=alphabet)

    @staticmethod
    def odds(prefix, digits, together):
        return (f'issuer_range "{prefix}": {digits} digits make the odds that a made-up token of that length opens {together}, '
                "over forgery_odds 1e-05\n")

    def test_odds_over_the_limit(self):
        self.refused('issuer_range "603571" { code = 4 }', 'issuer_range "603571" { code = 4  token_digits = 21 }', 'issuer_range "603571"',
                     self.odds("603571", 21, "6.1e-05"))
        self.refused('issuer_range "60357100" { code = 0 }', 'issuer_range "60357100" { code = 0  luhn = false  token_digits = 16 }',
                     self.odds("60357100", 16, "6.1e-05"))
        self.refused('id = 10\n', 'id = 10\n        forgery_odds = 0.5\n', "forgery_odds",
                     line_of='apis = {"giftcard"}')

    def test_odds_that_only_together_are_over_the_limit(self):
        """A range of 16 digits has odds of 6.0e-06: one is fine, two are not."""
        fixed = 'issuer_range "60357100" { code = 0  token_digits = 16 }'
        self.node.configure(self.node.configuration().replace('issuer_range "60357100" { code = 0 }', fixed))
        self.node.symbolon("check")
        second = 'issuer_range "60357101" { code = 0  token_digits = 16 }'
        self.refused('issuer_range "60357100" { code = 0 }', f"{second} {fixed}", self.odds("60357100", 16, "1.2e-05"))
        self.refused('issuer_range "60357100" { code = 0 }', f"{fixed} {second}", self.odds("60357101", 16, "1.2e-05"))

    def test_two_of_nine_ranges_with_a_length_that_the_others_leave_no_room_for(self):
        first, second = EIGHT_MORE[3], EIGHT_MORE[7]
        text = eight_more()
        for prefix in (first, second):
            text = text.replace(f'"{prefix}" {{ ', f'"{prefix}" {{ token_digits = 16 ')
        self.assertEqual(text.count("token_digits = 16"), 2)
        self.refused('issuer_range "7"', text, self.odds(first, 16, "1.2e-05"), self.odds(second, 16, "1.2e-05"), lines_below=3)

    def test_every_range_whose_odds_are_over_the_limit_is_told(self):
        self.refused('issuer_range "7"', eight_more("token_digits = 16"),
                     *(self.odds(prefix, 16, "1.2e-05") for prefix in EIGHT_MORE))

    def test_lengths_of_tokens_that_cannot_be(self):
        for digits in ("15", "41", "-1"):
            self.refused('issuer_range "603571" { code = 4 }', f'issuer_range "603571" {{ code = 4  token_digits = {digits} }}', "token_digits")

    def test_a_range_that_contradicts_itself_or_another(self):
        for block in ('issuer_range "603571" { code = 9 }', 'issuer_range "603571" { digits = 11 }', 'issuer_range "603571" { digits = 20 }',
                      'issuer_range "60357x" { code = 4 }', 'issuer_range "" { code = 4 }',
                      'issuer_range "603571234567890" { code = 4 }'):
            self.refused('issuer_range "603571" { code = 4 }', block)
        self.refused('issuer_range "603571" { code = 4 }', 'issuer_range "60357100" { code = 0  luhn = false }', "same prefix, digits and code")

    def test_a_generation_that_does_not_exist(self):
        self.refused('"ssn" { id = 4  ' + self.SSN, '"ssn" { id = 4  ' + self.SSN.replace("= 1", "= 7"), 'has no keys "7"', 'transformation "ssn"')
        self.refused('"both" { id = 3  template = "pan-first-six-last-four"  generation = 1',
                     '"both" { id = 3  template = "pan-first-six-last-four"  generation = 3', 'has no keys "3"')

    def test_a_generation_that_is_missing_or_not_wanted(self):
        self.refused('"ssn" { id = 4  ' + self.SSN, '"ssn" { id = 4  template = "builtin/socialsecuritynumber" }', "generation is missing")
        self.refused('"first-six" { id = 1  template = "pan-first-six" }', '"first-six" { id = 1  template = "pan-first-six"  generation = 1 }',
                     "generation is not for template")

    def test_expressions_that_are_none(self):
        for pattern in ("([A-Z]{6}", "([A-Z]{6", "([A-Z{6})", "([[:nope:]]{6})", "([Z-A]{6})", "([A-Z]{7,6})", "(*[A-Z]{99999})"):
            self.pattern(pattern, "pattern: ")
        self.pattern("[A-Z]{6}", "has 0 groups, must have 1 to 32")
        self.pattern("([A-Z])" * 33, "has 33 groups")
        self.pattern("(" * 33 + "[A-Z]{6}" + ")" * 33, "pattern: ")

    def test_back_references(self):
        for pattern in (r"([A-Z]{6})-\\1", r"([A-Z]{6})(\\1|x)", r"([A-Z])([A-Z]{6})\\2", r"([A-Z]{6})\\9"):
            self.pattern(pattern, "pattern: back-references are not supported\n")

    def test_a_group_that_is_repeated_and_may_match_nothing(self):
        for pattern in ("(([a-z]+)*)*x", "(a|aa|aaa|a*)*(a|b)*c", "([A-Z]{6})(x?)*", "([A-Z]{6})(|x)+", "([A-Z]{6})(x*){2}", "([A-Z]{6})(){2,}",
                        "([A-Z]{6})((x?)(y?))+"):
            self.pattern(pattern, "pattern: repeats a group that may match nothing\n", alphabet="builtin/alphanumeric")

    def test_a_parenthesis_that_closes_nothing(self):
        for pattern in ("([A-Z]{6}))", ")([A-Z]{6})", "([A-Z]{6})|x)", "x)|(([A-Z]{6})", "([A-Z]{6}))(x"):
            self.pattern(pattern, "pattern: has an unmatched )\n")

    def test_bounds_that_make_an_expression_long(self):
        for pattern in ("([0-9]{2000})", "([0-9]{6,2000})", "(([0-9]{32}){33})", "((([0-9]{255}){255}){255})", "([0-9]{6})(x{1024})?", "([0-9]{2000,})",
                        "([0-9]{600})([0-9]{600})", "([0-9]{600}|[0-9]{599}x)"):
            self.pattern(pattern, "pattern: its bounds repeat too much, over 1024 characters written out\n", alphabet="builtin/numeric")

    def test_all_transformations_that_are_broken_are_told(self):
        broken = {"plate": (self.PLATE, "([A-Z]{6}))", "letters", "has an unmatched )"),
                  "greek": ("pattern = 'key: (.+)'  alphabet = \"greek\"", "key", "greek", "has 0 groups, must have 1 to 32"),
                  "choice": ("pattern = 'A([0-9]{7})|B([0-9]{8})|C([0-9]+)'  alphabet = \"builtin/numeric\"", "(([0-9]+)*)*", "builtin/numeric",
                             "repeats a group that may match nothing"),
                  "narrow": ("pattern = '([0-5]{8})'  alphabet = \"builtin/numeric\"", "([0-9]{2000})", "builtin/numeric",
                             "its bounds repeat too much, over 1024 characters written out")}
        text = self.node.configuration()
        for old_text, pattern, alphabet, _ in broken.values():
            self.assertEqual(text.count(old_text), 1, old_text)
            text = text.replace(old_text, f"pattern = '{pattern}'  alphabet = \"{alphabet}\"")
        self.node.configure(text)
        told = []
        for name, (_, _, _, error) in broken.items():
            line = text[:text.index(f'transformation "{name}"')].count("\n") + 1
            told.append(f'{self.node.path("symbolon.conf")}:{line}: transformation "{name}": pattern: {error}')
        for command in ("serve", "check", "formats"):
            with self.subTest(command=command):
                done = self.node.symbolon(command, status=EX_CONFIG)
                self.assertEqual((done.stdout, done.stderr.splitlines()), ("", told))

    def test_an_expression_of_4097_bytes(self):
        self.pattern("([A-Z]{6})" + "x" * 4087, "4096 bytes")

    def test_an_alphabet_that_does_not_exist(self):
        for alphabet in ("nope", "Letters", "builtin/nope", "numeric"):
            self.pattern("([A-Z]{6})", f'has no alphabet "{alphabet}"', alphabet=alphabet)

    def test_alphabets_that_are_none(self):
        for characters in ("", "A", "ABCA", "αβα", "\u0085AB"):
            self.refused(f'characters = "{LETTERS}"', f'characters = "{characters}"', "characters")
        self.refused(f'characters = "{LETTERS}"', 'characters = "AB\tC"', "0x09")

    def test_a_template_that_does_not_exist_and_options_of_another(self):
        self.refused('"first-six" { id = 1  template = "pan-first-six" }', '"first-six" { id = 1  template = "pan-first-seven" }',
                     'there is no template "pan-first-seven"')
        self.refused('template = "card"  of = "cards"', 'template = "card"  of = "cards"  tweak_source = "supplied"', "tweak_source must be internal")
        self.refused('template = "card"  of = "cards"', 'template = "card"  of = "gifts"', "does not have the API card")
        self.refused('template = "giftcard"  of = "gifts"', 'template = "giftcard"', "of is missing")


if __name__ == "__main__":
    unittest.main()
