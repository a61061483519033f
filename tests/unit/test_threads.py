"""Threads of BLAS: what a fit finds is there again after it, however it ends and whoever else is inside."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import threadpoolctl

import lmmtools as lmt
from lmmtools import core, threads
from lmmtools.engines import pls
from lmmtools.engines.mixedlm.fitting import evaluate_at, search
from lmmtools.errors import EngineError
from lmmtools.results import (
    description_methods,
    diagnostic_methods,
    inference_methods,
    means_methods,
    term_methods,
)
from lmmtools.threads import Pool, cores_for, given_back, single

LARGE = threads.LARGE


class FakeLibrary:
    """A BLAS that has one number of threads for all, and notes what it was set to."""

    def __init__(self, threads: int) -> None:
        self.threads, self.history = threads, []

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, num_threads: int) -> None:
        self.threads = num_threads
        self.history.append(num_threads)


class FakeOpenMP(threading.local):
    """A BLAS whose number of threads is each thread's own, 4 where nobody has set it."""

    threads = 4

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, num_threads: int) -> None:
        self.threads = num_threads


@pytest.fixture
def pool(monkeypatch):
    """A pool of two fake libraries, of 4 threads and 1, in place of the process's."""
    made = Pool([FakeLibrary(4), FakeLibrary(1)])
    monkeypatch.setattr(threads, "_POOL", made)
    return made


@pytest.fixture
def two_threads():
    """All BLAS libraries at two threads, whatever the environment says; gives a function that reads them."""
    with single:  # what the engine has found is what is read
        pass
    found = [c for c in threadpoolctl.ThreadpoolController().lib_controllers if c.user_api == "blas"]
    before = [c.get_num_threads() for c in found]
    for c in found:
        c.set_num_threads(2)
    yield lambda: [c.get_num_threads() for c in found]
    for c, n in zip(found, before, strict=True):
        c.set_num_threads(n)


@pytest.fixture(scope="module")
def sleep():
    return lmt.datasets.load("sleepstudy")


def read(pool: Pool) -> list[int]:
    return [library.get_num_threads() for library in pool._shared]


# -- the counting of doors -------------------------------------------------------------------------------------------


def test_one_thread_inside_and_what_was_found_after(pool):
    with single:
        assert read(pool) == [1, 1]
        with single:
            assert read(pool) == [1, 1]
        assert read(pool) == [1, 1]
    assert read(pool) == [4, 1]


def test_a_library_that_has_one_thread_is_never_set(pool):
    with single, cores_for(LARGE):
        pass
    assert pool._shared[1].history == []


def test_what_was_found_is_back_after_an_exception(pool):
    with pytest.raises(ZeroDivisionError), single, cores_for(LARGE):
        _ = 1 / 0
    assert read(pool) == [4, 1]
    with single:
        assert read(pool) == [1, 1]


@pytest.mark.parametrize("at", range(4))
def test_an_interrupt_anywhere_leaves_nobody_inside(pool, monkeypatch, at):
    """Ctrl-C while threads are set: the next call has one, and what was found is back after it."""
    library, calls = pool._shared[0], []

    def interrupted(inner):
        def call(*args):
            calls.append(None)
            if len(calls) == at + 1:
                raise KeyboardInterrupt
            return inner(*args)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(library, "get_num_threads", interrupted(library.get_num_threads))
        patched.setattr(library, "set_num_threads", interrupted(library.set_num_threads))
        try:
            with single:
                pass
        except KeyboardInterrupt:
            assert at < 3
    assert len(calls) >= min(at, 3)
    assert read(pool) == [4, 1]
    assert pool._inside == set()
    with single:
        assert read(pool) == [1, 1]
    assert read(pool) == [4, 1]


def test_large_work_has_all_threads_that_were_found_and_small_work_has_one(pool):
    with single:
        with cores_for(LARGE):
            assert read(pool) == [4, 1]
        assert read(pool) == [1, 1]
        with cores_for(LARGE - 1):
            assert read(pool) == [1, 1]


def test_large_work_outside_of_the_engine_changes_nothing(pool):
    with cores_for(LARGE):
        assert read(pool) == [4, 1]
    assert pool._shared[0].history == []


def test_a_lower_limit_is_found_anew_each_time(pool):
    with single:
        pass
    pool._shared[0].threads = 2
    with single, cores_for(LARGE):
        assert read(pool) == [2, 1]
    assert read(pool) == [2, 1]


def test_functions_of_the_user_find_what_was_there(pool):
    with single, cores_for(LARGE), single:
        with given_back():
            assert read(pool) == [4, 1]
            with single:
                assert read(pool) == [1, 1]
        assert read(pool) == [4, 1]
    assert read(pool) == [4, 1]
    assert pool._inside == pool._wide == set()


def test_interleaved_threads_restore_what_the_first_found(pool):
    """The first to enter leaves first: had each thread restored what it found, one thread would stay for good."""
    entered, left = threading.Event(), threading.Event()

    def second():
        with single:
            entered.set()
            assert left.wait(10)
            seen.append(read(pool))

    seen: list[list[int]] = []
    worker = threading.Thread(target=second)
    with single:
        worker.start()
        assert entered.wait(10)
        with cores_for(LARGE):
            assert read(pool) == [1, 1]  # two are inside: each has one
    assert read(pool) == [1, 1]
    left.set()
    worker.join()
    assert seen == [[1, 1]]
    assert read(pool) == [4, 1]


def test_who_stays_alone_has_all_threads_again(pool):
    entered, leave, gone = threading.Event(), threading.Event(), threading.Event()

    def second():
        with single:
            entered.set()
            assert leave.wait(10)
        gone.set()

    with single, cores_for(LARGE):
        worker = threading.Thread(target=second)
        worker.start()
        assert entered.wait(10)
        assert read(pool) == [1, 1]
        leave.set()
        assert gone.wait(10)
        assert read(pool) == [4, 1]
        worker.join()


def test_many_threads_leave_everything_as_it_was(pool):
    def work(i: int) -> None:
        with single:
            with cores_for(LARGE):
                pass
            if i % 3 == 0:
                raise ValueError(i)

    with ThreadPoolExecutor(8) as executor:
        done = [executor.submit(work, i) for i in range(400)]
    assert sum(d.exception() is not None for d in done) == 134
    assert read(pool) == [4, 1]
    assert pool._inside == pool._wide == set()


def test_a_number_that_is_each_threads_own_is_restored_by_each_thread(monkeypatch):
    openmp = FakeOpenMP()
    monkeypatch.setattr(threads, "_POOL", Pool([], [openmp]))
    seen: list[Any] = []

    def second():
        with single:
            seen.append(openmp.threads)
            with cores_for(LARGE):
                seen.append(openmp.threads)
        seen.append(openmp.threads)

    with single:
        assert openmp.threads == 1
        worker = threading.Thread(target=second)
        worker.start()
        worker.join()
        with cores_for(LARGE):
            assert openmp.threads == 4
        assert openmp.threads == 1
    assert openmp.threads == 4
    assert seen == [1, 1, 4]  # inside together: one each, large or not


def test_a_child_of_a_fork_forgets_the_threads_that_were_not_copied(pool):
    """What the child of a fork does, done here: another thread was inside, and only the forking one lives on."""
    other = threading.Thread(target=pool.enter)
    other.start(), other.join()
    assert read(pool) == [1, 1]
    pool.before_fork()
    pool.after_fork_in_child()
    assert read(pool) == [4, 1]
    with single:
        assert read(pool) == [1, 1]
    assert read(pool) == [4, 1]


# -- the engine ------------------------------------------------------------------------------------------------------


def test_fits_see_one_thread_and_leave_two(two_threads, sleep, monkeypatch):
    seen: list[list[int]] = []
    inner = core.search.optimum.descend
    monkeypatch.setattr(core.search.optimum, "descend", lambda *a, **k: seen.append(two_threads()) or inner(*a, **k))
    lmt.lmm("Reaction ~ Days + (Days|Subject)", sleep).fit(engine="pls")
    assert seen
    assert all(n == 1 for numbers in seen for n in numbers), seen
    assert all(n == 2 for n in two_threads())


def test_an_engine_that_fails_leaves_two(two_threads, sleep):
    with pytest.raises(lmt.LmmError):
        lmt.lmm("Reaction ~ Days + (1|Subject)", sleep).fit(engine="pls", start=[np.nan])
    assert all(n == 2 for n in two_threads())


def test_a_callback_sees_two_threads(two_threads, sleep):
    seen: list[list[int]] = []
    lmt.lmm("Reaction ~ Days + (1|Subject)", sleep).fit(engine="pls", callback=lambda _: seen.append(two_threads()))
    assert seen
    assert all(n == 2 for numbers in seen for n in numbers), seen


def test_a_limit_of_the_users_is_kept(two_threads, sleep):
    model = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep)
    with threadpoolctl.threadpool_limits(1, "blas"):
        model.fit(engine="pls")
        assert all(n == 1 for n in two_threads())
    assert all(n == 2 for n in two_threads())


def test_concurrent_fits_agree_and_leave_two(two_threads, sleep):
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", sleep)
    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(lambda _: model.fit(engine="pls").objective, range(24)))
    assert len(set(found)) == 1
    assert all(n == 2 for n in two_threads())


def test_libraries_are_looked_for_once(two_threads, sleep, monkeypatch):
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", lambda: pytest.fail("looked for libraries again"))
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep).fit(engine="pls")
    fit.tests()
    assert fit.refit(fit.fittedvalues + fit.resid.to_numpy()[::-1]).converged


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_fits_and_restores(two_threads, sleep):
    model = lmt.lmm("Reaction ~ Days + (Days|Subject)", sleep)
    expected = model.fit(engine="pls").objective
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the process has threads
        child = os.fork()
    if not child:
        try:
            same = model.fit(engine="pls").objective == expected
            os._exit(0 if same and all(n == 2 for n in two_threads()) else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert all(n == 2 for n in two_threads())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_within_a_callback_fits_too(two_threads, sleep):
    model = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep)
    codes: list[int] = []

    def fork(_: object) -> None:
        if codes:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            child = os.fork()
        if not child:
            try:
                model.fit(engine="pls")
                os._exit(0 if all(n == 2 for n in two_threads()) else 1)
            except BaseException:
                os._exit(2)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    model.fit(engine="pls", callback=fork)
    assert codes == [0]


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_a_bootstrap_by_joblib_draws_the_same_and_leaves_two(two_threads, sleep, backend):
    joblib = pytest.importorskip("joblib")
    fit = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep).fit(engine="pls")
    alone = fit.bootstrap(120, rng=3).draws
    with joblib.parallel_config(backend=backend, n_jobs=2):
        pd.testing.assert_frame_equal(fit.bootstrap(120, rng=3, n_jobs=2).draws, alone)
    assert all(n == 2 for n in two_threads())


def test_the_environment_is_honoured():
    code = (
        "import lmmtools as lmt, threadpoolctl\n"
        "lmt.lmm('Reaction ~ Days + (1|Subject)', lmt.datasets.load('sleepstudy')).fit(engine='pls')\n"
        "print([c['num_threads'] for c in threadpoolctl.threadpool_info() if c['user_api'] == 'blas'])"
    )
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **limits}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert set(eval(done.stdout)) <= {1}


def is_door(function: object) -> bool:
    return getattr(function, "__wrapped__", None) is not None


def test_every_function_of_the_engine_is_a_door():
    """But for those that look at sizes alone."""
    doors = [getattr(module, name) for module in (core, pls) for name in module.__all__]
    functions = [f for f in doors if inspect.isfunction(f)]
    assert [f.__name__ for f in functions if not is_door(f)] == ["refuse_shared", "work_of_one"]
    assert is_door(search)
    assert is_door(evaluate_at)


@pytest.mark.parametrize(
    "methods",
    [
        description_methods.DescriptionMethods,
        diagnostic_methods.DiagnosticMethods,
        inference_methods.InferenceMethods,
        term_methods.TermMethods,
        means_methods.MeansMethods,
    ],
)
def test_every_method_of_inference_is_a_door(methods):
    functions = {name: f for name, f in vars(methods).items() if inspect.isfunction(f) and name[0] != "_"}
    assert functions
    assert [name for name, f in functions.items() if not is_door(f)] == []


def test_workers_of_dask_in_this_process_leave_two(two_threads, sleep):
    distributed = pytest.importorskip("distributed")
    model = lmt.lmm("Reaction ~ Days + (1|Subject)", sleep)
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        futures = client.map(lambda i: model.fit(engine="pls").objective, range(12), pure=False)
        assert len(set(client.gather(futures))) == 1
    assert all(n == 2 for n in two_threads())


def test_what_runs_out_of_memory_leaves_the_outermost_door_as_an_engine_error() -> None:
    @single
    def inner() -> None:
        raise MemoryError("Unable to allocate 763. MiB for an array with shape (20000, 5000) and data type float64")

    @single
    def outer() -> None:
        with pytest.raises(MemoryError):
            inner()
        inner()

    with pytest.raises(EngineError, match=r"not enough memory: Unable to allocate 763. MiB .* Ask for fewer draws"):
        outer()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are read from /proc")
def test_too_many_draws_are_refused_by_an_error_of_the_package() -> None:
    code = """import resource
import numpy as np, pandas as pd
import lmmtools as lmt
rng = np.random.default_rng(0)
data = pd.DataFrame({"y": rng.normal(size=20000), "g": rng.integers(500, size=20000)})
data["y"] += rng.normal(size=500)[data["g"]]
fit = lmt.lmm("y ~ 1 + (1 | g)", data).fit(engine="pls")
fit.simulate(2, rng=1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, resource.RLIM_INFINITY))
try:
    fit.simulate(5000, rng=1)
except lmt.LmmError as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("OutOfMemoryError 5,000 draws of 20,000 rows at once"), done.stdout
    assert "about 2.4 GB of memory, where 200 MB are free" in done.stdout
