"""A fixed factor of a thousand levels takes neither the time nor the memory of its dense matrix."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEGABYTES = 250
"""Over the memory in use before: a tenth of three copies of the dense matrix, 800 MB each."""

CHILD = """
import resource, sys, warnings
import numpy as np, pandas as pd, lmmtools as lmt

warnings.simplefilter("ignore")
n, levels = 100_000, 1000
rng = np.random.default_rng(8)
c, g = rng.integers(0, levels, n), rng.integers(0, 2000, n)
y = rng.standard_normal(levels)[c] + rng.standard_normal(2000)[g] + rng.standard_normal(n)
data = pd.DataFrame({"c": pd.Categorical.from_codes(c, [f"c{i}" for i in range(levels)]), "g": g, "y": y})
lmt.lmm("y ~ 1 + (1|g)", data.iloc[:3000]).fit(engine="pls")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
fit = lmt.lmm(sys.argv[1], data).fit(engine="pls")
fit.bse, fit.fittedvalues, fit.varcorr
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, len(fit.params), fit.objective)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read in kilobytes")
@pytest.mark.parametrize("formula", ["y ~ c + (1|g)", "y ~ C(c, contr.sum) + (1|g)"])
def test_a_thousand_levels_take_little_memory(formula):
    run = subprocess.run([sys.executable, "-c", CHILD, formula], capture_output=True, text=True, check=True)
    megabytes, p, objective = run.stdout.split()
    assert int(p) == 1000
    assert float(megabytes) < MEGABYTES
    if "contr" not in formula:
        assert float(objective) == pytest.approx(293588.466534, abs=1e-3)  # of the dense matrix
