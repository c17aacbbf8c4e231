# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The vault that a user would build instead: PostgreSQL with one row for each token, against HTTP requests of ours.

What is compared favours the vault: pgbench speaks to it over a Unix socket with prepared statements, with no HTTP,
no authentication and no audit in front; token and card number are two integers, the number in the clear; the random
part of a token is drawn by the load generator. wrk and pgbench have one thread each. Settings are PostgreSQL's own.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from house import Requests, new_appliance, pans, seconds, tests_http
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
SCRIPTS = {
    "tokenize a new number": "\\set pan random(5000000000000000, 5999999999999999)\n" + GET_OR_CREATE,
    "tokenize a known number": f"\\set N random(1, ROWS)\n\\set pan {PAN_OF}\n".replace("N *", ":N *") + GET_OR_CREATE,
    "detokenize": f"\\set N random(1, ROWS)\n\\set token {TOKEN_OF}\n".replace("N *", ":N *")
                  + "SELECT pan FROM vault WHERE token = :token;\n",
}


class _Vault:
    """A cluster of its own in a folder of its own, spoken to over a socket in it."""

    def __init__(self, rows: int):
        self.programs = max(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name)) / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="symbolon-vault-"))
        self.as_owner = ["runuser", "-u", OWNER, "--"] if os.geteuid() == 0 else []
        if self.as_owner:
            shutil.chown(self.folder, OWNER)
        for name, script in SCRIPTS.items():
            path = self.folder / f"{name}.sql"
            path.write_text(script.replace("ROWS", str(rows)), encoding="ascii")
            path.chmod(0o644)
        self.run("initdb", "-D", self.folder / "data", "-A", "peer", "-E", "UTF8", "--no-instructions")
        self.run("pg_ctl", "start", "-w", "-D", self.folder / "data", "-l", self.folder / "log",
                 "-o", f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'")
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
        self.run("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.folder / "data")
        shutil.rmtree(self.folder, ignore_errors=True)


def _compare(bench: Bench, vault: _Vault, node, clients: int) -> list[Row]:
    duration_s = seconds(bench)

    def of_vault(script: str, options: str = ""):
        return lambda: vault.transactions_per_second(script, clients, duration_s, options)

    def of_ours(name: str):
        return lambda: wrk(node.port, node.path(name), clients, duration_s).per_second

    new, known, opened = SCRIPTS
    candidates = {"encode": of_ours("encode-single"), new: of_vault(new),
                  f"{new}, synchronous_commit off": of_vault(new, ASYNCHRONOUS), known: of_vault(known),
                  "decode": of_ours("decode-single"), opened: of_vault(opened)}
    samples = interleave(candidates, bench.rounds(5))
    with_, rows = {"clients": clients}, []
    for name in candidates:
        if name in ("encode", "decode"):
            continue
        own = "decode" if name == opened else "encode"
        rows += [row(PART, f"PostgreSQL: {name}", samples[name], "transactions/s", with_),
                 row(PART, f"symbolon: {own}, one value a request", samples[own], "requests/s", with_,
                     ratio_to=f"PostgreSQL: {name}", ratio=ratio(samples, own, name))]
    return rows


def _sizes(vault: _Vault) -> list[Row]:
    count, table, indexes = (float(number) for number in vault.sql(
        "SELECT count(*), pg_table_size('vault'), pg_indexes_size('vault') FROM vault").split("|"))
    with_ = {"rows": int(count)}
    return [row(PART, "PostgreSQL: table", [table / count], "bytes a token", with_),
            row(PART, "PostgreSQL: indexes", [indexes / count], "bytes a token", with_),
            row(PART, "symbolon: card, gift-card and PAN tokens", [0], "bytes a token", note="measured by the part memory")]


def run(bench: Bench) -> list[Row]:
    rows = ROWS_QUICK if bench.quick else ROWS
    node = new_appliance(bench)
    requests, values = Requests(bench, node), pans(tests_http(bench)[1], 1000)
    requests.values("encode", values)
    requests.values("decode", requests.tokens_of(values))
    vault = _Vault(rows)
    try:
        sizes = _sizes(vault)  # as filled, before the updates of a run
        found = [line for clients in CLIENTS for line in _compare(bench, vault, node, clients)]
    finally:
        vault.close()
        node.finish()
    return found + sizes
