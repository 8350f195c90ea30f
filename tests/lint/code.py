#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""code.py - C as other checks want to read it: comments and the insides of literals become blanks.
Keeps every line where it was; judges nothing. As a program it prints path:line:code."""
import re
import sys

TOKEN = re.compile(r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'""",
                   re.S | re.X)


def blank(match):
    text = match.group(0)
    inside = re.sub(r"[^\n]", " ", text)
    if text[0] in "\"'":
        return text[0] + inside[1:-1] + text[-1]
    return inside


def includes_kept(match):
    """The name in an #include is code, not a literal."""
    start = match.string.rfind("\n", 0, match.start()) + 1
    if match.string[start:match.start()].strip() == "#include":
        return match.group(0)
    return blank(match)


def code(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return TOKEN.sub(includes_kept, f.read())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for number, line in enumerate(code(name).split("\n"), 1):
            print(f"{name}:{number}:{line.rstrip()}")
