# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP, one token a request: against the same server with its keys in memory, and against civetweb alone."""

from functools import partial
from pathlib import Path

from house import Meter, Requests, constant_server, new_appliance, pans, tests_http
from measure import Bench, Row, interleave, ratio, row

PART = "http"
CONNECTIONS = (1, 16, 64)
OURS, MEMORY, CONSTANT = "symbolon", "key in memory", "constant"
TARGET_TO = {MEMORY: "http/memory", CONSTANT: "http/constant"}
ENCODE = "encode, one value a request"


class _House:
    """Both appliances and the constant server, with the same requests."""

    def __init__(self, bench: Bench):
        _, client, _ = tests_http(bench)
        self.bench = bench
        self.values = pans(client, 1000)
        self.nodes = {OURS: new_appliance(bench), MEMORY: new_appliance(bench, in_memory=True)}
        self.requests = {name: Requests(bench, node) for name, node in self.nodes.items()}
        self.tokens = {name: requests.tokens_of(self.values) for name, requests in self.requests.items()}
        own = self.requests[OURS]
        reply, _ = own.send(own.transform("encode", {"value": self.values[0]}))
        self.constant = constant_server(bench, reply, self.nodes[OURS].folder)

    def close(self) -> None:
        self.constant.stop()
        for node in self.nodes.values():
            node.finish()

    def meters(self) -> dict[str, Meter]:
        """New ones, by candidate."""
        servers = {name: (node.port, node.process.pid) for name, node in self.nodes.items()}
        servers[CONSTANT] = (self.constant.port, self.constant.pid)
        return {name: Meter(self.bench, port, pid) for name, (port, pid) in servers.items()}


def _compare(house: _House, what: str, files: dict[str, Path], connections: int, rounds: int) -> list[Row]:
    """Replies a second and CPU time a reply; ours as a ratio to each of the others."""
    meters = {name: meter for name, meter in house.meters().items() if name in files}
    samples = interleave({name: partial(meter.run, files[name], connections) for name, meter in meters.items()},
                         house.bench.rounds(rounds))
    cpu = {name: meter.cpu_us for name, meter in meters.items()}
    with_, rows = {"connections": connections}, []
    for other in list(files)[1:]:
        decides = what == ENCODE and connections == max(CONNECTIONS)
        rows.append(row(PART, what, samples[OURS], "requests/s", with_, ratio_to=other,
                        ratio=ratio(samples, OURS, other), target=TARGET_TO[other] if decides else ""))
        rows.append(row(PART, f"{other}: {what}", samples[other], "requests/s", with_))
        # The reciprocal, as more time is less speed.
        rows.append(row(PART, f"{what}: CPU time of the server", cpu[OURS], "us a request", with_, ratio_to=f"{other}, as speed",
                        ratio=ratio(cpu, other, OURS)))
        rows.append(row(PART, f"{other}: {what}: CPU time of the server", cpu[other], "us a request", with_))
    return rows


def _singles(house: _House) -> list[Row]:
    files = {name: requests.values("encode", house.values) for name, requests in house.requests.items()}
    files[CONSTANT] = files[OURS]
    return [line for connections in CONNECTIONS for line in _compare(house, ENCODE, files, connections, 7)]


def _other_singles(house: _House) -> list[Row]:
    """Opening a token, and the two APIs that take one card a request."""
    def opened(name: str) -> Path:
        return house.requests[name].values("decode", house.tokens[name])

    kinds = {"decode, one value a request": opened,
             "card tokens, /v2/tokens": lambda name: house.requests[name].cards(house.values),
             "gift-card tokens, /v1/Token": lambda name: house.requests[name].gift_cards(house.values)}
    return [line for what, make in kinds.items()
            for line in _compare(house, what, {name: make(name) for name in house.nodes}, 16, 5)]


def run(bench: Bench) -> list[Row]:
    house = _House(bench)
    try:
        return _singles(house) + _other_singles(house)
    finally:
        house.close()
