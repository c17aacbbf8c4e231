# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What gcc makes of FF1's rounds, compiled as for a release: no division instruction, and loops that vectorise."""

import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tree import code_lines

FLAGS = ["-std=gnu2x", "-D_GNU_SOURCE", "-g", "-c"]

# The engine's sources, how appliance/fpe/CMakeLists.txt has them optimized, and what may divide, by numbers that
# everybody may know: it makes constants, or counts numerals.
SOURCES = {
    "appliance/fpe/ff1_small.c": ("-O3", set()),
    "appliance/fpe/ff1_avx512.c": ("-O3", set()),
    "appliance/fpe/ff1_wide.c": ("-O2", set()),
    "appliance/base/bigint.c": ("-O2", {"bigint_radix_init", "bigint_modulus_init", "bigint_from_numerals",
                                        "bigint_to_numerals"}),
}

# Functions whose first loop runs over flat arrays of values, inlined into every kernel of ff1_small.c.
LOOPS = {
    "appliance/fpe/ff1_rounds.h": ("fill32", "step32", "fill64", "step64_mask"),
    "appliance/fpe/ff1_numerals.h": ("quad_add", "quad_take", "valid_any"),
}
VECTORS = "32 byte vectors"  # of the kernel avx2

FUNCTION = re.compile(r"^[0-9a-f]+ <(\w+)[\w.]*>:$")
LINE = re.compile(r"^(/\S+):(\d+)")
DIVISION = re.compile(r"\t(i?div[bwlq]?|[su]div)\s|\b__u?(div|mod|divmod)[dt]i[34]\b")


def _compile(root: Path, path: str, *flags: str) -> str:
    """gcc's report."""
    command = [os.environ.get("CC", "gcc"), *FLAGS, *flags, "-I", str(root), str(root / path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise SystemExit(f"{path}: does not compile: {answer.stderr}")
    return answer.stderr


def _divisions(root: Path, path: str, optimization: str, may_divide: set[str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "compiled.o"
        _compile(root, path, optimization, "-o", str(compiled))
        listing = subprocess.run(["objdump", "--disassemble", "--reloc", "--line-numbers", str(compiled)],
                                 capture_output=True, text=True, check=True).stdout
    function, place, seen = "", f"{path}:1", set()
    for line in listing.splitlines():
        if match := FUNCTION.match(line):
            function = match.group(1)
        elif (match := LINE.match(line)) and Path(match.group(1)).is_relative_to(root):
            place = f"{Path(match.group(1)).relative_to(root)}:{match.group(2)}"
        elif DIVISION.search(line) and function not in may_divide and (place, function) not in seen:
            seen.add((place, function))
            yield f"{place}: {function} of {path} divides"


def divisions(root: Path) -> Iterator[str]:
    for path, (optimization, may_divide) in SOURCES.items():
        if (root / path).exists():
            yield from _divisions(root, path, optimization, may_divide)


def _first_loop(root: Path, path: str, function: str) -> int:
    """Its line; 0 when there is none."""
    inside = False
    for number, line in enumerate(code_lines(root, path), 1):
        inside = inside or (f" {function}(" in line and line.startswith("INLINE"))
        if inside and line.lstrip().startswith("for ("):
            # The one within a loop over parts of the array.
            following = code_lines(root, path)[number:number + 2]
            inner = next((i for i, later in enumerate(following, 1) if later.lstrip().startswith("for (")), 0)
            return number + inner
        if inside and line == "}":
            break
    return 0


def vectorised(root: Path) -> Iterator[str]:
    source = "appliance/fpe/ff1_small.c"
    if platform.machine() != "x86_64" or not (root / source).exists():
        return
    report = _compile(root, source, "-O3", "-o", os.devnull, "-fopt-info-vec")
    for path, functions in LOOPS.items():
        for function in functions:
            line = _first_loop(root, path, function)
            wanted = rf"{re.escape(path)}:{line}:\d+: optimized: loop vectorized using {VECTORS}"
            if re.search(wanted, report) is None:
                yield f"{path}:{max(line, 1)}: the loop of {function} is not vectorised"
