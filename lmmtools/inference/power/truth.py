"""What a simulation takes for true: parameters by name, checked, as theta and sigma."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.theta import pack_lambda
from lmmtools.errors import DataError
from lmmtools.inference.bootstrap.statistics import parameter_names, parameter_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design

    Floats = NDArray[np.float64]

__all__ = ["parameter_values_of", "theta_and_sigma"]


def parameter_values_of(
    model: Any, effects: Mapping[str, float] | None, parameters: Mapping[str, float] | None
) -> dict[str, float]:
    """Return the value taken for true of every parameter: those given, and the fit's own for the others.

    Raises
    ------
    DataError
        If a parameter is unknown or no finite number, or has no value.
    """
    given = {**_as_mapping("effects", effects), **_as_mapping("parameters", parameters)}
    design = model.design
    names = parameter_names(design)
    unknown = [name for name in given if name not in names]
    if unknown:
        raise DataError(f"the model has no parameter {unknown[0]!r}; there are {', '.join(names)}")
    known: dict[str, float] = {}
    if hasattr(model, "estimate"):
        e = model.estimate
        values = parameter_values(design, e.theta[None], np.array([e.sigma]), e.beta[None])[0]
        known = dict(zip(names, np.nan_to_num(values).tolist(), strict=True))
    known |= given
    missing = [name for name in names if name not in known]
    if missing:
        raise DataError(
            f"what is {', '.join(missing)}? A model that is not fitted has no values of its own; give effects={{...}} "
            "and parameters={...}, or a fit"
        )
    return known


def _as_mapping(argument: str, given: Mapping[str, float] | None) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise DataError(
            f"{argument}={given!r} gives no values; write {argument}={{name: value}}, and tested=name for a test of "
            "what the fit estimates"
        )
    out = {}
    for name, value in given.items():
        try:
            out[name] = float(value)
        except (TypeError, ValueError):
            out[name] = np.nan
        if not np.isfinite(out[name]):
            raise DataError(f"{argument} has {name!r}: {value!r}; the value taken for true is a finite number")
    return out


def theta_and_sigma(design: Design, truth: Mapping[str, float]) -> tuple[Floats, float]:
    """Return theta, shape (k,), and sigma of standard deviations and correlations.

    Raises
    ------
    DataError
        If a standard deviation is negative, or correlations are impossible together.
    """
    sigma = truth["sigma"]
    if not sigma > 0:
        raise DataError(f"sigma is {sigma}; the residual standard deviation must be positive")
    factors = []
    for block in design.blocks:
        sd = np.array([truth[f"sd_{name}|{block.group}"] for name in block.cnames])
        if (sd < 0).any():
            raise DataError(f"a standard deviation of {block.term} is negative")
        cor = np.eye(block.l)
        for j in range(block.l):
            for i in range(j + 1, block.l):
                cor[i, j] = cor[j, i] = truth[f"cor_{block.cnames[i]}.{block.cnames[j]}|{block.group}"]
        values, vectors = np.linalg.eigh(cor)
        if values[0] < -1e-9:
            raise DataError(
                f"the correlations of {block.term} cannot go together: their matrix has a negative eigenvalue"
            )
        half = sd[:, None] / sigma * (vectors * np.sqrt(np.maximum(values, 0.0)))
        r = np.asarray(np.linalg.qr(half.T, mode="r"), dtype=float)
        factors.append((r * np.where(np.diag(r) < 0, -1.0, 1.0)[:, None]).T)
    return pack_lambda(factors), sigma
