# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Appliances, requests and peers of the parts that measure over HTTP.

Appliances are those of tests/http, over plain HTTP: TLS would be the same for all who are compared.
"""

import atexit
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from load import wrk, write_requests
from measure import Bench
from program import Program

WORKERS = 128  # of every server: a connection occupies one; more than any load has connections
ADDRESS = "127.0.0.1"
SERIAL_LIMITS = "serial { max_tokens = 10000000  max_cells = 1000000000 }"


def seconds(bench: Bench) -> float:
    """Of one run of load."""
    return 1 if bench.quick else 2


def tests_http(bench: Bench):
    """The modules appliance, client and serial_client of tests/http, for the programs of bench.build."""
    os.environ["SYMBOLON_BUILD"] = str(bench.build)
    folder = str(bench.root / "tests/http")
    if folder not in sys.path:
        sys.path.append(folder)
    import appliance
    import client
    import serial_client
    return appliance, client, serial_client


def new_appliance(bench: Bench, *, in_memory: bool = False, extra_env: dict | None = None):
    """One that serves, with a store. in_memory: the same appliance, its keys in memory (symbolon_soft)."""
    appliance, _, serial_client = tests_http(bench)
    made = serial_client.with_serials(appliance.Appliance(plain_http=True), SERIAL_LIMITS)
    made.edits = {"connections = 64": f"connections = {WORKERS}\nconnections_per_address = {WORKERS}"}
    made.extra_env = extra_env or {}
    if in_memory:
        made.program = bench.build / "tests/bench/symbolon_soft"
        made.certify = lambda: None
        return made.start()
    return made.set_up().start()


class PlainServer:
    """A program of ours that serves with civetweb (plain_civetweb.h), and says when it is ready."""

    def __init__(self, bench: Bench, program: str, *arguments):
        appliance, _, _ = tests_http(bench)
        self.port = appliance.free_port()
        command = [bench.build / "tests/bench" / program, str(self.port), str(WORKERS), *map(str, arguments)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.pid = self._process.pid
        atexit.register(self.stop)  # whatever happens in between
        if self._process.stdout.readline() != b"ready\n":
            raise AssertionError(f"{program} does not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.stdout.close()
        self._process.wait()


def constant_server(bench: Bench, reply: bytes, folder: Path) -> PlainServer:
    """civetweb that answers every request with the bytes of one reply."""
    path = folder / "constant-reply"
    path.write_bytes(reply)
    return PlainServer(bench, "constant_server", path)


class Engine:
    """The engine alone over SoftHSM, asked for one figure at a time (engine_bench.c). Its time is CPU time."""

    def __init__(self, bench: Bench):
        self._program = Program([str(bench.build / "tests/bench/engine_bench")])

    def __enter__(self) -> "Engine":
        self._program.__enter__()
        return self

    def __exit__(self, *what) -> None:
        self._program.__exit__(*what)

    def tokens_per_second(self) -> float:
        """16 decimal digits, 1000 at a time, one core."""
        return 1e9 / self._program.ask_json("time", "engine-hsm", 10, 16, 1000, 200)["ns"]


# ---- requests ----------------------------------------------------------------------------------------


def pans(client, count: int, seed: int = 1) -> list[str]:
    """Numbers of 16 digits that pass the Luhn check, all different."""
    source = random.Random(seed)
    return [client.with_check_digit("4" + str(number).zfill(14)) for number in source.sample(range(10**14), count)]


def receive(connection) -> tuple[bytes, bytes]:
    """A reply's bytes and, of these, its body. Anything but a 200 is a failure."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 20)
    head, _, _ = received.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise AssertionError(received)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    whole = len(head) + 4 + int(lengths[0])
    while len(received) < whole:
        received += connection.recv(1 << 20)
    return received, received[len(head) + 4:]


class Requests:
    """Files of prepared requests to one appliance, in its own folder, which is removed with it."""

    def __init__(self, bench: Bench, node):
        _, self._client, _ = tests_http(bench)
        self._node = node

    def write(self, name: str, requests: Iterator[bytes]) -> Path:
        return write_requests(self._node.path(name), list(requests))

    def _post(self, target: str, headers: dict, body: dict) -> bytes:
        sent = json.dumps(body, separators=(",", ":")).encode()
        return self._client.request_bytes("POST", target, {"Content-Type": "application/json", **headers}, sent)

    def transform(self, operation: str, body: dict) -> bytes:
        headers = {"X-Vault-Token": self._node.token("demo-app")}
        return self._post(f"/v1/transform/{operation}/pan", headers, body)

    def values(self, operation: str, values: list[str]) -> Path:
        """One value a request."""
        return self.write(f"{operation}-single", (self.transform(operation, {"value": value}) for value in values))

    def batches(self, operation: str, values: list[str], size: int) -> Path:
        slices = (values[at:at + size] for at in range(0, len(values), size))
        bodies = ({"batch_input": [{"value": value} for value in part]} for part in slices)
        return self.write(f"{operation}-{size}", (self.transform(operation, body) for body in bodies))

    def cards(self, values: list[str]) -> Path:
        """Signed now: they are good for five minutes."""
        credential = self._node.card("demo-cards")
        bodies = (self._client.encode(self._client.card_body(value)) for value in values)
        return self.write("cards", (self._client.request_bytes(
            "POST", self._client.CARD_PATH, self._client.card_headers(credential, body), body) for body in bodies))

    def gift_cards(self, values: list[str]) -> Path:
        headers = self._client.basic_authorization(self._node.credential("demo-gifts")["giftcard"])
        bodies = ({"cardnumber": value, "securitycode": "123"} for value in values)
        return self.write("gift-cards", (self._post("/v1/Token", headers, body) for body in bodies))

    def send(self, request: bytes) -> tuple[bytes, dict]:
        """The reply's bytes as they came, and its JSON."""
        with self._node.main.connect(ADDRESS) as connection:
            connection.sendall(request)
            reply, body = receive(connection)
        return reply, json.loads(body)

    def tokens_of(self, values: list[str]) -> list[str]:
        """The tokens of these values, checked to come back as the values."""
        _, made = self.send(self.transform("encode", {"batch_input": [{"value": value} for value in values]}))
        tokens = [item["encoded_value"] for item in made["data"]["batch_results"]]
        _, opened = self.send(self.transform("decode", {"batch_input": [{"value": token} for token in tokens]}))
        if [item["decoded_value"] for item in opened["data"]["batch_results"]] != values:
            raise AssertionError("tokens do not open to their values")
        return tokens


def cpu_seconds(pid: int) -> float:
    """Of all threads of a process so far, in user mode and in the kernel."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Meter:
    """Runs of load on one server: replies a second are returned, the server's CPU time a value is kept."""

    def __init__(self, bench: Bench, port: int, pid: int):
        self._bench, self._port, self._pid = bench, port, pid
        self.cpu_us: list[float] = []

    def run(self, requests: Path, connections: int, values: int = 1) -> float:
        """Values a second, of so many in each request."""
        before = cpu_seconds(self._pid)
        load = wrk(self._port, requests, connections, seconds(self._bench))
        self.cpu_us.append(1e6 * (cpu_seconds(self._pid) - before) / (load.requests * values))
        return load.per_second * values


def status_kib(pid: int, field: str = "VmRSS") -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise AssertionError(field)
