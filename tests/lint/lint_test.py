#!/usr/bin/python3
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Each rule finds a violation planted in a small tree, on the right line, and nothing in a clean one."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

from lint import RULES  # noqa: E402

SPDX = "// SPDX-FileCopyrightText: the Symbolon authors\n// SPDX-License-Identifier: Apache-2.0\n"
HEADER = SPDX + "//\n// Answers questions.\n#pragma once\n\nint answer(int question);\n"
SOURCE = SPDX + '#include "appliance/base/answer.h"\n\nint answer(int question)\n{\n    return question + 1;\n}\n'
STYLE = (Path(__file__).resolve().parents[2] / ".clang-format").read_text(encoding="utf-8")

SCHEMA = SPDX + """
static cfg_opt_t tls_options[] = {
    CFG_STR("certificate", NULL, CFGF_NONE),
    CFG_BOOL("strict", cfg_false, CFGF_NONE),
    CFG_END(),
};

cfg_opt_t schema_root[] = {
    CFG_INT("connections", 512, CFGF_NONE),
    CFG_FLOAT("odds", 0.5, CFGF_NONE),
    CFG_SEC("tls", tls_options, CFGF_NONE),
    CFG_END(),
};
"""
EXAMPLE = 'connections = 5 # { not = "seen" }\nodds = 0.25\ntls {\n certificate = \'}\\\'{\' strict = true\n}\n'
MANUAL = r""".SH OPTIONS
.SS "Top level"
.TP
.B connections \fR= \fInumber\fR
How many.
Default: 512.
.TP
.B odds \fR= \fInumber\fR
Default: 0.5.
.SS "tls { ... }"
.TP
.B certificate \fR= \fIfile\fR
Must be given.
.TP
.B strict \fR= \fIswitch\fR
Default: false.
.SH SEE ALSO
"""


def function(body: str, name: str = "answer") -> str:
    return f"{SPDX}int {name}(int question)\n{{\n{body}    return question;\n}}\n"


class TreeTest(unittest.TestCase):
    """A clean tree in a temporary folder; tests plant into it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name).resolve()
        self.plant(".clang-format", STYLE)
        self.plant("appliance/base/answer.h", HEADER)
        self.plant("appliance/base/answer.c", SOURCE)
        self.plant("appliance/base/README.md", "base\n")
        self.plant("config/schema.c", SCHEMA)
        self.plant("config/symbolon.conf.example", "# " + "\n# ".join(SPDX.replace("// ", "").split("\n")[:2]) + "\n" + EXAMPLE)
        self.plant("config/symbolon.conf.5", MANUAL)
        self.plant("config/README.md", "config\n")
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"):
            self.plant(name, "text\n")

    def plant(self, path: str, content: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(content, encoding="utf-8")

    def found(self, rule: str) -> list[str]:
        return list(RULES[rule](self.root))

    def assert_found(self, rule: str, *expected: str) -> None:
        found = self.found(rule)
        self.assertEqual(len(found), len(expected), found)
        for violation, start in zip(found, expected):
            self.assertTrue(violation.startswith(start), found)


class CleanTree(TreeTest):
    def test_nothing_is_found_in_it(self) -> None:
        for rule in RULES:
            if rule == "licence":
                continue  # the schema's documents bear no header here
            with self.subTest(rule=rule):
                self.assert_found(rule)

    def test_build_folders_are_not_looked_at(self) -> None:
        self.plant("build/x/bad.c", "int f(void) { gets(0); }\n")
        self.plant(".hidden/bad.c", "int f(void) { gets(0); }\n")
        self.assert_found("banned")
        self.assert_found("licence", "config/symbolon.conf.5:1:")


class Includes(TreeTest):
    def include(self, path: str, line: str) -> None:
        self.plant(path, SPDX + line + "\n")

    def assert_refused(self, path: str, line: str) -> None:
        self.include(path, line)
        self.assert_found("includes", f"{path}:3: ")
        (self.root / path).unlink()

    def assert_allowed(self, path: str, line: str) -> None:
        self.include(path, line)
        self.assert_found("includes")
        (self.root / path).unlink()

    def test_walls_between_rooms(self) -> None:
        for header in ("appliance/tokens/pan.h", "appliance/fpe/ff1.h", "appliance/metrics/metrics.h",
                       "appliance/audit/audit.h", "appliance/store/store.h", "appliance/store/rows.h",
                       "pkcs11/hsm.h", "pkcs11/lane.h", "web/http.h", "web/guard.h", "config/config.h",
                       "config/scan.h", "web/apis/transform/transform.h"):
            self.plant(header, HEADER)
        for path, header in (
            ("appliance/base/x.c", "appliance/fpe/ff1.h"),
            ("appliance/fpe/x.c", "appliance/tokens/pan.h"),
            ("appliance/metrics/x.c", "appliance/audit/audit.h"),
            ("appliance/tokens/x.c", "pkcs11/hsm.h"),
            ("appliance/tokens/x.c", "web/http.h"),
            ("appliance/tokens/x.c", "appliance/store/rows.h"),
            ("appliance/tokens/x.c", "appliance/audit/audit.h"),
            ("appliance/store/x.c", "appliance/tokens/pan.h"),
            ("appliance/main.c", "pkcs11/lane.h"),
            ("appliance/main.c", "config/scan.h"),
            ("config/x.c", "appliance/tokens/pan.h"),
            ("pkcs11/x.c", "appliance/fpe/ff1.h"),
            ("web/x.c", "pkcs11/hsm.h"),
            ("web/x.c", "config/config.h"),
            ("web/apis/card_tokens.c", "web/apis/transform/transform.h"),
            ("web/apis/card_tokens.c", "web/guard.h"),
            ("web/apis/card_tokens.c", "appliance/metrics/metrics.h"),
            ("hsm-setup/x.c", "pkcs11/lane.h"),
            ("hsm-setup/x.c", "appliance/tokens/pan.h"),
        ):
            with self.subTest(path=path, header=header):
                self.assert_refused(path, f'#include "{header}"')
        for path, header in (
            ("appliance/tokens/x.c", "appliance/store/store.h"),
            ("appliance/main.c", "pkcs11/hsm.h"),
            ("web/apis/operations.c", "appliance/metrics/metrics.h"),
            ("web/apis/transform/encode.c", "web/apis/transform/transform.h"),
            ("web/apis/card_tokens.c", "web/http.h"),
            ("hsm-setup/x.c", "config/config.h"),
            ("tests/unit/x.c", "pkcs11/lane.h"),
        ):
            with self.subTest(path=path, header=header):
                self.assert_allowed(path, f'#include "{header}"')

    def test_libraries_stand_behind_their_walls(self) -> None:
        for path, header in (
            ("web/router.c", "civetweb.h"), ("web/apis/card_tokens.c", "civetweb.h"), ("web/http.c", "cjson/cJSON.h"),
            ("web/apis/x.c", "cJSON.h"), ("web/apis/x.c", "sqlite3.h"), ("appliance/store/rows.c", "sqlite3.h"),
            ("web/x.c", "confuse.h"), ("hsm-setup/x.c", "libp11.h"), ("web/x.c", "p11-kit/pkcs11.h"),
            ("appliance/fpe/x.c", "openssl/evp.h"), ("web/router.c", "openssl/evp.h"), ("web/x.c", "cmocka.h"),
        ):
            with self.subTest(path=path, header=header):
                self.assert_refused(path, f"#include <{header}>")
        for path, header in (
            ("web/server.c", "civetweb.h"), ("web/json_read.c", "cjson/cJSON.h"), ("pkcs11/slot.c", "libp11.h"),
            ("appliance/store/sqlite.c", "sqlite3.h"), ("config/schema.h", "confuse.h"), ("web/http.c", "string.h"),
            ("web/server.h", "openssl/types.h"), ("tests/unit/x.c", "cmocka.h"),
        ):
            with self.subTest(path=path, header=header):
                self.assert_allowed(path, f"#include <{header}>")

    def test_paths_begin_at_the_root(self) -> None:
        self.assert_refused("appliance/base/x.c", '#include "answer.h"')
        self.assert_refused("appliance/base/x.c", '#include "../base/answer.h"')

    def test_every_source_has_a_room(self) -> None:
        self.plant("tools/x.c", SPDX)
        self.assert_found("includes", "tools/x.c:1: stands in no room")


class Words(TreeTest):
    def test_banned_functions(self) -> None:
        for call in ("strcpy(a, b)", "strcat(a, b)", "sprintf(a, b)", "vsprintf(a, b)", "gets(a)", "strtok(a, b)",
                     "atoi(a)", "atol(a)", "alloca(1)", "rand()", "srand(1)", "system(a)", "popen (a)", "tmpnam(a)",
                     "mktemp(a)"):
            with self.subTest(call=call):
                self.plant("web/x.c", function(f"    {call};\n"))
                self.assert_found("banned", "web/x.c:5: ")

    def test_their_harmless_relatives_comments_and_strings(self) -> None:
        self.plant("web/x.c", function('    fgets(a); vsnprintf(a); strtok_r(a); op->system(a); // gets(a)\n'
                                       '    puts("gets(a) \\" gets(a)"); /* rand()\n rand() */\n'))
        self.assert_found("banned")

    def test_notes_to_self(self) -> None:
        self.plant("web/x.c", SPDX + "// TO" + "DO: later\nint x;\nint y; // XX" + "X\n")
        self.plant("hsm-setup/x.sh", "# FIX" + "ME\n")
        self.assert_found("notes", "hsm-setup/x.sh:1: ", "web/x.c:3: ", "web/x.c:5: ")

    def test_licence_header(self) -> None:
        self.plant("web/x.c", "int x;\n")
        self.plant("web/CMakeLists.txt", "# nothing\n")
        self.plant("tests/x.sh", "#!/bin/sh\n" + SPDX.replace("//", "#"))
        self.assert_found("licence", "config/symbolon.conf.5:1: ", "web/CMakeLists.txt:1: ", "web/x.c:1: ")


class Shape(TreeTest):
    def test_long_function(self) -> None:
        self.plant("tests/unit/x.c", function("    question++;\n" * 76))
        self.assert_found("sizes")
        self.plant("tests/unit/x.c", function("    question++;\n" * 77))
        self.assert_found("sizes", "tests/unit/x.c:3: answer: 81 lines")

    def test_attributes_and_broken_signatures_hide_no_function(self) -> None:
        body = "    question++;\n" * 77
        self.plant("tests/unit/x.c", f"{SPDX}[[gnu::format(printf, 1, 2)]] static\nint answer(int question,\n"
                              f"           int other)\n{{\n{body}}}\n")
        self.assert_found("sizes", "tests/unit/x.c:3: answer: 82 lines")

    def test_long_median(self) -> None:
        self.plant("web/x.c", "".join(function("    question++;\n" * 12, f"answer{i}") for i in range(9)))
        self.assert_found("sizes", "tree:1: the median function has 16")

    def test_long_file(self) -> None:
        self.plant("web/x.c", SPDX + "int x;\n" * 698)
        self.assert_found("sizes")
        self.plant("web/x.c", SPDX + "int x;\n" * 699)
        self.assert_found("sizes", "web/x.c:701: ")

    def test_nesting(self) -> None:
        deep = "".join("    " * i + "if (question)\n" for i in range(1, 6))
        self.plant("web/x.c", function(deep[deep.index("\n") + 1:].replace("    if", "if") + "    " * 5 + "question++;\n"))
        self.assert_found("sizes")
        self.plant("web/x.c", function(deep + "    " * 6 + "question++;\n"))
        self.assert_found("sizes", "web/x.c:10: answer: nested 5 deep")

    def test_broken_lines_are_not_nesting(self) -> None:
        self.plant("web/x.c", function("    question = answer(question,\n" + " " * 40 + "answer(1));\n"
                                       "    if (question ||\n" + " " * 30 + "question)\n        question++;\n"))
        self.assert_found("sizes")

    def test_parameters(self) -> None:
        six = ", ".join(f"int p{i}" for i in range(5)) + ", int (*call)(int, int, int)"
        self.plant("web/x.h", f"{HEADER}int six({six});\nint seven({six},\n          int p7);\n")
        self.assert_found("parameters", "web/x.h:9: seven: 7 parameters")


class Headers(TreeTest):
    def test_header_that_needs_another(self) -> None:
        self.plant("web/x.h", HEADER.replace("int question", "size_t question"))
        self.assert_found("headers", "web/x.h:1: does not compile alone: error: unknown type name")

    def test_header_that_cannot_be_included_twice(self) -> None:
        self.plant("web/x.h", HEADER.replace("#pragma once\n", "struct x { int y; };\n"))
        self.assert_found("headers", "web/x.h:1: does not compile alone: error: redefinition")

    def test_contract(self) -> None:
        self.plant("web/x.h", HEADER.replace("//\n// Answers questions.\n", ""))
        self.plant("web/y.h", HEADER.replace("#pragma once\n", "#include <stddef.h>\n#pragma once\n"))
        self.assert_found("contracts", "web/x.h:3: ", "web/y.h:5: ")


class MachineCode(TreeTest):
    def test_division_by_what_the_compiler_does_not_know(self) -> None:
        self.plant("appliance/fpe/ff1_small.c", SPDX + "int step(int question, int modulus)\n{\n"
                   "    return question % modulus;\n}\n")
        self.assert_found("divisions", "appliance/fpe/ff1_small.c:5: step of appliance/fpe/ff1_small.c divides")

    def test_long_division_in_a_library(self) -> None:
        self.plant("appliance/fpe/ff1_wide.c", SPDX + "__int128 step(__int128 x, __int128 y)\n{\n    return x / y;\n}\n")
        self.assert_found("divisions", "appliance/fpe/ff1_wide.c:5: step of appliance/fpe/ff1_wide.c divides")

    def test_constants_may_be_made_by_division(self) -> None:
        self.plant("appliance/base/bigint.c", SPDX + "int bigint_radix_init(int x, int y)\n{\n    return x / y;\n}\n")
        self.assert_found("divisions")

    def test_loop_that_is_left_early(self) -> None:
        loop = ("INLINE void {0}(unsigned *restrict a, const unsigned *restrict b, int n)\n{{\n"
                "    for (int i = 0; i < n{1}; i++)\n        a[i] += b[i] * {2};\n}}\n")
        names = {"ff1_rounds.h": ("fill32", "step32", "fill64", "step64_mask"),
                 "ff1_numerals.h": ("quad_add", "quad_take", "valid_any")}
        source = '#define INLINE static inline __attribute__((always_inline))\n'
        for header, functions in names.items():
            self.plant(f"appliance/fpe/{header}", SPDX + "".join(
                loop.format(name, " && a[i] != 7" if name == "step32" else "",
                            3 + 2 * len(name + header) + functions.index(name)) for name in functions))
            source += f'#include "appliance/fpe/{header}"\n'
        for name in (*names["ff1_rounds.h"], *names["ff1_numerals.h"]):
            source += (f"__attribute__((target(\"avx2\"))) void {name}_avx2(unsigned *a, const unsigned *b, int n)\n"
                       f"{{\n    {name}(a, b, n);\n}}\n")
        self.plant("appliance/fpe/ff1_small.c", SPDX + source)
        self.assert_found("vectorised", "appliance/fpe/ff1_rounds.h:10: the loop of step32 is not vectorised")


class Format(TreeTest):
    def test_unformatted_source(self) -> None:
        self.plant("web/x.c", SPDX + "int  x;\n")
        self.assert_found("format", "web/x.c:3: ")


class ConfigDocs(TreeTest):
    def replace(self, path: str, old: str, new: str) -> None:
        content = (self.root / path).read_text(encoding="utf-8")
        self.assertIn(old, content)
        self.plant(path, content.replace(old, new))

    def test_option_of_the_schema_alone(self) -> None:
        self.replace("config/schema.c", '    CFG_STR("cert', '    CFG_STR_LIST("alpn", NULL, CFGF_NONE),\n    CFG_STR("cert')
        self.assert_found("config-docs", "config/symbolon.conf.example:1: does not name the option: tls alpn",
                          "config/symbolon.conf.5:1: does not name the option: tls alpn")

    def test_option_of_the_example_alone(self) -> None:
        self.replace("config/symbolon.conf.example", "tls {", "tls {\n colour = 5")
        self.assert_found("config-docs", "config/symbolon.conf.example:1: names an option that the schema does not have")

    def test_option_of_the_manual_alone(self) -> None:
        self.replace("config/symbolon.conf.5", ".SH SEE", ".TP\n.B colour\nDefault: 5.\n.SH SEE")
        self.assert_found("config-docs", "config/symbolon.conf.5:1: names an option that the schema does not have")

    def test_option_in_another_block(self) -> None:
        self.replace("config/symbolon.conf.example", "tls {", "strict = true\ntls {")
        self.assert_found("config-docs", "config/symbolon.conf.example:1: names an option that the schema does not have: strict")

    def test_block_of_the_schema_alone(self) -> None:
        self.replace("config/schema.c", "    CFG_SEC(", '    CFG_SEC("slot", slot_options, BLOCKS),\n    CFG_SEC(')
        self.assert_found("config-docs", "config/symbolon.conf.example:1: does not name the block: slot",
                          "config/symbolon.conf.5:1: does not name the block: slot")

    def test_other_default(self) -> None:
        self.replace("config/symbolon.conf.5", "512", "511")
        self.assert_found("config-docs", 'config/symbolon.conf.5:1: connections: default "511", but "512" in the schema')

    def test_manual_silent_about_the_default(self) -> None:
        self.replace("config/symbolon.conf.5", "Must be given.", "Good.")
        self.assert_found("config-docs", "config/symbolon.conf.5:1: tls certificate: does not say")

    def test_schema_of_another_form(self) -> None:
        self.plant("config/schema.c", SPDX)
        self.assert_found("config-docs", "config/schema.c:1: no options found")


class Rooms(TreeTest):
    def test_folder_outside_the_plan(self) -> None:
        self.plant("tools/README.md", "text\n")
        self.assert_found("plan", "tools:1: ")

    def test_room_without_readme(self) -> None:
        (self.root / "appliance/base/README.md").unlink()
        self.assert_found("readmes", "appliance/base:1: ")

    def test_missing_document(self) -> None:
        (self.root / "SECURITY.md").unlink()
        self.assert_found("documents", "SECURITY.md:1: ")


class EveryRule(unittest.TestCase):
    def test_is_planted_against_somewhere_above(self) -> None:
        source = Path(__file__).read_text(encoding="utf-8")
        for rule in RULES:
            self.assertIn(f'self.assert_found("{rule}", ', source)


if __name__ == "__main__":
    unittest.main()
