"""Remarks on labels that may be mistakes: labels that hardly differ, and texts in a column of numbers."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from lmmtools.audience import advice
from lmmtools.design.formulaic_encoder import FormulaicEncoder
from lmmtools.design.plain_encoder import PlainEncoder
from lmmtools.sentences import list_first
from lmmtools.sources.cells import is_numeral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from lmmtools.design.matrices import Design

__all__ = ["remark_on_columns", "remark_on_labels", "remark_on_numbers"]

# With so many levels of which this share are numbers, the others are probably mistakes in a column of numbers.
_LEAST_NUMBERS = 4
_SHARE_OF_NUMBERS = 0.8
_MOST_SHOWN = 3
_SEPARATOR = "\x00"


def remark_on_columns(design: Design) -> tuple[str, ...]:
    """Return the remarks on the levels of a design's factors, a sentence each."""
    grouping = {
        name: levels for block in design.blocks for name, levels in _grouping_levels(block.term.factors, block.parts)
    }
    covariates: dict[str, pd.Index[Any]] = {}
    for encoder in (design.encoder, *(block.encoder for block in design.blocks)):
        covariates |= _coded_levels(encoder)
    found = []
    for name, levels in {**covariates, **grouping}.items():
        found += remark_on_labels(name, levels)
    for encoder in (design.encoder, *(block.encoder for block in design.blocks)):
        found += remark_on_numbers(encoder)
    return tuple(dict.fromkeys(found))


def remark_on_numbers(encoder: Any) -> list[str]:
    """Return a sentence for each column of a matrix whose levels are nearly all numbers, which makes it a factor."""
    return [text for name, levels in _coded_levels(encoder).items() for text in _remark_on_levels(name, levels)]


def remark_on_labels(name: str, levels: Sequence[Any] | pd.Index[Any]) -> list[str]:
    """Return a sentence if some labels of a factor differ only by case, blanks or characters that look alike."""
    if getattr(getattr(levels, "dtype", None), "kind", "O") not in "OTU":
        return []
    # Text that Arrow holds is ten times slower to go through than a list.
    listed = levels.tolist() if hasattr(levels, "tolist") else levels
    labels = [label for label in listed if isinstance(label, str)]
    if _are_plainly_different(labels) or len({_without_case_and_blanks(label) for label in labels}) == len(labels):
        return []
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(_without_case_and_blanks(label), []).append(label)
    sets = [group for group in alike.values() if len(group) > 1]
    shown = list_first((" and ".join(map(repr, group)) for group in sets), _MOST_SHOWN)
    return [
        f"labels of {name} differ only by {_name_difference(sets)}: {shown}. They count as different levels; if "
        "they are the same, write them alike"
    ]


def _are_plainly_different(labels: Sequence[str]) -> bool:
    """Return whether labels without blanks differ by more than case, which is quick to see; False may be either."""
    text = _SEPARATOR.join(labels)
    if not text.isascii() or text.split() != [text]:
        return False
    found = text.casefold().split(_SEPARATOR)
    return len(found) == len(labels) == len(set(found))


def _without_case_and_blanks(label: str) -> str:
    """Return a label without its case, extra blanks and compatibility forms of characters."""
    if not label.isascii():
        label = unicodedata.normalize("NFKC", label)
    return " ".join(label.casefold().split())


def _name_difference(sets: Sequence[Sequence[str]]) -> str:
    """Return the way in which the labels of each set differ."""
    ways: dict[str, Callable[[str], str]] = {
        "upper and lower case": str.casefold,
        "blanks at their ends": str.strip,
        "blanks (spaces)": lambda label: " ".join(label.split()),
    }
    for name, without in ways.items():
        if all(len({without(label) for label in group}) == 1 for group in sets):
            return name
    return "upper and lower case, blanks or characters that look alike"


def _remark_on_levels(name: str, levels: pd.Index[Any]) -> list[str]:
    """Return a sentence, in a list, if nearly all labels are numbers."""
    if len(levels) < _LEAST_NUMBERS:
        return []
    others = [label for label in levels.tolist() if isinstance(label, str) and not is_numeral(label)]
    count = len(levels) - len(others)
    if not others or count < _LEAST_NUMBERS or count < _SHARE_OF_NUMBERS * len(levels):
        return []
    cure = advice(f"pd.to_numeric(data[{name!r}], errors='coerce') makes them missing", "--na makes such cells missing")
    shown = list_first(map(repr, others), _MOST_SHOWN)
    return [
        f"{name} is a factor of {len(levels)} levels, of which {count} are numbers and {shown} "
        f"{'is' if len(others) == 1 else 'are'} not: if it should be numbers, correct these ({cure})"
    ]


def _coded_levels(encoder: Any) -> dict[str, pd.Index[Any]]:
    """Return the levels of each column that a matrix codes as a factor."""
    if isinstance(encoder, PlainEncoder):
        return {c.name: c.levels for term in encoder.terms for c in term if c.levels is not None}
    if isinstance(encoder, FormulaicEncoder):
        return {s.name: s.levels for s in encoder.sources.values() if s.levels is not None}
    return {}


def _grouping_levels(names: Sequence[str], parts: Sequence[pd.Index[Any]]) -> Iterator[tuple[str, pd.Index[Any]]]:
    """Yield each column that a grouping factor combines, with its levels, where they are known."""
    if len(names) == len(parts):
        yield from zip(names, parts, strict=True)
