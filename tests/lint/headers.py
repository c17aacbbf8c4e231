# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Headers: each compiles alone and twice, and begins with its contract."""

import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tree import files, lines

PACKAGES = ["openssl", "libp11", "p11-kit-1", "libconfuse", "libcjson", "cmocka"]
FLAGS = ["-std=gnu2x", "-D_GNU_SOURCE", '-DSYMBOLON_VERSION="0"', "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         "-Wno-missing-field-initializers"]


def _library_flags() -> list[str]:
    answer = subprocess.run(["pkg-config", "--cflags", *PACKAGES], capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []


def _complaint(root: Path, path: str, flags: list[str]) -> str:
    source = f'#include "{path}"\n#include "{path}"\n'
    command = [os.environ.get("CC", "gcc"), *FLAGS, *flags, "-I", str(root), "-x", "c", "-"]
    answer = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return ""
    reason = re.search(r"error: .*", answer.stderr)
    return f"{path}:1: does not compile alone: {reason.group(0) if reason else answer.stderr.strip()}"


def compile_alone(root: Path) -> Iterator[str]:
    flags = _library_flags()
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from filter(None, pool.map(lambda path: _complaint(root, path, flags), files(root, ".h")))


def contracts(root: Path) -> Iterator[str]:
    for path in files(root, ".h"):
        content = lines(root, path)
        code = next((number for number, line in enumerate(content) if line and not line.startswith("//")), 0)
        if len(content) < 4 or content[2] != "//" or not content[3].startswith("// "):
            yield f"{path}:3: the contract comment after the SPDX header is missing"
        elif content[code] != "#pragma once":
            yield f"{path}:{code + 1}: #pragma once must follow the contract comment"
