#!/usr/bin/python3
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""symbolon-hsm where people take part: init as a ceremony, its transcript, the slot of a configuration, evidence
for an auditor, and the destruction of keys. Usage: SCRIPT PROGRAM POOR_MODULE [unittest options]."""

import hashlib
import json
import os
import pty
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
PROGRAM = POOR_MODULE = ""
SYSTEM_KEYS = ["symbolon:0:fpe:1", "symbolon:0:mac:1", "symbolon:0:sign:1", "symbolon:0:sign:1", "symbolon:0:tls:1"]
CONFIGURATION = """listen = "127.0.0.1:1"
operations_listen = "127.0.0.1:2"
plain_http = true
tls { certificate = "tls.pem" }
audit { file = "audit.log" }
store { file = "symbolon.db" }
slot "first" { module = "%s"  token = "demo"  pin_file = "pin" }
tenant "demo" {
    id = 1
    keys 1 { state = "current" }
}
""" % SOFTHSM


class Room(unittest.TestCase):
    """A folder with a SoftHSM, PIN files and a configuration."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="symbolon-ceremony-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "tokens").mkdir(mode=0o700)
        (self.folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.env = {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}
        self.secret("pin", "user-1234")
        self.secret("so-pin", "officer-1234")
        self.secret("wrong", "wrong-7777")
        (self.folder / "symbolon.conf").write_text(CONFIGURATION)

    def path(self, name: str) -> Path:
        return self.folder / name

    def secret(self, name: str, text: str, mode: int = 0o600) -> None:
        self.path(name).write_text(text + "\n")
        self.path(name).chmod(mode)

    def run_hsm(self, *words, status: int = 0) -> subprocess.CompletedProcess:
        """Without a terminal."""
        done = subprocess.run([PROGRAM, *map(str, words)], cwd=self.folder, env=self.env, text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, start_new_session=True, timeout=120)
        self.assertEqual(done.returncode, status, f"{words}\n{done.stdout}{done.stderr}")
        for pin in ("user-1234", "officer-1234", "wrong-7777"):
            self.assertNotIn(pin, done.stdout + done.stderr)
        return done

    def hsm(self, *words, status: int = 0) -> str:
        done = self.run_hsm(*words, "--module", SOFTHSM, "--token", "demo", "--pin-file", "pin", status=status)
        return done.stdout + done.stderr

    def init(self, *words, status: int = 0) -> str:
        return self.hsm("init", "--so-pin-file", "so-pin", *words, status=status)

    def keys(self) -> list[dict]:
        return json.loads(self.hsm("keys", "list", "--json"))["keys"]

    def labels(self) -> list[str]:
        return [key["label"] for key in self.keys()]

    def typed(self, answers: list[str], *words, status: int = 0) -> str:
        """On a terminal of its own: each answer is typed when a question stands there. What was shown."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            os.execve(PROGRAM, [PROGRAM, *map(str, words), "--module", SOFTHSM, "--token", "demo"], self.env)
        shown, waiting, asked = "", list(answers), 0
        while True:
            try:
                got = os.read(terminal, 4096)
            except OSError:
                break
            if not got:
                break
            shown += got.decode()
            questions = len(re.findall(r"(?:PIN|destroy it): ", shown))
            if questions > asked and waiting:
                asked = questions
                os.write(terminal, (waiting.pop(0) + "\n").encode())
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), status, shown)
        self.assertEqual(waiting, [], shown)
        return shown

    def assert_no_token(self):
        self.assertIn('no token with label "demo"', self.hsm("keys", "list", status=78))


class Init(Room):
    def test_a_new_token_has_the_keys_of_the_appliance(self):
        self.init()
        self.assertEqual(self.labels(), SYSTEM_KEYS)
        self.assertTrue(all(key["ok"] and key["made_here_and_never_left"] for key in self.keys()))

    def test_and_those_of_a_first_tenant(self):
        self.init("--tenant", 7)
        self.assertEqual(self.labels(), SYSTEM_KEYS + ["symbolon:7:fpe:1", "symbolon:7:mac:1"])

    def test_or_none(self):
        self.init("--no-keys")
        self.assertEqual(self.labels(), [])
        self.hsm("init", "--no-keys", "--tenant", 1, status=64)

    def test_what_a_script_makes_afterwards_may_be_there_already(self):
        self.init()
        self.hsm("keys", "generate", "--tenant", 0, "--if-missing")
        self.assertEqual(self.labels(), SYSTEM_KEYS)

    def poor(self, lacks: int, status: int = 0) -> str:
        self.env["POOR_MODULE_LACKS"] = hex(lacks)
        return self.run_hsm("init", "--module", POOR_MODULE, "--token", "demo", "--pin-file", "pin", "--so-pin-file",
                            "so-pin", "--transcript", "record", status=status).stdout

    def test_a_token_that_cannot_sign_serves_what_it_can(self):
        shown = self.poor(0x1055)  # CKM_EC_EDWARDS_KEY_PAIR_GEN
        self.assertRegex(shown, r"(?m)^not made +key symbolon:0:sign:1: .* 0x1055 ")
        self.assertRegex(shown, r"(?m)^outcome +done$")
        self.assertEqual([key["use"] for key in self.keys()], ["fpe", "mac", "sign-p256", "tls"])

    def test_a_token_that_cannot_encrypt_serves_nobody(self):
        self.poor(0x1080, status=78)  # CKM_AES_KEY_GEN
        self.assertRegex(self.path("record").read_text(), r"(?m)^outcome +FAILED: key symbolon:0:fpe:1: .* 0x1080 ")

    def test_PINs_that_are_refused_leave_no_token_and_no_transcript(self):
        for name, text, mode, status, words in (
                ("pin", "12345", 0o600, 78, "the new user PIN is too short"),
                ("so-pin", "12345", 0o600, 78, "the new security officer PIN is too short"),
                ("so-pin", "user-1234", 0o600, 78, "the same PIN"),
                ("so-pin", "officer-1234", 0o640, 78, "must be 0400 or 0600"),
                ("pin", "user-1234", 0o604, 78, "must be 0400 or 0600"),
                ("pin", "", 0o600, 78, ""),
        ):
            with self.subTest(name=name, text=text, mode=mode):
                self.secret("pin", "user-1234")
                self.secret("so-pin", "officer-1234")
                self.secret(name, text, mode)
                self.assertIn(words, self.init("--transcript", "record", status=status))
                self.assertFalse(self.path("record").exists())
                self.secret("pin", "user-1234")
                self.assert_no_token()

    def test_without_a_terminal_nothing_is_asked(self):
        done = self.run_hsm("init", "--module", SOFTHSM, "--token", "demo", "--pin-file", "pin", status=78)
        self.assertIn("no terminal", done.stderr)
        self.assert_no_token()

    def test_two_people_type_their_PINs_twice(self):
        shown = self.typed(["officer-1234", "officer-1234", "user-1234", "user-1234"], "init", "--transcript", "record")
        self.assertNotIn("officer-1234", shown)
        self.assertNotIn("user-1234", shown)
        record = self.path("record").read_text()
        self.assertRegex(record, r"officer +chose a PIN: typed on the terminal, twice")
        self.assertRegex(record, r"user +chose a PIN: typed on the terminal, twice")
        self.assertEqual(self.labels(), SYSTEM_KEYS)

    def test_a_slip_of_the_finger_changes_nothing(self):
        for answers, status, words in (
                (["officer-1234", "officer-1235"], 1, "the two PINs differ"),
                (["officer-1234", "officer-1234", "user-1234", "user-123"], 1, "the two PINs differ"),
                (["officer-1234", "officer-1234", "officer-1234", "officer-1234"], 78, "the same PIN"),
                (["short"], 78, "too short"),
                ([""], 1, "1..255 bytes"),
                (["x" * 300], 1, "1..255 bytes"),
        ):
            with self.subTest(answers=answers):
                self.assertIn(words, self.typed(answers, "init", "--transcript", "record", status=status))
                self.assertFalse(self.path("record").exists())
                self.assert_no_token()

    def test_a_token_is_never_initialized_twice(self):
        self.init()
        before = self.keys()
        shown = self.init("--transcript", "record", status=1)
        self.assertIn("exists already; nothing was changed", shown)
        self.assertFalse(self.path("record").exists())
        self.assertEqual(self.keys(), before)


class Transcript(Room):
    def read(self, name: str = "record") -> str:
        return self.path(name).read_text()

    def assert_sealed(self, text: str):
        body, last = text.rstrip("\n").rsplit("\n", 1)
        self.assertEqual(last, "SHA-256 of all lines above: " + hashlib.sha256((body + "\n").encode()).hexdigest())

    def test_it_tells_all_that_an_auditor_asks(self):
        shown = self.init("--tenant", 1, "--transcript", "record")
        record = self.read()
        self.assertEqual(shown, record)
        self.assertEqual(stat.S_IMODE(self.path("record").stat().st_mode), 0o600)
        self.assert_sealed(record)
        module = hashlib.sha256(Path(SOFTHSM).read_bytes()).hexdigest()
        serial = json.loads(self.hsm("check", "--json"))["slot"]["serial"]
        for pattern in (r"^Transcript of symbolon-hsm init$", r"^begun +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$",
                        rf"^host +{re.escape(os.uname().nodename)}$", r"^program +symbolon-hsm \d+\.\d+\.\d+$",
                        rf"^module +{SOFTHSM}$", rf"^  SHA-256 +{module}$", r"^library +\S", r"^token +demo$",
                        rf"^serial +{serial}$", r"^firmware +\S", r"^officer +chose a PIN: file so-pin$",
                        r"^user +chose a PIN: file pin$", r"^outcome +done$"):
            self.assertRegex(record, re.compile(pattern, re.MULTILINE))
        keys = self.keys()
        self.assertEqual(len(keys), 7)
        for key in keys:
            block = re.search(rf"^key +{key['label']}\n  use +{key['use']}\n((?:  .*\n)+)", record, re.MULTILINE)
            self.assertIsNotNone(block, key)
            self.assertIn(f"check value {key['check_value']}\n", block[1])
            told = {value: re.search(rf"^  {value} +(.*)$", block[1], re.MULTILINE)[1].split() for value in ("true", "false")}
            for name in ("sensitive", "always_sensitive", "never_extractable", "local", "private", "token"):
                self.assertIn(name, told["true"])
            for name in ("extractable", "modifiable", "decrypt", "derive"):
                self.assertIn(name, told["false"])
            self.assertIn("made here and never left", block[1])

    def test_one_changed_letter_does_not_agree(self):
        self.init("--transcript", "record")
        with self.assertRaises(AssertionError):
            self.assert_sealed(self.read().replace("sensitive", "sensitivE", 1))

    def test_what_exists_is_never_overwritten(self):
        self.secret("record", "of another ceremony")
        self.path("link").symlink_to("elsewhere")
        for name in ("record", "link", "tokens"):
            self.assertIn("exists already", self.init("--transcript", name, status=1))
        self.assertEqual(self.read(), "of another ceremony\n")
        self.assertFalse(self.path("elsewhere").exists())
        self.assert_no_token()
        self.init("--transcript", "no-folder/record", status=1)
        self.assert_no_token()

    def test_later_keys_have_one_too(self):
        self.init()
        shown = self.hsm("keys", "generate", "--tenant", 3, "--generation", 2, "--use", "fpe", "--transcript", "record")
        record = self.read()
        self.assertEqual(shown, record)
        self.assert_sealed(record)
        self.assertEqual(re.findall(r"^key +(\S+)$", record, re.MULTILINE), ["symbolon:3:fpe:2"])
        self.hsm("keys", "generate", "--tenant", 3, "--generation", 2, "--use", "fpe", "--transcript", "again", status=1)
        self.assertFalse(self.path("again").exists())
        shown = self.hsm("keys", "generate", "--tenant", 3, "--generation", 2, "--use", "fpe", "--transcript", "again",
                         "--if-missing")
        self.assertIn("nothing to record", shown)
        self.assertFalse(self.path("again").exists())

    def test_a_ceremony_that_broke_off_is_told(self):
        self.init("--no-keys")
        self.hsm("keys", "generate", "--tenant", 3, "--use", "mac")
        self.hsm("keys", "generate", "--tenant", 3, "--transcript", "record", status=1)  # fpe is new, mac is not
        record = self.read()
        self.assert_sealed(record)
        self.assertIn("symbolon:3:fpe:1", record)
        self.assertRegex(record, r"(?m)^outcome +FAILED: key symbolon:3:mac:1: exists already$")

    def test_one_that_cannot_be_printed_is_no_success(self):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([PROGRAM, "init", "--module", SOFTHSM, "--token", "demo", "--pin-file", "pin",
                                   "--so-pin-file", "so-pin"], cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL,
                                  stdout=full, stderr=subprocess.PIPE, start_new_session=True)
        self.assertEqual(done.returncode, 1)


class Configuration(Room):
    def setUp(self):
        super().setUp()
        self.init("--tenant", 1)

    def configured(self, *words, status: int = 0) -> str:
        done = self.run_hsm(*words, "--config", "symbolon.conf", status=status)
        return done.stdout + done.stderr

    def configure(self, old: str, new: str) -> None:
        text = self.path("symbolon.conf").read_text()
        self.assertIn(old, text)
        self.path("symbolon.conf").write_text(text.replace(old, new))

    def test_it_says_where_the_keys_are(self):
        self.assertIn("symbolon:1:fpe:1", self.configured("keys", "list"))
        self.assertEqual(json.loads(self.configured("check", "--json"))["slot"]["name"], "first")
        self.configured("keys", "generate", "--tenant", 2)
        self.assertIn("symbolon:2:mac:1", self.labels())

    def test_of_several_slots_one_is_named(self):
        self.configure('slot "first"', f'slot "second" {{ module = "{SOFTHSM}"  token = "other"  pin_file = "pin"  '
                                       'priority = 2 }\nslot "first"')
        self.assertIn("name one by --slot: second, first", self.configured("keys", "list", status=64))
        self.assertIn("symbolon:1:fpe:1", self.configured("keys", "list", "--slot", "first"))
        self.assertIn('no token with label "other"', self.configured("keys", "list", "--slot", "second", status=78))
        self.assertIn('has no slot "third", but second, first', self.configured("keys", "list", "--slot", "third", status=78))
        self.hsm("keys", "list", "--slot", "first", status=64)

    def test_options_win(self):
        self.secret("pin", "wrong-7777")
        self.secret("other-pin", "user-1234")
        self.assertIn("symbolon:1:fpe:1", self.configured("keys", "list", "--pin-file", "other-pin"))

    def test_the_PIN_of_one_token_is_not_tried_at_another(self):
        """No login is made, so no try is lost: the PIN is asked for."""
        self.run_hsm("init", "--module", SOFTHSM, "--token", "other", "--pin-file", "wrong", "--so-pin-file", "so-pin")
        self.assertIn("no terminal", self.configured("keys", "list", "--token", "other", status=78))
        self.assertIn("ok", self.configured("keys", "list", "--token", "other", "--pin-file", "wrong"))

    def test_a_serial_is_part_of_it(self):
        serial = json.loads(self.hsm("check", "--json"))["slot"]["serial"]
        self.configure('token = "demo"', f'token = "demo"  serial = "{serial}"')
        self.configured("keys", "list")
        self.configure(serial, "0000")
        self.configured("keys", "list", status=78)
        self.configured("keys", "list", "--serial", serial)

    def test_a_pinned_check_value_is_compared(self):
        value = next(key["check_value"] for key in self.keys() if key["label"] == "symbolon:1:fpe:1")
        self.configure('state = "current"', f'state = "current"  check_value = "{value}"')
        self.configured("check")
        self.configure(value, "A1B2C3" if value != "A1B2C3" else "A1B2C4")
        self.assertRegex(self.configured("check", status=1), r"symbolon:1:fpe:1: .*symbolon\.conf:\d+ pins another check value")

    def test_one_that_is_wrong_is_named_with_its_lines(self):
        self.configure("id = 1", "id = 70000")
        self.configure('token = "demo"', "")
        shown = self.configured("keys", "list", status=78)
        self.assertEqual(len(re.findall(r"symbolon\.conf:\d+: ", shown)), 2, shown)
        self.run_hsm("keys", "list", "--config", "missing.conf", status=78)


class Evidence(Room):
    def setUp(self):
        super().setUp()
        self.init("--tenant", 1)

    def test_a_machine_can_read_all_of_it(self):
        told = json.loads(self.hsm("check", "--json"))
        self.assertTrue(told["ok"])
        self.assertEqual(set(told["slot"]), {"name", "module", "library", "token", "serial", "manufacturer", "model",
                                             "firmware"})
        self.assertTrue(all(told["slot"].values()))
        self.assertTrue(told["mechanisms"]["CKM_AES_ECB"] and told["mechanisms"]["CKM_EDDSA"])
        self.assertRegex(told["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        fpe = next(key for key in told["keys"] if key["label"] == "symbolon:1:fpe:1")
        for name in ("sensitive", "always_sensitive", "never_extractable", "local", "private", "token", "encrypt", "ok",
                     "made_here_and_never_left"):
            self.assertIs(fpe[name], True, name)
        for name in ("extractable", "modifiable", "decrypt", "sign", "verify", "wrap", "unwrap", "derive"):
            self.assertIs(fpe[name], False, name)
        self.assertNotIn("state", fpe)  # no store was named
        self.assertNotIn("known_to_store", fpe)
        self.assertEqual((fpe["tenant"], fpe["use"], fpe["generation"]), (1, "fpe", 1))
        self.assertRegex(fpe["check_value"], "^[0-9A-F]{6}$")

    def test_a_key_of_another_make_is_shown_as_it_is(self):
        subprocess.run(["pkcs11-tool", "--module", SOFTHSM, "--token-label", "demo", "--login", "--pin", "user-1234", "--keygen",
                        "--key-type", "AES:32", "--label", "symbolon:9:fpe:1", "--extractable"], env=self.env, check=True,
                       capture_output=True)
        told = json.loads(self.run_hsm("check", "--json", "--module", SOFTHSM, "--token", "demo", "--pin-file", "pin",
                                       status=1).stdout)
        key = next(key for key in told["keys"] if key["tenant"] == 9)
        self.assertFalse(told["ok"] or key["ok"] or key["made_here_and_never_left"])
        self.assertTrue(key["extractable"] and key["modifiable"] and key["decrypt"])
        self.assertIn("must be", key["why"])

    def test_a_store_that_is_none(self):
        self.path("none.db").write_text("no store")
        self.hsm("check", "--store", "missing.db", status=1)
        self.hsm("check", "--store", "none.db", status=78)


class Destroy(Room):
    """Keys that no appliance has used: the store is not there yet. tests/http has those that were."""

    def setUp(self):
        super().setUp()
        self.init("--tenant", 1)
        self.hsm("keys", "generate", "--tenant", 2)
        self.words = ["keys", "destroy", "--config", "symbolon.conf", "--tenant", 2, "--use", "fpe", "--generation", 1]
        self.so = ["--so-pin-file", "so-pin"]
        self.yes = ["--yes", "symbolon:2:fpe:1"]

    def destroy(self, *words, status: int = 0) -> str:
        done = self.run_hsm(*self.words, *words, status=status)
        if status != 0:
            self.assertIn("symbolon:2:fpe:1", self.labels())
        return done.stdout + done.stderr

    def test_one_key_is_meant(self):
        for words in (["--tenant", 2, "--use", "fpe"], ["--tenant", 2, "--generation", 1], ["--use", "fpe", "--generation", 1],
                      ["--tenant", 2, "--use", "fpe", "--use", "mac", "--generation", 1]):
            self.run_hsm("keys", "destroy", "--config", "symbolon.conf", *self.so, *self.yes, *words, status=64)
        self.hsm("keys", "destroy", "--tenant", 2, "--use", "fpe", "--generation", 1, *self.so, *self.yes, "--never-used",
                 status=64)  # no store
        self.destroy(*self.so, *self.yes, "--never-used", "--force-system", status=64)
        self.assertEqual(len(self.labels()), 9)

    def test_a_store_that_is_named_and_missing_is_not_an_empty_one(self):
        self.assertIn("missing.db", self.destroy(*self.so, *self.yes, "--never-used", "--store", "missing.db", status=1))

    def test_what_the_store_does_not_know_is_asked_about(self):
        self.assertIn("--never-used", self.destroy(*self.so, *self.yes, status=1))
        shown = self.destroy(*self.so, *self.yes, "--never-used")
        self.assertIn("tenant 2, use fpe, generation 1", shown)
        self.assertIn("card tokens", shown)
        self.assertNotIn("symbolon:2:fpe:1", self.labels())
        self.assertIn("symbolon:2:mac:1", self.labels())
        self.assertEqual(len(self.labels()), 8)
        done = self.run_hsm(*self.words, *self.so, *self.yes, "--never-used", status=1)  # twice
        self.assertIn("not in the token", done.stderr)

    def test_what_the_configuration_names_is_used(self):
        for use in ("fpe", "mac"):
            done = self.run_hsm("keys", "destroy", "--config", "symbolon.conf", "--tenant", 1, "--use", use, "--generation", 1,
                                *self.so, "--yes", f"symbolon:1:{use}:1", "--never-used", status=1)
            self.assertRegex(done.stderr, r"symbolon\.conf:\d+: the appliance uses key symbolon:1:" + use)

    def test_a_wrong_officer_has_one_try(self):
        shown = self.destroy("--so-pin-file", "wrong", *self.yes, "--never-used", status=78)
        self.assertIn("CKR_PIN_INCORRECT", shown)
        self.assertIn("CKF_SO_PIN_COUNT_LOW", self.destroy(*self.so, *self.yes, "--never-used", status=78))
        self.destroy(*self.so, *self.yes, "--never-used", "--pin-retry")

    def test_the_user_alone_cannot_and_the_officer_alone_cannot(self):
        self.destroy("--so-pin-file", "pin", *self.yes, "--never-used", status=78)
        done = self.run_hsm(*self.words, *self.so, *self.yes, "--never-used", "--pin-file", "so-pin", status=78)
        self.assertIn("CKR_PIN_INCORRECT", done.stderr)

    def test_PIN_files_belong_to_nobody_else(self):
        for mode in (0o640, 0o604, 0o660, 0o644):
            self.path("so-pin").chmod(mode)
            self.assertIn("must be 0400 or 0600", self.destroy(*self.so, *self.yes, "--never-used", status=78))
        self.destroy("--so-pin-file", "missing", *self.yes, "--never-used", status=1)

    def test_another_label_is_no_consent(self):
        for label in ("symbolon:2:fpe:2", "symbolon:2:fpe:1 ", "SYMBOLON:2:FPE:1", "yes", ""):
            self.assertIn("nothing was destroyed", self.destroy(*self.so, "--yes", label, "--never-used", status=1))
        self.assertIn("no terminal", self.destroy(*self.so, "--never-used", status=78))

    def test_a_person_types_the_label_and_two_their_PINs(self):
        # of a configuration for another token, whose PIN file is not taken
        self.path("typed.conf").write_text(CONFIGURATION.replace('token = "demo"', 'token = "elsewhere"'))
        words = ["keys", "destroy", "--config", "typed.conf", "--tenant", 2, "--use", "fpe", "--generation", 1,
                 "--never-used", "--transcript", "record"]
        for answers, status in ((["user-1234", "y"], 1), (["user-1234", "symbolon:2:fpe:11"], 1), (["user-1234", ""], 1),
                                (["user-1234", "symbolon:2:fpe:1", "wrong-7777"], 78)):
            shown = self.typed(answers, *words, status=status)
            self.assertFalse(self.path("record").exists())
            self.assertNotIn("user-1234", shown)
            self.assertIn("symbolon:2:fpe:1", self.labels())
        shown = self.typed(["user-1234", "symbolon:2:fpe:1", "officer-1234"], *words, "--pin-retry")
        self.assertNotIn("officer-1234", shown)
        record = self.path("record").read_text()
        self.assertRegex(record, r"(?m)^destroyed +symbolon:2:fpe:1$")
        self.assertRegex(record, r"(?m)^officer +showed his PIN: typed on the terminal$")
        self.assertNotIn("symbolon:2:fpe:1", self.labels())

    def test_keys_of_the_appliance_need_force(self):
        for use, label in (("fpe", "fpe"), ("mac", "mac"), ("sign-ed25519", "sign"), ("sign-p256", "sign"), ("tls", "tls")):
            words = ["keys", "destroy", "--tenant", 0, "--use", use, "--generation", 1, *self.so, "--yes",
                     f"symbolon:0:{label}:1"]
            self.assertIn("--force-system", self.hsm(*words, status=1))
            self.assertIn("--force-system", self.hsm(*words, "--never-used", status=1))
        self.assertEqual(len(self.labels()), 9)
        done = self.run_hsm("keys", "destroy", "--config", "symbolon.conf", "--tenant", 0, "--use", "tls", "--generation", 1,
                            *self.so, "--yes", "symbolon:0:tls:1", "--force-system", status=1)
        self.assertIn("the server's TLS key is symbolon:0:tls:1", done.stderr)
        self.hsm("keys", "destroy", "--tenant", 0, "--use", "sign-ed25519", "--generation", 1, *self.so, "--yes",
                 "symbolon:0:sign:1", "--force-system")
        self.assertEqual([key["use"] for key in self.keys() if key["tenant"] == 0], ["fpe", "mac", "sign-p256", "tls"])


if __name__ == "__main__":
    PROGRAM, POOR_MODULE = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
    unittest.main()
