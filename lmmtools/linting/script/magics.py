"""What IPython accepts beside Python in a cell: magics, shell commands, questions -> Python with the same lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

__all__ = ["CellText", "read_cell"]

_HELP = re.compile(r"[\w.]+\?{1,2}")
_TARGETS = re.compile(r"[\w., \t]+")
_MAGIC = re.compile(r"\s*%(\w+)(?!\S)")
_OPTION = re.compile(r"\s+-(?:-[\w-]+(?:=\S*)?|(\w)(\S*))(?!\S)")
_WORD = re.compile(r"\s+\S+")
# Magics that run the statement behind them -> their options of one letter that take a value.
_RUNNERS = {"time": "", "timeit": "nrp", "prun": "lsTD", "memit": "rti", "lprun": "fmDTu", "mprun": "fT"}
# Magics of a whole cell that run it as Python; of those with options, a statement may stand behind them too.
_CELL_RUNNERS = frozenset({"capture", *_RUNNERS})
_HEADED = frozenset({"timeit", "prun", "memit"})


@dataclass(frozen=True, slots=True)
class CellText:
    """The code of a cell, or of a script.

    Attributes
    ----------
    code : str
        Python, with the lines of the original.
    shifts : dict of int to int
        Line, from 1 -> by how many characters its end stands further left than in the original.
    """

    code: str
    shifts: dict[int, int] = field(default_factory=dict)


def read_cell(text: str, keep_timed: bool = True) -> CellText | None:
    """Return a cell as Python, None if it is in another language (``%%R``).

    Parameters
    ----------
    text : str
    keep_timed : bool
        Whether the statement behind ``%time``, ``%prun`` and their like is kept; if not, it is left out with its magic.
    """
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if line.strip()), 0)
    shifts: dict[int, int] = {}
    for i, line in enumerate(lines):
        if i == first and line.startswith("%%"):
            found = _MAGIC.match(line, 1)
            if found is None or found[1] not in _CELL_RUNNERS:
                return None
            start = _skip_options(line, found) if keep_timed and found[1] in _HEADED else len(line)
            prefix = ""
        else:
            prefix, start = _split_magic(line, keep_timed)
        lines[i] = f"{prefix}{line[start:]}"
        if start != len(prefix):
            shifts[i + 1] = start - len(prefix)
    return CellText("\n".join(lines), shifts)


def _split_magic(line: str, keep_timed: bool) -> tuple[str, int]:
    """Return what stands for the start of a line, and where the rest begins that is kept.

    ``pass`` stands for a magic, a shell command or a question, None for what they give.
    """
    words = line.strip()
    indent = line[: len(line) - len(line.lstrip())]
    if words.startswith(("%", "!", "?")) or (words.endswith("?") and _HELP.fullmatch(words)):
        start = _find_statement(line, len(indent)) if keep_timed else len(line)
        return (indent, start) if line[start:].strip() else (f"{indent}pass", len(line))
    target, equals, value = line.partition("=")
    if value.lstrip().startswith(("%", "!")) and _TARGETS.fullmatch(target):
        start = _find_statement(line, len(target) + 1) if keep_timed else len(line)
        return (f"{target}{equals}", start) if line[start:].strip() else (f"{target}{equals}None", len(line))
    return "", 0


def _find_statement(line: str, start: int) -> int:
    """Return where the statement begins that a magic runs; the end of the line if it runs none."""
    found = _MAGIC.match(line, start)
    return _skip_options(line, found) if found is not None and found[1] in _RUNNERS else len(line)


def _skip_options(line: str, magic: re.Match[str]) -> int:
    """Return where the words begin that follow a magic and its options."""
    place = magic.end()
    while (option := _OPTION.match(line, place)) is not None:
        place = option.end()
        takes_value = option[1] is not None and not option[2] and option[1] in _RUNNERS.get(magic[1], "")
        if takes_value and (value := _WORD.match(line, place)) is not None:
            place = value.end()
    return len(line) - len(line[place:].lstrip())
