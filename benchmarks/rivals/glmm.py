"""The PyPI package glmm."""

from __future__ import annotations

REQUIREMENTS = ("glmm",)
REML = True


def version() -> str:
    """Return the package's version."""
    from importlib.metadata import version

    return version("glmm")


def fit(case, data):
    """From formula and DataFrame to fixed effects, their errors, variances and modes.

    Without the degrees of freedom that it computes with every fit by default, and the other rivals do not.
    """
    import glmm

    formula, columns = _with_pairs(case, data)

    def run() -> float:
        result = glmm.fit(columns, formula, satterthwaite=False)
        _ = result.beta, result.vcov, result.varcorr, result.ranef
        return -2.0 * float(result.loglik)

    return run


def _with_pairs(case, data):
    """Return formula and data with the factors of a chain of three as columns: its formulas have a:b, not a:b:c."""
    columns, terms = data, []
    for bar in case["random"]:
        effects, group = (part.strip() for part in bar.split("|"))
        names = group.split("/")
        if len(names) < 3:
            terms.append(bar)
            continue
        labels = data[names[0]].astype(str)
        terms.append(f"{effects} | {names[0]}")
        for depth in range(1, len(names)):
            labels = labels.str.cat(data[names[depth]].astype(str), sep=":")
            column = "_in_".join(reversed(names[: depth + 1]))
            columns = columns.assign(**{column: labels.astype("category")})
            terms.append(f"{effects} | {column}")
    return " + ".join([case["fixed"], *(f"({term})" for term in terms)]), columns


TASKS = {"fit": fit}
