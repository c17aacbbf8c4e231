# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The engine through SoftHSM and in memory, bare ECB, tokens text to text, and other libraries, all in turn."""

from contextlib import ExitStack

import peers
from measure import Bench, Row, Samples, interleave, ratio, row
from peers import BOUNCY_CASTLE, NOBLE
from program import Program

SHAPES = {  # name: radix, length
    "pan, 16 digits": (10, 16),
    "ssn, 9 digits": (10, 9),
    "serial, 10 digits": (10, 10),
    "gift card, 28 digits": (10, 28),
    "serial, 12 of 36 letters": (36, 12),
    "card token, 48 hex": (16, 48),
    "id, 20 bytes": (256, 20),
    "id, 32 bytes": (256, 32),
}
MAIN = "pan, 16 digits"
PEER_SHAPES = {BOUNCY_CASTLE: list(SHAPES), NOBLE: [MAIN]}  # noble refuses some of them, and is far from the fastest
BATCHES = [1, 10, 100, 1000, 10000]
TOKENS = {"pan": (10, 16), "ssn": (10, 9), "card": (16, 48), "gift": (10, 28), "code": (36, 12)}
TOKEN_BATCHES = [1, 1000]
WIDE = [512, 4096]

ENGINE_HSM, ENGINE_MEMORY = "engine, SoftHSM", "engine, memory"
ECB_HSM, ECB_MEMORY, ECB_RAW, ECB_LARGE = ("ECB, same session", "ECB, memory", "ECB, raw session",
                                           "ECB, raw, calls of 2048 blocks")
OURS = {ENGINE_HSM: "engine-hsm", ECB_HSM: "ecb-hsm", ECB_RAW: "ecb-raw", ECB_LARGE: "ecb-large",
        ENGINE_MEMORY: "engine-memory", ECB_MEMORY: "ecb-memory"}

# The fastest library known is no package of Debian's. Measured side by side with Bouncy Castle, elsewhere and once, it
# took 2.9 us where that took 6.1 us.
QUOTED = "ubiq-fpe-go, from Bouncy Castle"
QUOTED_TO_BOUNCY_CASTLE = 2.9 / 6.1


class Programs:
    """Ours and the peers', running and made sure of."""

    def __init__(self, bench: Bench, stack: ExitStack):
        self.ms = 3 if bench.quick else 20
        self.engine = stack.enter_context(Program([str(bench.build / "tests/bench/engine_bench")]))
        self.peers = {}
        for name, command in peers.COMMANDS.items():
            self.peers[name] = stack.enter_context(Program(command(bench)))
            peers.introduce(self.engine, self.peers[name], name, [SHAPES[shape] for shape in PEER_SHAPES[name]])

    def ours(self, candidate: str, shape: tuple[int, int], batch: int):
        return lambda: self.engine.ask_json("time", candidate, *shape, batch, self.ms)["ns"]

    def tokens(self, source: str, kind: str, batch: int):
        return lambda: self.engine.ask_json("tokens", source, kind, batch, self.ms)["ns"]

    def peer(self, name: str, shape: tuple[int, int]):
        return lambda: float(self.peers[name].ask("time", *shape, self.ms))


def _ratios(name: str, shape: str, batch: int) -> dict[str, tuple[str, str]]:
    """By row: to whom it stands in ratio, and the target that this decides."""
    limit = "engine/ecb" if shape == MAIN and batch == 1000 else ""
    return {ENGINE_HSM: (ECB_HSM, limit), ENGINE_MEMORY: (ECB_MEMORY, ""), ECB_HSM: (ECB_RAW, "")}.get(name, ("", ""))


def _against_libraries(samples: Samples, shape: str, batch: int, parameters: dict) -> list[Row]:
    """The engine's speed, or for a lone value its time, against the libraries'."""
    lone = batch == 1
    main = shape == MAIN and batch in (1, 1000)
    rows = []
    for name in peers.COMMANDS:
        if name not in samples:
            continue
        target = ("engine/lone" if lone else "engine/library") if main and name == BOUNCY_CASTLE else ""
        found = ratio(samples, ENGINE_HSM, name) if lone else ratio(samples, name, ENGINE_HSM)
        note = "its time" if lone else "its speed"
        rows.append(row("engine", ENGINE_HSM, samples[ENGINE_HSM], "ns/value", parameters, ratio_to=name, ratio=found,
                        target=target, note=note))
    if main and not lone:
        rows.append(row("engine", ENGINE_HSM, samples[ENGINE_HSM], "ns/value", parameters, ratio_to=BOUNCY_CASTLE,
                        ratio=ratio(samples, BOUNCY_CASTLE, ENGINE_HSM), target="engine/bouncy-castle"))
    if main:
        found = rows[0].ratio / QUOTED_TO_BOUNCY_CASTLE if lone else rows[0].ratio * QUOTED_TO_BOUNCY_CASTLE
        rows.append(row("engine", ENGINE_HSM, samples[ENGINE_HSM], "ns/value", parameters, ratio_to=QUOTED, quoted=True,
                        ratio=found, note=rows[0].note, target="engine/lone" if lone else "engine/library"))
    return rows


def _case(programs: Programs, shape: str, batch: int, rounds: int) -> list[Row]:
    numbers = SHAPES[shape]
    candidates = {name: programs.ours(word, numbers, batch) for name, word in OURS.items()}
    if batch in (1, 1000):
        candidates |= {name: programs.peer(name, numbers) for name, shapes in PEER_SHAPES.items() if shape in shapes}
    cost = programs.engine.ask_json("calls", *numbers, batch)
    samples = interleave(candidates, rounds)
    parameters = {"format": shape, "batch": batch}
    rows = []
    for name in candidates:
        to, target = _ratios(name, shape, batch)
        found = ratio(samples, name, to) if to else None
        note = f"{cost['calls']} calls, {cost['blocks']} blocks" if name == ENGINE_HSM else ""
        rows.append(row("engine", name, samples[name], "ns/value", parameters, ratio_to=to, ratio=found, target=target,
                        note=note))
    return rows + _against_libraries(samples, shape, batch, parameters)


def _tokens(programs: Programs, kind: str, batch: int, rounds: int) -> list[Row]:
    """Text to text, against the same in memory, and against the engine alone on values of that shape."""
    hsm, memory = "tokens, SoftHSM", "tokens, memory"
    samples = interleave({hsm: programs.tokens("hsm", kind, batch), memory: programs.tokens("memory", kind, batch),
                          ENGINE_HSM: programs.ours("engine-hsm", TOKENS[kind], batch)}, rounds)
    parameters = {"kind": kind, "batch": batch}
    return [row("engine", hsm, samples[hsm], "ns/token", parameters, ratio_to=ENGINE_HSM,
                ratio=ratio(samples, hsm, ENGINE_HSM)),
            row("engine", memory, samples[memory], "ns/token", parameters)]


def _wide(programs: Programs, batch: int, rounds: int) -> list[Row]:
    names = {length: f"engine, SoftHSM, {length} numerals" for length in WIDE}
    samples = interleave({names[length]: programs.ours("engine-hsm", (10, length), batch) for length in WIDE}, rounds)
    short, long = (names[length] for length in WIDE)
    parameters = {"radix": 10, "batch": batch}
    return [row("engine", short, samples[short], "ns/value", parameters),
            row("engine", long, samples[long], "ns/value", parameters, ratio_to=short, ratio=ratio(samples, long, short),
                target="engine/wide")]


def run(bench: Bench) -> list[Row]:
    rows = []
    rounds = bench.rounds(11)
    with ExitStack() as stack:
        programs = Programs(bench, stack)
        for shape in SHAPES:
            for batch in BATCHES:
                bench.say(f"engine: {shape}, batch {batch}")
                rows += _case(programs, shape, batch, rounds * (2 if shape == MAIN else 1))
        for kind in TOKENS:
            for batch in TOKEN_BATCHES:
                rows += _tokens(programs, kind, batch, rounds)
        for batch in (1, 10):
            rows += _wide(programs, batch, rounds)
    return rows
