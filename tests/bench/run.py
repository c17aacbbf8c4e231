#!/usr/bin/python3
# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the parts of the benchmark and writes results.json and results.md. run.sh installs, builds and calls it."""

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True

from measure import Bench, Row, load_average, machine  # noqa: E402
from report import markdown  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PARTS = sorted(path.stem.removeprefix("part_") for path in HERE.glob("part_*.py"))


def run_part(name: str, bench: Bench) -> dict:
    """The rows, how long it took, what the machine's load was, and what went wrong, if anything did."""
    begin, load, rows, fault = time.monotonic(), load_average(), [], ""
    bench.say(f"{name}: load average {load}")
    try:
        rows = importlib.import_module(f"part_{name}").run(bench)
    except Exception:  # noqa: BLE001: the other parts are still worth their figures
        fault = traceback.format_exc()
        bench.say(fault)
    return {"rows": rows, "fault": fault, "seconds": round(time.monotonic() - begin, 1), "load_before": load,
            "load_after": load_average()}


def plain(thing: object) -> dict:
    if isinstance(thing, Row):
        return thing.as_json()
    raise TypeError(type(thing))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {','.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="few repetitions: to see that it runs, not for figures")
    parser.add_argument("--out", type=Path, help="default: results/ of the build")
    parser.add_argument("--build", type=Path, default=ROOT / "build/bench")
    parser.add_argument("--packages", default="", help="whose versions are recorded")
    options = parser.parse_args(arguments)
    options.parts = [name for name in options.parts.split(",") if name]
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return options


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    build = options.build.resolve()
    bench = Bench(root=ROOT, build=build, out=(options.out or build / "results").resolve(), quick=options.quick)
    bench.out.mkdir(parents=True, exist_ok=True)
    results = {"taken": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "quick": options.quick,
               "machine": machine(options.packages.split()), "parts": {}}
    for name in options.parts:
        results["parts"][name] = run_part(name, bench)
    (bench.out / "results.json").write_text(json.dumps(results, indent=1, default=plain) + "\n", encoding="utf-8")
    text = markdown(results)
    (bench.out / "results.md").write_text(text, encoding="utf-8")
    print(text)
    failed = [name for name, part in results["parts"].items() if part["fault"]]
    if failed:
        bench.say(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
