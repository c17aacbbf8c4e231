# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""What the house has promised itself. Each is a ratio in one run on one machine; rows of parts name them by key."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    figure: str
    text: str
    at_least: float | None = None
    at_most: float | None = None

    def reached(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)


TARGETS = {
    "engine/library": Target("FF1 engine through SoftHSM, 16 digits, batch 1000, one core, against the fastest FF1 library "
                             "with its key in memory", ">= 50 x its speed", at_least=50),
    "engine/bouncy-castle": Target("the same against Bouncy Castle", ">= 100 x its speed", at_least=100),
    "engine/ecb": Target("the same against bare AES-ECB through the same session on the same number of blocks",
                         "<= 1.4 x its time", at_most=1.4),
    "engine/lone": Target("a lone token through SoftHSM, against the fastest FF1 library", "<= 2 x its time", at_most=2),
    "engine/wide": Target("4096 numerals, against 512", "<= 80 x its time", at_most=80),
    "engine/calls": Target("HSM calls for a batch of up to 1024 values with halves up to 12 bytes under one key", "<= 12",
                           at_most=12),
    "lanes/shared": Target("64 concurrent single-token clients at 1 ms per HSM call, against one at a time",
                           ">= 30 x its throughput", at_least=30),
    "http/memory": Target("single-token HTTP requests/s at 64 connections, against the same server with the key in memory",
                          ">= 80 %", at_least=0.8),
    "http/constant": Target("the same against civetweb answering a constant", ">= 50 %", at_least=0.5),
    "http/batch": Target("batch tokenize over HTTP (1000 per request), tokens/s against the engine alone", ">= 25 %",
                         at_least=0.25),
    "http/serial": Target("serial production, streamed, tokens/s against the engine alone", ">= 50 %", at_least=0.5),
    "memory/serial": Target("resident memory while serial tokens are produced, many against few", "constant: <= 1.1 x",
                            at_most=1.1),
    "memory/stored": Target("bytes stored per card, gift-card, PAN or serial token", "0", at_most=0),
}
