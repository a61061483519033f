"""The PyPI package gpboost, maximum likelihood (it has no REML), with the algebra that it chooses by default."""

from __future__ import annotations

REQUIREMENTS = ("gpboost",)
REML = False
INVERSION = "default"


def version() -> str:
    """Return the package's version."""
    from importlib.metadata import version

    return version("gpboost")


def fit(case, data):
    """From arrays to fixed effects, their errors and variances; it takes no formula."""
    import gpboost
    import numpy as np
    import pandas as pd

    if any(bar.split("|")[0].strip() != "1" for bar in case["random"]):
        raise NotImplementedError("no correlated slopes")
    response, fixed = (part.strip() for part in case["fixed"].split("~"))
    groups = _groups(case["random"], data)

    def run() -> float:
        X = np.ones((len(data), 1))
        for name in [] if fixed == "1" else fixed.replace("*", "+").split("+"):
            column = pd.get_dummies(data[[name.strip()]], drop_first=True).to_numpy(float)
            products = [X[:, 1:] * c[:, None] for c in column.T] if "*" in fixed else []
            X = np.column_stack([X, column, *products])
        model = gpboost.GPModel(group_data=groups, likelihood="gaussian", matrix_inversion_method=INVERSION)
        model.fit(y=data[response].to_numpy(float), X=X)
        _ = model.get_coef(), model.get_cov_pars()
        return 2.0 * float(model.get_current_neg_log_likelihood())

    return run


def _groups(bars, data):
    """Return one column per grouping factor, shape (n, terms); nested factors as pairs."""
    import numpy as np

    columns = []
    for bar in bars:
        group = bar.split("|")[1].strip()
        names = group.split("/")
        for depth in range(len(names)):
            factors = names[: depth + 1] if "/" in group else group.split(":")
            parts = [data[f].astype(str) for f in factors]
            columns.append((parts[0].str.cat(parts[1:], sep=":") if len(parts) > 1 else parts[0]).to_numpy())
    return np.column_stack(columns)


TASKS = {"fit": fit}
