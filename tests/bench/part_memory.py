# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What is left behind by many tokens of each kind: bytes in the store and with the keys, and resident memory.

The audit file has a line for each request, whatever it made, and stands apart.
"""

from collections.abc import Callable
from pathlib import Path

from house import ADDRESS, WORKERS, Requests, new_appliance, pans, receive, status_kib, tests_http
from load import wrk
from measure import Bench, Row, row

PART = "memory"
TOKENS, TOKENS_QUICK = 1_000_000, 20_000
BATCH = 1000
DIFFERENT = 20_000  # cards of those that are sent one by one, again and again
CONNECTIONS = 16
WARM = "warm-up"


def _bytes_of(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def _stored(node) -> int:
    return _bytes_of(node.folder, "store.db*") + _bytes_of(node.folder / "tokens", "**/*")


def _rows(node, kind: str, make: Callable[[], int]) -> list[Row]:
    """Between two restarts, so that only what lasts is counted. Workers keep their buffers: all have worked before."""
    node.restart()
    wrk(node.port, node.path(WARM), WORKERS - 1, 1)
    resident, stored, audit = status_kib(node.process.pid), _stored(node), _bytes_of(node.folder, "audit.log*")
    made = make()
    resident_after = status_kib(node.process.pid)
    node.restart()
    stored, audit = _stored(node) - stored, _bytes_of(node.folder, "audit.log*") - audit
    with_ = {"tokens": made}
    return [row(PART, f"{kind}: bytes stored", [stored], "bytes", with_, ratio_to="tokens, whole bytes each",
                ratio=float(stored // made), target="memory/stored"),
            row(PART, f"{kind}: resident memory before", [resident], "KiB"),
            row(PART, f"{kind}: resident memory after", [resident_after], "KiB", with_, ratio_to="before",
                ratio=resident_after / resident),
            row(PART, f"{kind}: audit file", [audit], "bytes", with_, ratio_to="tokens, bytes each", ratio=audit / made)]


def _send_each(node, requests: list[bytes]) -> None:
    """On one connection, one after the other; every one must be a success."""
    with node.main.connect(ADDRESS) as connection:
        for request in requests:
            connection.sendall(request)
            receive(connection)


def _pan_tokens(node, requests: Requests, values: list[str]) -> int:
    slices = (values[at:at + BATCH] for at in range(0, len(values), BATCH))
    bodies = ({"batch_input": [{"value": value} for value in part]} for part in slices)
    _send_each(node, [requests.transform("encode", body) for body in bodies])
    return len(values)


def _until(node, path: Path, tokens: int) -> int:
    made = 0
    while made < tokens:
        made += wrk(node.port, path, CONNECTIONS, 1 if tokens < TOKENS else 10).requests
    return made


def run(bench: Bench) -> list[Row]:
    _, client, serial_client = tests_http(bench)
    tokens = TOKENS_QUICK if bench.quick else TOKENS
    node = new_appliance(bench)
    requests, values = Requests(bench, node), pans(client, tokens)

    def serial_tokens() -> int:
        caller = serial_client.Client(node).open_session()
        id = caller.order(size=str(tokens), digits="16", alphabet="DECIMAL")["id"]
        return int(caller.finished(id)["size"])

    requests.write(WARM, [requests.transform("encode", {"value": value}) for value in values[:BATCH]])
    rows = _rows(node, "PAN tokens", lambda: _pan_tokens(node, requests, values))
    rows += _rows(node, "card tokens", lambda: _until(node, requests.cards(values[:DIFFERENT]), tokens))
    rows += _rows(node, "gift-card tokens", lambda: _until(node, requests.gift_cards(values[:DIFFERENT]), tokens))
    rows += _rows(node, "serial tokens", serial_tokens)
    node.finish()
    return rows
