# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark measures what it says: its programs answer, its arithmetic is right. Nothing here depends on speed."""

import contextlib
import io
import os
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))

import report  # noqa: E402
import run  # noqa: E402
from measure import Bench, Row, interleave, ratio, row  # noqa: E402
from program import Program  # noqa: E402
from targets import TARGETS  # noqa: E402

BUILD = Path(os.environ.get("SYMBOLON_BUILD", "build/dev")).resolve()


def results_of(rows: list[Row], fault: str = "") -> dict:
    part = {"rows": rows, "fault": fault, "seconds": 0, "load_before": "0", "load_after": "0"}
    machine = {"cpu": "", "cpus": 1, "kernel": "", "packages": {}}
    return {"taken": "now", "quick": False, "machine": machine, "parts": {"p": part}}


class Arithmetic(unittest.TestCase):
    def test_candidates_take_turns_and_each_round_begins_with_another(self):
        order = []
        samples = interleave({name: lambda name=name: order.append(name) or 1.0 for name in "abc"}, 3)
        self.assertEqual("".join(order), "abc" "bca" "cab")
        self.assertEqual({name: len(taken) for name, taken in samples.items()}, {"a": 3, "b": 3, "c": 3})

    def test_a_ratio_is_the_median_of_the_rounds_ratios(self):
        self.assertEqual(ratio({"a": [2, 30, 8], "b": [1, 10, 1]}, "a", "b"), 3)

    def test_rounds_that_do_not_pair_are_refused(self):
        with self.assertRaises(ValueError):
            ratio({"a": [1, 2], "b": [1]}, "a", "b")


class Judgement(unittest.TestCase):
    def judged(self, target: str, *ratios: float, quoted: bool = False) -> str:
        rows = [row("p", "n", [1.0], "ns", ratio=found, target=target, quoted=quoted) for found in ratios]
        text = report.markdown(results_of(rows))
        return next(line for line in text.splitlines() if line.startswith(f"| {TARGETS[target].figure} "))

    def test_the_row_that_is_furthest_off_decides(self):
        self.assertIn("| 49 | **missed** |", self.judged("engine/library", 60, 49, 70))
        self.assertIn("| 60 | met |", self.judged("engine/library", 60, 70))
        self.assertIn("| 1.5 | **missed** |", self.judged("engine/ecb", 1.1, 1.5))
        self.assertIn("| 1.4 | met |", self.judged("engine/ecb", 1.1, 1.4))

    def test_a_figure_that_was_quoted_decides_nothing(self):
        self.assertIn("not measured", self.judged("engine/library", 1000, quoted=True))

    def test_what_was_not_measured_is_said_so(self):
        text = report.markdown(results_of([]))
        self.assertEqual(text.count("| not measured |"), len(TARGETS))

    def test_a_part_that_fails_is_told(self):
        bench = Bench(root=run.ROOT, build=BUILD, out=BUILD, quick=True)
        with contextlib.redirect_stderr(io.StringIO()):
            part = run.run_part("of that name there is none", bench)
        self.assertIn("ModuleNotFoundError", part["fault"])
        self.assertIn("**Failed:**", report.markdown(results_of([], part["fault"])))


class Programs(unittest.TestCase):
    def test_the_engine_program_answers(self):
        with Program([str(BUILD / "tests/bench/engine_bench")]) as engine:
            for source in ("hsm", "memory"):
                self.assertGreater(engine.ask_json("time", f"engine-{source}", 10, 16, 10, 0.1)["ns"], 0)
                for kind in ("pan", "ssn", "card", "gift", "code"):
                    self.assertGreater(engine.ask_json("tokens", source, kind, 3, 0.1)["ns"], 0)
            for source in ("hsm", "memory", "raw", "large"):
                self.assertGreater(engine.ask_json("time", f"ecb-{source}", 10, 16, 10, 0.1)["ns"], 0)

    def test_bare_ecb_makes_the_engines_calls(self):
        with Program([str(BUILD / "tests/bench/engine_bench")]) as engine:
            self.assertEqual(engine.ask_json("calls", 10, 16, 1000), {"calls": 10, "blocks": 10000})
            self.assertEqual(engine.ask_json("calls", 10, 16, 2000), {"calls": 20, "blocks": 20000})
            self.assertEqual(engine.ask_json("calls", 256, 32, 1), {"calls": 30, "blocks": 30})

    def test_a_check_shows_a_value_and_its_ciphertext(self):
        with Program([str(BUILD / "tests/bench/engine_bench")]) as engine:
            first, second = engine.ask_json("check", 36, 12), engine.ask_json("check", 36, 12)
        self.assertEqual(len(first["cipher"]), 12)
        self.assertTrue(all(numeral < 36 for numeral in first["cipher"]))
        self.assertEqual(second["plain"], first["cipher"])
        self.assertNotEqual(second["cipher"], first["cipher"])

    def test_the_lane_program_answers(self):
        with Program([str(BUILD / "tests/bench/lane_bench"), "2"]) as lanes:
            self.assertEqual(lanes.ask_json("calls", 1024, 10, 16), {"calls": 10})
            self.assertEqual(lanes.ask_json("calls", 1024, 10, 16, 16, 48), {"calls": 10})
            self.assertEqual(lanes.ask_json("calls", 1, 256, 32), {"calls": 30})
            for sharing in ("shared", "locked"):
                rate = lanes.ask_json("rate", sharing, 100, 4, 100)
                self.assertEqual(set(rate), {"tokens_per_s", "calls_per_s"})


if __name__ == "__main__":
    unittest.main()
