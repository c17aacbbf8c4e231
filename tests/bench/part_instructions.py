# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a request goes: instructions in user mode, counted by callgrind.

They do not depend on what else the machine does, and tell a change of a few per cent. They are no time: what the
kernel does is not in them, and an instruction that fills or copies memory counts once for each byte. valgrind knows
no AVX-512, so the engine runs its AVX2 kernel.
"""

import re
import subprocess
from pathlib import Path

from house import ADDRESS, Requests, new_appliance, pans, receive, tests_http
from measure import Bench, Row, row

PART = "instructions"
BATCH = 1000
# By a function's file, or its object if that is not known: the first that fits.
ROOMS = (("FF1", r"appliance/fpe/"), ("tokens", r"appliance/tokens/"), ("audit and metrics", r"appliance/(audit|metrics)/"),
         ("JSON check, cJSON", r"web/json_|libcjson"), ("APIs", r"web/apis/"), ("web", r"web/[a-z]"), ("lanes", r"pkcs11/"),
         ("base", r"appliance/base/"), ("SoftHSM", r"libsofthsm2"), ("OpenSSL", r"libcrypto|libssl"),
         ("civetweb", r"libcivetweb"), ("libc", r"."))
# Functions with all that they call; some of them call others of them.
STEPS = ("begin_request", "clients_authenticate", "json_read", "role_run", "ff1_encrypt", "C_EncryptUpdate", "audit_write",
         "reply_head")
SMALL = 0.01  # of all: not listed


def _callgrind(bench: Bench, name: str, pick, count: int) -> Path:
    """The profile of `count` equal requests on one connection, after a few that are not counted."""
    out = bench.out / f"callgrind.{name}"
    out.unlink(missing_ok=True)
    node = new_appliance(bench)
    requests, values = Requests(bench, node), pans(tests_http(bench)[1], BATCH)
    request = pick(requests, values)
    node.stop()
    wrapper = node.path("under-callgrind")
    wrapper.write_text("#!/bin/sh\nexec valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="
                       f"{out} {node.program} \"$@\"\n", encoding="ascii")
    wrapper.chmod(0o700)
    node.program = wrapper
    node.start()

    def switch(state: str) -> None:
        subprocess.run(["callgrind_control", "-i", state, str(node.process.pid)], check=True, capture_output=True)

    with node.main.connect(ADDRESS) as connection:
        for turn in range(3 + count):
            if turn == 3:
                switch("on")
            connection.sendall(request)
            receive(connection)
        switch("off")
    node.finish()
    return out


def _annotated(out: Path, *options: str) -> list[tuple[int, str]]:
    """Instructions and the function they are of, as "file:function [object]"."""
    said = subprocess.run(["callgrind_annotate", "--threshold=100", "--auto=no", *options, out], capture_output=True,
                          text=True, check=True).stdout
    found = re.findall(r"^ *([0-9,]+) \([ 0-9.]+%\)  (\S.*)$", said, re.MULTILINE)
    return [(int(number.replace(",", "")), place) for number, place in found if place != "PROGRAM TOTALS"]


def _by_room(out: Path) -> dict[str, int]:
    counts = {name: 0 for name, _ in ROOMS}
    for number, place in _annotated(out):
        counts[next(name for name, pattern in ROOMS if re.search(pattern, place))] += number
    return counts


def _by_step(out: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for number, place in _annotated(out, "--inclusive=yes"):
        function = re.sub(r" \[.*", "", place).rpartition(":")[2]
        if function in STEPS:
            counts[function] = max(number, counts.get(function, 0))
    return counts


def _rows(out: Path, name: str, values: int, size: int) -> list[Row]:
    rooms, steps = _by_room(out), _by_step(out)
    total = sum(rooms.values())

    def rows_of(what: str, counts: dict[str, int]) -> list[Row]:
        most_first = sorted(counts.items(), key=lambda item: -item[1])
        return [row(PART, what % part, [count / values], "instructions a value", {"values": size}, ratio_to="all",
                    ratio=count / total) for part, count in most_first if count >= SMALL * total]

    return ([row(PART, name, [total / values], "instructions a value", {"values": size})]
            + rows_of("in %s", rooms) + rows_of("in %s() and what it calls", steps))


def run(bench: Bench) -> list[Row]:
    def one(requests: Requests, values: list[str]) -> bytes:
        return requests.transform("encode", {"value": values[0]})

    def many(requests: Requests, values: list[str]) -> bytes:
        return requests.transform("encode", {"batch_input": [{"value": value} for value in values]})

    return (_rows(_callgrind(bench, "single", one, 100), "encode, one value a request", 100, 1)
            + _rows(_callgrind(bench, "batch", many, 10), "encode, a batch a request", 10 * BATCH, BATCH))
