"""Short names for the columns of a correlation table, as R's ``abbreviate`` makes them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["abbreviate"]

_VOWELS = frozenset("aeiou")


def abbreviate(names: Sequence[str], minlength: int) -> list[str]:
    """Return the names shortened towards ``minlength`` characters; names that differ stay different.

    Names within ``minlength`` are kept. Of a longer one, letters go from the right until it fits: first lower-case
    vowels, then lower-case letters, then anything; the first character of a word stays. Names that
    become equal are shortened less.
    """
    short = {name: _shorten(name, minlength) for name in names}
    length, longest = minlength, max(map(len, names), default=0)
    while length < longest:
        counts = Counter(short.values())
        clashing = [name for name, s in short.items() if counts[s] > 1]
        if not clashing:
            break
        length += 1
        short.update({name: _shorten(name, length) for name in clashing})
    return [short[name] for name in names]


def _shorten(name: str, length: int) -> str:
    text = name.lstrip()
    for may_drop in (_is_final_vowel, _is_vowel, _is_final_lower, _is_lower, _is_inner):
        text = _drop_from_right(text, length, may_drop)
    # Spaces mark words while letters go, and count for nothing.
    return text.replace(" ", "") if len(text) > length else text


def _drop_from_right(text: str, length: int, may_drop: Callable[[str, int], bool]) -> str:
    at = len(text) - 1
    while at > 0 and len(text) - text.count(" ") > length and len(text) > length:
        if may_drop(text, at):
            text = text[:at] + text[at + 1 :]
        at -= 1
    return text


def _is_inner(text: str, at: int) -> bool:
    return text[at] != " " and text[at - 1] != " "


def _is_final(text: str, at: int) -> bool:
    return _is_inner(text, at) and (at + 1 == len(text) or text[at + 1] == " ")


def _is_vowel(text: str, at: int) -> bool:
    return text[at] in _VOWELS and _is_inner(text, at)


def _is_final_vowel(text: str, at: int) -> bool:
    return text[at] in _VOWELS and _is_final(text, at)


def _is_lower(text: str, at: int) -> bool:
    return text[at].islower() and _is_inner(text, at)


def _is_final_lower(text: str, at: int) -> bool:
    return text[at].islower() and _is_final(text, at)
