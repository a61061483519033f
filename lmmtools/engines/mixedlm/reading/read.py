"""MixedLM model -> MixedLMReading, from its arrays."""

from __future__ import annotations

from itertools import combinations, count
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lmmtools.engines.mixedlm.reading.columns import (
    Columns,
    Groups,
    collect_columns,
    crosses_groups,
    merge_parallel,
    name_variable,
    read_piece,
    read_re_piece,
    split_columns,
    term_label,
)
from lmmtools.engines.mixedlm.reading.labels import parse_label
from lmmtools.engines.mixedlm.reading.mixedlm_reading import Component, Kind, MixedLMReading, Piece
from lmmtools.errors import DataError, LmmError
from lmmtools.formula.declare import crossed
from lmmtools.formula.notation import write_expression
from lmmtools.formula.parser import parse
from lmmtools.sentences import list_first

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["read_model"]


def read_model(model: Any, free: Any = None) -> MixedLMReading:
    """Return a statsmodels ``MixedLM`` model as its arrays have it.

    Parameters
    ----------
    model : MixedLM or MixedLMResults
        From a formula or from arrays, with random coefficients, variance components or both.
    free : MixedLMParams, optional
        The pattern of free parameters that ``fit(free=...)`` was given: correlations held at zero make effects
        uncorrelated. By default a result's own; a bare model is read as declared.

    Raises
    ------
    DataError
        If it is no MixedLM model, or its data were removed.
    """
    if hasattr(model, "cov_re") and hasattr(model, "model"):
        free = _free_elements(model) if free is None else np.asarray(free.cov_re) != 0
        model = model.model
    elif free is not None:
        free = np.asarray(free.cov_re) != 0
    _check_model(model)
    groups = _read_groups(model)
    components = (*_read_re(model, groups, free), *_read_vcs(model, groups))
    response, fixed = _read_formula(model)
    return MixedLMReading(
        response,
        fixed,
        isinstance(getattr(model, "formula", None), str),
        groups.name,
        groups.codes,
        groups.labels,
        components,
        _find_confounded(components),
        groups.frame,
    )


def _free_elements(result: Any) -> NDArray[np.bool_] | None:
    """Return which elements of the covariance matrix a fit left free; derivative-free optimisers ignore ``free``."""
    if getattr(result, "freepat", None) is None:
        return None
    return np.asarray((np.asarray(result.freepat.cov_re) != 0) | (np.asarray(result.cov_re_unscaled) != 0))


def _check_model(model: Any) -> None:
    """Raise a DataError for anything but a MixedLM model with its data."""
    from statsmodels.regression.mixed_linear_model import MixedLM

    if not isinstance(model, MixedLM):
        raise DataError(f"this reads a statsmodels MixedLM model or its result, not {type(model).__name__}")
    for name in ("endog", "exog"):
        if getattr(model, name, None) is None:
            raise DataError(
                f"the model has lost its data ({name}): remove_data() was called, or it was saved with "
                "remove_data=True. Read the result before, or save it whole."
            )


def _read_groups(model: Any) -> Groups:
    """Return the groups of a model; raise a DataError where they do not fit its rows."""
    n = len(model.endog)
    rows = [np.asarray(model.row_indices[label], dtype=np.intp) for label in model.group_labels]
    codes = np.full(n, -1, dtype=np.intp)
    for g, own in enumerate(rows):
        if len(own) and own.max() >= n:
            raise DataError(
                f"groups has more rows than the model's data ({own.max() + 1} and {n}): MixedLM dropped rows with "
                'missing values from the arrays alone. Drop them before the call, or use a formula with missing="drop".'
            )
        codes[own] = g
    if np.any(codes < 0):
        raise DataError(f"{np.count_nonzero(codes < 0)} rows of the model are in no group")
    frame = getattr(model.data, "frame", None)
    frame = frame if isinstance(frame, pd.DataFrame) and len(frame) == n else None
    labels = pd.Index(list(model.group_labels))
    name = _group_name(model, codes, frame)
    if frame is not None and name not in frame.columns:
        # missing="drop" keeps the columns of the formulas only.
        frame = frame.assign(**{name: labels.take(codes)})
    return Groups(name, codes, labels, rows, frame)


def _group_name(model: Any, codes: NDArray[np.intp], frame: pd.DataFrame | None) -> str:
    """Return the name of the column that the groups are; a neutral one where none is known, never another column's."""
    columns = _named_columns(model, frame)
    known = (_names_said_by_model(model, columns), _equal_columns(model, codes, frame))
    for name in (name for names in known for name in names):
        if name not in columns or _is_partition(columns[name], codes):
            return name
    neutral = (f"Group{k}" if k else "Group" for k in count())
    return next(name for name in neutral if name not in columns or _is_partition(columns[name], codes))


def _named_columns(model: Any, frame: pd.DataFrame | None) -> dict[str, Any]:
    """Return the columns that have a name already: the data's, or those of the arrays."""
    if frame is not None:
        return {str(name): frame[name] for name in frame.columns}
    columns = dict(zip(map(str, model.exog_names), np.asarray(model.exog, dtype=float).T, strict=False))
    return {str(model.endog_names): np.asarray(model.endog), **columns}


def _names_said_by_model(model: Any, columns: Mapping[str, Any]) -> list[str]:
    """Return the names that the model gives its groups: that of their Series, or of the constant of ``re_formula``.

    MixedLM calls that constant after the groups, and "Group" where they came as an array.
    """
    given = getattr(getattr(model, "groups", None), "name", None)
    if given is not None:
        return [str(given)]
    if not isinstance(getattr(model, "formula", None), str):
        return []
    said = [str(name) for name in getattr(model.data, "exog_re_names", [])]
    # A column of ones among the data is a covariate of re_formula.
    ones = {name for name, column in columns.items() if _is_one(column)}
    constant = [name for name, is_one in zip(said, _are_ones(model.exog_re), strict=False) if is_one]
    return [name for name in constant if name not in ("Group", *ones)]


def _equal_columns(model: Any, codes: NDArray[np.intp], frame: pd.DataFrame | None) -> list[str]:
    """Return the columns of the data that hold the groups' own labels, those that no formula uses first."""
    if frame is None:
        return []
    labels = np.asarray(model.groups).astype(str)
    same = [c for c in frame.columns if _is_partition(frame[c], codes)]
    equal = [str(c) for c in same if np.array_equal(frame[c].astype(str), labels)]
    used = {*map(str, model.exog_names), str(model.endog_names)}
    return sorted(equal, key=used.__contains__)


def _is_one(column: Any) -> bool:
    """Whether a column is the number 1 throughout."""
    values = np.asarray(column)
    return bool(values.dtype.kind in "iuf" and len(values) and np.all(values == 1))


def _are_ones(matrix: Any) -> list[bool]:
    """Whether each column is the constant 1."""
    return [] if matrix is None else [bool(np.all(column == 1.0)) for column in np.asarray(matrix).T]


def _is_partition(column: Any, codes: NDArray[np.intp]) -> bool:
    """Whether a column splits the rows as the groups do."""
    try:
        own, uniques = pd.factorize(column)
    except TypeError:
        return False
    count = int(codes.max()) + 1
    if len(uniques) != count or np.any(own < 0):
        return False
    return len(np.unique(own.astype(np.int64) * count + codes)) == count


def _read_formula(model: Any) -> tuple[str, str]:
    """Return response and fixed part: the formula's, or the names of the columns."""
    formula = getattr(model, "formula", None)
    if isinstance(formula, str) and "~" in formula:
        try:
            parsed = parse(formula, crossed("the groups"))
        except LmmError:
            # What only patsy understands stands as it is.
            response, _, fixed = formula.partition("~")
            return response.strip(), fixed.strip()
        return write_expression(parsed.response), write_expression(parsed.fixed)
    names = [str(name) for name in model.exog_names]
    ones = _are_ones(model.exog)
    rest = [name_variable(name) for name, is_one in zip(names, ones, strict=True) if not is_one]
    return str(model.endog_names), " + ".join([str(int(any(ones))), *rest])


# -- exog_re ----------------------------------------------------------------------------------------------------------


def _read_re(model: Any, groups: Groups, free: NDArray[np.bool_] | None) -> list[Component]:
    """Return the components of ``exog_re``."""
    if model.k_re == 0:
        return []
    exog_re = np.asarray(model.exog_re, dtype=float)
    names = [str(name).removesuffix(" Var") for name in model.data.exog_re_names]
    # With an empty vc_formula MixedLM makes an intercept and gives it no name.
    names += [groups.name] * (model.k_re - len(names))
    return [_re_component(exog_re, names, groups, columns, free) for columns in _correlated_sets(model.k_re, free)]


def _correlated_sets(k_re: int, free: NDArray[np.bool_] | None) -> list[tuple[int, ...]]:
    """Return the columns of ``exog_re`` that are correlated with each other, set by set."""
    if free is None:
        return [tuple(range(k_re))]
    from scipy.sparse import csgraph

    _, member = csgraph.connected_components(free | free.T, directed=False)
    return [tuple(np.flatnonzero(member == k).tolist()) for k in np.unique(member)]


def _re_component(
    exog_re: NDArray[np.float64],
    names: list[str],
    groups: Groups,
    columns: tuple[int, ...],
    free: NDArray[np.bool_] | None,
) -> Component:
    """Return the component of some columns of ``exog_re`` that are correlated with each other."""
    piece = read_re_piece(exog_re[:, columns], [names[j] for j in columns], groups)
    kind: Kind = "correlated" if len(columns) > 1 else ("intercept" if piece.is_constant else "slope")
    caveats = []
    if free is not None and not np.all(free[np.ix_(columns, columns)][np.tril_indices(len(columns))]):
        caveats.append("fit(free=...) held some of its variances or covariances fixed")
    name = names[columns[0]] if len(columns) == 1 else groups.name
    return Component(
        name,
        "re",
        columns[0],
        kind,
        (piece,),
        groups.name,
        tuple(dict.fromkeys(f for j in columns for f in parse_label(names[j]).factors)),
        None,
        groups.count,
        len(columns) * groups.count,
        re_columns=columns,
        caveats=tuple(caveats),
    )


# -- exog_vc ----------------------------------------------------------------------------------------------------------


def _read_vcs(model: Any, groups: Groups) -> list[Component]:
    """Return the components of ``exog_vc``."""
    spec = model.exog_vc
    found = []
    for j, name in enumerate(spec.names):
        columns = collect_columns(spec.mats[j], spec.colnames[j], groups.rows)
        found.append(_vc_component(str(name), j, columns, groups))
    return found


def _vc_component(name: str, index: int, declared: Columns, groups: Groups) -> Component:
    """Return one variance component, its columns merged and split into pieces."""
    n_columns = len(declared.labels) + declared.n_empty
    if not declared.labels:
        zero = ("its columns are zero throughout",)
        return Component(
            name, "vc", index, "empty", (), groups.name, (), None, groups.count, n_columns, n_columns, (), zero
        )
    columns = merge_parallel(declared)
    sets = split_columns(columns)
    pieces = tuple(read_piece(own, groups, name) for own in sets)
    kind, caveats = _classify(columns, sets, pieces, groups)
    factors = tuple(dict.fromkeys(f for own in sets for f in term_label(own).factors))
    crosses = [crosses_groups(own, groups) for own in sets]
    return Component(
        name,
        "vc",
        index,
        kind,
        pieces,
        groups.name,
        factors,
        None if None in crosses else any(crosses),
        groups.count,
        n_columns,
        declared.n_empty,
        caveats=caveats,
    )


def _classify(
    columns: Columns, sets: list[Columns], pieces: tuple[Piece, ...], groups: Groups
) -> tuple[Kind, tuple[str, ...]]:
    """Return the kind of a component, and how its lme4 terms differ from it."""
    has_contrast = any(parse_label(text).is_reduced for texts in columns.labels for text in texts)
    if len(pieces) > 1:
        terms = " and ".join(str(p.term) for p in pieces)
        kind: Kind = "reference-coded" if has_contrast else "several columns"
        shared = f"{terms} share one variance, which lme4 cannot say"
        without = int(np.count_nonzero(pieces[-1].basis == 0))
        if kind == "reference-coded" and without and not pieces[-1].term.variables:
            return kind, (shared, f"{without} rows, those of a reference level, have no part in {pieces[-1].term}")
        return kind, (shared,)
    piece = pieces[0]
    by_groups = piece.codes is groups.codes
    if columns.n_merged:
        return "reference-coded", (_weights_sentence(piece, columns),)
    if piece.term.variables:
        return ("slope" if by_groups else "indicator slope"), ()
    without = int(np.count_nonzero(piece.basis == 0))
    if without:
        return "reference-coded", (f"{without} rows, those of a reference level, have no random effect at all",)
    if not piece.is_constant:
        factor = float(columns.values[0]) ** 2
        return ("intercept" if by_groups else "indicator"), (
            f"its columns are not ones: lme4's variance is {factor:.4g} times MixedLM's",
        )
    return ("intercept" if by_groups else "indicator"), ()


def _weights_sentence(piece: Piece, columns: Columns) -> str:
    """Return a sentence on merged columns: by which factors variances of levels differ."""
    counts = sorted({round(float(v) ** 2, 6) for v in columns.values})
    if len(counts) == 1:
        return f"each level counts {counts[0]:g} times: lme4's variance is {counts[0]:g} times MixedLM's"
    low = [piece.levels[j] for j in np.unique(piece.codes[piece.basis[:, 0] ** 2 <= counts[0] * (1 + 1e-9)])]
    return (
        f"levels are contrasts to a reference: {list_first(low, 3)} has {counts[0] / counts[-1]:.3g} of the variance "
        "that the other levels have"
    )


def _find_confounded(components: tuple[Component, ...]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of components of which only the sum is identified, the residual included."""
    single = [c for c in components if len(c.pieces) == 1]
    pairs = [(a.name, b.name) for a, b in combinations(single, 2) if _share_an_effect(a.piece, b.piece)]
    return (*pairs, *((c.name, "Residual") for c in single if c.is_residual))


def _share_an_effect(a: Piece, b: Piece) -> bool:
    """Whether an effect of one is an effect of the other."""
    return any(x.is_same_as(y) for x in _split_by_effect(a) for y in _split_by_effect(b))


def _split_by_effect(piece: Piece) -> list[Piece]:
    """Return a piece for each column of the basis."""
    l = piece.basis.shape[1]
    if l == 1:
        return [piece]
    return [
        Piece(piece.term, piece.codes, piece.levels, piece.basis[:, [j]], (piece.cnames[j],), piece.labels)
        for j in range(l)
    ]
