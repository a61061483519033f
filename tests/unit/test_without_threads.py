"""Fits, summaries and means start no thread or process and open no socket: Python in a browser has none of these."""

from __future__ import annotations

import subprocess
import sys

# A page that runs Python in the browser (Pyodide) has none of these; what tries them fails there.
BLOCKED = """
import os, socket, subprocess, threading

def refuse(*args, **kwargs):
    raise RuntimeError("there are no threads, processes and sockets here")

threading.Thread.start = refuse
subprocess.Popen.__init__ = refuse
socket.socket.__init__ = refuse
for name in ("fork", "posix_spawn", "posix_spawnp", "system"):
    if hasattr(os, name):
        setattr(os, name, refuse)
"""

SESSION = """
import warnings
warnings.simplefilter("ignore")
import lmmtools as lmt

pastes = lmt.lmm("strength ~ 1 + (1|batch/cask)", lmt.datasets.load("Pastes")).fit()
print(f"{pastes.objective:.4f}")
print(pastes.summary().data.notes[-1])
sleep = lmt.lmm("Reaction ~ Days + (Days|Subject)", lmt.datasets.load("sleepstudy")).fit()
print(sleep.tests(ddf="kenward-roger").to_frame().round(3).loc["Days"].tolist())
print(sleep.conf_int(method="profile", parameters="theta_").shape, sleep.bootstrap(5, rng=1).draws.shape[0])
oats = lmt.lmm("yield ~ C(nitro) + Variety + (1|Block/Variety)", lmt.datasets.load("Oats")).fit()
print(oats.marginal_means("nitro").to_frame().shape, oats.pairwise("Variety").to_frame().shape)
crossed = lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", lmt.datasets.load("Penicillin")).fit()
print(f"{crossed.objective:.4f}", lmt.structure(lmt.datasets.load("Pastes"), ["batch", "cask"]).findings[0].code != "")
"""


def test_fit_summary_and_means_work_without_threads_processes_and_sockets() -> None:
    done = subprocess.run([sys.executable, "-c", BLOCKED + SESSION], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, agrees, days, drawn, means, crossed = done.stdout.splitlines()
    assert first == "246.9907"
    assert agrees.startswith("statsmodels' likelihood at this optimum agrees")
    assert days == "[10.467, 1.546, 17.0, 6.771, 0.0]"
    assert drawn == "(4, 2) 5"
    assert means == "(4, 6) (3, 6)"
    assert crossed == "330.8606 True"


def test_what_is_blocked_is_blocked() -> None:
    tries = [
        "threading.Thread(target=print).start()",
        "subprocess.Popen(['true'])",
        "socket.socket()",
        "os.system('true')",
    ]
    for attempt in tries:
        done = subprocess.run([sys.executable, "-c", BLOCKED + attempt], capture_output=True, text=True, check=False)
        assert "there are no threads, processes and sockets here" in done.stderr, attempt
