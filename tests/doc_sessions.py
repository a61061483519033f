"""Running the sessions that documentation shows: Python (``>>>``), the shell (``$``), R (``>`` in rconsole blocks).

``python -m tests.doc_sessions PAGE...`` writes into pages, and into docstrings of Python files, what a run of theirs
prints; read the difference before you commit it.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

from lmmtools import datasets
from lmmtools.cli import main as main_of_lmmtools

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
SHELL = 'lmmtools() { "$DOC_PYTHON" -m lmmtools "$@"; }\npython() { "$DOC_PYTHON" "$@"; }\n'
WIDTH = "100"  # columns of the terminal
# Words and double quotes in which a shell would replace nothing, and the pipes around the command that pages show.
CALL = re.compile(
    r"(?:cat (?P<given>[\w./-]+) \| )?"
    r'lmmtools(?P<words>(?: (?:[\w./:=,-]+|"[^"$`\\]*"))+)'
    r"(?: \| (?P<end>head|tail) -n (?P<count>[0-9]+)"
    r'|(?P<is_silent> > /dev/null)?(?P<has_status>; echo "status \$\?")?)'
)
# Prints what R would at its prompt, messages too.
R_START = 'options(width = 100); suppressPackageStartupMessages(library(lme4)); sink(stdout(), type = "message")\n'
R_MARK = "@@ next @@"


@dataclass(frozen=True)
class Example:
    """One input and what it printed.

    Attributes
    ----------
    kind : str
        ``"python"``, ``"shell"`` or ``"r"``.
    source, want : str
        Without prompts and indentation.
    first, last : int
        Lines of ``want``, half open, from 0.
    indent : str
        What stands before each line.
    """

    kind: str
    source: str
    want: str
    first: int
    last: int
    indent: str


def read_examples(text: str) -> list[Example]:
    """Return the examples of a page in order."""
    found = list(_python(text))
    found += _prompted(text, "console", "shell", r"\$ ", None)
    found += _prompted(text, "rconsole", "r", "> ", r"\+ ")
    return sorted(found, key=lambda e: e.first)


def blocks(text: str) -> list[tuple[str, str]]:
    """Return every code block: its language, and its content."""
    found = re.finditer(r"^( *)\.\. (?:code-block|code|sourcecode):: *(\S*)\n((?:\1 +.*\n|\n)*)", text, flags=re.M)
    return [(m[2], m[3]) for m in found]


def run(examples: list[Example], folder: Path) -> list[str]:
    """Return what each example prints, run in order, with ``folder`` as the working directory."""
    in_r = iter(_run_r([e.source for e in examples if e.kind == "r"], folder))
    names: dict[str, Any] = {"__name__": "__main__"}
    printed = []
    with (
        _working_in(folder),
        warnings.catch_warnings(),
        pd.option_context("display.width", 110, "display.max_columns", 12),
    ):
        warnings.simplefilter("ignore")
        for e in examples:
            if e.kind == "python":
                printed.append(_run_python(e.source, names))
            elif e.kind == "shell":
                call = CALL.fullmatch(e.source)
                printed.append(_run_shell(e.source) if call is None else _run_call(call))
            else:
                printed.append(next(in_r))
    return printed


def is_as_shown(example: Example, printed: str) -> bool:
    """Whether a page shows what was printed, up to white space; ``...`` stands for anything."""
    return doctest.OutputChecker().check_output(example.want, printed, FLAGS)


def renew(text: str, folder: Path) -> str:
    """Return a page with what its examples print in place of what it shows."""
    lines = text.splitlines(keepends=True)
    examples = read_examples(text)
    for e, printed in reversed(list(zip(examples, run(examples, folder), strict=True))):
        if not is_as_shown(e, printed):
            shown = _marked(e, printed).splitlines()
            lines[e.first : e.last] = [f"{e.indent}{line}".rstrip() + "\n" for line in shown]
    return "".join(lines)


def renew_docstrings(source: str, folder: Path) -> str:
    """Return a Python file with what its docstrings' examples print in place of what they show.

    Each docstring is a session of its own.
    """
    lines = source.splitlines(keepends=True)
    for node in reversed(_documented(ast.parse(source))):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        text = "".join(lines[first:last])
        if ">>> " in text:
            lines[first:last] = [renew(text, folder)]
    return "".join(lines)


def _documented(tree: ast.Module) -> list[ast.Expr]:
    """Return the docstrings of a module, its classes and functions, in order of their lines."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [n.body[0] for n in ast.walk(tree) if isinstance(n, owners) and ast.get_docstring(n) is not None]
    return sorted((n for n in found if isinstance(n, ast.Expr)), key=lambda n: n.lineno)


def _marked(example: Example, printed: str) -> str:
    """Python's sessions end at a blank line: one in the output is written <BLANKLINE>."""
    if example.kind != "python":
        return printed.strip("\n") + "\n" if printed.strip() else ""
    return re.sub(r"^[ \t]*$(?=\n)", "<BLANKLINE>", printed, flags=re.M)


def _python(text: str) -> Iterator[Example]:
    for e in doctest.DocTestParser().get_examples(text):
        first = e.lineno + e.source.count("\n")
        yield Example("python", e.source, e.want, first, first + e.want.count("\n"), " " * e.indent)


def _prompted(text: str, language: str, kind: str, prompt: str, more: str | None) -> Iterator[Example]:
    """Yield the examples of the blocks in one language: a prompt, lines that continue it, output up to the next."""
    lines = text.splitlines()
    i = 0
    while i < len(lines):
        start = re.match(rf"( *)\.\. code-block:: {language}$", lines[i])
        i += 1
        if not start:
            continue
        inside = re.compile(rf"{start[1]} +\S|\s*$")
        while i < len(lines) and inside.match(lines[i]):
            opened = re.match(rf"( +){prompt}(.*)", lines[i])
            i += 1
            if not opened:
                continue
            indent, source = opened[1], [opened[2]]
            while i < len(lines) and (
                (more and (m := re.match(indent + more + "(.*)", lines[i])))
                or (not more and source[-1].endswith("\\") and (m := re.match(f"{indent}(.*)", lines[i])))
            ):
                source.append(m[1])
                i += 1
            first = i
            while i < len(lines) and inside.match(lines[i]) and not re.match(indent + prompt, lines[i]):
                i += 1
            last = i
            while last > first and not lines[last - 1].strip():
                last -= 1
            want = "\n".join(line[len(indent) :] for line in lines[first:last])
            yield Example(kind, "\n".join(source), want + "\n" if want else "", first, last, indent)


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _run_python(source: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(source, "<docs>", "single"), names)
    except Exception as error:
        last = traceback.format_exception_only(error)
        return f"{out.getvalue()}Traceback (most recent call last):\n    ...\n{''.join(last)}"
    return out.getvalue()


def _run_call(call: re.Match[str]) -> str:
    """Return what a call of ``lmmtools`` prints, run in this process: a process of its own takes a second to start."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    given = Path(call["given"]).read_bytes() if call["given"] else b""
    with (
        mock.patch.dict(os.environ, COLUMNS=WIDTH),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        try:
            status = main_of_lmmtools(shlex.split(call["words"]))
        except SystemExit as left:
            status = int(left.code or 0)
    lines = [] if call["is_silent"] else out.getvalue().splitlines(keepends=True)
    if call["end"]:
        count = int(call["count"])
        lines = lines[:count] if call["end"] == "head" else lines[-count:]
    told = f"status {status}\n" if call["has_status"] else ""
    return "".join([err.getvalue(), *lines, told])


def _run_shell(source: str) -> str:
    home = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "DOC_PYTHON": sys.executable, "PYTHONPATH": path, "COLUMNS": WIDTH}
    done = subprocess.run(
        ["bash", "-c", SHELL + source],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout


def _run_r(sources: list[str], folder: Path) -> list[str]:
    if not sources:
        return []
    # A page reads data sets of the package as R's users read files.
    for name in set(re.findall(r'read\.csv\("(\w+)\.csv"', "\n".join(sources))) & set(datasets.names()):
        datasets.load(name).to_csv(folder / f"{name}.csv", index=False)
    parts = [f'withAutoprint({{\n{s}\n}}, echo = FALSE)\ncat("\\n{R_MARK}\\n")\n' for s in sources]
    with tempfile.NamedTemporaryFile("w", suffix=".R", delete=False) as script:
        script.write(R_START + "".join(parts))
    done = subprocess.run(
        ["Rscript", "--vanilla", script.name], capture_output=True, text=True, cwd=folder, timeout=300, check=False
    )
    os.unlink(script.name)
    printed = done.stdout.split(f"\n{R_MARK}\n")[:-1]
    if len(printed) != len(sources):
        raise RuntimeError(f"R stopped in example {len(printed) + 1}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return printed


def main(pages: list[str]) -> None:
    """Renew pages."""
    for page in map(Path, pages):
        with tempfile.TemporaryDirectory() as folder:
            renewed = renew_docstrings if page.suffix == ".py" else renew
            new = renewed(page.read_text(encoding="utf-8"), Path(folder))
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
