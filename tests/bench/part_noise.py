# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""How quiet the machine is: the same work as two candidates. Their ratio would be 1, and their extremes the same."""

import hashlib
import time

from measure import Bench, Row, interleave, ratio, row

WORK_BYTES = bytes(20_000_000)


def _milliseconds() -> float:
    begin = time.monotonic()
    hashlib.sha256(WORK_BYTES)
    return 1e3 * (time.monotonic() - begin)


def run(bench: Bench) -> list[Row]:
    samples = interleave({"one": _milliseconds, "the same": _milliseconds}, bench.rounds(31))
    return [row("noise", "one", samples["one"], "ms"),
            row("noise", "the same", samples["the same"], "ms", ratio_to="one", ratio=ratio(samples, "the same", "one"))]
