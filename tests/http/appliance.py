# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""An appliance of the test's own: a folder with a SoftHSM token, keys, certificate and configuration,
and the process that serves from it.

The programs under test are those of the build folder that SYMBOLON_BUILD names.
"""

import atexit
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import client

BUILD = Path(os.environ["SYMBOLON_BUILD"])
THREAD_SANITIZER = "thread" in os.environ.get("SYMBOLON_SANITIZE", "")
SYMBOLON = BUILD / "appliance" / "symbolon"
SYMBOLON_HSM = BUILD / "hsm-setup" / "symbolon-hsm"
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
WALL_CLOCK = BUILD / "tests" / "http" / "wall_clock.so"
EX_CONFIG = 78
START_S = 120  # only ends a start that hangs

TENANTS = """
tenant "demo" {
    id = 1
%(keys)s
    client "demo-cards" { id = 11  apis = {"card"} }
    client "demo-cards-2" { id = 12  apis = {"card"} }
    client "demo-app" { id = 13  apis = {"transform"}  permissions = {"tokenize", "detokenize"}
                        roles = {"pan", "card", "card-2", "supplied", "generated", "several"} }
    client "demo-writer" { id = 14  apis = {"transform"}  permissions = {"tokenize"}  roles = {"pan", "card"} }
    client "demo-operator" { id = 15  apis = {"operations"}  permissions = {"admin"} }
    client "demo-reader" { id = 16  apis = {"card", "transform"}  permissions = {"read"}  roles = {"pan", "card"} }
    client "demo-roleless" { id = 17  apis = {"transform"}  permissions = {"tokenize", "detokenize"} }
    client "demo-lax" { id = 18  apis = {"card"}  luhn = false }
    client "demo-gifts" { id = 19  apis = {"giftcard"} }
    transformation "creditcard" { id = 1  template = "builtin/creditcardnumber" }
    transformation "card" { id = 2  template = "card"  of = "demo-cards" }
    transformation "card-2" { id = 3  template = "card"  of = "demo-cards-2" }
    transformation "supplied" { id = 4  template = "builtin/creditcardnumber"  tweak_source = "supplied" }
    transformation "generated" { id = 5  template = "builtin/creditcardnumber"  tweak_source = "generated" }
    role "pan" { transformations = {"creditcard"} }
    role "card" { transformations = {"card"} }
    role "card-2" { transformations = {"card-2"} }
    role "supplied" { transformations = {"supplied"} }
    role "generated" { transformations = {"generated"} }
    role "several" { transformations = {"creditcard", "card"} }
}
tenant "other" {
    id = 2
    keys 1 { state = "current" }
    client "other-cards" { id = 21  apis = {"card"} }
    client "other-gifts" { id = 22  apis = {"giftcard"} }
    client "other-app" { id = 23  apis = {"transform"}  permissions = {"tokenize", "detokenize"}  roles = {"pan", "card"} }
    client "other-writer" { id = 24  apis = {"transform"}  permissions = {"tokenize"}  roles = {"pan", "card"} }
    transformation "creditcard" { id = 1  template = "builtin/creditcardnumber" }
    transformation "card" { id = 2  template = "card"  of = "other-cards" }
    role "pan" { transformations = {"creditcard"} }
    role "card" { transformations = {"card"} }
}
"""
ONE_GENERATION = '    keys 1 { state = "current" }'
TWO_GENERATIONS = '    keys 1 { state = "retired" }\n    keys 2 { state = "current" }'


_PORTS: set[int] = set()  # handed out before


def free_port() -> int:
    """Below the ports that the kernel hands out to clients, so that no connection takes it meanwhile."""
    while True:
        port = random.randint(20000, 29999)
        if port in _PORTS:
            continue
        _PORTS.add(port)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def run(*command, status: int | None = 0, env: dict | None = None) -> subprocess.CompletedProcess:
    """Runs a program to its end; `status` is what it must exit with (None: anything)."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=env, timeout=START_S)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


class Appliance:
    """A folder and, between start and stop, a process. Everything in it may be changed while it is stopped."""

    def __init__(self, *, plain_http: bool = False):
        self.folder = Path(tempfile.mkdtemp(prefix="symbolon-http-"))
        atexit.register(self.remove)  # whatever happens in between
        self.plain_http = plain_http
        self.module = SOFTHSM
        self.program = SYMBOLON
        self.keys = ONE_GENERATION
        self.tenants = TENANTS
        self.top = ""  # more lines at the top of the configuration
        self.edits: dict[str, str] = {}  # what to replace in the configuration
        self.extra_env: dict[str, str] = {}
        self.restore_signals = True
        self.options: list[str] = []  # of the command line, before "serve"
        self.process: subprocess.Popen | None = None
        self._credentials: dict[str, dict] = {}
        (self.folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\n"
            "log.level = ERROR\nslots.removable = false\n")
        (self.folder / "tokens").mkdir(mode=0o700)
        self.write_secret("pin", "%024x" % random.SystemRandom().getrandbits(96))
        self.write_secret("so-pin", "%024x" % random.SystemRandom().getrandbits(96))
        self.choose_ports()

    # ---- files ----

    def path(self, name: str) -> Path:
        return self.folder / name

    def text(self, name: str) -> str:
        return self.path(name).read_text()

    def write_secret(self, name: str, text: str) -> None:
        path = self.path(name)
        path.write_text(text)
        path.chmod(0o600)

    @property
    def pin(self) -> str:
        return self.text("pin")

    def remove(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- token, keys, certificate ----

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASAN", "LD_"))}
        return {**kept, "SOFTHSM2_CONF": str(self.path("softhsm2.conf")), **self.extra_env}

    def hsm(self, *words, status: int | None = 0) -> str:
        command = [SYMBOLON_HSM, *words, "--module", SOFTHSM, "--token", "symbolon", "--pin-file", self.path("pin")]
        return run(*command, status=status, env=self.env).stdout

    def init_token(self) -> None:
        self.hsm("init", "--so-pin-file", self.path("so-pin"))

    def generate(self, tenant: int, *uses: str, generation: int = 1) -> None:
        named = [word for use in uses for word in ("--use", use)]
        self.hsm("keys", "generate", "--tenant", tenant, "--generation", generation, "--if-missing", *named)

    def certify(self) -> None:
        self.hsm("cert", "--self-signed", "--subject", "localhost", "--san", "DNS:localhost,IP:127.0.0.1",
                 "--out", self.path("tls.pem"))

    def set_up(self) -> "Appliance":
        """Token, all keys and certificate."""
        self.init_token()
        self.generate(0)
        self.generate(1)
        self.generate(2)
        self.certify()
        return self

    def clone(self) -> "Appliance":
        """A node of its own with a copy of the slot and the certificate."""
        twin = Appliance(plain_http=self.plain_http)
        twin.keys, twin.tenants = self.keys, self.tenants
        shutil.copytree(self.path("tokens"), twin.path("tokens"), dirs_exist_ok=True)
        for name in ("pin", "so-pin", "tls.pem"):
            shutil.copy2(self.path(name), twin.path(name))
        return twin

    # ---- configuration ----

    def choose_ports(self) -> None:
        self.port, self.operations_port = free_port(), free_port()
        authority = None if self.plain_http else str(self.path("tls.pem"))
        self.main = client.Listener(self.port, authority)
        self.operations = client.Listener(self.operations_port)

    def configuration(self) -> str:
        text = f"""listen = "127.0.0.1:{self.port}"
operations_listen = "127.0.0.1:{self.operations_port}"
plain_http = {"true" if self.plain_http else "false"}
connections = 64
{self.top}
tls {{ certificate = "tls.pem" }}
audit {{ file = "audit.log" }}
slot "softhsm" {{ module = "{self.module}"  token = "symbolon"  pin_file = "pin" }}
""" + self.tenants % {"keys": self.keys}
        for old, new in self.edits.items():
            assert old in text, old
            text = text.replace(old, new, 1)
        return text

    def configure(self, text: str | None = None) -> None:
        self.path("symbolon.conf").write_text(text if text is not None else self.configuration())

    def symbolon(self, *words, status: int | None = 0) -> subprocess.CompletedProcess:
        return run(self.program, "--config", self.path("symbolon.conf"), *words, status=status, env=self.env)

    def credential(self, name: str) -> dict:
        """What `symbolon credential show` prints for a client."""
        if name not in self._credentials:
            self._credentials[name] = json.loads(self.symbolon("credential", "show", name).stdout)
        return self._credentials[name]

    def forget_credentials(self) -> None:
        """After a change of the configuration that renews them."""
        self._credentials.clear()

    def card(self, name: str) -> dict:
        return self.credential(name)["card"]

    def token(self, name: str) -> str:
        return self.credential(name)["transform"]["token"]

    # ---- the process ----

    def spawn(self) -> subprocess.Popen:
        with self.path("symbolon.log").open("ab") as log:
            return subprocess.Popen([str(self.program), "--config", str(self.path("symbolon.conf")), *self.options, "serve"],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env,
                                    restore_signals=self.restore_signals)

    def start(self) -> "Appliance":
        """Configures, starts, and waits until it is ready. A port that was taken meanwhile is given up."""
        for _ in range(5):
            self.configure()
            self.process = self.spawn()
            if self._wait_until_ready():
                return self
            self.choose_ports()
        raise AssertionError("does not start:\n" + self.text("symbolon.log")[-3000:])

    def _wait_until_ready(self) -> bool:
        end = time.monotonic() + START_S
        while self.process.poll() is None and time.monotonic() < end:
            try:
                if self.operations.request("GET", "/readyz").status == 200 and self._main_listens():
                    return True
            except OSError:
                pass
            time.sleep(0.02)
        return False

    def _main_listens(self) -> bool:
        with self.main.connect():
            return True

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(START_S)
        self.process = None
        return status

    def restart(self) -> int:
        status = self.stop()
        self.start()
        return status

    def start_refused(self) -> tuple[int, str]:
        """Starts what must not start: exit status and what it printed."""
        done = self.symbolon(*self.options, "serve", status=None)
        return done.returncode, done.stdout + done.stderr

    def finish(self) -> None:
        """For tearDownModule: the process must still run, end in peace, and no sanitizer may have spoken."""
        try:
            status = self.stop()
            log = self.text("symbolon.log")
            if status != 0:
                raise AssertionError(f"the appliance exited with {status}:\n{log[-3000:]}")
            for word in ("Sanitizer", "runtime error"):
                if word in log:
                    raise AssertionError(log[-6000:])
        finally:
            self.remove()

    # ---- what it tells ----

    def audit_lines(self) -> list[dict]:
        return [json.loads(line) for line in self.text("audit.log").splitlines()]

    def metrics(self) -> str:
        return self.operations.request("GET", "/metrics").body.decode()

    def metric(self, name: str) -> int:
        lines = [line for line in self.metrics().splitlines() if line.rpartition(" ")[0] == name]
        return int(lines[0].rpartition(" ")[2])


class Clock:
    """A wall clock that stands still until a test moves it, for the process of one appliance. The monotonic clock
    goes on. A sanitizer's runtime wants to be the first library: it is told not to mind."""

    def __init__(self, appliance: Appliance, second: int):
        self._file = appliance.path("clock").open("wb", buffering=0)
        self.set(second)
        appliance.extra_env = {"LD_PRELOAD": str(WALL_CLOCK), "WALL_CLOCK": self._file.name,
                               "ASAN_OPTIONS": "verify_asan_link_order=0"}

    def set(self, second: int) -> None:
        os.pwrite(self._file.fileno(), second.to_bytes(8, sys.byteorder, signed=True), 0)
