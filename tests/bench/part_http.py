# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""HTTP, one token a request: against the same server with its keys in memory, and against civetweb alone."""

from house import Requests, constant_server, new_appliance, pans, seconds, tests_http
from load import wrk
from measure import Bench, Row, interleave, ratio, row

PART = "http"
CONNECTIONS = (1, 16, 64)


class _House:
    """Both appliances and the constant server, with the same requests."""

    def __init__(self, bench: Bench):
        _, client, _ = tests_http(bench)
        self.bench = bench
        self.values = pans(client, 1000)
        self.nodes = {"symbolon": new_appliance(bench), "key in memory": new_appliance(bench, in_memory=True)}
        self.requests = {name: Requests(bench, node) for name, node in self.nodes.items()}
        self.tokens = {name: requests.tokens_of(self.values) for name, requests in self.requests.items()}
        own = self.requests["symbolon"]
        reply, _ = own.send(own.transform("encode", {"value": self.values[0]}))
        self.constant = constant_server(bench, reply, self.nodes["symbolon"].folder)

    def close(self) -> None:
        self.constant.stop()
        for node in self.nodes.values():
            node.finish()

    def load(self, name: str, path, connections: int):
        """A candidate: replies a second."""
        port = self.nodes[name].port
        return lambda: wrk(port, path, connections, seconds(self.bench)).per_second


def _singles(house: _House) -> list[Row]:
    rows = []
    files = {name: requests.values("encode", house.values) for name, requests in house.requests.items()}
    for connections in CONNECTIONS:
        loads = {name: house.load(name, files[name], connections) for name in files}
        port, own = house.constant.port, files["symbolon"]
        loads["constant"] = lambda c=connections: wrk(port, own, c, seconds(house.bench)).per_second
        samples = interleave(loads, house.bench.rounds(7))
        with_, last = {"connections": connections}, connections == CONNECTIONS[-1]
        for to, target in (("key in memory", "http/memory"), ("constant", "http/constant")):
            rows.append(row(PART, "encode, one value a request", samples["symbolon"], "requests/s", with_, ratio_to=to,
                            ratio=ratio(samples, "symbolon", to), target=target if last else ""))
        rows.append(row(PART, "the same, key in memory", samples["key in memory"], "requests/s", with_))
        rows.append(row(PART, "civetweb answering a constant", samples["constant"], "requests/s", with_))
    return rows


def _other_singles(house: _House) -> list[Row]:
    """Opening a token, and the two APIs that take one card a request."""
    rows = []
    for kind, make in (("decode, one value a request", lambda name: house.requests[name].values("decode", house.tokens[name])),
                       ("card tokens, /v2/tokens", lambda name: house.requests[name].cards(house.values)),
                       ("gift-card tokens, /v1/Token", lambda name: house.requests[name].gift_cards(house.values))):
        connections = 16
        loads = {name: house.load(name, make(name), connections) for name in house.nodes}
        samples = interleave(loads, house.bench.rounds(5))
        rows.append(row(PART, kind, samples["symbolon"], "requests/s", {"connections": connections},
                        ratio_to="key in memory", ratio=ratio(samples, "symbolon", "key in memory")))
    return rows


def run(bench: Bench) -> list[Row]:
    house = _House(bench)
    try:
        return _singles(house) + _other_singles(house)
    finally:
        house.close()
