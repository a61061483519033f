"""Keys of effects and components: the same for R's and Python's spelling, and for the intercept under any name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from lmmtools.design.facts import ones_in_basis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Key",
    "components",
    "constants_of_blocks",
    "group_key",
    "is_intercept",
    "level_key",
    "match_key",
    "name_intercept",
    "pair_key",
]

Key: TypeAlias = tuple[str, str]
"""Kind of a quantity and its label's key, ``("variance", "Subject Days")``."""

_LEVEL = re.compile(r"\[(?:T\.)?([^\]]*)\]")
_TERM_NUMBER = re.compile(r"\.\d+$")
_NUMBER = re.compile(r"-?[1-9]\d*\.0+")
_FACTOR = re.compile(r"\b(?:C|factor)\(([^()]*)\)")


def match_key(label: str) -> str:
    """Return a key that is the same for R's and Python's spelling of an effect: ``recipe[T.B]`` and ``recipeB``.

    ``TRUE`` and ``True`` are the same.
    """
    key = _FACTOR.sub(r"\1", _LEVEL.sub(r"\1", label)).replace("np.", "").replace("**", "^")
    key = key.replace("`", "").replace(" ", "").replace("True", "TRUE").replace("False", "FALSE")
    return "(Intercept)" if key == "Intercept" else key


def is_intercept(label: str) -> bool:
    """Whether an effect is the intercept, in R's or Python's spelling."""
    return match_key(label) == "(Intercept)"


def group_key(label: str) -> str:
    """Return a key of a component's label that does not depend on the order in an interaction's name.

    ``Subject.1``, a second term on Subject, gets the key of Subject: its effects have other names.
    """
    group, _, effect = label.partition(" ")
    return f"{':'.join(sorted(_TERM_NUMBER.sub('', group).split(':')))} {match_key(effect)}"


def level_key(group: str, level: str) -> str:
    """Return a key of a level, the same for ``a:b`` and ``b:a`` of an interaction, and for ``1`` and ``1.0``."""
    names, parts = _TERM_NUMBER.sub("", group).split(":"), level.split(":")
    if len(names) == len(parts):
        parts = [part for _, part in sorted(zip(names, parts, strict=True), key=lambda pair: pair[0])]
    return ":".join(f"{float(part):.12g}" if _NUMBER.fullmatch(part) else part for part in parts)


def pair_key(label: str) -> str:
    """Return a key of a pair of effects, ``"x, z"``, that does not depend on their order."""
    return ", ".join(sorted(map(match_key, label.split(", "))))


def name_intercept(names: list[str], X: Any) -> list[str]:
    """Return the names of X's columns, with the first column of ones renamed to Intercept.

    X has shape (n, p); None leaves the names as they are, and so does a name that is the intercept's.
    """
    if X is None or any(map(is_intercept, names)) or X.shape[1] != len(names):
        return names
    constant = next((j for j in range(X.shape[1]) if X.shape[0] and (X[:, j] == 1.0).all()), None)
    return ["Intercept" if j == constant else name for j, name in enumerate(names)]


def constants_of_blocks(design: Any) -> dict[str, str]:
    """Return {name: "(Intercept)"} of columns of ones in random-effects terms that have no intercept."""
    found = {}
    for block in getattr(design, "blocks", ()):
        if "(Intercept)" not in block.cnames:
            for name, is_one in zip(block.cnames, ones_in_basis(block), strict=True):
                if is_one:
                    found[str(name)] = "(Intercept)"
                    break
    return found


def components(
    rows: Iterable[tuple[Any, ...]], renamed: Mapping[str, str] | None = None
) -> tuple[dict[str, float], dict[str, float]]:
    """Return variances and correlations by label from VarCorr's rows, effects renamed; without the residual."""
    renamed = renamed or {}
    variances: dict[str, float] = {}
    correlations: dict[str, float] = {}
    for grp, var1, var2, vcov, sdcor in rows:
        if grp == "Residual" and not isinstance(var1, str):
            continue
        var1, var2 = (renamed.get(v, v) if isinstance(v, str) else v for v in (var1, var2))
        if isinstance(var2, str):
            correlations[f"{grp} {var1}, {var2}"] = float("nan") if sdcor is None else float(sdcor)
        else:
            variances[f"{grp} {var1}"] = float(vcov)
    return variances, correlations
