// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// FF1 of @noble/ciphers with its key in memory; the requests are those of bouncy_castle/Peer.java.
import { createInterface } from "node:readline";
import { FF1 } from "@noble/ciphers/ff1";

const WARM_MS = 1500;
const warm = new Set();
let key, tweak;

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const cpuNs = () => { const used = process.cpuUsage(); return 1e3 * (used.user + used.system); };

function run(ff1, value, ms) {
  const begin = cpuNs();
  let elapsed = 0, values = 0;
  while (elapsed < ms * 1e6) {
    for (let i = 0; i < 20; i++) value = ff1.encrypt(value);
    values += 20;
    elapsed = cpuNs() - begin;
  }
  return elapsed / values;
}

function time(radix, length, ms) {
  const ff1 = FF1(radix, key, tweak);
  const value = Array.from({ length }, (_, i) => (i * 7) % radix);
  const what = `${radix} ${length}`;
  if (!warm.has(what)) run(ff1, value, WARM_MS);
  warm.add(what);
  return run(ff1, value, ms);
}

const requests = {
  key: (words) => { [key, tweak] = words.map(bytes); return "ok"; },
  check: ([radix, numerals]) => FF1(Number(radix), key, tweak).encrypt(numerals.split(",").map(Number)).join(","),
  time: (words) => time(...words.map(Number)),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...words] = line.split(" ");
  console.log(String(requests[what](words)));
}
