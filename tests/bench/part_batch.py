# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP, many tokens a request: against the engine alone; and how often such a request allocates."""

import time
from pathlib import Path
from statistics import median

from house import ADDRESS, Engine, Meter, Requests, new_appliance, pans, receive, tests_http
from measure import Bench, Row, interleave, ratio, row

PART = "batch"
CONNECTIONS = (1, 4)
SIZES = (10, 100, 1000)


def _batch(bench: Bench, node, engine: Engine, work: tuple[str, Path, int], connections: int) -> list[Row]:
    """Against the engine in values a second; and in CPU time, which does not depend on how busy the machine is."""
    operation, path, size = work
    meter = Meter(bench, node.port, node.process.pid)
    samples = interleave({"http": lambda: meter.run(path, connections, size), "engine": engine.tokens_per_second},
                         bench.rounds(7))
    with_ = {"values": size, "connections": connections}
    decides = (operation, size, connections) == ("encode", max(SIZES), max(CONNECTIONS))
    as_speed = ratio({"http": [1e6 / us for us in meter.cpu_us], "engine": samples["engine"]}, "http", "engine")
    return [row(PART, f"{operation}, a batch a request", samples["http"], "tokens/s", with_, ratio_to="engine alone",
                ratio=ratio(samples, "http", "engine"), target="http/batch" if decides else ""),
            row(PART, f"{operation}: CPU time of the server", [1e3 * us for us in meter.cpu_us], "ns a value", with_,
                ratio_to="engine alone, as speed", ratio=as_speed),
            row(PART, "engine alone over SoftHSM, one core", samples["engine"], "tokens/s", with_)]


def _batches(bench: Bench, node, engine: Engine) -> list[Row]:
    requests = Requests(bench, node)
    values = pans(tests_http(bench)[1], max(SIZES))
    works = [("encode", values, size) for size in SIZES] + [("decode", requests.tokens_of(values), max(SIZES))]
    return [line for operation, texts, size in works for connections in CONNECTIONS
            for line in _batch(bench, node, engine, (operation, requests.batches(operation, texts, size), size), connections)]


# ---- allocations -------------------------------------------------------------------------------------


def _allocations(bench: Bench, in_memory: bool) -> list[Row]:
    """Of a process of its own, which counts them."""
    counts = bench.out / "allocation-counts"
    counts.unlink(missing_ok=True)
    counter = bench.build / "tests/bench/allocation_counter.so"
    extra = {"LD_PRELOAD": str(counter), "ALLOCATION_COUNTS": str(counts)}
    node = new_appliance(bench, in_memory=in_memory, extra_env=extra)
    values, requests, rows = pans(tests_http(bench)[1], max(SIZES)), Requests(bench, node), []
    for operation, texts in (("encode", values), ("decode", requests.tokens_of(values))):
        for size, body in ((1, {"value": texts[0]}), (max(SIZES), {"batch_input": [{"value": text} for text in texts]})):
            samples = _count(node, counts, requests.transform(operation, body))
            rows.append(row(PART, f"{operation}, allocations a request", samples, "calls",
                            {"values": size, "key": "in memory" if in_memory else "in SoftHSM"},
                            ratio_to="values", ratio=median(samples) / size))
    node.finish()
    return rows


def _count(node, counts: Path, request: bytes) -> list[float]:
    """On one kept connection, after it has settled."""
    samples = []
    with node.main.connect(ADDRESS) as connection:
        for _ in range(15):
            before = int.from_bytes(counts.read_bytes()[:8], "little")
            connection.sendall(request)
            receive(connection)
            time.sleep(0.05)  # the worker puts things away after the reply has left
            samples.append(float(int.from_bytes(counts.read_bytes()[:8], "little") - before))
    return samples[5:]


def run(bench: Bench) -> list[Row]:
    node = new_appliance(bench)
    with Engine(bench) as engine:
        rows = _batches(bench, node, engine)
    node.finish()
    return rows + _allocations(bench, False) + _allocations(bench, True)
