# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""FF1 libraries of others, with their key in memory. Each speaks as bouncy_castle/Peer.java describes."""

import shutil
import subprocess
from pathlib import Path

from measure import Bench
from program import Program

HERE = Path(__file__).resolve().parent
JAR = "/usr/share/java/bcprov.jar"
BOUNCY_CASTLE = "Bouncy Castle"
NOBLE = "@noble/ciphers"


def bouncy_castle(bench: Bench) -> list[str]:
    """Compiles it; the command that runs it."""
    classes = bench.build / "bouncy_castle"
    classes.mkdir(parents=True, exist_ok=True)
    subprocess.run(["javac", "-cp", JAR, "-d", classes, HERE / "bouncy_castle/Peer.java"], check=True)
    return ["java", "-cp", f"{classes}:{JAR}", "Peer"]


def noble(bench: Bench) -> list[str]:
    """Installs it by its lock file; the command that runs it."""
    folder = bench.build / "noble"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "peer.mjs"):
        shutil.copy2(HERE / "noble" / name, folder / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=folder,
                   check=True, timeout=300, stdout=subprocess.DEVNULL)
    return ["node", str(folder / "peer.mjs")]


COMMANDS = {BOUNCY_CASTLE: bouncy_castle, NOBLE: noble}


def introduce(engine: Program, peer: Program, name: str, shapes: list[tuple[int, int]]) -> None:
    """Gives the peer the engine's test key and tweak, and makes sure that both make the same tokens."""
    for number, (radix, length) in enumerate(shapes):
        value = engine.ask_json("check", radix, length)
        if number == 0:
            peer.ask("key", value["key"], value["tweak"])
        answer = peer.ask("check", radix, ",".join(map(str, value["plain"])))
        if answer != ",".join(map(str, value["cipher"])):
            raise RuntimeError(f"{name}: another ciphertext than the engine's, radix {radix}, length {length}")
