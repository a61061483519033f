"""An R that is missing, lacks lme4, hangs, crashes, or is no R: a clear error, nothing left running or lying about."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.engines.lme4 import process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the programs that stand in for Rscript are shell scripts")

# Time in which a program that hangs has to be gone, once its limit is over; a busy machine needs some of it.
PATIENCE = 10.0


@pytest.fixture
def model():
    return lmt.lmm("Yield ~ 1 + (1|Batch)", lmt.datasets.load("Dyestuff"))


@pytest.fixture
def rscript(tmp_path, monkeypatch):
    """Give a function that puts a shell script in the place of Rscript; the folder that it gets is "$5"."""

    def put(text: str) -> Path:
        program = tmp_path / "Rscript"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("LMMTOOLS_RSCRIPT", str(program))
        return program

    return put


@pytest.fixture(autouse=True)
def own_tempdir(tmp_path, monkeypatch):
    """Let temporary folders be made where the test can see that they are gone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A killed process stays in the table until it is waited for; it runs no more.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def wait_until_gone(pid: int) -> bool:
    end = time.monotonic() + PATIENCE
    while is_alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_without_r_the_error_says_how_to_get_it(model, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("LMMTOOLS_RSCRIPT", raising=False)
    with pytest.raises(lmt.EngineError, match=r'no Rscript on PATH.*install\.packages\("lme4"\).*LMMTOOLS_RSCRIPT'):
        model.fit(engine="lme4")


def test_a_variable_that_names_no_program_is_named_in_the_error(model, monkeypatch, tmp_path):
    monkeypatch.setenv("LMMTOOLS_RSCRIPT", str(tmp_path / "nowhere"))
    with pytest.raises(lmt.EngineError, match=r"LMMTOOLS_RSCRIPT is .*nowhere.* no program"):
        model.fit(engine="lme4")


def test_a_file_that_the_system_cannot_run_is_named(model, rscript):
    rscript("").write_bytes(b"\x00\x01 no program")
    with pytest.raises(lmt.EngineError, match="Rscript"):
        model.fit(engine="lme4")


def test_a_hanging_program_is_ended_with_its_children_at_the_time_limit(model, rscript, tmp_path):
    rscript(f'touch "$5/started"; sleep 1000 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/own; wait')
    begin = time.monotonic()
    with pytest.raises(lmt.EngineError, match=r"stopped after 1 seconds, the time limit.*timeout="):
        model.fit(engine="lme4", timeout=1)
    assert time.monotonic() - begin < PATIENCE
    for name in ("child", "own"):
        assert wait_until_gone(int((tmp_path / name).read_text())), name


def test_a_program_that_never_starts_r_is_ended_before_the_time_limit(model, rscript, monkeypatch):
    monkeypatch.setattr(process, "STARTUP_SECONDS", 0.3)
    rscript("echo reading the tape; exec sleep 1000")
    with pytest.raises(lmt.EngineError, match=r"did not start R within 0.3 seconds.*\nreading the tape"):
        model.fit(engine="lme4", timeout=None)


def test_an_interrupt_ends_the_program_and_reaches_the_caller(model, rscript, tmp_path):
    rscript(f'touch "$5/started"; echo $$ > {tmp_path}/own; exec sleep 1000')

    def interrupt():
        end = time.monotonic() + PATIENCE
        while not ((tmp_path / "own").exists() and (tmp_path / "own").read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        os.kill(os.getpid(), 2)

    # A shell starts what it puts into the background with interrupts ignored; here they are to be heard.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            model.fit(engine="lme4")
    finally:
        signal.signal(signal.SIGINT, before)
    assert wait_until_gone(int((tmp_path / "own").read_text()))


def test_a_program_that_prints_without_end_is_ended(model, rscript, monkeypatch):
    monkeypatch.setattr(process, "MOST_OUTPUT", 2**16)
    # Bounded, so that a test that is killed leaves no program behind that fills the disk.
    rscript("yes rubbish | head -c 50000000; exec sleep 100")
    with pytest.raises(lmt.EngineError, match=r"prints without end[\s\S]*rubbish"):
        model.fit(engine="lme4", timeout=60)


def test_a_crash_shows_the_last_lines(model, rscript):
    rscript('for i in $(seq 50); do echo "line $i" >&2; done; kill -SEGV $$')
    with pytest.raises(lmt.EngineError, match=r"ended by signal 11") as error:
        model.fit(engine="lme4")
    assert "line 50" in str(error.value)
    assert "line 20" not in str(error.value)


def test_a_failure_shows_status_and_last_lines(model, rscript):
    rscript("echo Fatal error: cannot allocate memory >&2; exit 2")
    with pytest.raises(lmt.EngineError, match=r"with status 2[\s\S]*cannot allocate memory"):
        model.fit(engine="lme4")


def test_an_r_without_lme4_is_told_how_to_install_it(model, rscript):
    rscript("""echo '{"missing": ["lme4"], "libraries": ["/opt/R/library"]}' > "$5/results.json" """)
    with pytest.raises(lmt.EngineError, match=r'no package lme4.*install\.packages\("lme4"\).*/opt/R/library.*R_LIBS'):
        model.fit(engine="lme4")


def test_what_r_prints_for_a_missing_package_is_understood(model, rscript):
    rscript("echo \"Error in library(lme4) : there is no package called 'lme4'\" >&2; exit 1")
    with pytest.raises(lmt.EngineError, match=r'no package lme4.*install\.packages\("lme4"\)'):
        model.fit(engine="lme4")


def test_an_lme4_that_does_not_load_is_told_from_one_that_is_missing(model, rscript):
    rscript("""echo '{"broken": "function cholmod_factor_ldetA not provided"}' > "$5/results.json" """)
    with pytest.raises(lmt.EngineError, match="does not load: function cholmod"):
        model.fit(engine="lme4")


@pytest.mark.parametrize(
    "written",
    ["", "\x00\x01", "{", "[]", "{}", "null", '{"fits": 3}', '{"fits": []}', '{"fits": [{}]}', '{"fits": [[1]]}'],
)
def test_results_that_cannot_be_read_are_no_results(model, rscript, tmp_path, written):
    (tmp_path / "results").write_text(written)
    rscript(f'echo "\x1b[1m%%&/ garbage"; cp {tmp_path}/results "$5/results.json"')
    with pytest.raises(lmt.EngineError, match=r"without results that can be read[\s\S]*\?\[1m%%&/ garbage"):
        model.fit(engine="lme4")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"theta": [1, 2]}, "without results"),
        ({"theta": ["a"]}, "without results"),
        ({"levels": [5]}, "other terms"),
        ({"sigma": float("nan")}, "not finite$"),
        ({"sigma": float("nan"), "said": ["failed to converge"]}, "not finite: failed to converge$"),
        ({"modes": [0.0] * 5}, "without results"),
        ({"error": "lmm_g1 and lmm_y and lmm_X1 are odd"}, "Batch and Yield and Intercept are odd"),
    ],
)
def test_numbers_that_do_not_fit_the_model_are_refused(model, rscript, tmp_path, change, said):
    fit = {"objective": 319.7, "theta": [0.85], "beta": [1527.5], "beta_cov": [375.0], "sigma": 49.5, "levels": [6]}
    fit |= {"modes": [0.0] * 6, "widths": [1], "evaluations": 9, "seconds": 0.1, "said": []}
    (tmp_path / "results").write_text(json.dumps({"fits": [fit | change]}))
    rscript(f'cp {tmp_path}/results "$5/results.json"')
    with pytest.raises(lmt.EngineError, match=said):
        model.fit(engine="lme4")


def test_no_output_at_all_is_said(model, rscript):
    rscript("exit 0")
    with pytest.raises(lmt.EngineError, match="printed nothing"):
        model.fit(engine="lme4")


def test_the_python_that_tests_is_no_rscript(model, monkeypatch):
    monkeypatch.setenv("LMMTOOLS_RSCRIPT", sys.executable)
    with pytest.raises(lmt.EngineError, match="ended with status"):
        model.fit(engine="lme4")
