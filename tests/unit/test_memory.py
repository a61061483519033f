"""What there is no memory for is refused before the work, with the size, the term at fault and what would help."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools import core, memory
from lmmtools.core.data import passes as row_passes
from lmmtools.core.data import problem
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


def test_only_the_first_look_at_the_size_reads_the_rows_and_nothing_large_is_kept(monkeypatch):
    model = crossed("y ~ x + (1|g) + (1|h)")
    passes = []
    monkeypatch.setattr(problem, "accumulate", lambda chunks: passes.append(1) or row_passes.accumulate(chunks))
    kept = set(vars(model))
    sizes = [model.size for _ in range(3)]
    assert len(passes) == 1
    assert sizes[0].bytes == sizes[2].bytes
    assert set(vars(model)) - kept == {"_size"}
    assert len(pickle.dumps(model._size)) < 1_000


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


class Draws:
    """Counts what is asked for, and runs out of memory at one of the calls."""

    def __init__(self, function, fails_at):
        self.function, self.left = function, fails_at

    def __call__(self, *args, **kwargs):
        self.left -= 1
        if self.left == 0:
            raise MemoryError("Unable to allocate 28.0 MiB for an array with shape (73421, 50)")
        return self.function(*args, **kwargs)


@pytest.fixture(scope="module")
def dyestuff():
    return lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")


@pytest.mark.parametrize("statistic", [None, lambda fit: fit.sigma], ids=["parameters", "statistic"])
def test_draws_that_were_made_before_memory_ran_out_are_kept_and_said(monkeypatch, dyestuff, statistic):
    from lmmtools.inference.bootstrap import bootstrap_result

    whole = dyestuff.bootstrap(150, statistic, rng=1)
    monkeypatch.setattr(bootstrap_result, "draw_responses", Draws(bootstrap_result.draw_responses, 3))
    with pytest.warns(lmt.errors.FewDrawsWarning, match=r"ran out after 100 of 150 draws.*28\.0 MiB"):
        found = dyestuff.bootstrap(150, statistic, rng=1)
    assert found.interrupted
    assert "100 of 150 draws were made" in str(found)
    pd.testing.assert_frame_equal(found.draws, whole.draws[:100])


def test_memory_that_runs_out_in_a_refit_is_no_failed_refit(monkeypatch, dyestuff):
    monkeypatch.setattr(type(dyestuff), "on_response", Draws(type(dyestuff).on_response, 7))
    with pytest.raises(lmt.errors.OutOfMemoryError, match=r"28\.0 MiB"):
        dyestuff.bootstrap(10, lambda fit: fit.sigma, rng=1)


def test_power_and_bootstrap_test_keep_what_was_made(monkeypatch, dyestuff):
    from lmmtools.inference.bootstrap import comparison
    from lmmtools.inference.power import power_analysis

    smaller = lmt.lmm("Yield ~ 0 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
    monkeypatch.setattr(comparison, "_draw_ratios", Draws(comparison._draw_ratios, 2))
    with pytest.warns(lmt.errors.FewDrawsWarning, match="after 50 of 80 draws"):
        assert len(lmt.bootstrap_test(smaller, dyestuff, n=80, rng=1).draws) == 50
    data = lmt.datasets.load("sleepstudy")
    fit = lmt.lmm("Reaction ~ Days + (1 | Subject)", data).fit(engine="pls")
    monkeypatch.setattr(power_analysis, "simulated_p_values", Draws(power_analysis.simulated_p_values, 2))
    with pytest.warns(lmt.errors.FewDrawsWarning, match="after 50 of 80 draws"):
        assert lmt.power(fit, {"Days": 3.0}, n_sim=80, rng=1).interrupted


def test_a_simulation_of_more_draws_than_fit_is_refused_before_the_first(monkeypatch, dyestuff):
    """30 rows of 100,000 draws are 24 MB, three times."""
    free(monkeypatch, 50e6)
    with pytest.raises(
        lmt.EngineError, match=r"100,000 draws of 30 rows at once.* about 72 MB .*50 MB are free.*fewer"
    ):
        dyestuff.simulate(100_000)
    free(monkeypatch, 80e6)
    assert dyestuff.simulate(100_000).shape == (30, 100_000)


def test_the_marginal_covariance_of_many_rows_is_refused(monkeypatch):
    """One level for all of 3,000 rows: nine million pairs, four numbers each."""
    data = pd.DataFrame({"g": np.repeat(["a", "b"], 3000), "y": np.random.default_rng(1).normal(size=6000)})
    data.loc[data.g == "b", "y"] += 3.0
    model = lmt.lmm("y ~ 1 + (1 | g)", data)
    fit = model.fit(engine="pls")
    free(monkeypatch, 100e6)
    with pytest.raises(lmt.EngineError, match=r"V, whose 6,000 rows meet in up to 18,000,000 pairs.*about 576 MB"):
        model.design.V(fit)


def test_every_public_method_says_that_memory_ran_out(dyestuff):
    """Each is a door: its own code raises a MemoryError, and an EngineError comes out."""
    from lmmtools.plots.fit_plots import FitPlots

    def ends_in_a_door(function):
        while function is not None:
            if function.__code__.co_filename in (memory.__file__, single_file):
                return True
            function = getattr(function, "__wrapped__", None)
        return False

    import contextlib
    import functools
    import inspect

    single_file = contextlib.__file__
    open_ones = []
    for cls in (type(dyestuff), FitPlots, lmt.Model):
        for name in (n for n in dir(cls) if not n.startswith("_")):
            found = inspect.getattr_static(cls, name)
            if isinstance(found, property):
                found = found.fget
            elif isinstance(found, functools.cached_property):
                found = found.func
            elif isinstance(found, (classmethod, staticmethod)):
                found = found.__func__
            if inspect.isfunction(found) and not ends_in_a_door(found):
                open_ones.append(f"{cls.__name__}.{name}")
    # The command line and the interpreter's own words are elsewhere; these take no memory of their own.
    own = [getattr(lmt, n) for n in lmt.__all__ if inspect.isfunction(getattr(lmt, n))]
    open_ones += [f.__name__ for f in own if not ends_in_a_door(f)]
    small = {"crossed", "nested", "random", "show_config"}
    texts = {"read_lme4_summary", "read_mixedlm_summary", "read_printout"}
    assert set(open_ones) <= small | texts


@pytest.mark.parametrize(
    "call",
    [
        lambda fit: fit.to_json(),
        lambda fit: fit.summary(),
        lambda fit: fit.to_report(),
        lambda fit: fit.resid,
        lambda fit: fit.random_effects_cov,
        lambda fit: fit.plot.caterpillar(),
        lambda fit: lmt.compare(fit, fit),
        lambda fit: fit.influence(),
        lambda fit: fit.predict(interval="prediction"),
        lambda fit: fit.profile(),
        lambda fit: fit.refit_many(np.ones((30, 2))),
    ],
)
def test_what_runs_out_of_memory_on_the_way_leaves_as_an_engine_error(call):
    fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")

    def fail(frame, event, arg):
        """Raise at the third call of a function of the package below the door."""
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("lmmtools.") and name not in ("lmmtools.memory", "lmmtools.threads"):
            calls.append(name)
            if len(calls) == 3:
                sys.setprofile(None)
                raise MemoryError("Unable to allocate 9.98 MiB")

    calls = []
    sys.setprofile(fail)
    try:
        with pytest.raises(lmt.errors.OutOfMemoryError, match=r"not enough memory: Unable to allocate 9\.98 MiB"):
            call(fit)
    finally:
        sys.setprofile(None)


def test_a_library_is_not_loaded_where_its_address_space_is_not_free(monkeypatch):
    if sys.platform == "win32":
        pytest.skip("no such limit")
    monkeypatch.setattr(memory, "_read_process", lambda: iter([3e8]))
    with pytest.raises(lmt.errors.OutOfMemoryError, match=r"Loading unheard_of takes about 500 MB .*300 MB are free"):
        memory.need_library("unheard_of", 5e8)
    memory.need_library("unheard_of", 2e8)
    memory.need_library("numpy", 5e8)
    monkeypatch.setattr(memory, "_read_process", lambda: iter([]))
    memory.need_library("unheard_of", 5e8)


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (ImportError("_ufuncs_cxx.so: failed to map segment from shared object"), True),
        (ImportError("No module named 'tqdm'"), False),
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_a_door_tells_lack_of_memory_from_other_errors(error, is_memory):
    @memory.door
    def fail():
        raise error

    with pytest.raises(lmt.errors.OutOfMemoryError if is_memory else type(error)) as caught:
        fail()
    assert is_memory == (caught.value is not error)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of the address space are Linux's")
def test_under_real_limits_calls_succeed_or_end_in_one_error():
    """Never a bare MemoryError, and never the end of the process: ten calls, three limits above what is taken."""
    code = """
import resource, warnings
import numpy as np, pandas as pd, lmmtools as lmt
warnings.simplefilter("ignore")
rng = np.random.default_rng(5)
n = 20_000
data = pd.DataFrame({"g": rng.integers(0, 900, n), "h": rng.integers(0, 300, n), "x": rng.normal(size=n)})
data["y"] = data.x + rng.normal(size=n) + rng.normal(size=900)[data.g] + rng.normal(size=300)[data.h]
model = lmt.lmm("y ~ x + (1|g) + (1|h)", data)
fit = model.fit(engine="pls")
fit.refit(fit.fittedvalues + fit.resid[::-1])
Y = np.tile(model.design.y[:, None], (1, 60))
calls = {
    "bootstrap": lambda: fit.bootstrap(100),
    "simulate": lambda: fit.simulate(1000),
    "influence": lambda: fit.influence(),
    "predict": lambda: fit.predict(data, interval="prediction"),
    "V": lambda: model.design.V(fit),
    "mixedlm": lambda: model.fit(engine="mixedlm"),
    "to_json": lambda: fit.to_json(),
    "refit_many": lambda: fit.refit_many(Y),
    "fit": lambda: lmt.lmm("y ~ x + (1|g) + (1|h)", data).fit(engine="pls"),
    "leverage": lambda: fit.influence("g"),
}
for megabytes in (3, 20, 60):
    for name, call in calls.items():
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 10**6, resource.RLIM_INFINITY))
        try:
            call()
            word = "done"
        except lmt.EngineError as error:
            word = "said" if "memory" in str(error) else repr(error)
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(megabytes, name, word)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    words = [line.split() for line in run.stdout.splitlines()]
    assert run.returncode == 0, run.stderr[-2000:]
    assert len(words) == 30
    assert {word for _, _, word in words} == {"done", "said"}, words
    assert sum(word == "said" for _, _, word in words) >= 10
