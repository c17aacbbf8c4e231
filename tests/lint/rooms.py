# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The house's plan: its top-level folders, and a README in each room."""

from collections.abc import Iterator
from pathlib import Path

from tree import SKIPPED_FOLDERS, files

TOP_LEVEL = {"appliance", "pkcs11", "web", "config", "tests", "hsm-setup"}
ROOMS = [
    "appliance/base", "appliance/fpe", "appliance/tokens", "appliance/store", "appliance/audit", "appliance/metrics",
    "pkcs11", "web", "config", "hsm-setup", "tests", "tests/lint",
]
ROOT_DOCUMENTS = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "LICENSE"]


def plan(root: Path) -> Iterator[str]:
    for path in sorted(root.iterdir()):
        if path.is_dir() and path.name not in TOP_LEVEL | SKIPPED_FOLDERS and not path.name.startswith("."):
            yield f"{path.name}:1: is no room of the house"


def readmes(root: Path) -> Iterator[str]:
    for room in ROOMS:
        furnished = (root / room).is_dir() and next(files(root / room, ".c", ".h", ".py", ".sh"), None)
        if furnished and not (root / room / "README.md").is_file():
            yield f"{room}:1: README.md is missing"


def documents(root: Path) -> Iterator[str]:
    for name in ROOT_DOCUMENTS:
        if not (root / name).is_file():
            yield f"{name}:1: is missing"
