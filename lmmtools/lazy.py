"""Names of a package that are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

__all__ = ["load_name"]


def load_name(package: str, homes: Mapping[str, str], name: str, namespace: dict[str, Any]) -> Any:
    """Return what a package calls ``name``, from the module of it that ``homes`` gives; the namespace then has it."""
    value = getattr(import_module(f"{package}.{homes[name]}"), name)
    namespace[name] = value
    return value
