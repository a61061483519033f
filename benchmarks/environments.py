"""Where each rival runs: lmmtools and statsmodels here, R's lme4 in Rscript, each other package in its own venv."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALL_TASKS = ("fit", "summary", "evaluation", "refit", "bootstrap", "satterthwaite", "kenward_roger", "profile")

__all__ = ["HERE", "RIVALS", "Rival", "find_rival"]

HERE = Path(__file__).parent

RIVALS = (
    "lmmtools",
    "lmmtools_pls",
    "lme4",
    "statsmodels",
    "glmm",
    "mixedlm",
    "lme_python",
    "interlace_lme",
    "gpboost",
    "gpboost_cholesky",
)


@dataclass(frozen=True, slots=True)
class Rival:
    """A rival that can run here.

    Attributes
    ----------
    name : str
    script : Path
        ``rivals/name.py``, or ``.R``.
    interpreter : str
        Python of its environment, or Rscript.
    reml : bool
        Whether its criterion is REML's.
    tasks : tuple of str
        What it can do.
    """

    name: str
    script: Path
    interpreter: str
    reml: bool
    tasks: tuple[str, ...]


def find_rival(name: str, environments: Path, install: bool) -> Rival | str:
    """Return the rival, or why it cannot run here; ``install`` makes the environment that it lacks."""
    r_script = HERE / "rivals" / f"{name}.R"
    if r_script.exists():
        rscript = shutil.which("Rscript")
        if rscript is None:
            return "no Rscript on PATH"
        check = subprocess.run([rscript, "-e", "library(lme4)"], capture_output=True, check=False)
        return "R has no lme4" if check.returncode else Rival(name, r_script, rscript, True, ALL_TASKS)
    script = HERE / "rivals" / f"{name}.py"
    settings = _settings(script)
    requirements = settings["REQUIREMENTS"]
    if not requirements:
        return Rival(name, script, sys.executable, settings["REML"], settings["TASKS"])
    home = environments / requirements[0]
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        if not install:
            return "not installed (--install makes its environment)"
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "pandas", *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home)
            return f"could not be installed: {done.stderr.strip().splitlines()[-1]}"
    return Rival(name, script, str(python), settings["REML"], settings["TASKS"])


def _settings(script: Path) -> dict[str, Any]:
    """Return the constants at the top of a rival's file, without importing what it needs."""
    found: dict[str, Any] = {}
    for node in ast.parse(script.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.AnnAssign) and node.value is not None and isinstance(node.target, ast.Name):
            target, value = node.target.id, node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            target, value = node.targets[0].id, node.value
        else:
            continue
        if target in ("REQUIREMENTS", "REML"):
            found[target] = ast.literal_eval(value)
        elif target == "TASKS" and isinstance(value, ast.Dict):
            found[target] = tuple(ast.literal_eval(key) for key in value.keys if key is not None)
    return found
