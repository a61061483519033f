"""The lowest value of all of a model with one variance, by the eigenvalues that its design has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lmmtools.core.data.spectrum import solve_lower
from lmmtools.core.search.objective import profile
from lmmtools.core.search.section import REPRODUCED, Section, find_lowest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.core.data.problem import Problem

    Floats = NDArray[np.float64]

__all__ = ["LowestOfAll", "lowest_of_all", "make_section", "section_of"]


@dataclass(frozen=True, slots=True, eq=False)
class LowestOfAll:
    """The lowest value of the criterion of a model with one variance.

    Attributes
    ----------
    lambdas : tuple of ndarray, (1, 1), or None
        In the engine's coordinates; None where the criterion falls without end and has no minimum before.
    objective : float
    is_proven : bool
        Whether no variance has a lower value.
    falls : bool
        Whether the criterion falls without end, or towards a limit below all its values.
    """

    lambdas: tuple[Floats, ...] | None
    objective: float
    is_proven: bool
    falls: bool


def lowest_of_all(problem: Problem, reml: bool) -> LowestOfAll | None:
    """Return the lowest value of a model with one variance, None where there are several or it is not cheap."""
    if problem.design.k > 1:
        return None
    y = problem.response
    section = section_of(problem, y.Zy[None], y.Xy[None], np.array([y.yy]), np.array([y.y_scale]), reml)
    if section is None:
        return None
    found = find_lowest(section)
    tau = float(found.tau[0])
    lambdas = None if np.isnan(tau) else (np.array([[np.sqrt(tau)]]),)
    return LowestOfAll(lambdas, float(found.objective[0]), bool(found.is_proven[0]), bool(found.falls[0]))


def section_of(problem: Problem, Zy: Floats, Xy: Floats, yy: Floats, y_scale: Floats, reml: bool) -> Section | None:
    """Return the criterion of B responses of a model with one variance as a function of it, None where it is not cheap.

    Parameters
    ----------
    problem : Problem
    Zy, Xy : ndarray, shapes (B, q) and (B, p)
    yy, y_scale : ndarray, shape (B,)
    reml : bool
    """
    spectrum = problem.rows.spectrum
    if spectrum is None:
        return None
    p, n = problem.p, problem.n
    b = solve_lower(spectrum.L, Xy.T)
    rr = yy - (b * b).sum(axis=0)
    z = Zy[:, spectrum.order] - b.T @ spectrum.C.T
    reduced = z @ spectrum.reduce
    c = reduced @ spectrum.vectors
    values, squares, counts = spectrum.values, c * c, np.ones(len(spectrum.values))
    rest = spectrum.counts - np.bincount(spectrum.group, minlength=len(spectrum.a))
    if rest.any():
        # What the directions that were left do not have of each group's length.
        own = np.zeros((len(spectrum.group), len(spectrum.a)))
        own[np.arange(len(spectrum.group)), spectrum.group] = 1.0
        others = np.maximum(np.add.reduceat(z * z, spectrum.first, axis=1) - (reduced * reduced) @ own, 0.0)
        more = rest > 0
        values = np.concatenate([values, spectrum.a[more]])
        squares = np.concatenate([squares, others[:, more]], axis=1)
        counts = np.concatenate([counts, rest[more]])
    constant = problem.constant(reml, y_scale)
    if reml:
        constant = constant + 2.0 * float(np.log(np.diag(spectrum.L)).sum())
    logs = (values, counts) if reml else (spectrum.a, spectrum.counts)
    return make_section(*logs, values, squares, rr, n - p if reml else n, constant)


def make_section(
    log_values: Floats,
    log_counts: Floats,
    values: Floats,
    squares: Floats,
    rr: Floats,
    dof: int,
    constant: Floats,
) -> Section:
    """Return the criterion from the eigenvalues m_i and mu_j, the squares c_j^2 = (u_j'z)^2 and y'P_0y.

    Parameters
    ----------
    log_values, log_counts : ndarray, shape (s,)
    values : ndarray, shape (r,)
    squares : ndarray, shape (B, r)
    rr : ndarray, shape (B,)
    dof : int
    constant : ndarray, shape (B,)
        The criterion less its logarithms and the constant of the normal density.
    """
    there, is_log = values > 0, log_values > 0
    weights = squares[:, there] / values[there]
    left = rr - weights.sum(axis=1)
    left = np.where(left <= REPRODUCED * rr, 0.0, left)
    constant = profile(constant, 1.0, dof)
    return Section(log_values[is_log], log_counts[is_log], values[there], weights, left, dof, constant)
