# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Serial tokens, made while they are sent: against the engine alone, and the memory that it takes."""

import socket
import threading
import time

from house import ADDRESS, Engine, cpu_seconds, new_appliance, status_kib, tests_http
from measure import Bench, Row, interleave, ratio, row

PART = "serial"
DIGITS = 16  # as the engine's figure
HEAD_BYTES_MAX, LAST_CHUNK = 4096, b"0\r\n\r\n"
FEW, MANY, MANY_QUICK = 100_000, 5_000_000, 1_000_000


class Line:
    """A produced line of serial tokens, and its download."""

    def __init__(self, node, caller, size: int):
        self.port, self.session_key, self.size = node.port, caller.session_key, size
        begin = time.monotonic()
        self.id = caller.order(size=str(size), digits=str(DIGITS), alphabet="DECIMAL")["id"]
        if caller.finished(self.id)["size"] != str(size):
            raise AssertionError("the line is smaller than was ordered")
        self.produced_per_second = size / (time.monotonic() - begin)

    def _request(self, query: str) -> bytes:
        return (f"GET /api/tokens/{self.id}/data{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                f"Session-Key: {self.session_key}\r\n\r\n").encode()

    def download(self, query: str = "") -> float:
        """Tokens a second; what comes is thrown away, but all of it must come."""
        room, received, first, last = bytearray(1 << 20), 0, b"", b""
        with socket.create_connection((ADDRESS, self.port)) as connection:
            begin = time.monotonic()
            connection.sendall(self._request(query))
            while got := connection.recv_into(room):
                first = first or bytes(room[:min(got, HEAD_BYTES_MAX)])
                last = (last + bytes(room[max(0, got - len(LAST_CHUNK)):got]))[-len(LAST_CHUNK):]
                received += got
            took = time.monotonic() - begin
        head = first.partition(b"\r\n\r\n")[0]
        body_bytes = received - len(head) - 4
        whole = last == LAST_CHUNK if query else body_bytes == self.size * (DIGITS + 1) - 1
        if b" 200 " not in head.split(b"\r\n")[0] or not whole:
            raise AssertionError(f"{body_bytes} bytes: {head!r}")
        return self.size / took


class _PeakMemory:
    """The largest resident memory of a process while a block runs, seen every few milliseconds."""

    def __init__(self, pid: int):
        self._pid, self._end = pid, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._end.wait(0.005):
            self.kib = max(self.kib, status_kib(self._pid))

    def __enter__(self) -> "_PeakMemory":
        self.kib = status_kib(self._pid)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._end.set()
        self._thread.join()


def _speed(bench: Bench, pid: int, line: Line, engine: Engine) -> list[Row]:
    cpu_us: dict[str, list[float]] = {"plain": [], "gz": []}

    def download(name: str, query: str) -> float:
        before = cpu_seconds(pid)
        per_second = line.download(query)
        cpu_us[name].append(1e6 * (cpu_seconds(pid) - before) / line.size)
        return per_second

    samples = interleave({"plain": lambda: download("plain", ""), "gz": lambda: download("gz", "?format=gz"),
                          "engine": engine.tokens_per_second}, bench.rounds(5))
    with_, rows = {"digits": DIGITS, "size": line.size}, []
    for name, what, target in (("plain", "streamed", "http/serial"), ("gz", "streamed, ?format=gz", "")):
        as_speed = ratio({name: [1e6 / us for us in cpu_us[name]], "engine": samples["engine"]}, name, "engine")
        rows += [row(PART, what, samples[name], "tokens/s", with_, ratio_to="engine alone",
                     ratio=ratio(samples, name, "engine"), target=target),
                 row(PART, f"{what}: CPU time of the server", [1e3 * us for us in cpu_us[name]], "ns a token", with_,
                     ratio_to="engine alone, as speed", ratio=as_speed)]
    return rows + [row(PART, "ordered until finished, nothing sent", [line.produced_per_second], "tokens/s", with_,
                       note="once; asked for its status every 10 ms"),
                   row(PART, "engine alone over SoftHSM, one core", samples["engine"], "tokens/s", {"values": 1000})]


def _memory(pid: int, few: Line, many: Line) -> list[Row]:
    before, most = status_kib(pid), {}
    for name, line in (("few", few), ("many", many)):
        with _PeakMemory(pid) as peak:
            line.download()
            line.download("?format=gz")
        most[name] = peak.kib
    return [row(PART, "resident memory before streaming", [before], "KiB"),
            row(PART, "resident memory, highest while streaming", [most["few"]], "KiB", {"size": few.size}),
            row(PART, "resident memory, highest while streaming", [most["many"]], "KiB", {"size": many.size},
                ratio_to=f"size {few.size}", ratio=most["many"] / most["few"], target="memory/serial"),
            row(PART, "resident memory after streaming", [status_kib(pid)], "KiB")]


def run(bench: Bench) -> list[Row]:
    _, _, serial_client = tests_http(bench)
    node = new_appliance(bench)
    caller = serial_client.Client(node).open_session()
    few = Line(node, caller, FEW)
    many = Line(node, caller, MANY_QUICK if bench.quick else MANY)
    memory = _memory(node.process.pid, few, many)
    with Engine(bench) as engine:
        rows = _speed(bench, node.process.pid, many, engine)
    node.finish()
    return rows + memory
