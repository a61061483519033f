"""lme4's numbers for the classic data sets, recorded once and shipped, for side-by-side tables without R."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from lmmtools.errors import DataError

__all__ = ["recorded"]


@lru_cache(maxsize=1)
def _file() -> dict[str, Any]:
    text = resources.files("lmmtools.datasets").joinpath("data", "recorded_lme4.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def recorded(name: str, *, reml: bool = True) -> tuple[dict[str, Any], str]:
    """Return the recorded lme4 fit called ``name`` and the lme4 version that made it.

    Parameters
    ----------
    name : {"penicillin", "dyestuff", "dyestuff2", "pastes_nested"}
        The model.
    reml : bool
        The REML fit, or the ML fit.

    Raises
    ------
    DataError
        If there is no such recording.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> fit, version = lmt.datasets.recorded("penicillin")
    >>> version, sorted(fit)[:3]
    ('1.1.31', ['AIC', 'BIC', 'criterion'])
    """
    models = _file()["models"]
    if name not in models:
        raise DataError(f"there is no recorded lme4 fit {name!r}; there are {', '.join(models)}")
    fit: dict[str, Any] = models[name]["fits"]["REML" if reml else "ML"]
    return fit, str(_file()["versions"]["lme4"])
