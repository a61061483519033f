"""Where zeta has a given value: each limit is solved for, and the deviance minimised again there before it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.inference.profile.walk import Side
from lmmtools.threads import single

if TYPE_CHECKING:
    from lmmtools.inference.profile.path import Path

__all__ = ["Limit", "solve_limit"]

RISE = 0.02
"""A limit is one if the deviance, minimised again, rises by the cutoff to within this."""


@dataclass(frozen=True, slots=True)
class Limit:
    """Where zeta has a given value.

    Attributes
    ----------
    v : float
        In the path's coordinate; nan if there is no such place.
    why : str
        Why there is none.
    """

    v: float
    why: str = ""


@single
def solve_limit(path: Path, zeta: float) -> Limit:
    """Return the first place out from the fit at which zeta has the value wanted, or where the coordinate ends before.

    The path's points bracket it; between them it is solved for, the others at their best at every point that is tried
    and other valleys looked for at the last one. If one is lower, the way goes on outwards from there.
    """
    at, sign, wanted = (0, -1.0, -zeta) if zeta < 0 else (-1, 1.0, zeta)
    nodes = list(path.nodes[path.at_fit :: -1] if at == 0 else path.nodes[path.at_fit :])
    outer = next((i for i, node in enumerate(nodes) if sign * node.zeta >= wanted), None)
    if outer is None:
        return Limit(nodes[-1].v) if path.ends[at] else Limit(np.nan, path.stopped or "the profile ends before")
    if outer == 0 or wanted == sign * nodes[outer].zeta:
        return Limit(nodes[outer].v)
    # From a correlation's corner on, nodes are the deviance's own bound and in no valley.
    inside = [node for node in nodes[: outer + 1] if node.x is not None]
    side = Side(replace(path.valley), inside, path.direction, sign, path.bounds[at])
    found = side.walk(wanted)
    if found is None:
        return Limit(side.nodes[-1].v) if side.ended else Limit(np.nan, side.stopped)
    # Next to what is wanted, the rest along the slope.
    gap = sign * found.zeta - wanted
    if abs(gap * (sign * found.zeta + wanted)) > RISE:
        return Limit(np.nan, f"zeta jumps at {found.v:.4g}, from below {wanted:.4g} to {abs(found.zeta):.4g}")
    return Limit(found.v - sign * gap / found.slope)
