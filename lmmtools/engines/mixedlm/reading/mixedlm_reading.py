"""A MixedLM model as its arrays have it: the whole in lme4 notation and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmmtools.engines.mixedlm.reading.words import describe_components, describe_groups, remark

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.mixedlm.reading.components import Component

__all__ = ["MixedLMReading"]


@dataclass(frozen=True, eq=False, repr=False)
class MixedLMReading:
    """A MixedLM model as its arrays have it.

    Attributes
    ----------
    response : str
        Name of the response.
    fixed : str
        The fixed-effects part of the formula; the names of the columns of X where there is no formula.
    has_formula : bool
        Whether the model was made from a formula.
    group : str
        Name of MixedLM's groups.
    groups : ndarray of intp, shape (n,)
        Group of each row, in MixedLM's order of groups.
    group_labels : pandas.Index, shape (number of groups,)
    components : tuple of Component
        Those of ``exog_re`` first, then ``exog_vc``'s in MixedLM's order (by name).
    confounded : tuple of (str, str)
        Pairs of components of which only the sum of variances is identified; ``"Residual"`` may be the second.
    frame : pandas.DataFrame or None
        The data that the formula was evaluated on, n rows.
    """

    response: str
    fixed: str
    has_formula: bool
    group: str
    groups: NDArray[np.intp]
    group_labels: pd.Index[Any]
    components: tuple[Component, ...]
    confounded: tuple[tuple[str, str], ...]
    frame: pd.DataFrame | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.groups)

    @property
    def n_groups(self) -> int:
        """Number of MixedLM's groups."""
        return len(self.group_labels)

    @property
    def lme4(self) -> str:
        """The random effects in lme4 notation, ``"(1|plate) + (1|plate:sample)"``."""
        return " + ".join(c.lme4 for c in self.components if c.pieces)

    @property
    def formula(self) -> str:
        """The whole model in lme4 notation, ``"diameter ~ 1 + (1|plate) + (1|plate:sample)"``."""
        return f"{self.response} ~ {' + '.join(filter(None, (self.fixed, self.lme4)))}"

    @property
    def is_exact(self) -> bool:
        """Whether the lme4 formula is the whole truth: the same model, for any data like these."""
        return all(c.is_exact for c in self.components)

    @property
    def remarks(self) -> tuple[str, ...]:
        """In what the model is not what its lme4 formula says, and which variances it cannot tell apart."""
        return remark(self.components, self.confounded)

    @property
    def words(self) -> tuple[str, ...]:
        """What the model assumes, sentence by sentence."""
        groups = describe_groups(self.group, self.n_groups, self.n)
        return (groups, *describe_components(self.components, self.confounded))

    def __getitem__(self, name: str) -> Component:
        for component in self.components:
            if component.name == name:
                return component
        raise KeyError(f"no component {name!r}; there are {[c.name for c in self.components]}")

    def __str__(self) -> str:
        return "\n".join([f"In lme4 notation: {self.formula}", *(f"- {sentence}" for sentence in self.words)])

    def __repr__(self) -> str:
        return f"<MixedLM reading {self.formula}: {self.n} rows, {self.n_groups} groups>"
