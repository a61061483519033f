"""A model declared anew by a change of its formula, and its fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lmmtools.design.redeclare import Given, redeclare_on
from lmmtools.formula.parser import parse
from lmmtools.formula.updating import update_formula
from lmmtools.sources import open_source
from lmmtools.threads import single

if TYPE_CHECKING:
    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Names

__all__ = ["update_declared"]


def update_declared(design: Design, names: Names, change: str, data: Any) -> tuple[Design, Names]:
    """Return the design and the names of a model whose formula is changed; see :meth:`Model.update`."""
    formula = parse(update_formula(design.formula, change), trusted=design.formula.trusted)
    with single:
        changed = redeclare_on(design, formula, names.given, data)
    if data is None:
        return changed, names
    source = open_source(data)
    attributes = getattr(data, "attrs", None)
    called = attributes.get("name") if isinstance(attributes, dict) else None
    return changed, replace(
        names, data=called if source is None else source.name, given=Given(data, source, names.given.stream)
    )
