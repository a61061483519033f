"""The fit's own numbers beside those of a printed table: tests, variances, effects, modes, intervals, means."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError, LmmError
from lmmtools.report.effect_labels import group_key, level_key, match_key
from lmmtools.results.printed_bounds import LOOSE, NOISE_OF_DF, bound_of, find_name, pair
from lmmtools.results.printed_parameters import of_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from lmmtools.printout.printed_table import PrintedRow, PrintedTable
    from lmmtools.report.comparison_tables import Counterpart

__all__ = ["counterparts"]

_TESTS = {
    "Sum Sq": "sum_sq",
    "Mean Sq": "mean_sq",
    "npar": "num_df",
    "NumDF": "num_df",
    "DenDF": "den_df",
    "F value": "F",
    "Pr(>F)": "p",
}
_DELETIONS = {"npar": "npar", "logLik": "llf", "AIC": "aic", "LRT": "lrt", "Df": "df", "Pr(>Chisq)": "p_chisq"}
_MEANS = {
    "emmean": "emmean",
    "estimate": "estimate",
    "SE": "se",
    "df": "df",
    "lower.CL": "lower",
    "upper.CL": "upper",
    "asymp.LCL": "lower",
    "asymp.UCL": "upper",
    "t.ratio": "t",
    "z.ratio": "t",
    "p.value": "p",
}


def counterparts(fit: Any, table: PrintedTable) -> list[Counterpart]:
    """Return each number of a printed table with the fit's own.

    Parameters
    ----------
    fit : LMMResults
        Asked for the same tests, means or intervals.
    table : PrintedTable

    Raises
    ------
    DataError
        If the fit has no such numbers.
    """
    if table.layout not in _BY_LAYOUT:
        raise DataError(
            f"{table.title} printed a fit of the family {table.facts.get('family', 'unknown')}: lmmtools fits linear "
            "mixed models, and has no numbers to compare with it"
        )
    return list(_BY_LAYOUT[table.layout](fit, table))


# -- tests ---------------------------------------------------------------------------------------------------------


def _of_anova(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    method = table.facts.get("ddf") or "z"
    frame = fit.anova(table.facts["type"], ddf=method).to_frame()
    for row in table.rows:
        term = find_name(frame.index, row.labels[0])
        own = None if term is None else frame.loc[term]
        for column in row.numbers:
            value = None if own is None else own[_TESTS[column]]
            yield pair(row, column, value, 0.0 if own is None else _bound_of_test(column, own))


def _bound_of_test(column: str, own: pd.Series) -> float:
    if column == "DenDF":
        return NOISE_OF_DF * float(own["den_df"])
    if column == "Pr(>F)":
        # d log p = -(df1 / 2) F (1 + 2 / F) at most for a relative change of F; log(1 + F df1/df2) / 2 for one of df2.
        change = LOOSE * (1.0 + float(own["F"] * own["num_df"]))
        if math.isfinite(own["den_df"]):
            ratio = math.log1p(float(own["F"] * own["num_df"] / own["den_df"]))
            change += 0.5 * float(own["den_df"]) * ratio * NOISE_OF_DF
        return float(own["p"]) * math.expm1(min(change, 50.0))
    return LOOSE * abs(float(own[_TESTS[column]]))


def _of_ranova(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    frame = fit.ranova().to_frame()
    for row in table.rows:
        term = next((t for t in frame.index if _same_term(str(t), row.labels[0])), None)
        for column in row.numbers:
            value = None if term is None else frame.loc[term, _DELETIONS[column]]
            bound = LOOSE
            if column == "Pr(>Chisq)" and value is not None:
                bound = float(value) * math.expm1(LOOSE * 2.0)
            yield pair(row, column, value, bound)


def _same_term(one: str, other: str) -> bool:
    return one.replace(" ", "").replace("1+", "") == other.replace(" ", "").replace("1+", "")


# -- variances and effects -----------------------------------------------------------------------------------------


def _of_variances(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    frame = fit.varcorr.to_frame()
    own: dict[tuple[str, str], Any] = {}
    for grp, var1, var2, vcov, sdcor in frame.itertuples(index=False, name=None):
        if not isinstance(var1, str):
            own["residual", ""] = (vcov, sdcor)
        elif isinstance(var2, str):
            own[group_key(f"{grp} {var1}"), match_key(var2)] = sdcor
        else:
            own[group_key(f"{grp} {var1}"), ""] = (vcov, sdcor)
    for row in table.rows:
        group, effect = row.labels[0], row.labels[1]
        key = "residual" if group == "Residual" and not effect else group_key(f"{group} {effect}")
        found = own.get((key, ""))
        for column in row.numbers:
            if column.startswith("Corr with "):
                other = column.removeprefix("Corr with ")
                value = own.get((group_key(f"{group} {other}"), match_key(effect)))
                yield pair(row, column, value, 2.0 * LOOSE)
                continue
            value = None if found is None else found[column != "Variance"]
            yield pair(row, column, value, 2.0 * LOOSE * abs(value or 0.0))


def _of_coefficients(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    has_df = any("df" in row.numbers for row in table.rows)
    frame = fit.tests(ddf="satterthwaite" if has_df else "z").to_frame()
    columns = {"Estimate": "estimate", "Std. Error": "std_error", "df": "df", "t value": "t", "Pr(>|t|)": "p"}
    for row in table.rows:
        name = find_name(frame.index, row.labels[0])
        own = None if name is None else frame.loc[name]
        for column in row.numbers:
            value = None if own is None else own[columns[column]]
            yield pair(row, column, value, 0.0 if own is None else bound_of(columns[column], own, "std_error"))


def _of_modes(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    own: dict[tuple[str, str], float] = {}
    sizes: dict[str, float] = {}
    for factor, frame in fit.random_effects.items():
        for effect in frame.columns:
            key = group_key(f"{factor} {effect}")
            for level, value in frame[effect].items():
                own[key, level_key(str(factor), str(level))] = float(value)
                sizes[key] = max(sizes.get(key, 0.0), abs(float(value)))
    for row in table.rows:
        group, effect, level = row.labels
        key = group_key(f"{group} {effect}")
        yield pair(row, "mode", own.get((key, level_key(group, level))), LOOSE * sizes.get(key, 0.0))


# -- intervals -----------------------------------------------------------------------------------------------------


def _of_intervals(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    alpha = float(table.facts["alpha"])
    wald = fit.conf_int(alpha)
    of_variances = [row for row in table.rows if _is_variance(row)]
    # Wald's limits of variances are none; of fixed effects alone, the table does not say whose limits they are.
    is_wald = all(math.isnan(row.numbers["lower"]) for row in of_variances) if of_variances else _shows(wald, table)
    frame = wald if is_wald else fit.conf_int(alpha, method="profile")
    variances = [name for name in frame.index if str(name).startswith(("sd_", "cor_"))]
    for row in table.rows:
        name = row.labels[0]
        if name.startswith(".sig0") and name[5:].isdigit():
            k = int(name[4:]) - 1
            own = variances[k] if k < len(variances) else None
        else:
            own = "sigma" if name in (".sigma", "sigma") else find_name(frame.index, name)
        limits = None if own is None or own not in frame.index else frame.loc[own].to_numpy(dtype=float)
        if limits is None and all(math.isnan(n) for n in row.numbers.values()):
            # Wald limits of variances are none, here and in R.
            limits = (math.nan, math.nan)
        for k, column in enumerate(("lower", "upper")):
            width = 0.0 if limits is None or math.isnan(limits[0]) else float(limits[1] - limits[0])
            yield pair(row, column, None if limits is None else limits[k], LOOSE * width)


def _is_variance(row: PrintedRow) -> bool:
    return row.labels[0].startswith((".sig", "sd_", "cor_", "sigma"))


def _shows(frame: pd.DataFrame, table: PrintedTable) -> bool:
    """Whether any interval is that of a frame, to a thousandth of its width."""
    for row in table.rows:
        name = find_name(frame.index, row.labels[0])
        if name is not None:
            low, high = frame.loc[name].to_numpy(dtype=float)
            slack = row.numbers["lower"].half_unit + row.numbers["upper"].half_unit + LOOSE * (high - low)
            if abs(row.numbers["lower"] - low) + abs(row.numbers["upper"] - high) <= slack:
                return True
    return False


# -- means ---------------------------------------------------------------------------------------------------------


def _of_means(fit: Any, table: PrintedTable) -> Iterator[Counterpart]:
    parts: dict[str, list[PrintedRow]] = {}
    for row in table.rows:
        has_part = row.labels[0] in ("emmeans", "emtrends", "contrasts")
        kind = "contrasts" if any(each.startswith("contrast = ") for each in row.labels) else "means"
        parts.setdefault(f"{kind} {row.labels[0] if has_part else ''}", []).append(row)
    for kind, rows in parts.items():
        yield from (_of_contrasts if kind.startswith("contrasts") else _of_plain_means)(fit, table, rows)


def _levels(row: PrintedRow) -> dict[str, str]:
    """Return {factor: level} of a row's labels."""
    return {name: level for name, sign, level in (each.partition(" = ") for each in row.labels) if sign}


def _of_plain_means(fit: Any, table: PrintedTable, rows: list[PrintedRow]) -> Iterator[Counterpart]:
    factors = list(_levels(rows[0]))
    at = {name: v for name in factors if (v := _numbers_of(fit, name, rows)) is not None}
    trend = next((name for name in rows[0].numbers if name.endswith(".trend")), None)
    slope = None if trend is None else trend.removesuffix(".trend")
    alpha = 1.0 - float(table.facts.get("level", 0.95))
    ddf = table.facts.get("ddf") or "z"
    frame = fit.marginal_means(factors, at=at or None, slope_of=slope, ddf=ddf, alpha=alpha).to_frame()
    columns = _MEANS | ({} if trend is None else {trend: "slope"})
    yield from _rows_of_means(frame, factors, columns, table, rows)


def _of_contrasts(fit: Any, table: PrintedTable, rows: list[PrintedRow]) -> Iterator[Counterpart]:
    by = [name for name in _levels(rows[0]) if name != "contrast"]
    at = {name: v for name in by if (v := _numbers_of(fit, name, rows)) is not None}
    ddf = table.facts.get("ddf") or "z"
    wanted = {_levels(row)["contrast"] for row in rows}
    count = len(wanted)
    adjust = table.facts.get("adjust") or ("tukey" if count == 1 else "none")
    for factors in _factor_sets(fit):
        if set(factors) & set(by):
            continue
        try:
            frame = fit.contrasts(factors, by=by or None, at=at or None, ddf=ddf, adjust=adjust).to_frame()
        except LmmError:
            continue
        if wanted <= set(map(str, frame["contrast"])):
            yield from _rows_of_means(frame, [*by, "contrast"], _MEANS, table, rows)
            return
    raise DataError(f"the fit has no factor whose levels give the contrasts {', '.join(sorted(wanted))[:200]}")


def _factor_sets(fit: Any) -> list[list[str]]:
    """Return the factors of each term of the fixed part, alone and together."""
    return [str(term).split(":") for term in fit.anova(ddf="z").to_frame().index]


def _numbers_of(fit: Any, name: str, rows: list[PrintedRow]) -> list[float] | None:
    """Return the values of a column that are numbers in the fit's data; None for a factor."""
    frame = getattr(fit.design, "frame", None)
    values = None if frame is None or name not in frame else frame[name]
    if values is None or values.dtype.kind not in "if":
        return None
    return sorted({float(_levels(row)[name]) for row in rows})


def _rows_of_means(
    frame: pd.DataFrame, names: list[str], columns: Mapping[str, str], table: PrintedTable, rows: list[PrintedRow]
) -> Iterator[Counterpart]:
    own = {
        tuple(_level_text(v) for v in key): frame.iloc[k]
        for k, key in enumerate(zip(*(frame[n] for n in names), strict=True))
    }
    # Without the method, only the estimates are known to be of one kind.
    is_known = bool(table.facts.get("ddf"))
    for row in rows:
        levels = _levels(row)
        mine = own.get(tuple(_level_text(levels[n]) for n in names))
        for column in row.numbers:
            name = columns[column]
            if mine is None:
                yield pair(row, column, None)
            elif name not in frame.columns:
                yield pair(row, column, math.nan, is_known=False)
            else:
                known = is_known or name in ("emmean", "estimate", "slope")
                adjusted = name in ("lower", "upper") and "adjust_limits" in table.facts
                yield pair(row, column, mine[name], bound_of(name, mine, "se"), is_known=known and not adjusted)


def _level_text(level: Any) -> str:
    try:
        return f"{float(level):.12g}"
    except (TypeError, ValueError):
        return str(level)


_BY_LAYOUT: dict[str, Callable[[Any, PrintedTable], Iterator[Counterpart]]] = {
    "anova": _of_anova,
    "ranova": _of_ranova,
    "variances": _of_variances,
    "coefficients": _of_coefficients,
    "modes": _of_modes,
    "intervals": _of_intervals,
    "means": _of_means,
    "parameters": of_parameters,
}
