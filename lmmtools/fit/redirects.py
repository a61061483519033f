"""Answers to names that other packages use: an error that says what to write here."""

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
    """An attribute that is absent here; asking for it says what to write instead.

    Parameters
    ----------
    instead : str
        What to write, and where it differs.
    """

    def __init__(self, instead: str) -> None:
        self._instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, holder: Any, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__name__} has no {self._name}: {self._instead}")


def redirect_keywords(**instead: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator of methods: arguments that they do not have raise DataError with what to write.

    Parameters
    ----------
    **instead
        Keyword -> what to write. The first one also answers arguments given by place that are too many.
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
