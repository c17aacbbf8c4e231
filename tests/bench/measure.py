# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What a measurement is: samples of candidates that took turns, rows of a table, and the machine they were taken on.

Figures of different candidates are only compared within one round, in which each has been measured once, one after
the other: a ratio is the median of the rounds' ratios. What the machine did meanwhile then falls on all of them.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from targets import TARGETS

Samples = dict[str, list[float]]  # by candidate: one figure a round


@dataclass
class Row:
    """One line of a part's table. `ratio` is that of this row to `ratio_to`, in the sense that the target states."""

    part: str
    name: str
    parameters: dict
    unit: str
    median: float
    low: float
    high: float
    ratio_to: str = ""
    ratio: float | None = None
    target: str = ""  # a key of TARGETS
    quoted: bool = False  # the ratio is to a figure that was not measured in this run: it decides nothing
    note: str = ""
    samples: list[float] = field(default_factory=list)  # as they were taken, for results.json

    @property
    def met(self) -> str:
        if not self.target:
            return ""
        if self.ratio is None or self.quoted:
            return "not measured"
        return "yes" if TARGETS[self.target].reached(self.ratio) else "no"

    def as_json(self) -> dict:
        text = TARGETS[self.target].text if self.target else ""
        return asdict(self) | {"met": self.met, "target_text": text}


@dataclass
class Bench:
    """What run.py hands to a part."""

    root: Path  # of the source tree
    build: Path  # of the preset bench
    out: Path  # where results go; parts may leave files of their own there
    quick: bool = False  # to see that all runs, not for figures

    def rounds(self, usual: int) -> int:
        return 2 if self.quick else usual

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def interleave(candidates: dict[str, Callable[[], float]], rounds: int) -> Samples:
    """Runs the candidates in turn, `rounds` times, each round beginning with another; the figures by name."""
    samples: Samples = {name: [] for name in candidates}
    names = list(candidates)
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            samples[name].append(candidates[name]())
    return samples


def ratio(samples: Samples, name: str, to: str) -> float:
    """The median over the rounds of name's figure divided by to's."""
    return median(a / b for a, b in zip(samples[name], samples[to], strict=True))


def row(part: str, name: str, samples: list[float], unit: str, parameters: dict | None = None, **more) -> Row:
    """A row of the median and the extremes of the samples; `more` are fields of Row."""
    return Row(part, name, parameters or {}, unit, median(samples), min(samples), max(samples), samples=samples, **more)


def load_average() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def package_versions(names: list[str]) -> dict[str, str]:
    """Of Debian packages; those that are not installed are left out."""
    if not names:
        return {}
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Version} ${db:Status-Status}\n", *names],
                           capture_output=True, text=True, check=False)
    found = (line.split(" ") for line in asked.stdout.splitlines())
    return {name: version for name, version, status in found if status == "installed"}


def machine(packages: list[str]) -> dict:
    return {"cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(), "packages": package_versions(packages)}
