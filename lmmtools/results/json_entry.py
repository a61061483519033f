"""Entries of a JSON document from elsewhere, each checked as it is read: a DataError names the place of a fault."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Entry", "load"]

# Numbers that JSON cannot write.
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# Above this a float does not hold every whole number; no count is as large.
_LARGEST_COUNT = 2**53
# Characters of a faulty value that an error shows.
_SHOWN = 40


def load(text: str, where: str) -> Any:
    """Return the content of JSON text.

    Parameters
    ----------
    text : str
    where : str
        Name of the text for errors.

    Raises
    ------
    DataError
        If the text is no JSON, is nested too deeply, or has a number of too many digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is no JSON: {error}. If it was cut, write it again by fit.to_json()") from error
    except (RecursionError, MemoryError):
        raise DataError(f"{where} is nested too deeply to be a record of a fit") from None
    except ValueError as error:
        raise DataError(f"{where} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a document and its place, such as ``criterion.value``.

    Each method returns the value as the type that its name says, and raises a DataError if it is another type.
    """

    value: Any
    place: str = ""

    def __getitem__(self, name: str) -> Entry:
        """Return the entry of an object."""
        if not isinstance(self.value, dict):
            self._fail("an object")
        if name not in self.value:
            raise DataError(f"there is no entry {name!r}{f' in {self.place}' if self.place else ''}")
        return Entry(self.value[name], f"{self.place}.{name}" if self.place else name)

    def get(self, name: str) -> Entry | None:
        """Return the entry of an object; None where it is null or missing, as in files of older versions."""
        there = isinstance(self.value, dict) and name in self.value
        return self[name].optional() if there else None

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Yield the names and entries of an object."""
        if not isinstance(self.value, dict):
            self._fail("an object")
        for name, value in self.value.items():
            yield Entry(name, f"a name in {self.place}").text(), Entry(value, f"{self.place}.{name[:_SHOWN]}")

    def entries(self) -> list[Entry]:
        """Return the entries of a list."""
        if not isinstance(self.value, list):
            self._fail("a list")
        return [Entry(value, f"{self.place}[{i}]") for i, value in enumerate(self.value)]

    def optional(self) -> Entry | None:
        """Return the entry itself, None for null."""
        return None if self.value is None else self

    def text(self) -> str:
        """Return text that can be printed and written as UTF-8."""
        if not isinstance(self.value, str):
            self._fail("text")
        try:
            self.value.encode()
        except UnicodeEncodeError:
            self._fail("text of whole characters")
        return self.value

    def words(self) -> str:
        """Return text that is not blank."""
        text = self.text()
        if not text.strip():
            self._fail("text that is not blank")
        return text

    def texts(self) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(entry.text() for entry in self.entries())

    def flag(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            self._fail("true or false")
        return self.value

    def count(self, least: int = 0) -> int:
        """Return a whole number, no smaller than ``least``."""
        is_whole = isinstance(self.value, int) and not isinstance(self.value, bool)
        if not is_whole or not least <= self.value <= _LARGEST_COUNT:
            self._fail(f"a whole number from {least}" if least > -_LARGEST_COUNT else "a whole number")
        return int(self.value)

    def number(self, *, is_finite: bool = True, least: float = -math.inf) -> float:
        """Return a number no smaller than ``least``; with ``is_finite``, a finite one."""
        value = self._float()
        if value is None or (is_finite and not math.isfinite(value)) or value < least:
            self._fail(f"a {'finite ' if is_finite else ''}number{'' if least == -math.inf else f' from {least:g}'}")
        return value

    def numbers(self, *shape: int, is_finite: bool = True) -> NDArray[np.float64]:
        """Return an array of the shape given."""
        entries = self.entries()
        if len(entries) != shape[0]:
            self._fail(f"a list of {shape[0]:,}")
        if len(shape) == 1:
            return np.array([entry.number(is_finite=is_finite) for entry in entries], dtype=float)
        rows = [entry.numbers(*shape[1:], is_finite=is_finite) for entry in entries]
        return np.array(rows, dtype=float).reshape(shape)

    def packed(self, *shape: int, is_whole: bool = False) -> NDArray[Any]:
        """Return an array that is held as its bytes, compressed and in base 64; of any shape if none is given.

        Its numbers are finite; ``is_whole`` asks for whole ones.
        """
        kind = self["type"].text()
        if kind not in ("number", "integer") or (is_whole and kind != "integer"):
            self["type"]._fail('"integer"' if is_whole else '"number" or "integer"')
        found = tuple(size.count() for size in self["shape"].entries())
        if shape and found != shape:
            self["shape"]._fail(f"the shape {list(shape)}")
        size = 8 * math.prod(found)
        reader = zlib.decompressobj()
        try:
            data = reader.decompress(base64.b64decode(self["data"].text().encode(), validate=True), size + 1)
        except (ValueError, zlib.error):
            self["data"]._fail("compressed bytes in base 64")
        if len(data) != size or not reader.eof:
            self["data"]._fail(f"{size:,} bytes once it is unpacked")
        values = np.frombuffer(data, dtype="<i8" if kind == "integer" else "<f8").reshape(found)
        if not np.isfinite(values).all():
            self._fail("an array of finite numbers")
        return values.astype(np.int64 if is_whole else np.float64)

    def _float(self) -> float | None:
        if isinstance(self.value, str):
            return _NOT_FINITE.get(self.value)
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            return None
        try:
            return float(self.value)
        except OverflowError:
            return None

    def _fail(self, expected: str) -> NoReturn:
        if isinstance(self.value, (dict, list)):
            found = f"{'an object' if isinstance(self.value, dict) else 'a list'} of {len(self.value):,}"
        else:
            found = ascii(self.value)[:_SHOWN] if not isinstance(self.value, int) else "a number too large"
            found = str(self.value) if isinstance(self.value, int) and self.value.bit_length() < 64 else found
        raise DataError(f"{self.place} is {found}; {expected} was expected")
