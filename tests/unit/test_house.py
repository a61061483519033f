"""No two modules need each other, imports for types and inside functions counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest


def circles(imports: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the sets of modules each of which reaches all others of its set (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        waiting.append(module)
        for other in imports[module]:
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in waiting:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            place = waiting.index(module)
            if len(waiting) - place > 1:
                found.append(set(waiting[place:]))
            del waiting[place:]

    for module in imports:
        if module not in number:
            visit(module)
    return found


def test_a_circle_is_found_and_a_diamond_is_none() -> None:
    assert circles({"a": "bc", "b": "d", "c": "d", "d": ""}) == []
    assert circles({"a": "b", "b": "c", "c": "b", "d": "a"}) == [{"b", "c"}]


def test_no_modules_import_each_other_in_a_circle() -> None:
    grimp = pytest.importorskip("grimp")
    graph = grimp.build_graph("lmmtools", exclude_type_checking_imports=False)
    imports = {module: sorted(graph.find_modules_directly_imported_by(module)) for module in sorted(graph.modules)}
    assert [sorted(c) for c in circles(imports)] == []
