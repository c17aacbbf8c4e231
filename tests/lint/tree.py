# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The source tree as rules see it: its files, and C text without comments and strings.

A rule is a function that takes the tree's root and yields violations as "path:line: what is wrong".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SKIPPED_FOLDERS = {"build", "var", "__pycache__"}  # made by building and running; never under version control


def files(root: Path, *suffixes: str) -> Iterator[str]:
    """Paths relative to root, sorted, of files with one of these suffixes (or whole names)."""
    for path in _walk(root):
        if path.name.endswith(suffixes):
            yield path.relative_to(root).as_posix()


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_file():
            yield path
        elif path.name not in SKIPPED_FOLDERS and not path.name.startswith("."):
            yield from _walk(path)


def c_files(root: Path) -> Iterator[str]:
    return files(root, ".c", ".h")


def text(root: Path, path: str) -> str:
    return (root / path).read_text(encoding="utf-8", errors="replace")


def lines(root: Path, path: str) -> list[str]:
    return text(root, path).splitlines()


_COMMENT_OR_LITERAL = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)


def _blank(match: re.Match[str]) -> str:
    kept = match.group(0)
    if kept.startswith("/"):
        return "\n" * kept.count("\n")
    return kept[0] + " " * (len(kept) - 2) + kept[-1]


def code_lines(root: Path, path: str) -> tuple[str, ...]:
    """The file's lines without comments and without what stands in literals."""
    return tuple(_COMMENT_OR_LITERAL.sub(_blank, text(root, path)).split("\n"))


@dataclass(frozen=True)
class Function:
    """A function's definition; lines are numbered from 1 and include signature and closing brace."""

    name: str
    first: int
    last: int


def functions(root: Path, path: str) -> Iterator[Function]:
    """Relies on the house's format: the braces of a function, and nothing else inside it, stand in column 0."""
    code = code_lines(root, path)
    head = 0
    for number, line in enumerate(code):
        if line == "{" and _signature_name(code[head:number]):
            last = next(i for i in range(number, len(code)) if code[i] == "}")
            yield Function(_signature_name(code[head:number]), head + 1, last + 1)
        if line == "" or line.startswith("#") or line.endswith((";", "}")):
            head = number + 1


def _signature_name(signature: tuple[str, ...]) -> str:
    match = re.search(r"(\w+)\((?!\()", re.sub(r"\[\[.*?\]\]", "", " ".join(signature)))
    return match.group(1) if match else ""
