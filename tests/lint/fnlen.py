#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fnlen.py - what is wrong with single functions: too long, several labels, `if` around free, a
fallible prototype without OCU_MUST. Knows only the project's format: bodies begin and end in
column 0."""
import re
import sys

from code import code

BODY_LINES_MAX = 80
LABEL = re.compile(r"^\s*(?!default\b)[A-Za-z_]\w*:\s*$")
TABLE = re.compile(r"(?:\bconst\b.*|^\s*\} \w+)\[\w*\] = \{\s*$")
NAME = re.compile(r"(\w+)\(")
GUARDED_FREE = re.compile(r"\bif \((?:NULL != )?([\w>.\[\]-]+)(?: != NULL)?\)\s*\{?\s*"
                          r"(?:free|ocu_\w+_free|[A-Z]\w*_free)\(\1\);")
FALLIBLE = re.compile(r"^(?!.*\btypedef\b)[^\n#(]*\benum ocu_status (ocu_\w+)\([^;{]*;", re.M)


def table_lines(body):
    """Counts the lines of tables, which are data and may be long."""
    count = 0
    inside = False
    for line in body:
        inside = inside or bool(TABLE.search(line))
        count += inside
        inside = inside and not re.match(r"\s*\};", line)
    return count


def functions(lines):
    """Yields (name, number of the first body line, body lines)."""
    start = None
    for i, line in enumerate(lines):
        if line.startswith("{"):
            start = i + 1
        elif line.startswith("}") and start is not None:
            head = start - 2
            while head > 0 and lines[head][:1] in (" ", "\t", ""):
                head -= 1
            found = NAME.search(lines[head])
            yield found.group(1) if found else "?", start + 1, lines[start:i]
            start = None


def check(path):
    text = code(path)
    for name, number, body in functions(text.split("\n")):
        size = len(body) - table_lines(body)
        if size > BODY_LINES_MAX:
            yield f"{path}:{number}: {name}() has {size} lines, {BODY_LINES_MAX} are allowed"
        labels = [line.strip() for line in body if LABEL.match(line)]
        if len(labels) > 1:
            yield f"{path}:{number}: {name}() has the labels {' '.join(labels)}, one is allowed"
    for found in GUARDED_FREE.finditer(text):
        number = text.count("\n", 0, found.start()) + 1
        yield f"{path}:{number}: `if` around free({found.group(1)})"
    if path.endswith(".h"):
        for found in FALLIBLE.finditer(text):
            if "OCU_MUST" not in found.group(0) and found.group(1) != "ocu_fail":
                number = text.count("\n", 0, found.start()) + 1
                yield f"{path}:{number}: {found.group(1)}() can fail and is not OCU_MUST"


if __name__ == "__main__":
    wrong = [line for name in sys.argv[1:] for line in check(name)]
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(bool(wrong))
