# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""The results as a page of tables: what was promised first, then each part."""

from measure import Row
from targets import TARGETS, Target


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0 or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _table(head: list[str], lines: list[list[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *lines]] + [""]


def _worst(target: Target, rows: list[Row]) -> Row | None:
    """The row that decides: the one furthest from what was promised."""
    measured = [row for row in rows if row.ratio is not None and not row.quoted]
    if not measured:
        return None
    pick = min if target.at_least is not None else max
    return pick(measured, key=lambda row: row.ratio)


def _promise(key: str, rows: list[Row]) -> list[str]:
    target = TARGETS[key]
    rows = [row for row in rows if row.target == key]
    quoted = "".join(f"; {_number(row.ratio)} to {row.ratio_to} (quoted, decides nothing)" for row in rows if row.quoted)
    worst = _worst(target, rows)
    if worst is None:
        return [target.figure, target.text, "", "not measured" + quoted]
    to = f" to {worst.ratio_to}" if worst.ratio_to else ""
    return [target.figure, target.text, _number(worst.ratio) + to + quoted, "met" if worst.met == "yes" else "**missed**"]


def _cells(row: Row) -> list[str]:
    parameters = ", ".join(f"{name} {value}" for name, value in row.parameters.items())
    to = row.ratio_to + (" (quoted, not measured here)" if row.quoted else "")
    target = f"{TARGETS[row.target].text}: {row.met}" if row.target else ""
    return [row.name, parameters, row.unit, _number(row.median), f"{_number(row.low)} .. {_number(row.high)}",
            _number(row.ratio), to, target, row.note]


def _part(name: str, part: dict) -> list[str]:
    lines = [f"## {name}", "", f"{part['seconds']} s; load average {part['load_before']} before, {part['load_after']} after.", ""]
    if part["fault"]:
        lines += ["**Failed:**", "", "```", part["fault"].rstrip(), "```", ""]
    head = ["what", "with", "unit", "median", "low .. high", "ratio", "to", "target", ""]
    return lines + _table(head, [_cells(row) for row in part["rows"]])


def markdown(results: dict) -> str:
    machine = results["machine"]
    rows = [row for part in results["parts"].values() for row in part["rows"]]
    lines = ["# Results", "", f"{results['taken']}, {machine['cpu']}, {machine['cpus']} CPUs, Linux {machine['kernel']}.", ""]
    if results["quick"]:
        lines += ["A quick run: it shows that everything runs; its figures mean little.", ""]
    lines += _table(["figure", "must reach", "ratio", ""], [_promise(key, rows) for key in TARGETS])
    for name, part in results["parts"].items():
        lines += _part(name, part)
    lines += ["## Packages", "", ", ".join(f"{name} {version}" for name, version in machine["packages"].items()), ""]
    return "\n".join(lines)
