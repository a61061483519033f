"""A fit as a model of the package ``marginaleffects``: data, coefficients, covariance and predictions.

``marginaleffects`` takes any subclass of its ``ModelAbstract``. This module needs the package and is imported on use.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
from marginaleffects.classes import ModelAbstract, ModelVault

from lmmtools.design import newdata
from lmmtools.design.factors import encode_factor
from lmmtools.design.frame import is_factor, kind_of
from lmmtools.errors import DataError
from lmmtools.formula.expressions import columns_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit

    Floats = NDArray[np.float64]

__all__ = ["LMMModel"]


class LMMModel(ModelAbstract):  # type: ignore[misc]
    """The population's part of a fit, X b, with the covariance of the fixed effects.

    Parameters
    ----------
    fit : Fit

    Notes
    -----
    Factors, and numbers that the formula takes for labels (``C(nitro)``), are polars ``Enum`` columns in the order of
    the fit's levels. Degrees of freedom are infinite here; ``fit.marginal`` supplies them.
    """

    df_resid = float("inf")

    def __init__(self, fit: Fit, vault: ModelVault | None = None) -> None:
        self._labels = _number_labels(fit)
        super().__init__(fit, vault or _build_vault(fit, self._labels))

    def at(self, beta: Floats) -> LMMModel:
        """Return the model with other fixed effects, shape (p,); the data are shared."""
        return LMMModel(self.model, replace(self.vault, coef=np.asarray(beta, dtype=float)))

    def validation(self) -> None:
        """Set the columns' types; everything else is valid by construction."""
        self.validate_coef()
        self.validate_response_name()
        data = self.vault.modeldata
        self.vault.variables_type = {name: _type_of(data[name]) for name in data.columns}

    def get_vcov(self, vcov: Any = True) -> Floats | None:
        """Return the covariance of the fixed effects, shape (p, p), or None for ``vcov=False``."""
        if vcov is None or vcov is False:
            return None
        if vcov is not True:
            raise DataError(f"vcov={vcov!r}: a mixed model has its own covariance (True), or takes a matrix")
        return np.asarray(self.model.estimate.beta_cov)

    def get_df(self) -> int:
        """Return n - p, for joint tests."""
        return int(self.model.nobs - self.model.design.p)

    def get_autodiff_args(self) -> dict[str, Any]:
        """Return the arguments that make the package's derivatives exact: predictions are linear."""
        return {"model_type": "linear", "family": None, "link": None}

    def get_exog(self, newdata_: pl.DataFrame) -> Floats:
        """Return X of new rows, shape (r, p), and behind it their offset where the model has one."""
        design = self.model.design
        frame = pd.DataFrame({name: self._column(newdata_, name) for name in newdata_.columns})
        X = newdata.encode_fixed(design, frame)
        if design.offset is None:
            return X
        return np.column_stack([X, newdata.encode_offset(design, frame)])

    def get_predict(self, params: Floats, newdata: Floats) -> pl.DataFrame:
        """Return ``X params + offset`` as columns ``rowid estimate``."""
        p = self.model.design.p
        mean = newdata[:, :p] @ np.asarray(params, dtype=float) + newdata[:, p:].sum(axis=1)
        return pl.DataFrame({"rowid": np.arange(len(mean), dtype=np.int32), "estimate": mean})

    def _column(self, data: pl.DataFrame, name: str) -> Any:
        """Return a column's values; labels of numbers in ``C(...)`` as these numbers."""
        values = data[name].to_list()
        if name in self._labels:
            numbers = self._labels[name]
            return [numbers.get(v, v) if isinstance(v, str) else v for v in values]
        return values


def _formula_stand_in(data: Any) -> None:
    """Stand in for the formula: the package does not parse a callable, and ``get_exog`` makes the matrix instead."""


def _build_vault(fit: Fit, labels: dict[str, dict[str, Any]]) -> ModelVault:
    """Return the package's record of a model: coefficients, data and names."""
    design = fit.design
    predictors = [name for name in columns_of(design.formula.fixed) if name in design.frame]
    return ModelVault(
        coef=fit.estimate.beta.copy(),
        coefnames=np.asarray(design.x_names),
        formula=_formula_stand_in,
        modeldata=_model_data(fit, labels),
        package="lmmtools",
        variable_names=[design.formula.response, *predictors],
    )


def _type_of(column: pl.Series) -> str:
    """Return the package's word for what a column holds; True and False are levels, as in the model."""
    if not column.dtype.is_numeric():
        return "character"
    if column.is_between(0, 1).all() and column.n_unique() == 2 and column.min() == 0 and column.max() == 1:
        return "binary"
    return "integer" if column.dtype.is_integer() else "numeric"


def _number_labels(fit: Fit) -> dict[str, dict[str, Any]]:
    """Return {column of numbers in ``C(...)``: {label: number}}, by size."""
    design = fit.design
    sources = getattr(design.encoder, "sources", {}).values()
    coded = {s.name for s in sources if s.is_coded and s.levels is None}
    return {name: {f"{v:.12g}": v for v in np.unique(design.frame[name].to_numpy()).tolist()} for name in coded}


def _model_data(fit: Fit, labels: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """Return the rows used as polars, factors as Enum."""
    columns: dict[str, Any] = {}
    for name in fit.design.frame.columns:
        column = fit.design.frame[name]
        if name in labels:
            known = list(labels[name])
            columns[name] = pl.Series(name, [f"{v:.12g}" for v in column], dtype=pl.Enum(known))
        elif kind_of(column) == "boolean":
            columns[name] = pl.Series(name, column.astype(bool).to_numpy())
        elif is_factor(column, name):
            levels = [str(level) for level in encode_factor(column).levels]
            columns[name] = pl.Series(name, column.astype(str).to_list(), dtype=pl.Enum(levels))
        else:
            columns[name] = pl.Series(name, column.to_numpy())
    return pl.DataFrame(columns)
