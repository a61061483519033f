"""Rscript: where it is, and how it runs, with a time limit, no orphans and no endless output."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lmmtools.audience import option
from lmmtools.errors import EngineError

__all__ = ["VARIABLE", "Finished", "describe_missing_package", "find_rscript", "run_script"]

SCRIPT = Path(__file__).with_name("fit.R")
STARTED = "started"
STARTUP_SECONDS = 60.0
"""R takes some tenths of a second to reach the script's first line, some seconds on a busy machine or a network drive;
a program that takes longer will not reach it."""
MOST_OUTPUT = 2**26
"""Bytes: lme4 prints some kilobytes; a program that prints more is not R."""
TAIL_LINES, TAIL_BYTES = 12, 4000
LOOK_SECONDS = 0.1
_GROUP_FLAG: int = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run of Rscript ended.

    Attributes
    ----------
    code : int
        Exit status; negative for a signal.
    tail : str
        The last lines that it printed, for error messages.
    """

    code: int
    tail: str


def run_script(program: str, folder: Path, timeout: float | None) -> Finished:
    """Run fit.R on a folder and return how it ended.

    The program runs in a process group of its own, which is killed as a whole on time-out and on any exception, Ctrl-C
    included. Its temporary files go into the folder.

    Parameters
    ----------
    program : str
        Path of Rscript.
    folder : Path
        Has the jobs and their data, and receives the results.
    timeout : float or None
        Seconds that it may take; None for no limit.

    Raises
    ------
    EngineError
        If it cannot be started, does not start R within a minute, takes too long, or prints without end.
    """
    log = folder / "printed.txt"
    # The user's profile could print, change options or read other data; site and environment files, where libraries
    # are named, are read.
    command = [program, "--no-save", "--no-restore", "--no-init-file", str(SCRIPT), str(folder)]
    with open(log, "wb") as sink:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,
                creationflags=_GROUP_FLAG,
            )
        except OSError as error:
            raise EngineError(f"{program} cannot be run: {error.strerror or error}") from error
        try:
            code = _wait_for_end(process, program, folder, log, timeout)
        except BaseException:
            _kill_group(process)
            raise
    return Finished(code, _read_tail(log))


def _wait_for_end(
    process: subprocess.Popen[bytes], program: str, folder: Path, log: Path, timeout: float | None
) -> int:
    """Return the exit status; raise an EngineError at the time limit, or if R does not start or prints without end."""
    started = time.monotonic()
    is_running = False
    while True:
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            seconds = time.monotonic() - started
        is_running = is_running or (folder / STARTED).exists()
        if timeout is not None and seconds > timeout:
            raise EngineError(
                f"R was stopped after {timeout:g} seconds, the time limit. Give it more (timeout=..., in seconds; None "
                f"for no limit), or use {option('engine', 'pls')}.{_quote_output(log)}"
            )
        if not is_running and seconds > STARTUP_SECONDS:
            raise EngineError(
                f"{program} did not start R within {STARTUP_SECONDS:g} seconds: it hangs, or is not Rscript."
                f"{_quote_output(log)}"
            )
        if log.stat().st_size > MOST_OUTPUT:
            raise EngineError(f"{program} prints without end: it is not Rscript, or R is broken.{_quote_output(log)}")


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of the process: messages in English, temporary files in the folder."""
    own = {name: str(folder) for name in ("TMPDIR", "TMP", "TEMP")}
    # Messages in English, so that they read the same everywhere.
    return {**os.environ, **own, "LANGUAGE": "en", "R_DEFAULT_PACKAGES": "methods,stats,utils"}


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children at once."""
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    elif process.returncode is None:
        # Not yet waited for, so that the number still is this process' and its group's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10.0)


def _quote_output(log: Path) -> str:
    """Return the last lines of output as the end of an error message; empty for none."""
    tail = _read_tail(log)
    return f" It had printed:\n{tail}" if tail else ""


def _read_tail(log: Path) -> str:
    """Return the last lines of a file, as text that can be printed."""
    size = log.stat().st_size
    with open(log, "rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        text = file.read().decode("utf-8", errors="replace")
    shown = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text.replace("\r\n", "\n"))
    lines = [line.rstrip() for line in shown.split("\n") if line.strip()]
    return "\n".join(lines[-TAIL_LINES:])


VARIABLE = "LMMTOOLS_RSCRIPT"
"""Environment variable that names the Rscript program, where it is not the one on PATH."""


def find_rscript() -> str:
    """Return the path of the Rscript program: the one that ``LMMTOOLS_RSCRIPT`` names, else the one on PATH.

    Raises
    ------
    EngineError
        If there is none; the message says how to install R or where to name it.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if named:
        found = shutil.which(os.path.expanduser(named))
        if found is None:
            raise EngineError(
                f"{VARIABLE} is {named!r}, which is no program that can be run. Let it name the Rscript program of "
                "your R, or unset it to use the one on PATH."
            )
        return os.path.abspath(found)
    found = shutil.which("Rscript")
    if found is None:
        raise EngineError(
            f"{option('engine', 'lme4')} needs R, and there is no Rscript on PATH. Install R and, in R, run "
            'install.packages("lme4") (Debian, Ubuntu: apt-get install r-cran-lme4; conda: conda install -c '
            f"conda-forge r-lme4); if R is elsewhere, set {VARIABLE} to its Rscript program. Without R, use "
            f"{option('engine', 'pls')}."
        )
    return os.path.abspath(found)


def describe_missing_package(package: str, program: str, libraries: tuple[str, ...] = ()) -> str:
    """Return the sentence for an R without ``package``: how to install it, and where R looked."""
    where = f" R looked in {', '.join(libraries)}; set R_LIBS if it is installed elsewhere." if libraries else ""
    return (
        f'{program} runs, but its R has no package {package}. In R, run install.packages("{package}") (Debian, Ubuntu: '
        f"apt-get install r-cran-{package.lower()}; conda: conda install -c conda-forge r-{package.lower()}).{where}"
    )
