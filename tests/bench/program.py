# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""A program that measures on demand: a request is a line on its stdin, the answer a line on its stdout."""

import json
import subprocess


class Program:
    """Lives for a `with`; ends when its stdin is closed."""

    def __init__(self, command: list[str]):
        self._command = command

    def __enter__(self) -> "Program":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        status = self._process.wait(timeout=60)
        if status != 0:
            raise RuntimeError(f"{self._command[0]}: ended with {status}")

    def ask(self, *words: object) -> str:
        self._process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"{self._command[0]}: no answer to {words[0]}")
        return answer

    def ask_json(self, *words: object) -> dict:
        return json.loads(self.ask(*words))
