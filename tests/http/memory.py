# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for strings in what a process leaves behind: files, and an image of its memory.

The image is read through /proc/PID/mem, which takes ptrace rights (root). It holds more than a core file
would: the appliance forbids those, and marks what must not be in one.
"""

from collections.abc import Iterator
from pathlib import Path

LARGEST_REGION = 1 << 36  # beyond are a sanitizer's own maps of memory
PIECE = 1 << 18


def find_in(data: bytes, needles: dict[str, bytes]) -> dict[str, int]:
    """How often each needle stands in the data; those that do not are left out."""
    return {name: count for name, needle in needles.items() if (count := data.count(needle)) > 0}


def regions(pid: int) -> Iterator[tuple[int, int, str]]:
    """Start, end and name of what the process can write: heap, stacks, data."""
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, rights, _, _, _, *name = line.split(maxsplit=5)
        start, end = (int(word, 16) for word in addresses.split("-"))
        if rights.startswith("rw") and end - start < LARGEST_REGION:
            yield start, end, name[0] if name else "anonymous"


def image(pid: int, overlap: int = 256) -> Iterator[tuple[int, str, bytes]]:
    """Address, region's name and bytes, in pieces that overlap so that no needle is cut in two."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in regions(pid):
            at = start
            while at < end:
                memory.seek(at)
                try:
                    data = memory.read(min(PIECE, end - at))
                except OSError:
                    break  # a hole
                if not data:
                    break
                if data.count(0) < len(data):
                    yield at, name, data
                at += len(data) if at + len(data) >= end else max(1, len(data) - overlap)


def find_in_process(pid: int, needles: dict[str, bytes]) -> list[str]:
    """One line for each place: needle, region, address and, as far as printable, what stands around it."""
    found = set()
    for address, name, data in image(pid):
        for needle_name, needle in needles.items():
            at = data.find(needle)
            while at >= 0:
                around = data[max(0, at - 48):at + len(needle) + 32]
                found.add(f"{needle_name} at {address + at:#x} in {name}: {around!r}")
                at = data.find(needle, at + 1)
    return sorted(found)
