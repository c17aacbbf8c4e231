# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Words that must not stand in the sources, and words that must."""

import re
from collections.abc import Iterator
from pathlib import Path

from tree import c_files, code_lines, files, lines

BANNED = {
    "strcpy": "it has no bound: snprintf, memcpy or strdup",
    "strcat": "it has no bound: snprintf or struct buf",
    "sprintf": "it has no bound: snprintf or buf_printf",
    "vsprintf": "it has no bound: vsnprintf",
    "gets": "it has no bound",
    "strtok": "it keeps global state: strcspn or strsep",
    "atoi": "it cannot fail: strtol, or a parser of its own",
    "atol": "it cannot fail: strtol, or a parser of its own",
    "alloca": "the stacks are small",
    "rand": "it is predictable: struct rng",
    "srand": "it is predictable: struct rng",
    "system": "no other program is run",
    "popen": "no other program is run",
    "tmpnam": "the name can be taken by others: mkstemp",
    "mktemp": "the name can be taken by others: mkstemp",
}
_BANNED_CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")

NOTES = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
NOTED_SUFFIXES = (".c", ".h", ".sh", ".py", ".md", ".txt", ".json", ".example", ".5", ".8", ".service", ".html", ".js")

SPDX = ("SPDX-FileCopyrightText: the Symbolon authors", "SPDX-License-Identifier: Apache-2.0")
SPDX_SUFFIXES = (".c", ".h", ".sh", ".py", "CMakeLists.txt", ".example", ".5", ".8", ".service")


def banned_functions(root: Path) -> Iterator[str]:
    for path in c_files(root):
        for number, line in enumerate(code_lines(root, path), 1):
            for name in _BANNED_CALL.findall(line):
                yield f"{path}:{number}: {name} is banned: {BANNED[name]}"


def notes_to_self(root: Path) -> Iterator[str]:
    for path in files(root, *NOTED_SUFFIXES):
        for number, line in enumerate(lines(root, path), 1):
            for word in NOTES.findall(line):
                yield f"{path}:{number}: {word}: do it, or open an issue"


def licence_headers(root: Path) -> Iterator[str]:
    for path in files(root, *SPDX_SUFFIXES):
        head = lines(root, path)[:3]
        if head and head[0].startswith("#!"):
            head = head[1:]
        if len(head) < 2 or not all(line.endswith(words) for line, words in zip(head, SPDX)):
            yield f"{path}:1: the two-line SPDX header is missing"
