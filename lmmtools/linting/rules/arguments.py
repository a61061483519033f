"""Arguments that MixedLM does not have, and groups that are not given."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from lmmtools.design.findings import Finding
from lmmtools.formula.notation import write_comment, write_text
from lmmtools.linting.readings import read_random

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lmmtools.linting.call import MixedLMCall
    from lmmtools.linting.case import Case

__all__ = ["check"]

_OWN = {
    "formula": ("formula", "data", "groups", "re_formula", "vc_formula", "subset", "use_sparse", "missing"),
    "arrays": ("endog", "exog", "groups", "exog_re", "exog_vc", "use_sqrt", "missing"),
    "bayes": ("formula", "vc_formulas", "data", "vcp_p", "fe_p"),
}
_OF_FIT = ("reml", "method", "maxiter", "start_params", "free", "full_output", "do_cg", "niter_sa", "fe_pen", "cov_pen")
_BAYES = {"binomial": "BinomialBayesMixedGLM", "poisson": "PoissonBayesMixedGLM"}
# The formula interface writes its own over these.
_OVERWRITTEN = {"exog_re": "re_formula", "exog_vc": "vc_formula"}


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each argument that the interface does not have, and for a call without groups."""
    call = case.call
    if call is None:
        return
    for name, text in call.extras.items():
        yield Finding("no-such-argument", "error", _say(call, name, text), _cure(call, name, text))
    is_missing = call.api == "formula" and "groups" in call.unknown and "groups" not in call.given
    if is_missing and "**" not in call.unknown and "|" not in (call.formula or "") and "group" not in call.extras:
        third = " The third argument by place is re_formula." if "re_formula" in call.given else ""
        yield Finding(
            "groups-missing",
            "error",
            f"The call gives no groups, which MixedLM takes by their name alone: it fails when it is run.{third}",
            'groups="..."  # the name of a column',
        )


def _say(call: MixedLMCall, name: str, text: str) -> str:
    if call.api == "formula" and name in _OVERWRITTEN:
        return (
            f"{name}= is an argument of the class MixedLM; with a formula MixedLM writes that of "
            f"{_OVERWRITTEN[name]} over it, and says nothing."
        )
    start = f"{name}={text}: there is no such argument, and the call fails when it is run."
    if name == "family":
        return f"{start} MixedLM's errors are normal; it fits no generalised models."
    if name in _OF_FIT:
        return f"{start} It is one of fit()."
    return start


def _cure(call: MixedLMCall, name: str, text: str) -> str:
    if call.api == "formula" and name in _OVERWRITTEN:
        return f"{_OVERWRITTEN[name]}=..."
    if name == "family":
        return _write_family(call, text)
    if name in _OF_FIT:
        return f"model.fit({name}={text})"
    close = difflib.get_close_matches(name, _OWN[call.api], 1)
    if name in ("random", "re", "random_effects"):
        close = ["re_formula"]
    return f"{close[0]}={text}" if close else write_comment(f"Leave {name} out.")


def _write_family(call: MixedLMCall, text: str) -> str:
    """Return the call of a model with the family, as near as statsmodels has one."""
    found = re.search("|".join(_BAYES), text, re.IGNORECASE)
    if found is None:
        if "gaussian" in text.lower():
            return "# Leave family out: MixedLM is the model with normal errors."
        return (
            "# statsmodels has mixed models of binomial and Poisson responses (statsmodels.genmod.bayes_mixed_glm), "
            "and none of this family."
        )
    name = _BAYES[found[0].lower()]
    readings = read_random(call) if call.formula is not None else []
    factors = [t.factors for t in readings[0] if t.intercept and not t.variables] if len(readings) == 1 else []
    parts = {":".join(f): "0 + " + ":".join(f"C({n})" for n in f) for f in factors} or {"g": "0 + C(g)"}
    written = ", ".join(f"{write_text(k)}: {write_text(v)}" for k, v in parts.items())
    return (
        f"from statsmodels.genmod.bayes_mixed_glm import {name}\n\n"
        f"result = {name}.from_formula({write_text(call.formula or '...')}, {{{written}}}, {call.data}).fit_vb()"
    )
