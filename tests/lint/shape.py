# SPDX-FileCopyrightText: the Symbolon authors
# SPDX-License-Identifier: Apache-2.0
"""How large things may become. The limits are those of CONTRIBUTING.md."""

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tree import Function, c_files, code_lines, functions

FUNCTION_LINES = 80
FUNCTION_MEDIAN_LINES = 15  # over the product; tests are not counted
FILE_LINES = 700
NESTING = 4
PARAMETERS = 6

_INDENT = 4
_CONTROL = ("if ", "for ", "while ", "else", "do", "switch ")


def _depth(line: str) -> int:
    """How many blocks deep inside a function a statement stands; the function's own body is 0."""
    return (len(line) - len(line.lstrip())) // _INDENT - 1


def _statements(code: tuple[str, ...], function: Function) -> Iterator[tuple[int, str]]:
    """Number and text of the lines on which statements begin; relies on the house's format."""
    opening = code.index("{", function.first - 1)
    open_parentheses, begins, statement = 0, True, ""
    for number in range(opening + 1, function.last):
        line = code[number].rstrip()
        if not line or line.lstrip().startswith("#"):
            continue
        if begins:
            statement = line.lstrip()
            yield number + 1, line
        open_parentheses += line.count("(") - line.count(")")
        headed = statement.startswith(_CONTROL) and line.endswith((")", "else", "do"))
        begins = open_parentheses == 0 and (headed or line.endswith((";", "{", "}", ":")))


def _deepest(code: tuple[str, ...], function: Function) -> tuple[int, int]:
    """Depth and line of the most deeply nested statement."""
    return max(((_depth(line), number) for number, line in _statements(code, function)), default=(0, function.first))


_DECLARATOR = re.compile(r"^(?!typedef|#|\s|\})[^;={}]*?\b(\w+)\(([^;{}]*)\)(?=\s*[;{])", re.MULTILINE)


def _parameter_count(parameters: str) -> int:
    nested = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
    while nested.search(parameters):
        parameters = nested.sub("", parameters)
    return parameters.count(",") + 1


def sizes(root: Path) -> Iterator[str]:
    lengths = []
    for path in c_files(root):
        code = code_lines(root, path)
        if len(code) - 1 > FILE_LINES:
            yield f"{path}:{FILE_LINES + 1}: more than {FILE_LINES} lines"
        for function in functions(root, path):
            length = function.last - function.first + 1
            if not path.startswith("tests/"):
                lengths.append(length)
            if length > FUNCTION_LINES:
                yield f"{path}:{function.first}: {function.name}: {length} lines, more than {FUNCTION_LINES}"
            depth, number = _deepest(code, function)
            if depth > NESTING:
                yield f"{path}:{number}: {function.name}: nested {depth} deep, more than {NESTING}"
    if lengths and median(lengths) > FUNCTION_MEDIAN_LINES:
        yield f"tree:1: the median function has {median(lengths)} lines, more than {FUNCTION_MEDIAN_LINES}"


def parameters(root: Path) -> Iterator[str]:
    for path in c_files(root):
        code = "\n".join(code_lines(root, path))
        for match in _DECLARATOR.finditer(code):
            count = _parameter_count(match.group(2))
            if count > PARAMETERS:
                number = code.count("\n", 0, match.start()) + 1
                yield f"{path}:{number}: {match.group(1)}: {count} parameters, more than {PARAMETERS}"
