"""What the cells of a column of text are, found chunk by chunk as the whole column at once would tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lmmtools.sources.cells import (
    from_decimal_comma,
    is_decimal_comma,
    is_numeral,
    is_perhaps_thousands,
    is_true,
    is_truth_value,
    to_float,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pandas as pd
    import pyarrow as pa

__all__ = ["CellKind", "Tally", "arrow_type", "convert_chunk"]

CellKind = Literal["int64", "uint64", "float64", "truth", "numerals", "commas", "text"]
"""``numerals`` and ``commas`` are numbers that pandas does not read by itself, commas those of decimals."""


@dataclass(slots=True)
class Tally:
    """What the chunks of a column so far allow.

    Attributes
    ----------
    natives : set of str
        Kinds of numpy that pandas made of whole chunks: i, u, f, b.
    least : int
        Smallest whole number.
    has_missing : bool
    has_texts : bool
        A chunk was neither numbers nor truth values to pandas.
    are_numerals, are_commas, are_thousands, are_truth : bool
        All cells of such chunks are.
    """

    natives: set[str] = field(default_factory=set)
    least: int = 0
    has_missing: bool = False
    has_texts: bool = False
    are_numerals: bool = True
    are_commas: bool = True
    are_thousands: bool = True
    are_truth: bool = True

    def add(self, column: pd.Series[Any], missing: Collection[str]) -> None:
        """Take up a chunk as pandas reads it, its missing cells as such."""
        kind = column.dtype.kind
        if kind in "iub":
            self.natives.add(kind)
            if kind != "b" and len(column):
                self.least = min(self.least, int(column.min()))
                self.are_thousands = self.are_thousands and bool(column.abs().max() < 1000)
        elif kind == "f":
            if column.notna().any():
                self.natives.add("f")
                self.are_thousands = False
            self.has_missing = self.has_missing or bool(column.isna().any())
        elif self._may_be_other_than_text():
            cells = column.dropna().unique().tolist()
            if not cells:
                return
            if all(isinstance(cell, bool) for cell in cells):
                self.natives.add("b")
                return
            present = {cell: text for cell in map(str, cells) if (text := cell.strip()) and text not in missing}
            if present:
                self._add_texts(present)

    def _may_be_other_than_text(self) -> bool:
        return self.are_numerals or self.are_commas or self.are_truth

    def _add_texts(self, present: Mapping[str, str]) -> None:
        """Take up cells and their texts without the blanks around them."""
        texts = present.values()
        self.has_texts = True
        self.are_numerals = self.are_numerals and all(map(is_numeral, texts))
        self.are_commas = self.are_commas and all(is_decimal_comma(text) or is_numeral(text) for text in texts)
        self.are_thousands = self.are_thousands and all(map(is_perhaps_thousands, texts))
        self.are_truth = self.are_truth and all(map(is_truth_value, present))

    def decide(self, separator: str) -> CellKind:
        """Return what the column is; ``separator`` of columns tells whether a comma may be that of decimals."""
        has_numbers = bool(self.natives - {"b"})
        if "b" in self.natives or (self.has_texts and self.are_truth and not has_numbers):
            is_truth = not has_numbers and (self.are_truth or not self.has_texts)
            return "truth" if is_truth else "text"
        if not self.has_texts:
            if self.has_missing:
                return "float64"
            if "u" in self.natives and self.natives <= {"i", "u"} and self.least >= 0:
                return "uint64"
            return "int64" if self.natives == {"i"} else "float64"
        if self.are_numerals:
            return "numerals"
        has_decimal_commas = separator == ";" or (separator != "," and not self.are_thousands)
        return "commas" if has_decimal_commas and self.are_commas else "text"


def arrow_type(kind: CellKind) -> pa.DataType:
    """Return the type of a column of such cells."""
    import pyarrow as pa

    types = {"int64": pa.int64(), "uint64": pa.uint64(), "truth": pa.bool_(), "text": pa.string()}
    return types.get(kind, pa.float64())


def convert_chunk(column: pd.Series[Any], kind: CellKind, missing: Collection[str]) -> pa.Array:
    """Return a chunk as an Arrow array: numbers as they are, others, which pandas gives as texts, each label once."""
    import pyarrow as pa

    if column.dtype.kind in "iuf":
        return pa.array(column.to_numpy(), from_pandas=False)
    joined = pa.chunked_array(pa.array(column.array, from_pandas=True)).combine_chunks().cast(pa.string())
    cells = joined.dictionary_encode()
    if kind == "text":
        return cells
    read = {"truth": is_true, "commas": from_decimal_comma, "numerals": to_float}[kind]
    texts = [label.strip() for label in cells.dictionary.to_pylist()]
    values = pa.array([read(text) if text and text not in missing else None for text in texts], arrow_type(kind))
    return values.take(cells.indices)
