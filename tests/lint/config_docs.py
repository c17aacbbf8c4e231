# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""Schema, example and manual page of the configuration name the same options, and the same defaults."""

import re
from collections.abc import Iterator
from pathlib import Path

from tree import text

SCHEMA, EXAMPLE, MANUAL = "config/schema.c", "config/symbolon.conf.example", "config/symbolon.conf.5"
TOP = ""  # the block that encloses all others

Options = dict[tuple[str, str], str]  # (block, option) -> default as the manual spells it, or ""

# Ways in which the manual says what happens without the option.
_WITHOUT = re.compile(r"Default: (\S+)\.$|Must be given|If it is not given", re.MULTILINE)


def _default(kind: str, value: str) -> str:
    if kind == "BOOL":
        return value.removeprefix("cfg_")
    if kind == "INT":
        return "" if value == "0" else value  # 0 is no valid value of any option: it must be given
    return "" if value == "NULL" else value.strip('"')


def schema(source: str) -> tuple[Options, set[str]]:
    options: Options = {}
    blocks = {TOP}
    for name, body in re.findall(r"cfg_opt_t schema_(root)\[\] = \{(.*?)\n\};|$^", source, re.DOTALL):
        assert name == "root" and body
    for name, body in re.findall(r"cfg_opt_t (\w+)\[\] = \{(.*?)\n\};", source, re.DOTALL):
        block = TOP if name == "schema_root" else name.removesuffix("_options")
        for kind, option, value in re.findall(r'CFG_(STR_LIST|STR|INT|FLOAT|BOOL)\("(\w+)", ([^,]+), CFGF_NONE\)', body):
            options[block, option] = _default(kind, value)
        blocks.update(re.findall(r'CFG_SEC\("(\w+)"', body))
    return options, blocks


_STATEMENT = re.compile(
    r"""(\w+)\s*=\s*(?:\{[^}]*\}|"[^"]*"|'(?:\\.|[^'\\])*'|[\w.]+)"""
    r"""|(\w+)(?:\s+(?:"[^"]*"|\w+))?\s*\{|(\})"""
)


def example(source: str) -> tuple[set[tuple[str, str]], set[str]]:
    options, blocks, stack = set(), {TOP}, [TOP]
    for option, block, closing in _STATEMENT.findall(re.sub(r"#[^\n]*", "", source)):
        if option:
            options.add((stack[-1], option))
        elif closing:
            stack.pop()
        else:
            stack.append(block)
            blocks.add(block)
    return options, blocks


def manual(source: str) -> tuple[Options, set[str], set[tuple[str, str]]]:
    """Options with their defaults, blocks, and options that do not say what happens without them."""
    options: Options = {}
    blocks, silent, block = set(), set(), TOP
    body = source.split(".SH OPTIONS", 1)[-1].split(".SH ", 1)[0]
    for part in re.split(r"^\.(?=SS |TP)", body, flags=re.MULTILINE):
        heading = re.match(r'SS "(Top level|\w+)', part)
        if heading:
            block = TOP if heading.group(1) == "Top level" else heading.group(1)
            blocks.add(block)
        entry = re.match(r"TP\n\.B (\w+)", part)
        if entry:
            said = _WITHOUT.search(part)
            options[block, entry.group(1)] = (said.group(1) or "") if said else ""
            if not said:
                silent.add((block, entry.group(1)))
    return options, blocks, silent


def _spell(key: tuple[str, str]) -> str:
    return " ".join(filter(None, key))


def _missing(path: str, there: set, here: set, what: str) -> Iterator[str]:
    for key in sorted(there - here):
        yield f"{path}:1: {what}: {_spell(key) if isinstance(key, tuple) else key or 'top level'}"


def agree(root: Path) -> Iterator[str]:
    wanted, wanted_blocks = schema(text(root, SCHEMA))
    if not wanted:
        yield f"{SCHEMA}:1: no options found: has its form changed?"
        return
    shown, shown_blocks = example(text(root, EXAMPLE))
    told, told_blocks, silent = manual(text(root, MANUAL))
    for path, options, blocks in ((EXAMPLE, shown, shown_blocks), (MANUAL, set(told), told_blocks)):
        yield from _missing(path, set(wanted), options, "does not name the option")
        yield from _missing(path, options, set(wanted), "names an option that the schema does not have")
        yield from _missing(path, wanted_blocks, blocks, "does not name the block")
        yield from _missing(path, blocks, wanted_blocks, "names a block that the schema does not have")
    for key in sorted(set(wanted) & set(told)):
        if wanted[key] != told[key]:
            yield f'{MANUAL}:1: {_spell(key)}: default "{told[key]}", but "{wanted[key]}" in the schema'
    for key in sorted(silent):
        yield f"{MANUAL}:1: {_spell(key)}: does not say what holds when it is not given"
