"""What there is no memory for is refused before the work, with the size, the term at fault and what would help."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core, memory
from lmmtools.core.search import objective


def free(monkeypatch, number):
    """As if so many bytes were free, and every size mattered."""
    monkeypatch.setattr(memory, "MATTERS", 0)
    monkeypatch.setattr(memory, "free_memory", lambda: number)


def crossed(formula: str) -> lmt.Model:
    rng = np.random.default_rng(5)
    n = 6000
    data = pd.DataFrame({"g": rng.integers(0, 900, n), "h": rng.integers(0, 400, n), "x": rng.normal(size=n)})
    data["y"] = rng.normal(size=n) + rng.normal(size=900)[data.g] + rng.normal(size=400)[data.h]
    return lmt.lmm(formula, data)


def test_crossed_levels_that_need_too_much_are_refused_before_anything_is_factored(monkeypatch):
    model = crossed("y ~ 1 + (1|g) + (1|h)")
    free(monkeypatch, 3e6)
    monkeypatch.setattr(objective, "eliminate", lambda *_: pytest.fail("went to work"))
    # 3 matrices of 400 x 400 numbers, 1.28 MB each, and the pairs.
    with pytest.raises(
        lmt.EngineError, match=r"400 random effects in \(1 \| h\).*about [4-9] MB.* 3 MB are free.*h tog"
    ):
        model.fit(engine="pls")


def test_the_same_fit_is_made_where_there_is_room(monkeypatch):
    model = crossed("y ~ 1 + (1|g) + (1|h)")
    expected = model.fit(engine="pls").objective
    free(monkeypatch, 20e6)
    assert model.fit(engine="pls").objective == expected


def test_effects_of_two_columns_need_more(monkeypatch):
    """A vector-valued term: 800 columns, five matrices of 5.1 MB."""
    model = crossed("y ~ x + (1|g) + (1 + x|h)")
    free(monkeypatch, 24e6)
    with pytest.raises(lmt.EngineError, match=r"800 random effects in \(x \| h\).*of 5 MB, needs about [23]\d MB"):
        model.fit(engine="pls")


def test_an_estimate_is_no_less_than_half_and_no_more_than_twice_what_a_fit_takes():
    """The peak over what was there before, where the system says it; room asked for is 3 matrices and the pairs."""
    code = """
import resource, sys
import numpy as np, pandas as pd, lmmtools as lmt
from lmmtools import memory
from lmmtools import core
from lmmtools.engines import pls
rng = np.random.default_rng(5)
n, m = 60_000, 1800
data = pd.DataFrame({"g": rng.integers(0, 4000, n), "h": rng.integers(0, m, n)})
data["y"] = rng.normal(size=n) + rng.normal(size=4000)[data.g] + rng.normal(size=m)[data.h]
design = lmt.lmm("y ~ 1 + (1|g) + (1|h)", data).design
asked = []
memory.free_memory = lambda: 1e12
inner = memory.need_memory
import lmmtools.core.data.room as room
room.need_memory = lambda numbers, *a: asked.append(8 * numbers)
peak = lambda: 1024 * next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
before = peak()
problem = core.prepare(design)
pls.fit_problem(problem, options=core.Options(max_iter=3))
print((peak() - before) / max(asked))
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0.5 < float(done.stdout) < 2.0


def test_many_columns_are_refused_before_they_are_made(monkeypatch):
    free(monkeypatch, 1e6)
    data = pd.DataFrame({"f": np.arange(1500) % 300, "g": np.arange(1500) % 7, "y": np.arange(1500.0) ** 0.5})
    with pytest.raises(lmt.DataError, match=r"301 columns \(300 of them in C\(f\)\) and 1,500 rows needs about 7 MB"):
        lmt.lmm("y ~ C(f) + (1|g)", data)


def test_columns_of_a_factor_need_little_memory(monkeypatch):
    free(monkeypatch, 1e6)
    data = pd.DataFrame({"f": np.arange(3000) % 300, "g": np.arange(3000) % 7, "y": np.arange(3000.0) ** 0.5})
    assert lmt.lmm("y ~ C(f) + (1|g)", data).design.p == 300


def test_columns_beside_many_effects_are_refused(monkeypatch):
    model = crossed("y ~ x + (1|g)")
    free(monkeypatch, 1e5)
    with pytest.raises(lmt.EngineError, match=r"2 columns of X beside 899 random effects, 899 of them in \(1 \| g\)"):
        model.fit(engine="pls")


def test_the_size_of_a_model_names_the_term_that_takes_most_memory(monkeypatch):
    model = crossed("y ~ x + (1|g) + (1|h)")
    size = model.size
    assert (size.rows, size.fixed_effects, size.random_effects) == (6000, 2, model.design.q)
    assert size.term == "(1 | h)"
    assert "2 variance parameters" in str(size)
    assert "refuse" not in str(size)
    free(monkeypatch, size.bytes / 2)
    assert str(model.size).endswith("2 MB are free: fit() will refuse it and say what would help")
    with pytest.raises(lmt.EngineError, match="The fit, with 400 random effects in"):
        model.fit(engine="pls")


def test_leaving_out_each_row_is_refused_where_its_covariances_do_not_fit(monkeypatch):
    model = crossed("y ~ x + (1|g)")
    fit = model.fit(engine="pls")
    problem = fit.problem
    free(monkeypatch, 1e5)
    with pytest.raises(lmt.EngineError, match=r"6,000 sets of rows.*influence\(level="):
        core.delete_rows(problem, fit.theta, True, core.RowSets.single(6000))


def test_small_work_asks_nothing(monkeypatch):
    asked = []
    monkeypatch.setattr(memory, "free_memory", lambda: asked.append("how much is free"))
    crossed("y ~ 1 + (1|g) + (1|h)").fit(engine="pls")
    assert asked == []


def test_unknown_memory_refuses_nothing(monkeypatch):
    free(monkeypatch, None)
    assert crossed("y ~ 1 + (1|g) + (1|h)").fit(engine="pls").converged


def test_the_limit_of_the_address_space_counts():
    resource = pytest.importorskip("resource")
    code = (
        "import resource\nfrom lmmtools import memory\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 300_000_000,) * 2)\n"
        "print(memory.free_memory())"
    )
    if not sys.platform.startswith("linux"):
        pytest.skip("needs /proc")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2.5e8 < float(done.stdout) <= 3e8
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 0


@pytest.mark.parametrize(
    ("line", "names", "home"),
    [
        ("0::/job", ("memory.max", "memory.current", "inactive_file"), ""),
        ("4:memory:/job", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"), "memory"),
    ],
)
def test_limits_of_containers_count_and_cached_files_do_not(tmp_path, monkeypatch, line, names, home):
    limit, usage, cache = names
    job = tmp_path / home / "job"
    job.mkdir(parents=True)
    (job / limit).write_text("1000\n")
    (job / usage).write_text("700\n")
    (job / "memory.stat").write_text(f"anon 5\n{cache} 50\n")
    (tmp_path / home / limit).write_text("max\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    own = tmp_path / "own"
    own.write_text(f"{line}\n")
    monkeypatch.setattr(memory, "OWN_CGROUPS", own)
    assert list(memory._read_cgroups()) == [350.0]


@pytest.mark.parametrize(("number", "text"), [(1.54e9, "1.5 GB"), (3.4e8, "340 MB"), (-5.0, "0 MB")])
def test_bytes_are_said_as_people_read_them(number, text):
    assert memory.say_bytes(number) == text
