"""Comments that tell lint what to leave out: ``# lmmtools: ignore[code]``."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

from lmmtools.errors import DataError
from lmmtools.linting.codes import CODES, check_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_comments"]

_MARK = re.compile(r"#\s*lmmtools\s*:\s*ignore(?![\w-])[ \t]*(\[[^\[\]#]*\]|\[)?")


def read_comments(text: str, tree: ast.Module) -> tuple[dict[int, frozenset[str]], tuple[str, ...]]:
    """Return the codes that comments ignore, by the line on which a call begins.

    A comment speaks of the statement that it stands in, or of the one that begins on the line below if it stands alone.

    Parameters
    ----------
    text : str
        Python.
    tree : ast.Module
        Its syntax tree.

    Returns
    -------
    ignored : dict of int to frozenset of str
    wrong : tuple of str
        A sentence for each comment that names no code, ``"line 3: lint has no code 'x'."``
    """
    if "lmmtools" not in text:
        return {}, ()
    said: dict[int, frozenset[str]] = {}
    wrong = []
    for line, comment, is_alone in _comments(text):
        try:
            for mark in _MARK.finditer(comment):
                codes = _codes_of(mark[1], line)
                for place in (line, line + 1) if is_alone else (line,):
                    said[place] = said.get(place, frozenset()) | codes
        except DataError as error:
            wrong.append(str(error))
    ignored = dict(said)
    for first, last in _statements(tree) if said else ():
        inside = [said[line] for line in range(first, last + 1) if line in said]
        for line in range(first, last + 1) if inside else ():
            ignored[line] = ignored.get(line, frozenset()).union(*inside)
    return ignored, tuple(wrong)


def _codes_of(bracket: str | None, line: int) -> frozenset[str]:
    if bracket is None:
        return frozenset(CODES)
    names = [name.strip() for name in bracket.strip("[]").split(",") if name.strip()]
    if bracket == "[" or not names:
        raise DataError(f"line {line}: write # lmmtools: ignore[CODE] or # lmmtools: ignore")
    return check_codes(names, f"line {line}")


def _comments(text: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of each comment, and whether it stands alone."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string, not token.line[: token.start[1]].strip()
    except (tokenize.TokenError, SyntaxError):
        # The parser has read the text; where the tokenizer stops before it, the rest has no comments.
        return


def _statements(tree: ast.Module) -> Iterator[tuple[int, int]]:
    """Yield first and last line of each statement; of one with a body, those of its head."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        inner = getattr(node, "body", None) or [case.pattern for case in getattr(node, "cases", ())]
        last = inner[0].lineno - 1 if inner else node.end_lineno or node.lineno
        yield node.lineno, max(node.lineno, last)
