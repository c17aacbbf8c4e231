# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""`symbolon check`: what serving would miss is told before anything is stopped or started."""

import os
import unittest

from appliance import EX_CONFIG, SOFTHSM, Appliance


class Check(unittest.TestCase):
    def setUp(self):
        self.appliance = Appliance()
        self.addCleanup(self.appliance.remove)
        self.appliance.write_secret("pin", "123456")
        self.appliance.path("tls.pem").write_text("")
        self.appliance.configure()

    def warns(self, *words):
        done = self.appliance.symbolon("check", status=EX_CONFIG)
        self.assertEqual(done.stdout, "")
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), len(words), done.stderr)
        for line, word in zip(lines, words):
            self.assertRegex(line, rf"^{self.appliance.path('symbolon.conf')}(:[0-9]+)?: warning: ")
            self.assertIn(word, line)
        return lines

    def configure(self, old, new):
        text = self.appliance.configuration()
        self.assertIn(old, text)
        self.appliance.configure(text.replace(old, new, 1))

    def test_all_files_in_place_and_nothing_created(self):
        before = sorted(os.listdir(self.appliance.folder))
        self.assertIn("ok: ", self.appliance.symbolon("check").stdout)
        self.assertEqual(sorted(os.listdir(self.appliance.folder)), before)

    def test_every_missing_file_is_told_at_once(self):
        self.appliance.path("pin").unlink()
        self.appliance.path("tls.pem").unlink()
        self.configure(SOFTHSM, "/usr/lib/none.so")
        self.configure_audit_to("none/audit.log", keep=True)
        lines = self.warns("certificate", "module /usr/lib/none.so: No such file", "PIN file", "audit file")
        line = self.appliance.text("symbolon.conf").split("slot ")[0].count("\n") + 1
        self.assertIn(f"symbolon.conf:{line}: ", lines[1])
        self.assertIn(f"symbolon.conf:{line}: ", lines[2])

    def configure_audit_to(self, name, keep=False):
        text = self.appliance.text("symbolon.conf") if keep else self.appliance.configuration()
        self.appliance.configure(text.replace('file = "audit.log"', f'file = "{name}"', 1))

    def test_a_PIN_that_others_may_read(self):
        self.appliance.path("pin").chmod(0o640)
        self.warns("mode is 0640, must be 0400 or 0600")

    def test_an_empty_PIN(self):
        self.appliance.write_secret("pin", "")
        self.warns("must hold 1..255 bytes")

    def test_the_PIN_itself_is_never_printed(self):
        self.appliance.write_secret("pin", "4711" * 100)
        self.assertNotIn("4711", self.warns("PIN file")[0])

    def test_folders_in_the_place_of_files(self):
        for name, word in (("tls.pem", "certificate"), ("pin", "PIN file")):
            self.appliance.path(name).unlink()
            self.appliance.path(name).mkdir()
        self.appliance.path("audit.log").mkdir()
        self.warns("certificate", "PIN file", "audit file")

    def test_a_store_without_a_folder(self):
        self.configure("slot ", 'store { file = "none/symbolon.db" }\nslot ')
        self.warns("store")

    def test_an_authority_that_is_missing(self):
        self.configure('certificate = "tls.pem"', 'certificate = "tls.pem"  client_ca = "ca.pem"')
        self.warns("client_ca")

    def test_plain_HTTP_needs_no_certificate(self):
        self.appliance.path("tls.pem").unlink()
        self.configure("plain_http = false", "plain_http = true")
        self.appliance.symbolon("check")


if __name__ == "__main__":
    unittest.main()
