# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Callers with one value at a time on a slow HSM: lanes shared, one lane behind a plain lock, and four lanes shared."""

from contextlib import ExitStack
from functools import partial
from statistics import median

from measure import Bench, Row, Samples, interleave, ratio, row
from program import Program

DELAYS_US = [0, 100, 1000, 5000]
CALLERS = [1, 2, 4, 8, 16, 32, 64, 128, 256]
QUICK_CALLERS = [1, 8, 64]
PROMISED = (1000, 64)  # microseconds, callers

SHARED, LOCKED, FOUR = "one lane, shared", "one lane, plain lock", "four lanes, shared"

# Of those whose halves have up to 12 bytes.
SHAPES = {"16 digits": (10, 16), "9 digits": (10, 9), "28 digits": (10, 28), "48 hex": (16, 48), "20 bytes": (256, 20)}
SHAPES["all of these"] = sum(SHAPES.values(), ())  # in one batch
BATCHES = [5, 1000, 1024]


ROUNDS_OF_FF1 = 10  # blocks of a token of 16 digits: one each


class Watched:
    """A candidate, which remembers how many callers shared a call: that depends little on what else the machine does."""

    def __init__(self, program: Program, sharing: str, delay_us: int, callers: int, ms: int):
        self._ask = partial(program.ask_json, "rate", sharing, delay_us, callers, ms)
        self.blocks_a_call: list[float] = []

    def __call__(self) -> float:
        rate = self._ask()
        if rate["calls_per_s"] > 0:
            self.blocks_a_call.append(ROUNDS_OF_FF1 * rate["tokens_per_s"] / rate["calls_per_s"])
        return rate["tokens_per_s"]


def _name(way: str, callers: int) -> str:
    return f"{way}, {callers} callers"


def _row(samples: Samples, way: str, delay_us: int, callers: int, blocks_a_call: float) -> Row:
    """Against one caller of the same way."""
    promised = way == SHARED and (delay_us, callers) == PROMISED
    name, one = _name(way, callers), _name(way, 1)
    note = f"{blocks_a_call:.3g} blocks a call"
    if way == SHARED:
        note += f"; {ratio(samples, name, _name(LOCKED, callers)):.3g} x the plain lock"
    return row("lanes", way, samples[name], "tokens/s", {"added us": delay_us, "callers": callers},
               ratio_to="one caller" if callers > 1 else "", ratio=ratio(samples, name, one) if callers > 1 else None,
               target="lanes/shared" if promised else "", note=note)


def _delay(programs: dict[str, tuple[Program, str]], delay_us: int, bench: Bench) -> list[Row]:
    numbers = QUICK_CALLERS if bench.quick else CALLERS
    ms = 60 if bench.quick else 600 if delay_us > 1000 else 300
    candidates = {_name(way, callers): Watched(program, sharing, delay_us, callers, ms)
                  for callers in numbers for way, (program, sharing) in programs.items()}
    samples = interleave(candidates, bench.rounds(5))
    return [_row(samples, way, delay_us, callers, median(candidates[_name(way, callers)].blocks_a_call))
            for way in programs for callers in numbers]


def _calls(program: Program) -> list[Row]:
    """A batch's calls to the module, counted in it. They are no samples: the count is the same each time."""
    rows = []
    for shape, numbers in SHAPES.items():
        for batch in BATCHES:
            calls = program.ask_json("calls", batch, *numbers)["calls"]
            rows.append(row("lanes", "calls to the module", [calls], "calls/batch", {"format": shape, "batch": batch},
                            ratio=calls, target="engine/calls"))
    return rows


def run(bench: Bench) -> list[Row]:
    command = str(bench.build / "tests/bench/lane_bench")
    with ExitStack() as stack:
        one, four = (stack.enter_context(Program([command, lanes])) for lanes in ("1", "4"))
        programs = {SHARED: (one, "shared"), LOCKED: (one, "locked"), FOUR: (four, "shared")}
        rows = _calls(one)
        for delay_us in DELAYS_US:
            bench.say(f"lanes: {delay_us} us added to each call")
            rows += _delay(programs, delay_us, bench)
    return rows
