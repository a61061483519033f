r"""The JSON format of a fit, with every number at full precision, and its reader.

A fit is one JSON object. Its keys in format 2:

``kind``, ``format``
    ``"lmmtools fit"`` and ``2``. A reader refuses a higher number, and ignores keys that it does not know.
``lmmtools_version``, ``written``
    The version that wrote the file, and the time (UTC, ISO 8601).
``formula``, ``call``, ``engine``
    The model as lme4 writes it, the code that declares and fits it, the engine that fitted it.
``criterion``
    ``reml`` (false: maximum likelihood), ``value`` (REML criterion or -2 log L), ``llf``, ``aic``, ``bic``,
    ``k_params``, ``df_resid``.
``nobs``, ``ngroups``
    Rows used; levels per grouping factor.
``sigma``, ``theta``
    Residual standard deviation; relative covariance parameters in lme4's order.
``varcorr``
    Per term ``name``, ``group``, ``effects``, ``vcov`` (matrix, squared units of y) and ``sdcor`` (standard deviations
    on the diagonal, correlations beside it; for other readers).
``fixed_effects``
    ``names``, ``estimates``, ``std_errors``, ``cov_params`` (matrix), ``levels`` (of the factors among them).
``scaled_residuals``
    Minimum, quartiles and maximum.
``optimum``
    ``singular``, ``boundary`` (sentences), ``converged``, ``expected_decrease`` (of the criterion), ``seconds``;
    ``scope`` of the optimum, ``"global"`` or ``"local"``, which files of older versions do not have.
``names``
    Names of ``data``, ``weights`` and ``offset``, null where unknown; ``is_weighted``, ``has_offset``.
``dropped``
    ``n_input``, ``n_rows``, ``rows`` (by column or expression), ``columns`` (redundant columns of X),
    ``levels`` (unused), ``undefined`` (expressions of ``rows`` without a value in rows lost, and what they give there).
``warnings``, ``notes``
    Texts of the fit's warnings; sentences at the foot of its report.
``provenance``
    ``versions`` (of packages), ``data_sha256``, ``response_sha256``.
``random_effects``
    null, or per grouping factor ``levels``, ``effects`` and ``values`` (level by level).
``inputs``
    Fingerprints of what was fitted: ``name`` of the response; ``response``, ``weights`` and ``offset``, each null or
    ``n``, ``ordered`` and ``unordered`` (SHA-256 of the values to twelve digits, in the rows' order and sorted),
    ``total``, ``squares`` and ``hashed``: ``"numbers"``, as doubles rounded to twelve significant digits, lowest byte
    first, or ``"text"``, as printed with twelve digits, in records that were in format 1; ``columns`` of X, name -> sum
    and sum of squares. The first files of format 1 do not have it.

``reach``
    null, or how far each number may lie from the fit where the criterion is higher by a gap: ``version`` (1), ``gaps``,
    ``numbers`` (kind, label, one reach for each gap). Files of older versions do not have it.

``prediction``
    What predictions, marginal means and tests at new data need, if it was asked for: ``version`` (1); the ``formula``
    in parts; ``columns`` of the fixed part with levels, or mean, ends and both of two values; ``cells``, the rows of
    each combination of levels; how the columns of the ``fixed`` part, of ``offsets`` and of ``terms`` are made; levels
    and ``modes`` of these; means and columns of ``weights`` and ``offset``; what ``dropped`` columns of X depended on;
    sizes of X (``largest``) and of the ``bases``; cross-products of the model's matrices (``products``); ``sha256`` of
    all this. An array is its ``type``, its ``shape`` and its bytes, compressed by zlib, in base 64. It holds no row. A
    reader skips versions that it does not know.

``fit.schema.json`` beside this module is a JSON Schema of all keys.

Reading a number gives the bits that were written. A number that is not finite is the string ``"NaN"``, ``"Infinity"``
or ``"-Infinity"``, since JSON has no such numbers.
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmmtools import memory
from lmmtools.design.theta import unpack_lambda
from lmmtools.errors import DataError
from lmmtools.fit.record import Names
from lmmtools.fit.varcorr import VarCorr, VarCorrTerm
from lmmtools.report.provenance import Fingerprint, Inputs, Provenance
from lmmtools.report.reach import ReachTable
from lmmtools.results.fit_record import FitRecord
from lmmtools.results.json_entry import Entry, load
from lmmtools.results.restored_fit import restore_fit
from lmmtools.results.stored_fit import FORMAT, KIND, MOST_CHARACTERS, REACH_VERSION, RowsLost
from lmmtools.results.stored_prediction import PREDICTION_VERSION

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from lmmtools.engines.estimate import Scope

__all__ = ["read_json"]

# Larger standard deviations have no finite square.
_LARGEST_SIGMA = 1e154
# Relative difference up to which two numbers of a file that imply each other agree: other programs round.
_AGREEMENT = 1e-6


@memory.door
def read_json(source: str | Path) -> FitRecord:
    """Return the fit that ``fit.to_json()`` wrote, as a record that prints and compares.

    Parameters
    ----------
    source : str or Path
        The JSON text, or the name of a file that holds it.

    Raises
    ------
    DataError
        If the file cannot be read, is no record of a fit, has a newer format, or lacks or contradicts an entry.

    See Also
    --------
    LMMResults.to_json : Write the record.
    compare : Compare it with other fits.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    >>> lmt.read_json(fit.to_json()).params
    Intercept    1527.5
    Name: params, dtype: float64
    """
    if not isinstance(source, (str, PathLike)):
        raise DataError(f"read_json() takes JSON text or the name of a file, not {type(source).__name__}")
    text, where = _fetch_text(source)
    if len(text) > MOST_CHARACTERS:
        raise DataError(f"{where} has more than {MOST_CHARACTERS:,} characters: it is no record of a fit")
    content = load(text, where)
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise DataError(f'{where} is no record of a fit: it has no entry "kind": "{KIND}" (fit.to_json() writes it)')
    number = content.get("format")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise DataError(f'{where} has "format": {ascii(number)[:40]}; it must be a whole number, 1 to {FORMAT}')
    if number > FORMAT:
        version = str(content.get("lmmtools_version", "a newer version"))[:40]
        raise DataError(
            f"{where} has format {number}, written by lmmtools {version}; this version reads formats up to {FORMAT}: "
            "install a newer lmmtools"
        )
    try:
        return _with_prediction(_read_record(Entry(content)), Entry(content))
    except DataError as error:
        raise DataError(
            f"{where} is no record in format {number}: {error}. Restore the text that fit.to_json() wrote, or write it "
            "again"
        ) from None


def _with_prediction(record: FitRecord, content: Entry) -> FitRecord:
    """Return a record with what predicts, if the document holds it in a version that is known here."""
    entry = content.get("prediction")
    if entry is None or entry["version"].count(1) > PREDICTION_VERSION:
        return record
    return replace(record, prediction=entry.value, restored=restore_fit(entry, record))


def _fetch_text(source: str | Path) -> tuple[str, str]:
    """Return the JSON text, and its name for errors."""
    if isinstance(source, str) and source[:64].lstrip("\ufeff \t\r\n").startswith(("{", "[")):
        return source.lstrip("\ufeff"), "the text"
    try:
        with open(source, encoding="utf-8-sig") as file:
            text = file.read(MOST_CHARACTERS + 1)
        return text, str(source)
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is no JSON: it is not UTF-8 text. Give a file that fit.to_json() wrote") from error
    except (OSError, ValueError, TypeError) as error:
        shown = str(source) if len(str(source)) <= 200 else f"{str(source)[:200]}..."
        raise DataError(
            f"{shown!r} is neither JSON text nor a file that can be read. Give the text or the file of fit.to_json()"
        ) from error


def _read_record(content: Entry) -> FitRecord:
    """Return the record that a document holds. Every entry is checked here, so that no later use of it can fail."""
    criterion, fixed, optimum = content["criterion"], content["fixed_effects"], content["optimum"]
    names, came = content["names"], content["provenance"]
    sigma, x_names = content["sigma"].number(least=0.0), fixed["names"].texts()
    if sigma > _LARGEST_SIGMA:
        raise DataError(f"sigma is {sigma:g}, whose square is not finite")
    p = len(x_names)
    modes = content["random_effects"].optional()
    return FitRecord(
        formula=content["formula"].words(),
        engine=content["engine"].text(),
        reml=criterion["reml"].flag(),
        objective=criterion["value"].number(),
        llf=criterion["llf"].number(),
        aic=criterion["aic"].number(),
        bic=criterion["bic"].number(),
        nobs=content["nobs"].count(1),
        df_resid=criterion["df_resid"].count(-(2**53)),
        k_params=criterion["k_params"].count(),
        sigma=sigma,
        theta=content["theta"].numbers(len(content["theta"].entries())),
        varcorr=_read_varcorr(content["varcorr"], content["theta"], sigma),
        ngroups={name: m.count() for name, m in content["ngroups"].items()},
        x_names=x_names,
        beta=fixed["estimates"].numbers(p),
        beta_cov=_fixed_covariance(fixed, p),
        fixed_levels={name: levels.texts() for name, levels in fixed["levels"].items()},
        scaled_residuals=content["scaled_residuals"].numbers(5, is_finite=False),
        is_singular=optimum["singular"].flag(),
        converged=optimum["converged"].flag(),
        scope=_read_scope(optimum.get("scope")),
        boundary=optimum["boundary"].texts(),
        expected_decrease=optimum["expected_decrease"].number(is_finite=False),
        fit_seconds=optimum["seconds"].number(is_finite=False),
        names=Names(_optional_text(names["data"]), _optional_text(names["weights"]), _optional_text(names["offset"])),
        is_weighted=names["is_weighted"].flag(),
        has_offset=names["has_offset"].flag(),
        dropped=_read_rows_lost(content["dropped"]),
        warnings=content["warnings"].texts(),
        notes=content["notes"].texts(),
        provenance=Provenance(
            call=content["call"].text(),
            versions={name: version.text() for name, version in came["versions"].items()},
            data_sha256=came["data_sha256"].text(),
            response_sha256=came["response_sha256"].text(),
            written=content["written"].text(),
        ),
        random_effects=None if modes is None else {name: _modes_frame(m) for name, m in modes.items()},
        inputs=_read_inputs(content),
        reach=_read_reach(content.get("reach")),
    )


def _read_scope(entry: Entry | None) -> Scope | None:
    if entry is None:
        return None
    if entry.value == "global":
        return "global"
    if entry.value == "local":
        return "local"
    raise DataError(f'{entry.place} is not "global" or "local"')


def _optional_text(entry: Entry) -> str | None:
    given = entry.optional()
    return None if given is None else given.text()


def _read_varcorr(terms: Entry, theta: Entry, sigma: float) -> VarCorr:
    values = theta.numbers(len(theta.entries()))
    effects = [term["effects"].texts() for term in terms.entries()]
    sizes = [len(names) for names in effects]
    if len(values) != sum(l * (l + 1) // 2 for l in sizes):
        raise DataError(f"theta has {len(values)} elements, but the terms of varcorr need another number")
    factors = unpack_lambda(values, sizes)
    return VarCorr(
        tuple(
            VarCorrTerm(term["name"].text(), term["group"].text(), names, _term_covariance(term, len(names)), factor)
            for term, names, factor in zip(terms.entries(), effects, factors, strict=True)
        ),
        sigma,
    )


def _fixed_covariance(fixed: Entry, p: int) -> NDArray[np.float64]:
    """Return the covariance of the fixed effects, shape (p, p), checked against their standard errors."""
    cov = _covariance(fixed["cov_params"], p, is_finite=False)
    _check_agreement(fixed["std_errors"], fixed["std_errors"].numbers(p, is_finite=False), np.sqrt(np.diag(cov)))
    return cov


def _term_covariance(term: Entry, size: int) -> NDArray[np.float64]:
    """Return the covariance of a term's effects, checked against their standard deviations and correlations."""
    cov = _covariance(term["vcov"], size)
    sd = np.sqrt(np.diag(cov))
    with np.errstate(divide="ignore", invalid="ignore"):
        implied = cov / np.outer(sd, sd)
    np.fill_diagonal(implied, sd)
    _check_agreement(term["sdcor"], term["sdcor"].numbers(size, size, is_finite=False), implied)
    return cov


def _check_agreement(entry: Entry, found: NDArray[np.float64], implied: NDArray[np.float64]) -> None:
    """Raise a DataError if numbers of a record differ from what its other numbers imply."""
    known = np.isfinite(found) & np.isfinite(implied)
    if np.any(np.abs(found - implied)[known] > _AGREEMENT * np.maximum(np.abs(implied), np.abs(found))[known]):
        raise DataError(f"{entry.place} contradicts the covariances beside it")


def _covariance(entry: Entry, size: int, *, is_finite: bool = True) -> NDArray[np.float64]:
    """Return a covariance matrix, shape (size, size): symmetric, with no negative and no infinite variance."""
    matrix = entry.numbers(size, size, is_finite=is_finite)
    if np.any(np.diag(matrix) < 0) or np.any(np.isinf(matrix)):
        raise DataError(f"{entry.place} has a negative or an infinite variance")
    size_of = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    if np.any(np.abs(matrix - matrix.T) > _AGREEMENT * size_of):
        raise DataError(f"{entry.place} is a covariance matrix that is not symmetric")
    return matrix


def _read_rows_lost(dropped: Entry) -> RowsLost:
    undefined = dropped.get("undefined")
    return RowsLost(
        n_input=dropped["n_input"].count(),
        n_rows=dropped["n_rows"].count(),
        rows={name: count.count() for name, count in dropped["rows"].items()},
        columns=dropped["columns"].texts(),
        levels={name: levels.texts() for name, levels in dropped["levels"].items()},
        # The first files of this format have no such key.
        undefined={} if undefined is None else {name: cause.text() for name, cause in undefined.items()},
    )


def _modes_frame(modes: Entry) -> pd.DataFrame:
    import pandas as pd

    levels, effects = modes["levels"].texts(), modes["effects"].texts()
    values = modes["values"].numbers(len(levels), len(effects), is_finite=False)
    return pd.DataFrame(values, index=list(levels), columns=list(effects))


def _read_inputs(content: Entry) -> Inputs | None:
    """Return the fingerprints of what was fitted: the response's alone where no others are there, None in format 1."""
    entry = content.get("inputs")
    if entry is None:
        if content["format"].count() < 2:
            return None
        return Inputs(Fingerprint(content["nobs"].count(1), unordered=content["provenance"]["response_sha256"].text()))
    columns = {}
    for name, sums in entry["columns"].items():
        total, squares = sums.numbers(2, is_finite=False).tolist()
        columns[name] = (total, squares)
    response = _read_fingerprint(entry["response"])
    return Inputs(
        response or Fingerprint(),
        entry["name"].text(),
        _read_fingerprint(entry["weights"].optional()),
        _read_fingerprint(entry["offset"].optional()),
        columns,
    )


def _read_fingerprint(entry: Entry | None) -> Fingerprint | None:
    if entry is None:
        return None
    n, total, squares = (entry[name].optional() for name in ("n", "total", "squares"))
    return Fingerprint(
        None if n is None else n.count(),
        entry["ordered"].text(),
        entry["unordered"].text(),
        None if total is None else total.number(is_finite=False),
        None if squares is None else squares.number(is_finite=False),
        _are_of_text(entry.get("hashed")),
    )


def _are_of_text(entry: Entry | None) -> bool:
    """Return whether hashes are of text; those of format 1 are, which does not say so."""
    if entry is None:
        return True
    if entry.value not in ("numbers", "text"):
        raise DataError(f'{entry.place} is {ascii(entry.value)[:40]}; it must be "numbers" or "text"')
    return bool(entry.value == "text")


def _read_reach(entry: Entry | None) -> ReachTable | None:
    """Return how far each number may lie; None where a record has no such table, or one of a newer version.

    Raises
    ------
    DataError
        If the entry has another form.
    """
    if entry is None or entry.optional() is None or entry["version"].count(1) > REACH_VERSION:
        return None
    size = len(entry["gaps"].entries())
    gaps = entry["gaps"].numbers(size).tolist()
    if not gaps or gaps[0] <= 0 or sorted(gaps) != gaps:
        raise DataError(f"{entry['gaps'].place} must hold rising numbers above zero")
    reaches = {}
    for row in entry["numbers"].entries():
        if len(row.entries()) != 3:
            raise DataError(f"{row.place} must be a kind, a label and a list of numbers")
        part, label, found = row.entries()
        reaches[part.text(), label.text()] = tuple(number.number(least=0.0) for number in found.entries())
        if len(found.entries()) != size:
            raise DataError(f"{found.place} must have one number for each gap")
    return ReachTable(tuple(gaps), reaches)
