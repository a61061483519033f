"""The page of the documentation that has every code of lint; ``python -m tests.lint_page`` writes it anew."""

from __future__ import annotations

import textwrap
from pathlib import Path

from lmmtools.linting.codes import CODES

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "lint_codes.rst"
WIDTH = 118
HEAD = (
    "What lint finds\n===============\n\n"
    "Every code of :doc:`lint`: what is wrong, the harm that it does, and the cure. Codes stay the same between "
    "versions, and are what ``--select``, ``--ignore`` and ``# lmmtools: ignore[code]`` take. The exit status of "
    "``lmmtools lint`` counts errors and warnings.\n"
)


def write_page() -> str:
    """Return the page as it follows from the package."""
    parts = [HEAD]
    for code in CODES.values():
        parts.append(f".. _lint-{code.name}:\n\n{code.name}\n{'-' * len(code.name)}\n")
        parts.append(f"*{code.severity[0].upper()}{code.severity[1:]}.* {code.wrong}\n")
        parts += [f":Harm: {code.harm}", f":Cure: {code.cure}\n"]
    lines = "\n".join(parts).rstrip("\n").split("\n")
    return "\n".join(_wrap(line) for line in lines) + "\n"


def _wrap(line: str) -> str:
    indent = "  " if line.startswith(":") else ""
    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
