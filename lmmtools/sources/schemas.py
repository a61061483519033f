"""Types of columns: how they are called, and one type for all parts of a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["common_type", "describe_type", "is_text"]


def common_type(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """Return the type that holds the values of both, None if there is none: numbers are not mixed with text.

    Whole numbers of two sizes take the larger, whole and other numbers are floats; texts in any form are text, and a
    factor with texts too: it declares no order for all. A column without any value goes with everything.
    """
    import pyarrow as pa
    import pyarrow.types as pt

    if a == b or pt.is_null(b):
        return a
    if pt.is_null(a):
        return b
    if _is_texts(a) and _is_texts(b):
        both = pt.is_dictionary(a) and pt.is_dictionary(b)
        ordered = both and a.ordered and b.ordered
        return pa.dictionary(pa.int32(), pa.string(), ordered) if both else pa.string()
    if pt.is_dictionary(a) and pt.is_dictionary(b):
        values = common_type(a.value_type, b.value_type)
        return None if values is None else pa.dictionary(pa.int32(), values, a.ordered and b.ordered)
    if pt.is_dictionary(a) or pt.is_dictionary(b):
        return None
    if _is_number(a) and _is_number(b):
        if not (pt.is_integer(a) and pt.is_integer(b)):
            return pa.float64()
        if pt.is_signed_integer(a) == pt.is_signed_integer(b):
            return max(a, b, key=lambda kind: kind.bit_width)
        return pa.int64()
    if pt.is_timestamp(a) and pt.is_timestamp(b) and a.tz == b.tz:
        return pa.timestamp("ns", a.tz)
    return None


def _is_texts(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    return is_text(kind.value_type if pt.is_dictionary(kind) else kind)


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow.types as pt

    return bool(pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind))


def describe_type(kind: Any) -> str:
    """Return a type as a user would call it: ``"text"``, ``"numbers (int64)"``."""
    import pyarrow.types as pt

    if pt.is_dictionary(kind):
        return "categories"
    if is_text(kind):
        return "text"
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return f"numbers ({kind})"
    if pt.is_boolean(kind):
        return "truth values"
    if pt.is_date(kind) or pt.is_timestamp(kind):
        return f"dates ({kind})"
    return str(kind)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is one of texts."""
    import pyarrow.types as pt

    views = getattr(pt, "is_string_view", lambda _: False)
    return bool(pt.is_string(kind) or pt.is_large_string(kind) or views(kind))
