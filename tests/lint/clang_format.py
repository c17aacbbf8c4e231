# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The sources are as clang-format 14 leaves them; other versions differ in details."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tree import c_files

VERSION = 14


def _find() -> str:
    for name in (f"clang-format-{VERSION}", "clang-format"):
        program = shutil.which(name)
        if program:
            answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            if re.search(rf"version {VERSION}\.", answer.stdout):
                return program
    return ""


def formatted(root: Path) -> Iterator[str]:
    program = _find()
    if not program:
        yield f"tree:1: clang-format {VERSION} is not installed"
        return
    sources = list(c_files(root))
    answer = subprocess.run([program, "--dry-run", "-Werror", *sources], cwd=root, capture_output=True, text=True,
                            check=False)
    for path, number in re.findall(r"^(\S+?):(\d+):\d+: error:", answer.stderr, re.MULTILINE):
        yield f"{path}:{number}: not as clang-format leaves it"
