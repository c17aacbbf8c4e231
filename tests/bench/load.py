# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Load on an HTTP server by wrk: keep-alive connections that send prepared requests as fast as they are answered."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass
class Load:
    """What one run of wrk saw."""

    requests: int
    seconds: float
    bytes: int
    p50_us: float
    p99_us: float

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds


def write_requests(path: Path, requests: list[bytes]) -> Path:
    """As load.lua reads them. They hold credentials: only the owner may read the file."""
    path.touch(mode=0o600)
    path.write_bytes(b"".join(b"%d\n%s" % (len(request), request) for request in requests))
    return path


def wrk(port: int, requests: Path, connections: int, seconds: float) -> Load:
    """One run. A reply other than 2xx or 3xx, or a broken connection, makes it a failure instead of a figure."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s", "-s", _SCRIPT,
               f"http://127.0.0.1:{port}/", "--", requests]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode != 0:
        raise AssertionError(f"wrk: {done.stdout}{done.stderr}")
    seen = json.loads(done.stdout.splitlines()[-1])
    refused, broken = seen.pop("refused"), seen.pop("broken")
    if refused or broken or not seen["requests"]:
        raise AssertionError(f"{refused} of {seen['requests']} replies are no success, {broken} connections broke")
    return Load(**seen)
