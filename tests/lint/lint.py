#!/usr/bin/python3
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""lint.py [--root FOLDER] [RULE...]: what the compiler cannot check. Prints violations; 1 when there are any."""

import argparse
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import clang_format  # noqa: E402
import config_docs  # noqa: E402
import headers  # noqa: E402
import includes  # noqa: E402
import machine_code  # noqa: E402
import rooms  # noqa: E402
import shape  # noqa: E402
import words  # noqa: E402

RULES = {
    "includes": includes.violations,
    "banned": words.banned_functions,
    "notes": words.notes_to_self,
    "licence": words.licence_headers,
    "sizes": shape.sizes,
    "parameters": shape.parameters,
    "headers": headers.compile_alone,
    "contracts": headers.contracts,
    "format": clang_format.formatted,
    "config-docs": config_docs.agree,
    "plan": rooms.plan,
    "readmes": rooms.readmes,
    "documents": rooms.documents,
    "divisions": machine_code.divisions,
    "vectorised": machine_code.vectorised,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2])
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    arguments = parser.parse_args()
    unknown = set(arguments.rules) - set(RULES)
    if unknown:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}")
    found = 0
    for name in arguments.rules or RULES:
        for violation in RULES[name](arguments.root.resolve()):
            print(f"{violation} [{name}]")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
