"""Predictions, comparisons, slopes and hypotheses by ``marginaleffects``, with degrees of freedom."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.audience import how_to_install
from lmmtools.errors import DataError, EngineError
from lmmtools.inference.degrees import check_ddf, degrees
from lmmtools.inference.tails import t_quantile, t_two_sided

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from lmmtools.fit.record import Fit
    from lmmtools.inference.marginal.model import LMMModel

    Floats = NDArray[np.float64]

__all__ = ["MarginalEffects"]

NOT_WITH_DF = ("transform", "equivalence", "joint")
FIRST_WITH_POLARS_2 = (0, 7)
"""First version that works with polars 2: marginaleffects 0.6 calls functions that polars 2 removed."""

LINEAR = 1e-6
"""Derivatives count as exact if they predict the change over a step of about one standard error in each fixed effect to
this share of the estimates' standard errors."""

SMALL = 1e-3
"""Step of central differences of nonlinear estimates, in standard errors; the error is of the order of its square."""


class MarginalEffects:
    """What ``marginaleffects`` computes of a fit's population predictions: ``fit.marginal.avg_slopes()`` and so on.

    Parameters
    ----------
    fit : Fit

    Notes
    -----
    Each method takes the arguments of the function of the same name in ``marginaleffects`` except the model, and
    ``ddf``: ``"satterthwaite"`` (default), ``"kenward-roger"`` (with its adjusted covariance), ``"residual"`` or
    ``"z"``. Each row of the result is a linear function of the fixed effects, at least to first order. Its weights
    (``.jacobian``) give the degrees of freedom in the column ``df``; p-values and limits are those of t. The weights
    are computed here, because the package's finite differences can be wrong by some percent for slopes.

    ``fit.marginal.model`` is the model itself, for every function of the package:
    ``marginaleffects.plot_predictions(fit.marginal.model, condition="Days")``; these use the normal distribution.

    Needs marginaleffects: ``pip install marginaleffects``.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
    >>> slopes = fit.marginal.avg_slopes(variables="Days")
    >>> slopes["term"][0], round(slopes["estimate"][0], 3), round(slopes["df"][0], 1)
    ('Days', 10.467, 17.0)
    """

    def __init__(self, fit: Fit) -> None:
        self._fit = fit

    @cached_property
    def model(self) -> LMMModel:
        """The fit as a model of ``marginaleffects``."""
        _import_marginaleffects()
        from lmmtools.inference.marginal.model import LMMModel

        return LMMModel(self._fit)

    def predictions(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return the population's predictions for each row, or for ``newdata``."""
        return self._call_with_df("predictions", ddf, arguments)

    def avg_predictions(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return averages of predictions, ``by`` groups."""
        return self._call_with_df("avg_predictions", ddf, arguments)

    def comparisons(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return differences of predictions between values of ``variables``, for each row."""
        return self._call_with_df("comparisons", ddf, arguments)

    def avg_comparisons(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return averages of such differences."""
        return self._call_with_df("avg_comparisons", ddf, arguments)

    def slopes(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return slopes of predictions along ``variables``, for each row."""
        return self._call_with_df("slopes", ddf, arguments)

    def avg_slopes(self, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return averages of slopes."""
        return self._call_with_df("avg_slopes", ddf, arguments)

    def hypotheses(self, hypothesis: Any = None, *, ddf: str = "satterthwaite", **arguments: Any) -> Any:
        """Return tests of functions of the fixed effects; for joint tests, ``fit.f_test``."""
        return self._call_with_df("hypotheses", ddf, {"hypothesis": hypothesis, **arguments})

    def __repr__(self) -> str:
        return f"<MarginalEffects of {self._fit.design.formula}>"

    def _call_with_df(self, function: str, ddf: str, arguments: dict[str, Any]) -> Any:
        """Return what a function of the package returns, with degrees of freedom."""
        method = check_ddf(ddf)
        refused = [name for name in NOT_WITH_DF if arguments.get(name) not in (None, False)]
        if refused:
            raise DataError(
                f"{refused[0]}= has no degrees of freedom here: write "
                f"marginaleffects.{function}(fit.marginal.model, {refused[0]}=...), whose statistics are normal"
            )
        found = degrees(self._fit, method)
        if arguments.get("vcov", True) is True:
            arguments["vcov"] = np.asarray(found.cov)
        run = getattr(_import_marginaleffects(), function)
        result = run(self.model, **arguments)
        if result.jacobian is None:
            return result
        # hypotheses() needs vcov; the others are faster without it.
        bare = arguments if function == "hypotheses" else {**arguments, "vcov": False}

        def estimates(beta: Floats) -> Floats:
            return np.asarray(run(self.model.at(beta), **bare).data["estimate"].to_numpy(), dtype=float)

        J = _exact_jacobian(
            estimates, self._fit.estimate.beta, np.asarray(arguments["vcov"]), np.asarray(result.jacobian, dtype=float)
        )
        se = np.sqrt(np.einsum("ra,ab,rb->r", J, arguments["vcov"], J))
        df = found.df(J)
        from marginaleffects.sanitize import sanitize_hypothesis_null

        null = float(sanitize_hypothesis_null(arguments.get("hypothesis")))
        return _with_df(result, J, se, df, null=null, is_normal=method == "z")


def _with_df(result: Any, J: Floats, se: Floats, df: Floats, *, null: float, is_normal: bool) -> Any:
    """Return a result with the given standard errors, and p-values and limits of t with ``df`` degrees of freedom.

    Parameters
    ----------
    result : marginaleffects.MarginaleffectsResult
    J : ndarray, shape (rows, p)
    se, df : ndarray, shape (rows,)
    null : float
        Hypothesised value of the estimates.
    is_normal : bool
        Whether all ``df`` are infinite, so that the statistic is called z.
    """
    import polars as pl

    data = result.data
    estimate = data["estimate"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (estimate - null) / se
        p = t_two_sided(t, df)
        surprise = -np.log2(p)
    half = t_quantile(0.5 * (1.0 - result.conf_level), df) * se
    columns = {"std_error": se, "statistic": t, "p_value": p, "s_value": surprise}
    columns |= {"conf_low": estimate - half, "conf_high": estimate + half}
    data = data.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    data = data.insert_column(data.get_column_index("statistic") + 1, pl.Series("df", df))
    letter = "z" if is_normal else "t"
    heads = {"term": "Term", "group": "Group"}
    heads |= {name: name for name in result.datagrid_explicit}
    heads |= {name: f"C: {name.partition('_')[2]}" for name in data.columns if name.startswith("contrast_")}
    heads |= {"contrast": "Contrast", "estimate": "Estimate", "std_error": "Std.Error", "statistic": letter}
    heads |= {"df": "Df", "p_value": f"P(>|{letter}|)", "s_value": "S"}
    grid = SimpleNamespace(datagrid_explicit=list(result.datagrid_explicit))
    return type(result)(data, by=result.by, conf_level=result.conf_level, jacobian=J, newdata=grid, mapping=heads)


def _import_marginaleffects() -> Any:
    """Return the module ``marginaleffects``.

    Raises
    ------
    EngineError
        If it is not installed, or the installed polars is too new for it.
    """
    try:
        import marginaleffects
        import polars
    except ImportError as error:
        raise EngineError(
            f"fit.marginal needs marginaleffects: {how_to_install('marginaleffects')}; fit.marginal_means() and "
            "fit.pairwise() do without"
        ) from error
    own, frames = version("marginaleffects"), polars.__version__
    if _version_numbers(own) < FIRST_WITH_POLARS_2 and _version_numbers(frames) >= (2, 0):
        raise EngineError(f'marginaleffects {own} does not work with polars {frames}: pip install "polars<2"')
    return marginaleffects


def _version_numbers(text: str) -> tuple[int, ...]:
    """Return the major and minor version as numbers."""
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


def _exact_jacobian(estimates: Callable[[Floats], Floats], beta: Floats, cov: Floats, guess: Floats) -> Floats:
    """Return the derivatives of the estimates at beta, shape (rows, p).

    Parameters
    ----------
    estimates : callable
        Fixed effects (p,) -> estimates (rows,).
    beta : ndarray, shape (p,)
    cov : ndarray, shape (p, p)
        Covariance of the fixed effects, for the size of steps.
    guess : ndarray, shape (rows, p)
        Derivatives by another method; returned if they are exact.
    """
    here = estimates(beta)
    steps = np.sqrt(np.diag(cov))
    signs = np.where(np.arange(len(beta)) % 2, -1.0, 1.0)
    along = steps * signs * (1.0 + np.arange(len(beta)) / max(1, len(beta)))
    moved = estimates(beta + along) - here

    def is_right(J: Floats) -> bool:
        size = np.sqrt(np.maximum(np.einsum("ra,ab,rb->r", J, cov, J), 0.0))
        return bool((np.abs(moved - J @ along) <= LINEAR * size).all())

    if is_right(guess):
        return guess
    eye = np.diag(steps)
    wide = np.column_stack([(estimates(beta + h) - here) / s for h, s in zip(eye, steps, strict=True)])
    if is_right(wide):
        return wide
    narrow = SMALL * eye
    return np.column_stack(
        [(estimates(beta + h) - estimates(beta - h)) / (2.0 * SMALL * s) for h, s in zip(narrow, steps, strict=True)]
    )
