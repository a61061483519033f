"""Errors for names of other packages that a result does not have: each says what to write instead."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from lmmtools.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Redirect", "redirect_keywords"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Redirect:
    """A descriptor for an attribute that a class does not have: reading it raises what to write instead.

    Parameters
    ----------
    instead : str
        What to write, and how it differs.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, holder: Any, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} has no {self._name}: {self._instead}")


def redirect_keywords(**instead: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for methods: arguments of other packages raise a DataError that says what to write.

    Parameters
    ----------
    **instead
        Name of an argument -> what to write. Surplus positional arguments get the text of the first one.
    """
    first = next(iter(instead))

    def decorate(method: Callable[_P, _R]) -> Callable[_P, _R]:
        kinds = [p.kind for p in inspect.signature(method).parameters.values()]
        places = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)

        @functools.wraps(method)
        def answer(*args: _P.args, **keywords: _P.kwargs) -> _R:
            asked = next((k for k in keywords if k in instead), first if len(args) > places else None)
            if asked is not None:
                raise DataError(f"{method.__name__}() has no {asked}=: {instead[asked]}")
            return method(*args, **keywords)

        return answer

    return decorate
