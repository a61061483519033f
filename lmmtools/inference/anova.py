"""The analysis-of-variance table of the fixed effects, as lmerTest's ``anova(fit)``, and its hypotheses.

A hypothesis is that a whole term of the fixed part is zero. Let A hold a column for every level of every term, with no
reference level left out, and M the projection off some of its terms. A hypothesis on the means is a row l = k'A.

* Type I: the rows of A_e' M A, M off the terms before e.
* Type II: the same, M off all terms that do not contain e. Without a constant in the model, a factor that spans it is
  tested to vanish with its mean.
* Type III: the rows that have no part in terms that neither are nor contain e, and that are orthogonal to those of them
  that concern the containing terms only. Without empty cells, that the sum-to-zero effects of e vanish.

One term contains another if it has the same covariates and all its factors and more. These are the definitions of
SAS/STAT (User's Guide, "The Four Types of Estimable Functions"); lmerTest's ``anova`` uses them. Containment
and the rows in which a hypothesis is written, on which the degrees of freedom depend, follow lmerTest:

* Type II counts polynomials, splines and ``scale(x)`` among the factors, since R holds them as matrices: in
  ``f * scale(x)`` the test of f is adjusted for x alone, in ``f * x`` it is that of f at x = 0.
* A variable counts in a term where R codes it by contrasts: f is contained in f:h in ``f * h``; in ``f / h``, which is
  ``f + f:h``, types II and III test f at the first level of h.
* Type III is written for treatment contrasts, whatever codes the factors, in reduced row echelon form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from lmmtools.design.facts import fixed_root
from lmmtools.design.fixed_terms import FixedTerm, fixed_terms, treatment_coding
from lmmtools.errors import DataError
from lmmtools.inference.degrees import check_ddf, method_in_title
from lmmtools.inference.wald_tests import FTest, f_fields, joint_test
from lmmtools.report.result_table import ResultTable, Tabular, pick, row_labels, stars
from lmmtools.report.table import NumberFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmmtools.design.matrices import Design
    from lmmtools.fit.record import Fit
    from lmmtools.inference.degrees import Method
    from lmmtools.inference.robust import Robust

    Floats = NDArray[np.float64]

__all__ = [
    "NO_TERMS",
    "AnovaTable",
    "AnovaType",
    "anova_table",
    "columns_of_terms",
    "describe_untested",
    "term_hypotheses",
]

DIGITS = 5
ROMAN = {1: "I", 2: "II", 3: "III"}

NO_TERMS = "the fixed part has no term beside the constant"

AnovaType = Literal[1, 2, 3]

TYPES: dict[object, AnovaType] = {1: 1, 2: 2, 3: 3, "1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}

RANK = 1e-9
"""Singular values below this share of the largest count as zero."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class AnovaTable(Tabular):
    """An F test of each term of the fixed part.

    ``to_frame()`` has the columns ``sum_sq mean_sq num_df den_df F p``, a row per term.

    Attributes
    ----------
    terms : tuple of str
    tests : tuple of FTest
        In the order of the terms.
    contrasts : tuple of ndarray, each (num_df, p)
        The hypotheses: contrasts of the fixed effects that are zero.
    type : {1, 2, 3}
    ddf : str
    notes : tuple of str
        Terms that have no test.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("effort ~ Type + (1 | Subject)", lmt.datasets.load("ergoStool")).fit(engine="pls")
    >>> fit.anova().to_frame().round(3)
          sum_sq  mean_sq  num_df  den_df       F    p
    Type  81.194   27.065     3.0    24.0  22.356  0.0
    """

    terms: tuple[str, ...]
    tests: tuple[FTest, ...]
    contrasts: tuple[object, ...]
    type: AnovaType
    ddf: Method
    notes: tuple[str, ...] = ()

    @property
    def _table(self) -> ResultTable:
        notes = dict.fromkeys(note for t in self.tests for note in t.notes) if self.tests else (NO_TERMS,)
        return ResultTable(
            "anova",
            (
                row_labels("", self.terms),
                *f_fields(self.tests, NumberFormat("zapped", DIGITS), DIGITS),
                stars(pick(self.tests, "p")),
            ),
            f"Type {ROMAN[self.type]} Analysis of Variance Table with {method_in_title(self.ddf)}",
            (*notes, *self.notes),
        )


def anova_table(fit: Fit, type: object = 3, ddf: str | Robust = "satterthwaite") -> AnovaTable:
    """Return an F test of each term of the fixed part; see :meth:`LMMResults.anova`."""
    kind, method = _read_type(type), check_ddf(ddf)
    hypotheses = term_hypotheses(fit.design, kind)
    tests = tuple(joint_test(fit, L, None, method) for _, L in hypotheses)
    return AnovaTable(
        tuple(n for n, _ in hypotheses),
        tests,
        tuple(L for _, L in hypotheses),
        kind,
        method,
        tuple(describe_untested(fit.design)),
    )


def describe_untested(design: Design) -> list[str]:
    """Return in a sentence which terms of the fixed part are not tested as all of their columns were dropped."""
    terms = fixed_terms(design)
    own = columns_of_terms(design, terms)
    names = [term.written for term, columns in zip(terms, own, strict=True) if term.name and not columns]
    return [f"not tested, as its columns depend on those of other terms: {name}" for name in names]


def _read_type(kind: object) -> AnovaType:
    """Return the type of the table as a number.

    Raises
    ------
    DataError
        If ``kind`` is none of 1, 2, 3, "I", "II", "III".
    """
    if not isinstance(kind, (int, str)) or kind not in TYPES:
        raise DataError(f"type={kind!r} is no type of anova table; use 1, 2 or 3")
    return TYPES[kind]


def term_hypotheses(design: Design, kind: AnovaType) -> list[tuple[str, Floats]]:
    """Return (name, contrasts) per term; the hypothesis is that its contrasts, (q, p) of full row rank, are zero.

    The constant is left out, and so are terms without an estimable hypothesis, for lack of data in the cells.

    Raises
    ------
    DataError
        If the design has no terms.
    """
    terms = fixed_terms(design)
    own = columns_of_terms(design, terms)
    # A term all of whose columns were dropped as dependent is not in the model: the others are tested without it.
    kept = [t if columns else replace(t, columns=t.columns[:, :0]) for t, columns in zip(terms, own, strict=True)]
    few = design if design.streamed is None else design.streamed.few(design)
    A, X = _in_common_basis([t.columns for t in _scale_covariates(kept)], few.X)
    # Rows are eliminated from the products of all rows; which hypotheses are estimable, few rows that span them tell.
    whole = X if design.streamed is None else fixed_root(design)
    # With one term all types are the same hypothesis; lmerTest writes it in the rows of type I.
    kind = kind if sum(bool(t.name) for t in terms) > 1 else 1
    to_treatment, own_treated = _treatment_coded(design, own) if kind == 3 else (np.eye(design.p), own)
    found = []
    for i, term in enumerate(terms):
        if not term.name:
            continue
        above = [j for j in range(len(terms)) if _is_contained(i, j, terms, matrices_as_factors=kind == 2)]
        if kind == 1:
            contrasts = _eliminate_columns(whole, [c for columns in own[:i] for c in columns], own[i])
        elif not above:
            # No term contains it: the hypothesis is that its own coefficients are zero.
            contrasts = np.asarray(np.linalg.inv(to_treatment)[own_treated[i]], dtype=float)
        elif kind == 2:
            before = [c for j, columns in enumerate(own) if j != i and j not in above for c in columns]
            contrasts = _eliminate_columns(whole, before, own[i])
        else:
            third = _independent_rows(_type_three_weights(i, terms, A) @ X)
            contrasts = _reduced_row_echelon(third @ to_treatment, X @ to_treatment) @ np.linalg.inv(to_treatment)
        if len(contrasts):
            found.append((term.name, contrasts))
    return found


def _treatment_coded(design: Design, own: list[list[int]]) -> tuple[Floats, list[list[int]]]:
    """Return M that turns X into treatment coding X M, as in lmerTest's type III, and each term's columns there."""
    coded = treatment_coding(design)
    if coded is None:
        return np.eye(design.p), own
    few = design if design.streamed is None else design.streamed.few(design)
    return np.asarray(np.linalg.lstsq(few.X, coded[0], rcond=None)[0], dtype=float), coded[1]


def _is_contained(i: int, j: int, terms: Sequence[FixedTerm], *, matrices_as_factors: bool) -> bool:
    """Return whether term j contains term i by lmerTest's rule.

    A variable of a term counts where the term without it, or one that holds that, stands before it in the model, which
    is where R codes the variable by contrasts: f is below f:h in ``f * h``, and beside it in ``f + f:h``.
    """

    def counted(at: int) -> frozenset[str]:
        whole = terms[at].variables
        before = [t.variables for t in terms[:at]]
        return frozenset(v for v in whole if len(whole) == 1 or any(whole - {v} <= t for t in before))

    own, other = counted(i), counted(j)
    numbers = [t.covariates - t.matrices if matrices_as_factors else t.covariates for t in (terms[i], terms[j])]
    return own & numbers[0] == other & numbers[1] and own - numbers[0] < other - numbers[1]


def columns_of_terms(design: Design, terms: Sequence[FixedTerm]) -> list[list[int]]:
    """Return the indices of each term's columns in X, without columns that were dropped as dependent."""
    places = {name: at for at, name in enumerate(design.x_names)}
    by_term = design.encoder.columns_by_term()
    names = design.encoder.column_names
    return [[places[names[c]] for c in by_term[t.written] if names[c] in places] for t in terms]


def _eliminate_columns(X: Floats, before: Sequence[int], own: Sequence[int]) -> Floats:
    """Return the rows of the normal equations for the columns ``own`` after elimination of ``before``, shape (own, p).

    They span the same hypothesis as the projection. Fai and Cornelius' degrees of freedom depend on the rows in which a
    hypothesis is written, and lmerTest writes these.
    """
    p = X.shape[1]
    order = [*before, *own, *(c for c in range(p) if c not in before and c not in own)]
    R = np.asarray(np.linalg.qr(X[:, order] / (norms := np.sqrt((X**2).sum(axis=0)))[order], mode="r"), dtype=float)
    rows = R[len(before) : len(before) + len(own)] * norms[order]
    out = np.zeros((len(own), p))
    out[:, order] = rows / rows[range(len(own)), range(len(before), len(before) + len(own))][:, None]
    return out


def _scale_covariates(terms: Sequence[FixedTerm]) -> list[FixedTerm]:
    """Return the terms with covariates scaled to order one, by one factor in terms with the same covariates."""
    largest: dict[frozenset[str], float] = {}
    for t in terms:
        norm = float(np.sqrt((t.columns**2).sum(axis=0)).max(initial=0.0))
        largest[t.covariates] = max(largest.get(t.covariates, 0.0), norm)
    return [replace(t, columns=t.columns / (largest[t.covariates] or 1.0)) for t in terms]


def _in_common_basis(parts: Sequence[Floats], X: Floats) -> tuple[list[Floats], Floats]:
    """Return the terms' columns and X in an orthonormal basis of their common column space: r rows instead of n."""
    norms = np.sqrt((X**2).sum(axis=0))
    R = np.asarray(np.linalg.qr(np.column_stack([*parts, X / norms]), mode="r"), dtype=float)
    ends = np.cumsum([0, *(part.shape[1] for part in parts)]).tolist()
    return [R[:, a:b] for a, b in pairwise(ends)], R[:, ends[-1] :] * norms


def _type_three_weights(i: int, terms: Sequence[FixedTerm], A: Sequence[Floats]) -> Floats:
    """Return k' of each row k'A of the type III hypothesis of term i."""
    above = [a for j, a in enumerate(A) if terms[i].is_within(terms[j])]
    others = [A[i][:, :0], *(a for j, a in enumerate(A) if j != i and not terms[i].is_within(terms[j]))]
    own = A[i].shape[1]
    both = _row_space_basis(_project_off(np.column_stack(others), np.column_stack([A[i], *above])))
    if above:
        upper = _row_space_basis(_project_off(np.column_stack([*others, A[i]]), np.column_stack(above)))
        upper = np.column_stack([np.zeros((len(upper), own)), upper])
        both = _leading_rows(both - both @ upper.T @ upper, len(both) - len(upper))
    # k'[others, own, above] = [0, l].
    everything = np.column_stack([np.column_stack(others), np.column_stack([A[i], *above])])
    wanted = np.column_stack([np.zeros((len(both), everything.shape[1] - both.shape[1])), both])
    return np.asarray(np.linalg.lstsq(everything.T, wanted.T, rcond=RANK)[0].T)


def _project_off(B: Floats, C: Floats) -> Floats:
    """Return C minus its projection on the columns of B."""
    if not B.size:
        return C
    U, d, _ = np.linalg.svd(B, full_matrices=False)
    U = U[:, d > RANK * d.max(initial=0.0)]
    # Twice, so that what remains of a column within B's span is rounding error relative to the remainder.
    out = C - U @ (U.T @ C)
    return np.asarray(out - U @ (U.T @ out))


def _row_space_basis(B: Floats) -> Floats:
    """Return an orthonormal basis of the row space, shape (rank, columns); A's columns are of order one."""
    _, d, V = np.linalg.svd(B, full_matrices=False)
    return np.asarray(V[d > RANK])


def _leading_rows(B: Floats, rank: int) -> Floats:
    """Return an orthonormal basis of the ``rank`` leading directions of B's row space."""
    return np.asarray(np.linalg.svd(B, full_matrices=False)[2][:rank])


def _reduced_row_echelon(L: Floats, X: Floats) -> Floats:
    """Return L in reduced row echelon form; entries are compared with zero in units of the columns of X."""
    norms = np.sqrt((X**2).sum(axis=0))
    out = L / norms
    at = 0
    for j in range(out.shape[1]):
        if at == len(out):
            break
        pivot = at + int(np.abs(out[at:, j]).argmax())
        if abs(out[pivot, j]) <= RANK * np.abs(out).max():
            out[at:, j] = 0.0
            continue
        out[[at, pivot]] = out[[pivot, at]]
        out[at] /= out[at, j]
        others = np.arange(len(out)) != at
        out[others] -= np.outer(out[others, j], out[at])
        at += 1
    out = out * norms
    return np.asarray(out / np.array([row[np.flatnonzero(row)[0]] for row in out])[:, None])


def _independent_rows(L: Floats) -> Floats:
    """Return an orthonormal basis of the row space of L, without directions that are rounding errors."""
    size = np.abs(L).max(initial=0.0)
    if size <= RANK:
        return np.zeros((0, L.shape[1]))
    _, d, V = np.linalg.svd(L / size, full_matrices=False)
    return np.asarray(V[d > RANK * d.max()])
