"""Remarks on labels that may be mistakes: labels that hardly differ, and texts in a column of numbers."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.formulaic_encoder import FormulaicEncoder
from lmmtools.design.frame import list_labels
from lmmtools.design.plain_encoder import PlainEncoder
from lmmtools.sentences import list_first
from lmmtools.sources.cells import is_numeral
from lmmtools.sources.places import advice_on_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Bytes = NDArray[np.uint8]

__all__ = ["remark_on_columns", "remark_on_labels", "remark_on_numbers"]

# With so many levels of which this share are numbers, the others are probably mistakes in a column of numbers.
_LEAST_NUMBERS = 4
_SHARE_OF_NUMBERS = 0.8
_MOST_SHOWN = 3
_SEPARATOR = "\x00"
# Bytes of blanks, as str.split has them, and of characters beyond ASCII, which may have other forms.
_FOLDED = np.array([*(i for i in range(128) if chr(i).isspace()), *range(128, 256)])
_UPPER, _LOWER = np.arange(ord("A"), ord("Z") + 1), np.arange(ord("a"), ord("z") + 1)


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
    if _are_of_one_case(_characters(levels)):
        return []
    listed = list_labels(levels)
    labels = [label for label in listed if isinstance(label, str)]
    if _differ_by_more_than_case(labels) or len({_without_case_and_blanks(label) for label in labels}) == len(labels):
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


def _are_of_one_case(text: Bytes) -> bool:
    """Return whether characters are plain, without blanks and of one case: distinct labels of them differ by more."""
    found = np.zeros(256, dtype=bool)
    found[text] = True
    return not (found[_FOLDED].any() or (found[_UPPER].any() and found[_LOWER].any()))


def _characters(levels: Sequence[Any] | pd.Index[Any]) -> Bytes:
    """Return the bytes of all labels that are text, UTF-8, in any order; those that Arrow holds as they lie there."""
    if getattr(getattr(levels, "dtype", None), "storage", None) == "pyarrow":
        held = levels.array.__arrow_array__()  # type: ignore[union-attr]
        chunks = getattr(held, "chunks", [held])
        return np.concatenate([np.zeros(0, dtype=np.uint8), *map(_bytes_in_arrow, chunks)])
    listed = list_labels(levels)
    joined = "".join(label for label in listed if isinstance(label, str))
    return np.frombuffer(joined.encode("utf-8", "surrogatepass"), dtype=np.uint8)


def _bytes_in_arrow(chunk: Any) -> Bytes:
    """Return the bytes of an Arrow array of text, and perhaps of more that lies beside it."""
    *_, data = chunk.buffers()
    return np.zeros(0, dtype=np.uint8) if data is None else np.frombuffer(data, dtype=np.uint8)


def _differ_by_more_than_case(labels: Sequence[str]) -> bool:
    """Return whether plain labels without blanks differ by more than case, quickly seen; False may be either."""
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
    others = [label for label in list_labels(levels) if isinstance(label, str) and not is_numeral(label)]
    count = len(levels) - len(others)
    if not others or count < _LEAST_NUMBERS or count < _SHARE_OF_NUMBERS * len(levels):
        return []
    python = f"pd.to_numeric(data[{name!r}], errors='coerce')"
    cure = advice_on_data(
        f"{python} makes them missing",
        f"in SQL try_cast({name} as double), in a frame {python} makes them missing",
        "--na makes such cells missing",
    )
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
