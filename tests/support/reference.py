#!/usr/bin/env python3
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""An independent reference of Symbolon's token bytes: AES, FF1 (SP 800-38G Rev. 1) and the formats, in plain
Python, one value at a time, for tests and for people who must open tokens decades from now.

Written from the standards and the documented formats, not from the C code. Slow and not constant-time.
Run as a program it prints the vectors that tests/vectors/tokens.tsv pins.
"""
import base64
import hashlib
import hmac
import re
import uuid


# ---- AES, FIPS 197: encryption only ---------------------------------------------------------------

def _xtime(a):
    return ((a << 1) ^ 0x1B) & 0xFF if a & 0x80 else a << 1


def _sbox():
    # Walk the field with generator 3 and its inverse 0xf6 at once: q is always the inverse of p.
    box, p, q = [0] * 256, 1, 1
    while True:
        p ^= _xtime(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        rotated = [((q << n) | (q >> (8 - n))) & 0xFF for n in range(5)]
        box[p] = rotated[0] ^ rotated[1] ^ rotated[2] ^ rotated[3] ^ rotated[4] ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = _sbox()


class AES:
    def __init__(self, key):
        words = [list(key[i:i + 4]) for i in range(0, len(key), 4)]
        n, rcon = len(words), 1
        for i in range(n, 4 * (n + 7)):
            word = list(words[-1])
            if i % n == 0:
                word = [SBOX[b] for b in word[1:] + word[:1]]
                word[0] ^= rcon
                rcon = _xtime(rcon)
            elif n > 6 and i % n == 4:
                word = [SBOX[b] for b in word]
            words.append([a ^ b for a, b in zip(words[i - n], word)])
        self.rounds = [sum(words[i:i + 4], []) for i in range(0, len(words), 4)]

    def encrypt(self, block):
        state = [a ^ b for a, b in zip(block, self.rounds[0])]
        for number, key in enumerate(self.rounds[1:], 1):
            state = [SBOX[state[(i + 4 * (i % 4)) % 16]] for i in range(16)]
            if number < len(self.rounds) - 1:
                mixed = []
                for c in range(0, 16, 4):
                    col = state[c:c + 4]
                    total = col[0] ^ col[1] ^ col[2] ^ col[3]
                    mixed += [col[i] ^ total ^ _xtime(col[i] ^ col[(i + 1) % 4]) for i in range(4)]
                state = mixed
            state = [a ^ b for a, b in zip(state, key)]
        return bytes(state)


# ---- FF1, SP 800-38G, algorithms 7 and 8 ----------------------------------------------------------

def _num(digits, radix):
    value = 0
    for digit in digits:
        value = value * radix + digit
    return value


def _str(value, length, radix):
    digits = []
    for _ in range(length):
        value, digit = divmod(value, radix)
        digits.append(digit)
    return digits[::-1]


def _rounds(aes, radix, tweak, length):
    u = length // 2
    v = length - u
    b = ((radix ** v - 1).bit_length() + 7) // 8
    d = 4 * ((b + 3) // 4) + 4
    p = (bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([10, u % 256]) + length.to_bytes(4, "big") +
         len(tweak).to_bytes(4, "big"))

    def f(i, number):
        q = tweak + bytes((-len(tweak) - b - 1) % 16) + bytes([i]) + number.to_bytes(b, "big")
        r, message = bytes(16), p + q
        for at in range(0, len(message), 16):
            r = aes.encrypt(bytes(x ^ y for x, y in zip(r, message[at:at + 16])))
        s, j = r, 1
        while len(s) < d:
            s += aes.encrypt(bytes(x ^ y for x, y in zip(r, j.to_bytes(16, "big"))))
            j += 1
        return int.from_bytes(s[:d], "big")

    return u, v, f


def ff1_encrypt(key, radix, tweak, digits):
    u, v, f = _rounds(AES(key), radix, tweak, len(digits))
    a, b = digits[:u], digits[u:]
    for i in range(10):
        m = u if i % 2 == 0 else v
        c = (_num(a, radix) + f(i, _num(b, radix))) % radix ** m
        a, b = b, _str(c, m, radix)
    return a + b


def ff1_decrypt(key, radix, tweak, digits):
    u, v, f = _rounds(AES(key), radix, tweak, len(digits))
    a, b = digits[:u], digits[u:]
    for i in reversed(range(10)):
        m = u if i % 2 == 0 else v
        c = (_num(b, radix) - f(i, _num(a, radix))) % radix ** m
        a, b = _str(c, m, radix), a
    return a + b


# ---- fields, tweaks, secrets ----------------------------------------------------------------------

def _fields(label, fields):
    return label + b"\x01" + b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def u16(value):
    return value.to_bytes(2, "big")


def tweak(purpose, tenant, *fields):
    return hashlib.sha256(_fields(b"symbolon", [purpose, u16(tenant), *fields])).digest()[:16]


def layout(name, alphabet, length, cardinalities, shape=()):
    fields = [name, alphabet, length.to_bytes(8, "big"), *(c.to_bytes(8, "big") for c in cardinalities), *shape]
    return hashlib.sha256(_fields(b"symbolon layout", fields)).digest()[:16]


def credential(mac_key, client, generation):
    message = _fields(b"symbolon mac", [b"credential", u16(client), u16(generation)])
    return hmac.new(mac_key, message, hashlib.sha256).digest()


# ---- customers -------------------------------------------------------------------------------------

def customer_token_id(key, tenant, account, kind, value):
    record = list(kind.encode() + b"\0" + value.encode() + bytes(8))
    sealed = bytes(ff1_encrypt(key, 256, tweak(b"customer", tenant, account.encode()), record))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def customer_index(mac_key, account, kind, value):
    message = _fields(b"symbolon mac", [b"index", account.encode(), kind.encode(), value.encode()])
    return hmac.new(mac_key, message, hashlib.sha256).digest()[:16]


# ---- members and token requests ----------------------------------------------------------------------

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data):
    value, text = int.from_bytes(data, "big"), ""
    while value > 0:
        value, digit = divmod(value, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def long_id(key, kind, realm, client, second, random):
    length = 20 if kind in ("m", "rq") else 32
    record = u16(client) + second.to_bytes(4, "big") + random.to_bytes(6, "big") + bytes(length - 12)
    sealed = bytes(ff1_encrypt(key, 256, tweak(b"id", 0, kind.encode()), list(record)))
    return f"{kind}:{base58(sealed)}:{base58(bytes([10, len(realm)]) + realm.encode())}"


# ---- card tokens ------------------------------------------------------------------------------------

HEX = "0123456789abcdef"
CARD_CARDINALITIES = (8, 10 ** 19, 100, 13)


def _card_tweak(tenant, client):
    return tweak(b"card", tenant, u16(client), layout(b"card", HEX.encode(), 48, CARD_CARDINALITIES))


def card_token(key, tenant, client, pan, year, month):
    record = (((len(pan) - 12) * 10 ** 19 + int(pan)) * 100 + year) * 13 + month
    digits = ff1_encrypt(key, 16, _card_tweak(tenant, client), _str(record, 48, 16))
    return "".join(HEX[digit] for digit in digits)


def open_card_token(key, tenant, client, token):
    """(pan, year, month), or None when the token is not genuine."""
    digits = ff1_decrypt(key, 16, _card_tweak(tenant, client), [HEX.index(c) for c in token])
    record = _num(digits, 16)
    if record >= 8 * 10 ** 19 * 100 * 13:
        return None
    record, month = divmod(record, 13)
    record, year = divmod(record, 100)
    length, pan = divmod(record, 10 ** 19)
    if pan >= 10 ** (length + 12) or (month == 0 and year != 0):
        return None
    return str(pan).zfill(length + 12), year, month


# ---- PAN tokens -------------------------------------------------------------------------------------

def luhn(digits):
    total = 0
    for at, digit in enumerate(reversed(digits)):
        total += digit if at % 2 == 0 else sum(divmod(2 * digit, 10))
    return total % 10


def with_slot(digits, at, generation):
    """The digits with the one at `at` chosen so that the Luhn sum is the generation's slot."""
    for digit in range(10):
        digits = digits[:at] + [digit] + digits[at + 1:]
        if luhn(digits) == (generation - 1) % 9 + 1:
            return "".join(map(str, digits))
    raise AssertionError("no slot digit")


def pan_token(key, tenant, transformation, pan, generation=1, keep_first=0, keep_last=0, caller_tweak=b"",
              pinned=False):
    digits = [int(c) for c in pan]
    end = len(digits) - keep_last - (0 if pinned else 1)
    kept = (pan[:keep_first] + pan[len(pan) - keep_last:]).encode()
    t = tweak(b"pan", tenant, u16(transformation), kept, caller_tweak)
    digits[keep_first:end] = ff1_encrypt(key, 10, t, digits[keep_first:end])
    return "".join(map(str, digits)) if pinned else with_slot(digits, end, generation)


# ---- gift-card tokens -------------------------------------------------------------------------------

class GiftCards:
    """One layout of a client: an issuer range, or with an empty prefix every card of 12 to 19 digits."""

    def __init__(self, prefix="", digits=0, luhn_holds=False, code_digits=0, token_digits=28):
        self.prefix, self.digits, self.luhn_holds, self.code_digits = prefix, digits, luhn_holds, code_digits
        self.length = token_digits - 1  # the last digit is the slot
        if prefix:
            self.cards = 10 ** (digits - len(prefix) - (1 if luhn_holds else 0))
        else:
            self.cards = sum(10 ** n for n in range(12, 20))
        self.cardinalities = (self.cards, 10 ** code_digits, 1000)

    def odds(self):
        return self.cards * 10 ** self.code_digits * 605 / 10 ** self.length

    def tweak(self, tenant, client, epoch):
        shape = (self.prefix.encode(), u16(self.digits), u16(int(self.luhn_holds)), u16(self.code_digits))
        digest = layout(b"giftcard", b"0123456789", self.length, self.cardinalities, shape)
        return tweak(b"giftcard", tenant, u16(client), digest, epoch.to_bytes(8, "big"))

    def rank(self, card):
        if not self.prefix:  # all cards of fewer digits come before
            return sum(10 ** n for n in range(12, len(card))) + int(card)
        return int(card[len(self.prefix):len(card) - (1 if self.luhn_holds else 0)])

    def card(self, rank):
        if not self.prefix:
            digits = 12
            while rank >= 10 ** digits:
                rank, digits = rank - 10 ** digits, digits + 1
            return str(rank).zfill(digits)
        if not self.luhn_holds:
            return self.prefix + str(rank).zfill(self.digits - len(self.prefix))
        body = self.prefix + str(rank).zfill(self.digits - len(self.prefix) - 1)
        return next(body + str(check) for check in range(10) if luhn([int(c) for c in body + str(check)]) == 0)

    def token(self, key, tenant, client, card, code, second, generation=1):
        epoch, within = divmod(second, 1000)
        record = (self.rank(card) * 10 ** self.code_digits + int(code or 0)) * 1000 + within
        sealed = ff1_encrypt(key, 10, self.tweak(tenant, client, epoch), _str(record, self.length, 10))
        return with_slot(sealed + [0], self.length, generation)

    def open(self, key, tenant, client, token, now):
        """(card, code, issue second) of every way to read a token that is -5 to 599 seconds old."""
        found = []
        for epoch in range((now - 599) // 1000, (now + 5) // 1000 + 1):
            digits = ff1_decrypt(key, 10, self.tweak(tenant, client, epoch), [int(c) for c in token[:-1]])
            record, within = divmod(_num(digits, 10), 1000)
            rank, code = divmod(record, 10 ** self.code_digits)
            if rank < self.cards and -5 <= now - (epoch * 1000 + within) <= 599:
                code = str(code).zfill(self.code_digits) if self.code_digits else ""
                found.append((self.card(rank), code, epoch * 1000 + within))
        return found


# ---- values of a pattern ----------------------------------------------------------------------------

def pattern_token(key, tenant, transformation, pattern, alphabet, value, caller_tweak=b"", decrypt=False):
    match = re.fullmatch(pattern, value)
    captured = sorted({at for group in range(1, match.re.groups + 1) for at in range(*match.span(group))})
    t = tweak(b"pattern", tenant, u16(transformation), caller_tweak)
    numerals = [alphabet.index(value[at]) for at in captured]
    numerals = (ff1_decrypt if decrypt else ff1_encrypt)(key, len(alphabet), t, numerals)
    text = list(value)
    for at, numeral in zip(captured, numerals):
        text[at] = alphabet[numeral]
    return "".join(text)


# ---- serial tokens ----------------------------------------------------------------------------------

def serial_tokens(key, tenant, characters, digits, serials):
    """The tokens of serial numbers in the space of all strings of these characters and digits."""
    characters = sorted(characters)
    radix, points = len(characters), b"".join(ord(c).to_bytes(4, "big") for c in characters)
    t = tweak(b"serial", tenant, hashlib.sha256(points).digest(), u16(digits))
    if radix ** digits >= 10 ** 6:
        numerals = [ff1_encrypt(key, radix, t, _str(serial, digits, radix)) for serial in serials]
    else:  # too small for FF1: by the rank of each serial's image among six decimal digits
        images = [_num(ff1_encrypt(key, 10, t, _str(serial, 6, 10)), 10) for serial in range(radix ** digits)]
        rank = {image: place for place, image in enumerate(sorted(images))}
        numerals = [_str(rank[images[serial]], digits, radix) for serial in serials]
    return ["".join(characters[numeral] for numeral in token) for token in numerals]


# ---- sealed ids: login tokens, sessions, lines --------------------------------------------------------

def sealed_id(key, kind, client, high, low, cardinality_of_high):
    """122 bits around the version and the variant of a UUID, under the system tenant's key."""
    t = tweak(kind, 0, kind, layout(kind, b"01", 122, (65536, cardinality_of_high, 2 ** 32)))
    record = (client * cardinality_of_high + high) * 2 ** 32 + low
    bits = "".join(map(str, ff1_encrypt(key, 2, t, _str(record, 122, 2))))
    return str(uuid.UUID(int=int(bits[:48] + "1000" + bits[48:60] + "10" + bits[60:], 2)))


def login_token(key, client, generation, second):
    return sealed_id(key, b"login", client, generation % 16, second, 16)


def giftcard_vectors(key):
    for tenant, client, card, code, second, generation, shape in (
            (1, 21, "6035710012345678", "", 1700000000, 1, ("60357100", 16, True, 0, 16)),
            (1, 21, "6035710012345678", "", 1700000001, 1, ("60357100", 16, True, 0, 16)),
            (1, 21, "6035710012345678", "", 1700000000, 9, ("60357100", 16, True, 0, 16)),
            (1, 22, "6035710012345678", "", 1700000000, 1, ("60357100", 16, True, 0, 16)),
            (2, 21, "6035710012345678", "", 1700000000, 1, ("60357100", 16, True, 0, 16)),
            (1, 21, "6035719876543210", "0042", 1700000999, 1, ("603571", 16, True, 4, 22)),
            (1, 21, "6035719876543210", "9999", 1700001000, 2, ("603571", 16, True, 4, 22)),
            (1, 21, "6035719876543211", "", 1700000000, 1, ("603571", 16, False, 0, 24)),
            (1, 21, "000000000000", "", 1700000000, 1, ("", 0, False, 0, 28)),
            (1, 21, "4111111111111111", "", 1700000000, 1, ("", 0, False, 0, 28)),
            (65535, 65535, "9999999999999999999", "", 4102444799, 5, ("", 0, False, 0, 28)),
            (1, 21, "4111111111111111", "", 1700000000, 1, ("", 0, False, 0, 40))):
        format = GiftCards(*shape)
        if shape[2]:
            card = format.card(format.rank(card))  # with the check digit that belongs to it
        token = format.token(key, tenant, client, card, code, second, generation)
        assert (card, code, second) in format.open(key, tenant, client, token, second + 599)
        detail = (generation, second, shape[0] or "-", shape[1], int(shape[2]), shape[3], shape[4], code or "-")
        yield "giftcard", tenant, client, card, ",".join(map(str, detail)), token


GREEK = "\u03b1\u03b2\u03b3\u03b4\u03b5\u03b6\u03b7\u03b8"
DICE = "\u2680\u2681\u2682\u2683\u2684\u2685"


def pattern_vectors(key):
    ssn, digits = "([0-9]{3})[- ]?([0-9]{2})[- ]?([0-9]{4})", "0123456789"
    for tenant, transformation, pattern, alphabet, value, caller in (
            (1, 8, ssn, digits, "123-45-6789", b""), (1, 8, ssn, digits, "123456789", b""),
            (1, 8, ssn, digits, "123-45-6789", b"1234567"), (1, 9, ssn, digits, "123-45-6789", b""),
            (2, 8, ssn, digits, "123-45-6789", b""),
            (1, 10, "([0-9A-F]{2})-(([0-9A-F]{4})[0-9A-F]{3})x", "ABCDEF" + digits, "AB-12C45F7x", b""),
            (1, 11, "id:(.*)", GREEK, "id:\u03b1\u03b2\u03b3\u03b4\u03b1\u03b1\u03b1\u03b8", b""),
            (1, 11, "(.*)/(.*)", DICE, DICE + "/" + DICE[::-1], b"\x00\xff")):
        token = pattern_token(key, tenant, transformation, pattern, alphabet, value, caller)
        assert pattern_token(key, tenant, transformation, pattern, alphabet, token, caller, decrypt=True) == value
        detail = ";".join((caller.hex() or "-", alphabet, pattern))
        yield "pattern", tenant, transformation, value, detail, token


def serial_vectors(key):
    digits, lower = "0123456789", "abcdefghijklmnopqrstuvwxyz"
    alnum = digits + lower.upper() + lower
    for tenant, count, characters, serials in (
            (1, 10, digits + "ABCDEF", (0, 1, 999, 2 ** 40 - 1)), (2, 10, digits + "ABCDEF", (0,)),
            (1, 11, digits + "ABCDEF", (0,)), (1, 10, "fedcba" + digits, (0,)), (1, 6, digits, (0, 999999)),
            (1, 20, "0123456789ABCDEFGHKMNPRSTVWXYZ", (50000, 2 ** 63 - 1)), (1, 100, alnum, (0, 2 ** 63 - 1)),
            (1, 13, "z\u00e9a\u20ac\U0001f600", (1220703124,)), (1, 8, DICE, (1679615,)),
            (1, 3, DICE, (0, 215)), (2, 3, DICE, (0,)), (1, 1, digits, (0, 9)), (1, 3, "ba", tuple(range(8)))):
        for serial, token in zip(serials, serial_tokens(key, tenant, characters, count, serials)):
            yield "serial", tenant, count, serial, characters, token
    for tenant, count, characters in ((1, 3, DICE), (65535, 2, lower)):
        file = "\n".join(serial_tokens(key, tenant, characters, count, range(len(characters) ** count)))
        yield "serial-file", tenant, count, 0, characters, hashlib.sha256(file.encode()).hexdigest()


def vectors():
    key, mac_key = bytes(range(32)), bytes(range(32, 64))
    for tenant, client, pan, year, month in (
            (1, 11, "4111111111111111", 29, 12), (1, 11, "4242424242424242", 96, 2),
            (1, 12, "4111111111111111", 29, 12), (2, 11, "4111111111111111", 29, 12),
            (65535, 65535, "9999999999999999999", 99, 12), (1, 11, "000000000000", 0, 0)):
        yield "card", tenant, client, pan, "%02d%02d" % (year, month), card_token(key, tenant, client, pan, year, month)
    for tenant, transformation, pan, generation, first, last, caller in (
            (1, 1, "4111111111111111", 1, 0, 0, b""), (1, 1, "4111111111111111", 9, 0, 0, b""),
            (1, 2, "4111111111111111", 1, 0, 0, b""), (2, 1, "4111111111111111", 1, 0, 0, b""),
            (1, 1, "4222222222222", 2, 0, 0, b""), (1, 1, "6304000000000000000", 3, 0, 0, b""),
            (1, 3, "4111111111111111", 1, 6, 0, b""), (1, 4, "4111111111111111", 1, 0, 4, b""),
            (1, 5, "378282246310005", 1, 0, 0, b"1234567")):
        yield ("pan", tenant, transformation, pan, "%d,%d,%d,%s" % (generation, first, last, caller.hex() or "-"),
               pan_token(key, tenant, transformation, pan, generation, first, last, caller))
    for tenant, transformation, pan, generation, first, last, caller in (
            (1, 6, "4111111111111111", 3, 6, 4, b""), (1, 6, "4111111111111111", 3, 6, 4, b"1234567"),
            (1, 7, "4222222222222", 1, 0, 0, b"")):
        detail = "%d,%d,%d,%s" % (generation, first, last, caller.hex() or "-")
        yield ("pan-pinned", tenant, transformation, pan, detail,
               pan_token(key, tenant, transformation, pan, generation, first, last, caller, pinned=True))
    yield from giftcard_vectors(key)
    yield from pattern_vectors(key)
    for client, generation, second in ((1, 1, 1700000000), (1, 17, 1700000000), (2, 1, 1700000000),
                                       (65535, 15, 2 ** 32 - 1), (1, 1, 0)):
        yield "login", 0, client, "-", "%d,%d" % (generation, second), login_token(key, client, generation, second)
    yield from serial_vectors(key)
    for kind in ("session", "line"):
        for client, low in ((1, 0), (31, 0x12345678), (65535, 2 ** 32 - 1)):
            yield kind, 0, client, low, "-", sealed_id(key, kind.encode(), client, 0, low, 1)
    for tenant, account, kind, value in (
            (1, "T12345678", "sha1:email", "a1b79ef1a62d94ffa86b3f3d846df0ee3993af92"), (1, "P12345678", "t", "v"),
            (2, "T12345678", "t", "v"), (1, "T12345678", "t", "v"), (1, "T12345678", "mail", "\u00e9\u4e16\U0001f600")):
        yield "customer", tenant, 0, value, f"{account},{kind}", customer_token_id(key, tenant, account, kind, value)
        yield "customer-ix", tenant, 0, value, f"{account},{kind}", customer_index(mac_key, account, kind, value).hex()
    for kind, realm, client, second, random in (
            ("m", "tokn", 1, 0, 0), ("m", "symbolon", 65535, 0, 0), ("rq", "tokn", 1, 1900000000, 0),
            ("rq", "iron", 81, 1900000000, 0x0123456789AB), ("rq", "tokn", 65535, 2 ** 32 - 1, 2 ** 48 - 1),
            ("tt", "tokn", 81, 1900000000, 0x0123456789AB), ("t", "tokn", 81, 1900000000, 0x0123456789AB),
            ("so", "tokn", 81, 1900000000, 0x0123456789AB)):
        yield "long-id", 0, client, kind, f"{second},{random},{realm}", long_id(key, kind, realm, client, second, random)
    for client, generation in ((1, 1), (1, 2), (65535, 65535)):
        yield "credential", 0, client, "-", str(generation), credential(mac_key, client, generation).hex()


if __name__ == "__main__":
    # FIPS 197, appendix C.3, and the first sample of SP 800-38G.
    assert AES(bytes(range(32))).encrypt(bytes.fromhex("00112233445566778899aabbccddeeff")).hex() == \
        "8ea2b7ca516745bfeafc49904b496089"
    assert ff1_encrypt(bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"), 10, b"", list(range(10))) == \
        [2, 4, 3, 3, 4, 7, 7, 4, 8, 4]
    for row in vectors():
        print("\t".join(map(str, row)))
