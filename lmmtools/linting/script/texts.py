"""Texts that a script joins and formats, of which parts may be unknown."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

from lmmtools.linting.script.values import MAX_SIZE, Text, is_scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["format_fields", "format_percent", "is_text", "join", "join_parts", "text_method", "write"]

# Formats of a given width could fill the memory.
_PERCENT = re.compile(r"%(?:\((\w*)\))?([sdrif%])")
_FIELD = re.compile(r"\{\{|\}\}|\{(\w*)\}")
_SIMPLE_METHODS = frozenset({"strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "removeprefix"})


def is_text(value: Any) -> bool:
    """Whether a value is a text, wholly or partly known."""
    return isinstance(value, str | Text)


def write(value: Any) -> str | Text:
    """Return a value as ``str()`` writes it, as far as it is known."""
    if isinstance(value, Text):
        return value
    return str(value) if is_scalar(value) or value is None else Text((None,))


def join_parts(pieces: Iterable[str | Text]) -> str | Text:
    """Return texts one after the other."""
    parts: list[str | None] = []
    size = 0
    for part in chain.from_iterable((p,) if isinstance(p, str) else p.parts for p in pieces):
        if part is not None and parts and parts[-1] is not None:
            parts[-1] += part
        elif part is not None or not parts or parts[-1] is not None:
            parts.append(part)
        size += len(part or "")
        if size > MAX_SIZE or len(parts) > MAX_SIZE:
            return Text((None,))
    if not parts:
        return ""
    return parts[0] if len(parts) == 1 and parts[0] is not None else Text(tuple(parts))


def join(separator: str, items: Sequence[Any]) -> str | Text:
    """Return ``separator.join(items)``."""
    pieces: list[str | Text] = []
    for i, item in enumerate(items):
        pieces += [separator, write(item)] if i else [write(item)]
    return join_parts(pieces)


def format_percent(template: str, arguments: Any) -> str | Text:
    """Return ``template % arguments``; wholly unknown where a field has a width or the arguments do not fit."""
    values = iter(arguments if isinstance(arguments, tuple) else (arguments,))
    pieces: list[str | Text] = []
    end = 0
    size = 0
    for found in _PERCENT.finditer(template):
        size += len(pieces[-1]) if pieces and isinstance(pieces[-1], str) else 0
        if size > MAX_SIZE:
            return _HOLE
        pieces.append(template[end : found.start()])
        end = found.end()
        if found[2] == "%":
            pieces.append("%")
        elif found[1] is not None:
            pieces.append(
                write(arguments[found[1]]) if isinstance(arguments, dict) and found[1] in arguments else _HOLE
            )
        else:
            pieces.append(write(next(values, _HOLE)))
    rest = template[end:]
    return _HOLE if "%" in _PERCENT.sub("", template) or _is_large(pieces) else join_parts([*pieces, rest])


def format_fields(template: str, positional: Sequence[Any], named: Mapping[str, Any]) -> str | Text:
    """Return ``template.format(*positional, **named)``; wholly unknown where a field has a width."""
    pieces: list[str | Text] = []
    end = count = size = 0
    for found in _FIELD.finditer(template):
        size += len(pieces[-1]) if pieces and isinstance(pieces[-1], str) else 0
        if size > MAX_SIZE:
            return _HOLE
        pieces.append(template[end : found.start()])
        end = found.end()
        if found[1] is None:
            pieces.append(found[0][0])
            continue
        name = found[1] or str(count)
        count += not found[1]
        if name.isdecimal():
            pieces.append(write(positional[int(name)]) if len(name) < 4 and int(name) < len(positional) else _HOLE)
        else:
            pieces.append(write(named[name]) if name in named else _HOLE)
    has_other = any(ch in _FIELD.sub("", template) for ch in "{}")
    return _HOLE if has_other or _is_large(pieces) else join_parts([*pieces, template[end:]])


def _is_large(pieces: Sequence[str | Text]) -> bool:
    return sum(len(p) if isinstance(p, str) else 1 for p in pieces) > MAX_SIZE


def text_method(owner: str | Text, name: str, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """Return what a method of a text returns; NotImplemented where the text does not show it."""
    if name == "format" and isinstance(owner, str):
        return format_fields(owner, positional, named)
    if name == "join" and isinstance(owner, str) and len(positional) == 1 and isinstance(positional[0], tuple | dict):
        items = tuple(positional[0])
        return join(owner, items) if len(owner) * len(items) <= MAX_SIZE else _HOLE
    if isinstance(owner, Text) or named or not all(isinstance(p, str) for p in positional):
        return _HOLE if name in _SIMPLE_METHODS or name == "replace" else NotImplemented
    if name in _SIMPLE_METHODS and len(positional) <= 1:
        return getattr(owner, name)(*positional) if positional or name != "removeprefix" else NotImplemented
    if name == "replace" and len(positional) == 2:
        is_small = (1 + len(owner)) * max(1, len(positional[1])) <= 10 * MAX_SIZE
        return owner.replace(*positional) if is_small else _HOLE
    if name == "split" and len(positional) <= 1 and positional != ("",) and positional != [""]:
        return tuple(owner.split(*positional))
    return NotImplemented


_HOLE = Text((None,))
