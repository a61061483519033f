"""One column of a comparison: the numbers of one fit, wherever it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lmmtools.design.dropped import name_causes
from lmmtools.errors import DataError
from lmmtools.printout.number import rounding_of
from lmmtools.report.effect_labels import components, constants_of_blocks, group_key, name_intercept
from lmmtools.report.fingerprint import Fingerprint, Inputs, inputs_of_design

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from lmmtools.printout.printed_fit import PrintedMixedLM, PrintedSummary

__all__ = ["MODEL_BASED", "ComparisonColumn", "FixedTests", "correlations_of", "floats", "rename_like"]

MODEL_BASED = "model-based"
"""Standard errors from the model's own covariance, neither robust nor adjusted."""
KENWARD_ROGER = "Kenward-Roger"
# R prints no correlations of more fixed effects.
MOST_CORRELATED = 20


@dataclass(frozen=True, slots=True)
class FixedTests:
    """Tests of the fixed effects, by their names.

    Attributes
    ----------
    method : str
        Where they come from: ``"z"``, ``"residual"`` (t with n - p), ``"satterthwaite"``, ``"kenward-roger"``; empty if
        it is not said.
    df : dict of str to float
        Degrees of freedom, infinite for z; empty where they are not known.
    pvalues : dict of str to float
        Two-sided.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> column = lmt.compare(model, "pls", "mixedlm").columns[0]
    >>> column.tests.method
    'z'
    """

    method: str
    df: Mapping[str, float]
    pvalues: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ComparisonColumn:
    """What one fit says; None where it does not say.

    Attributes
    ----------
    name : str
        Header of the column.
    criterion : float
        REML criterion, or deviance (-2 log L) under ML.
    reml : bool
        Which of the two.
    variances : dict of str to float
        ``"plate (Intercept)"`` -> variance, in squared units of y; without the residual.
    correlations : dict of str to float
        ``"Subject (Intercept), Days"`` -> correlation.
    sigma : float
        Residual standard deviation, in units of y.
    fixef, std_errors : dict of str to float
        Fixed effects and their standard errors, by lme4's or statsmodels' names.
    nobs : int or None
        Rows used.
    theta : tuple of float or None
        Relative covariance parameters.
    is_singular : bool or None
        Whether a component is at its boundary.
    converged : bool or None
        Whether the fit says that it is an optimum.
    seconds : float or None
        Time that the fit took.
    engine : str or None
        What fitted it.
    std_devs : dict of str to float, or None
        Standard deviations by the labels of ``variances``, where they were read; the roots of the variances if None.
    residual_variance : float or None
        The same for the residual; the square of sigma if None.
    is_ols : bool
        Whether it is a linear model: all variances of random effects zero.
    notes : tuple of str
        What else it said.
    formula : str or None
        The model in lme4's notation.
    lost : str
        Which rows were left out and why, as a phrase; empty if none, or if it does not say.
    ngroups : dict of str to int
        Levels per grouping factor.
    llf, aic, bic : float or None
        Log-likelihood (restricted under REML), and what follows from it.
    k_params, df_resid : int or None
        Parameters; rows less parameters.
    tvalues : dict of str to float
        Estimates over their standard errors, by the names of ``fixef``.
    tests : FixedTests or None
        Degrees of freedom and p-values with the method that they come from.
    fixef_correlations : dict of str to float
        ``"(Intercept), Days"`` -> correlation of two fixed effects; empty for more than twenty.
    scaled_residuals : tuple of float or None
        Minimum, quartiles and maximum.
    modes : dict of str to dict of str to float
        ``"Subject (Intercept)"`` -> conditional mode of each level, in units of y per unit of the effect; empty if they
        are not known.
    inputs : Inputs or None
        What was fitted, to be recognised: response, weights, offset, columns of X.
    error_kind : str
        What the standard errors are: ``"model-based"``, ``"robust (HC3)"``, ``"Kenward-Roger"``.
    source : object or None
        The fit or the record that the numbers are of, where there is one.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> model = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"))
    >>> lmt.compare(model, "pls", "mixedlm").columns[0].name
    'pls'
    """

    name: str
    criterion: float
    reml: bool
    variances: Mapping[str, float]
    correlations: Mapping[str, float]
    sigma: float
    fixef: Mapping[str, float]
    std_errors: Mapping[str, float]
    nobs: int | None = None
    theta: tuple[float, ...] | None = None
    is_singular: bool | None = None
    converged: bool | None = None
    seconds: float | None = None
    engine: str | None = None
    std_devs: Mapping[str, float] | None = None
    residual_variance: float | None = None
    is_ols: bool = False
    notes: tuple[str, ...] = field(default=())
    formula: str | None = None
    lost: str = ""
    ngroups: Mapping[str, int] = field(default_factory=dict)
    llf: float | None = None
    aic: float | None = None
    bic: float | None = None
    k_params: int | None = None
    df_resid: int | None = None
    tvalues: Mapping[str, float] = field(default_factory=dict)
    tests: FixedTests | None = None
    fixef_correlations: Mapping[str, float] = field(default_factory=dict)
    scaled_residuals: tuple[float, ...] | None = None
    modes: Mapping[str, Mapping[str, float]] = field(default_factory=dict, compare=False, repr=False)
    inputs: Inputs | None = None
    error_kind: str = MODEL_BASED
    source: Any = field(default=None, compare=False, repr=False)

    @classmethod
    def from_result(cls, result: Any, name: str | None = None, *, tests: Any = None) -> ComparisonColumn:
        """Return the column of a fit.

        Parameters
        ----------
        result : LMMResults
            Any object with the attributes of the results contract.
        name : str, optional
            Header; the engine's name if None.
        tests : ContrastTests, optional
            Tests of the fixed effects, whose standard errors, degrees of freedom and p-values are shown; by default
            the normal distribution's.
        """
        design = getattr(result, "design", None)
        rows = result.varcorr.to_frame().itertuples(index=False, name=None)
        variances, correlations = components(rows, constants_of_blocks(design))
        names = name_intercept(list(map(str, result.params.index)), getattr(design, "X", None))
        seconds = float(getattr(result, "fit_seconds", np.nan))
        converged = getattr(result, "converged", None)
        errors, shown_tests, error_kind = _tests_of(result, names, tests)
        estimates = floats(result.params, names)
        cov = getattr(result, "cov_params", None)
        return cls(
            name=name or str(result.engine),
            criterion=float(result.objective),
            reml=bool(result.reml),
            variances=variances,
            correlations=correlations,
            sigma=float(result.sigma),
            fixef=estimates,
            std_errors=errors,
            nobs=int(result.nobs),
            theta=tuple(map(float, result.theta)),
            is_singular=bool(result.is_singular),
            converged=None if converged is None else bool(converged),
            seconds=seconds if np.isfinite(seconds) else None,
            engine=str(result.engine),
            notes=tuple(map(str, getattr(result, "warnings", ()))),
            formula=_formula(result),
            lost=_lost(result),
            ngroups=dict(getattr(result, "ngroups", {})),
            llf=_number(result, "llf"),
            aic=_number(result, "aic"),
            bic=_number(result, "bic"),
            k_params=getattr(result, "k_params", None),
            df_resid=getattr(result, "df_resid", None),
            tvalues={k: v / errors[k] if errors[k] else float("nan") for k, v in estimates.items()},
            tests=shown_tests,
            fixef_correlations={} if cov is None else correlations_of(np.asarray(cov()), names),
            scaled_residuals=_quantiles(result),
            modes=_modes(result, constants_of_blocks(design)),
            inputs=_inputs(result),
            error_kind=error_kind,
            source=result,
        )

    @classmethod
    def from_recorded(cls, recorded: Mapping[str, Any], name: str = "lme4") -> ComparisonColumn:
        """Return the column of a recorded lme4 fit, one entry of ``fits`` in ``tests/reference/lme4.json``.

        Raises
        ------
        DataError
            If the record lacks a key that every recorded fit has.
        """
        try:
            table = recorded["varcorr"]
            variances, correlations = components(zip(*(table[c] for c in _VARCORR), strict=True))
            names = recorded.get("fixef_names_python") or recorded["fixef_names"]
            return cls(
                name=name,
                criterion=float(recorded["criterion"]),
                reml=bool(recorded["reml"]),
                variances=variances,
                correlations=correlations,
                sigma=float(recorded["sigma"]),
                fixef=dict(zip(names, map(float, recorded["fixef"]), strict=True)),
                std_errors=dict(zip(names, map(float, recorded["std_errors"]), strict=True)),
                nobs=recorded.get("nobs"),
                theta=tuple(map(float, recorded["theta"])) if "theta" in recorded else None,
                is_singular=recorded.get("is_singular"),
                engine="lme4",
                ngroups={k: int(m) for k, m in (recorded.get("ngrps") or {}).items()},
                llf=recorded.get("logLik"),
                aic=recorded.get("AIC"),
                bic=recorded.get("BIC"),
                k_params=recorded.get("n_params"),
                df_resid=recorded.get("df_residual"),
                tvalues=dict(zip(names, map(float, recorded.get("t_values") or ()), strict=False)),
                fixef_correlations=correlations_of(np.array(recorded.get("fixef_vcov") or [[]], float), names),
                scaled_residuals=_five(recorded.get("scaled_residual_quantiles")),
            )
        except KeyError as missing:
            raise DataError(
                f"the recorded fit has no entry {missing}; record it with tests/reference/make_reference.R"
            ) from None

    @classmethod
    def from_printed(cls, printed: PrintedSummary | PrintedMixedLM, name: str = "lme4") -> ComparisonColumn:
        """Return the column of a printed fit; its numbers know how far they were rounded.

        Parameters
        ----------
        printed : PrintedSummary or PrintedMixedLM
            As ``read_lme4_summary`` or ``read_mixedlm_summary`` returns it.
        name : str
            Header.
        """
        criteria = printed.criteria or {}
        return cls(
            name=name,
            criterion=printed.criterion,
            reml=printed.reml,
            variances=printed.variances,
            correlations=printed.correlations,
            sigma=printed.sigma,
            fixef=printed.fixef,
            std_errors=printed.std_errors,
            nobs=printed.nobs,
            is_singular=printed.is_singular,
            converged=printed.converged,
            engine=printed.engine,
            std_devs=printed.std_devs,
            residual_variance=printed.residual_variance,
            notes=printed.messages,
            formula=printed.formula,
            ngroups=printed.ngroups,
            llf=criteria.get("logLik"),
            aic=criteria.get("AIC"),
            bic=criteria.get("BIC"),
            df_resid=None if "df.resid" not in criteria else int(criteria["df.resid"]),
            tvalues={c.name: c.t for c in printed.fixed if c.t is not None},
            tests=_printed_tests(printed),
            fixef_correlations=_printed_correlations(printed),
            scaled_residuals=printed.scaled_residuals,
            error_kind=KENWARD_ROGER if "Kenward" in (printed.method or "") else MODEL_BASED,
            source=printed,
        )


def _tests_of(result: Any, names: list[str], found: Any) -> tuple[dict[str, float], FixedTests | None, str]:
    """Return standard errors, tests, and what the errors are, of a fit; of its record what follows from a normal."""
    from scipy.special import ndtr

    if found is not None:
        tests = FixedTests(found.ddf, floats(found.df, names), floats(found.p, names))
        return floats(found.std_error, names), tests, KENWARD_ROGER if found.ddf == "kenward-roger" else MODEL_BASED
    errors = floats(result.bse, names)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2.0 * ndtr(-np.abs(np.asarray(result.params, float) / np.asarray(result.bse, float)))
    return errors, FixedTests("z", dict.fromkeys(names, np.inf), floats(p, names)), MODEL_BASED


def correlations_of(cov: NDArray[np.float64], names: Sequence[str]) -> dict[str, float]:
    """Return the correlations of fixed effects from their covariance, shape (p, p), by pairs of names."""
    if cov.shape != (len(names), len(names)) or len(names) > MOST_CORRELATED:
        return {}
    sd = np.sqrt(np.diag(cov))
    with np.errstate(divide="ignore", invalid="ignore"):
        corr = cov / np.outer(sd, sd)
    return {f"{names[j]}, {names[i]}": float(corr[i, j]) for i in range(len(names)) for j in range(i)}


def _number(result: Any, name: str) -> float | None:
    value = getattr(result, name, None)
    return None if value is None else float(value)


def _five(values: Any) -> tuple[float, ...] | None:
    return tuple(map(float, values)) if values is not None and len(values) == 5 else None


def _quantiles(result: Any) -> tuple[float, ...] | None:
    """Return minimum, quartiles and maximum of the scaled residuals, of a fit or of its record."""
    recorded = getattr(result, "scaled_residuals", None)
    if recorded is not None:
        return _five(recorded)
    residuals = getattr(result, "scaled_resid", None)
    return None if residuals is None else _five(np.quantile(residuals, (0.0, 0.25, 0.5, 0.75, 1.0)))


def _modes(result: Any, renamed: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Return the conditional modes by term and level, of a fit or of a record that has them."""
    return {
        f"{factor} {renamed.get(str(effect), str(effect))}": dict(
            zip(map(str, frame.index), frame.iloc[:, j].to_numpy(dtype=float).tolist(), strict=True)
        )
        for factor, frame in (getattr(result, "random_effects", None) or {}).items()
        for j, effect in enumerate(frame.columns)
    }


def _inputs(result: Any) -> Inputs | None:
    """Return what was fitted, of a fit or of its record; of older records the response alone."""
    recorded = getattr(result, "inputs", None)
    if recorded is not None:
        return recorded  # type: ignore[no-any-return]
    design = getattr(result, "design", None)
    if design is not None:
        return inputs_of_design(design)
    came = getattr(result, "provenance", None)
    return None if came is None else Inputs(Fingerprint(n=int(result.nobs), unordered=came.response_sha256))


def _printed_tests(printed: PrintedSummary | PrintedMixedLM) -> FixedTests | None:
    pvalues = {c.name: c.p for c in printed.fixed if c.p is not None}
    if not pvalues:
        return None
    said = printed.method or ""
    if said == "z":
        return FixedTests("z", dict.fromkeys(pvalues, np.inf), pvalues)
    method = "satterthwaite" if "Satterthwaite" in said else "kenward-roger" if "Kenward" in said else ""
    return FixedTests(method, {c.name: c.df for c in printed.fixed if c.df is not None}, pvalues)


def _printed_correlations(printed: PrintedSummary | PrintedMixedLM) -> dict[str, float]:
    names = [c.name for c in printed.fixed]
    rows = printed.fixed_correlations or ()
    return {f"{names[j]}, {names[i]}": r for i, row in enumerate(rows, 1) for j, r in enumerate(row)}


def _formula(result: Any) -> str | None:
    """Return the model in lme4's notation, of a fit or of its record."""
    design = getattr(result, "design", None)
    if design is not None and getattr(design, "formula", None) is not None:
        return str(design.formula.source or design.formula)
    found = getattr(result, "formula", None)
    return None if found is None else str(found)


def _lost(result: Any) -> str:
    """Return which rows were left out, ``"2 of 180 rows have missing values (Reaction 2)"``."""
    dropped = getattr(getattr(result, "design", result), "dropped", None)
    if dropped is None or not dropped.n_rows:
        return ""
    return f"{dropped.n_rows} of {dropped.n_input} rows left out for {name_causes(dropped)}"


_VARCORR = ("grp", "var1", "var2", "vcov", "sdcor")


def floats(values: Any, names: Iterable[str] | None = None) -> dict[str, float]:
    """Return numbers by name."""
    labels = list(values.index) if names is None else list(names)
    return {str(label): float(v) for label, v in zip(labels, np.asarray(values), strict=True)}


def rename_like(column: ComparisonColumn, reference: ComparisonColumn) -> tuple[ComparisonColumn, dict[str, str]]:
    """Return the column with the reference's labels on components that have the same numbers under another name.

    That is so where the criteria are the same and the variances that only one of the two has are the same numbers:
    ``sample`` is ``cask:batch``. The second value has the labels that changed, old -> new.
    """
    is_same_fit = _are_close(column.criterion, reference.criterion, 1e-9) and column.reml == reference.reml
    if column.is_ols or reference.is_ols or not is_same_fit:
        return column, {}
    mine, theirs = _unmatched(column.variances, reference.variances), _unmatched(reference.variances, column.variances)
    mine.sort(key=column.variances.__getitem__)
    theirs.sort(key=reference.variances.__getitem__)
    values = [(column.variances[a], reference.variances[b]) for a, b in zip(mine, theirs, strict=False)]
    if len(mine) != len(theirs) or not all(_are_close(a, b, 1e-4) for a, b in values):
        return column, {}
    changed = dict(zip(mine, theirs, strict=True))
    variances = {changed.get(k, k): v for k, v in column.variances.items()}
    std_devs = column.std_devs and {changed.get(k, k): v for k, v in column.std_devs.items()}
    # Levels under another name are no levels of the reference.
    modes = {k: v for k, v in column.modes.items() if k not in changed}
    return replace(column, variances=variances, std_devs=std_devs, modes=modes), changed


def _are_close(a: float, b: float, rel: float) -> bool:
    """Whether two numbers are the same, to ``rel`` of their size and to the digits that were printed of them."""
    return abs(a - b) <= rel * max(abs(a), abs(b)) + 1e-12 + rounding_of(a) + rounding_of(b)


def _unmatched(one: Mapping[str, float], other: Mapping[str, float]) -> list[str]:
    there = set(map(group_key, other))
    return [label for label in one if group_key(label) not in there]
