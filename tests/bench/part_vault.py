# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The vault that a user would build instead: PostgreSQL with one row for each token, against HTTP requests of ours.

Once bare, by pgbench over a Unix socket with prepared statements: that is the floor of any such vault. And once behind
HTTP (vault_server.c: civetweb with our options, a connection for each worker). Both are spared what ours does:
authentication, an audit line, checking the number; and token and number are two integers, the number in the clear.
wrk and pgbench have one thread each. PostgreSQL's settings are its own, except for a connection for each worker.
"""

import atexit
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from house import PlainServer, Requests, WORKERS, new_appliance, pans, seconds, tests_http
from load import wrk
from measure import Bench, Row, interleave, ratio, row

PART = "vault"
CLIENTS = (1, 16, 64)
ROWS, ROWS_QUICK = 1_000_000, 50_000
OWNER = "postgres"  # the server refuses to run as root
ASYNCHRONOUS = "-c synchronous_commit=off"

# Token and number of the Nth of the ROWS that are there from the start: spread over all there are, in no order.
TOKEN_OF = "N * 6180339887503 % 10000000000000000"
PAN_OF = "4000000000000000 + N * 3236067977 % 1000000000000000"

FILL = f"""
CREATE TABLE vault (token bigint PRIMARY KEY, pan bigint NOT NULL UNIQUE);
INSERT INTO vault SELECT {TOKEN_OF}, {PAN_OF} FROM generate_series(1::bigint, ROWS) AS N;
VACUUM ANALYZE vault;
CHECKPOINT;
"""
GET_OR_CREATE = r"""\set token random(0, 9999999999999999)
WITH made AS (INSERT INTO vault VALUES (:token, :pan) ON CONFLICT (pan) DO NOTHING RETURNING token)
SELECT token FROM made UNION ALL SELECT token FROM vault WHERE pan = :pan LIMIT 1;
"""
NEW, KNOWN, OPENED = "tokenize a new number", "tokenize a known number", "detokenize"
LATER = ", synchronous_commit off"
SCRIPTS = {
    NEW: "\\set pan random(5000000000000000, 5999999999999999)\n" + GET_OR_CREATE,
    KNOWN: f"\\set N random(1, ROWS)\n\\set pan {PAN_OF}\n".replace("N *", ":N *") + GET_OR_CREATE,
    OPENED: f"\\set N random(1, ROWS)\n\\set token {TOKEN_OF}\n".replace("N *", ":N *")
                  + "SELECT pan FROM vault WHERE token = :token;\n",
}


class _Vault:
    """A cluster of its own, spoken to over a socket in its folder, which nobody else may enter."""

    def __init__(self, rows: int):
        self.programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="symbolon-vault-"))
        atexit.register(self.close)  # whatever happens in between
        self.as_owner = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
        if self.as_owner:
            shutil.chown(self.folder, OWNER)
        for name, script in SCRIPTS.items():
            path = self.folder / f"{name}.sql"
            path.write_text(script.replace("ROWS", str(rows)), encoding="ascii")
            path.chmod(0o644)
        self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-E", "UTF8", "--no-instructions")
        self.run("pg_ctl", "start", "-w", "-D", self.folder / "data", "-l", self.folder / "log",
                 "-o", f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' "
                 f"-c max_connections={3 * WORKERS}")
        self.sql(FILL.replace("ROWS", str(rows)))

    def run(self, program: str, *arguments, options: str = "") -> str:
        command = [*self.as_owner, self.programs / program, *arguments]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PGHOST": str(self.folder),
                       "PGDATABASE": "postgres", "PGOPTIONS": options}
        # The server keeps what pg_ctl gives it: no pipe may wait for its end.
        with tempfile.TemporaryFile("w+") as said:
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                                  cwd="/", env=environment, check=False)
            said.seek(0)
            text = said.read()
        if done.returncode != 0:
            raise AssertionError(f"{program}: {text}")
        return text

    def sql(self, text: str) -> str:
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                        *(word for statement in text.split(";\n") if statement.strip() for word in ("-c", statement))).strip()

    def transactions_per_second(self, script: str, clients: int, duration_s: float, options: str = "") -> float:
        said = self.run("pgbench", "-n", "-M", "prepared", "-c", clients, "-j", 1, "-T", max(1, round(duration_s)),
                        "-f", self.folder / f"{script}.sql", options=options)
        if not re.search(r"number of failed transactions: 0 ", said):
            raise AssertionError(said)
        return float(re.search(r"^tps = ([0-9.]+)", said, re.MULTILINE).group(1))

    def close(self) -> None:
        if (self.folder / "data/postmaster.pid").exists():
            self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.folder / "data")
        shutil.rmtree(self.folder, ignore_errors=True)


class _Peers:
    """The vault, the same behind HTTP, and ours."""

    def __init__(self, bench: Bench, rows: int):
        self.bench, self.vault, self.node = bench, _Vault(rows), new_appliance(bench)
        self._requests, self._values = Requests(bench, self.node), pans(tests_http(bench)[1], 1000)
        self._reply = self.node.path("vault-reply")
        self._reply.write_bytes(self._requests.send(self._requests.transform("encode", {"value": self._values[0]}))[0])
        self.servers = {how: self._serve(options) for how, options in (("", ""), (LATER, ASYNCHRONOUS))}
        self._write_requests(rows)

    def _serve(self, options: str) -> PlainServer:
        conninfo = f"host={self.vault.folder} user={OWNER} dbname=postgres options='{options}'"
        return PlainServer(self.bench, "vault_server", conninfo, self._reply)

    def _write_requests(self, rows: int) -> None:
        """Ours go to the vault too, where nobody looks at what authenticates them."""
        ours, source = self._requests, random.Random(3)
        known = [source.randrange(1, rows + 1) for _ in self._values]
        ours.values("encode", self._values)
        ours.values("decode", ours.tokens_of(self._values))
        numbers = (str(4 * 10**15 + n * 3236067977 % 10**15) for n in known)
        tokens = (str(n * 6180339887503 % 10**16) for n in known)
        ours.write(KNOWN, [ours.transform("encode", {"value": number}) for number in numbers])
        ours.write(OPENED, [ours.transform("decode", {"value": token}) for token in tokens])
        ours.write(NEW, [ours.transform("new", {"value": number}) for number in self._values])

    def http(self, port: int, requests: str, clients: int) -> Callable[[], float]:
        return lambda: wrk(port, self.node.path(requests), clients, seconds(self.bench)).per_second

    def bare(self, script: str, clients: int, options: str) -> Callable[[], float]:
        return lambda: self.vault.transactions_per_second(script, clients, seconds(self.bench), options)

    def close(self) -> None:
        for server in self.servers.values():
            server.stop()
        self.vault.close()
        self.node.finish()


def _compare(peers: _Peers, clients: int) -> list[Row]:
    candidates = {own: peers.http(peers.node.port, f"{own}-single", clients) for own in ("encode", "decode")}
    for script, how in ((NEW, ""), (NEW, LATER), (KNOWN, ""), (OPENED, "")):
        options = ASYNCHRONOUS if how else ""
        candidates[f"{script}{how}, bare"] = peers.bare(script, clients, options)
        candidates[f"{script}{how}, over HTTP"] = peers.http(peers.servers[how].port, script, clients)
    samples = interleave(candidates, peers.bench.rounds(5))
    with_ = {"clients": clients}
    rows = [row(PART, f"symbolon: {own}, one value a request", samples[own], "a second", with_) for own in ("encode", "decode")]
    for name in list(candidates)[2:]:
        own = "decode" if name.startswith(OPENED) else "encode"
        rows.append(row(PART, f"PostgreSQL: {name}", samples[name], "a second", with_, ratio_to=f"symbolon: {own}",
                        ratio=ratio(samples, name, own)))
    return rows


def _sizes(vault: _Vault) -> list[Row]:
    count, table, indexes = (float(number) for number in vault.sql(
        "SELECT count(*), pg_table_size('vault'), pg_indexes_size('vault') FROM vault").split("|"))
    with_ = {"rows": int(count)}
    return [row(PART, "PostgreSQL: table", [table / count], "bytes a token", with_),
            row(PART, "PostgreSQL: indexes", [indexes / count], "bytes a token", with_),
            row(PART, "symbolon: card, gift-card and PAN tokens", [0], "bytes a token", note="measured by the part memory")]


def run(bench: Bench) -> list[Row]:
    peers = _Peers(bench, ROWS_QUICK if bench.quick else ROWS)
    try:
        sizes = _sizes(peers.vault)  # as filled
        return [line for clients in CLIENTS for line in _compare(peers, clients)] + sizes
    finally:
        peers.close()
