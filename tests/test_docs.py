"""What the documentation shows is what a run prints, and it names everything public."""

from __future__ import annotations

import ast
import csv
import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from functools import cached_property
from pathlib import Path

import pytest

import lmmtools
from lmmtools import errors
from lmmtools.linting.codes import CODES
from tests import doc_sessions, lint_page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [p for p in sorted(DOCS.rglob("*.rst")) if p.relative_to(DOCS).parts[0] not in {"_build", "_templates", "api"}]
IDS = [p.relative_to(DOCS).as_posix() for p in PAGES]
# Records that others hold for their own work: how a profile was computed, the parts of a printed table, the names of a
# script (the scope of a certificate is a word), where data are held; methods return fits as ``LMMResults``.
INSIDE = {
    "ColumnsLater",
    "Fit",
    "Given",
    "Prepared",
    "Coordinates",
    "Parameter",
    "Part",
    "Path",
    "Rows",
    "Scope",
    "Stream",
}
# A block in another language would not be run.
RUN = {"console", "rconsole"}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_page_shows_what_a_run_prints(page, tmp_path):
    examples = [e for e in doc_sessions.read_examples(page.read_text(encoding="utf-8")) if e.kind != "r"]
    printed = doc_sessions.run(examples, tmp_path)
    wrong = [
        f"line {e.first}: {e.source}\nshown:\n{e.want}\nprinted:\n{got}"
        for e, got in zip(examples, printed, strict=True)
        if not doc_sessions.is_as_shown(e, got)
    ]
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_code_block_is_one_that_is_run(page):
    text = page.read_text(encoding="utf-8")
    others = [content for language, content in doc_sessions.blocks(text) if language not in RUN]
    assert not others
    literal = re.findall(r"^(?!\.\. ).*::\n\n((?: +.*\n)+)", text, flags=re.M)
    assert all(">>> " in block for block in literal), literal


def test_a_wrong_number_in_a_page_is_found(tmp_path):
    text = ">>> 6 * 7\n41\n\n.. code-block:: console\n\n   $ echo shown\n   other\n"
    examples = doc_sessions.read_examples(text)
    printed = doc_sessions.run(examples, tmp_path)
    assert [doc_sessions.is_as_shown(e, p) for e, p in zip(examples, printed, strict=True)] == [False, False]
    assert doc_sessions.renew(text, tmp_path) == text.replace("41", "42").replace("other", "shown")


def test_a_command_prints_the_same_within_the_process_as_from_a_shell(tmp_path):
    lmmtools.datasets.load("Pastes").to_csv(tmp_path / "pastes.csv", index=False)
    calls = [
        'lmmtools translate "y ~ x + (1|g)"; echo "status $?"',
        "cat pastes.csv | lmmtools structure - batch cask | tail -n 3",
        'lmmtools fit none.csv "y ~ x + (1|g)" > /dev/null; echo "status $?"',
    ]
    # A line with a comment is run by a shell.
    text = "".join(f".. code-block:: console\n\n   $ {call}\n   $ {call} # shell\n\n" for call in calls)
    examples = doc_sessions.read_examples(text)
    assert [bool(doc_sessions.CALL.fullmatch(e.source)) for e in examples] == [True, False] * 3
    printed = doc_sessions.run(examples, tmp_path)
    assert printed[::2] == printed[1::2]
    assert "none.csv" in printed[-1]
    assert printed[-1].endswith("status 2\n")


def test_every_public_name_is_in_the_api_reference():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), flags=re.M))
    modules = {"datasets", "errors", "exercises", "plots", "tables", "__version__"}
    raised = {name for name in lmmtools.__all__ if name.endswith(("Error", "Warning"))}
    assert set(lmmtools.__all__) - modules - raised <= listed
    assert set(lmmtools.plots.__all__) | set(lmmtools.tables.__all__) <= listed


def listed_classes() -> dict[str, type]:
    """Return the classes that the API reference lists, by name."""
    text = (DOCS / "api.rst").read_text(encoding="utf-8")
    places = [name.rpartition(".") for name in re.findall(r"^   ([\w.]+)$", text, flags=re.M)]
    found = {
        name: vars(importlib.import_module(f"lmmtools.{at}".rstrip("."))).get(name) for at, _, name in places if at
    }
    found |= {name: getattr(lmmtools, name, None) for at, _, name in places if not at}
    return {name: value for name, value in found.items() if isinstance(value, type)}


def test_what_the_records_hold_is_in_the_api_reference():
    public = set()
    for module in pkgutil.walk_packages(lmmtools.__path__, "lmmtools."):
        # Needs marginaleffects.
        if module.name.rpartition(".")[2] not in {"__main__", "model"}:
            # Some names are loaded when they are first used.
            found = importlib.import_module(module.name)
            public |= {name for name in getattr(found, "__all__", ()) if isinstance(getattr(found, name), type)}
    listed = listed_classes()
    assert len(listed) > 50
    missing = {
        f"{record.__name__}.{field.name}: {name}"
        for record in filter(dataclasses.is_dataclass, listed.values())
        for field in dataclasses.fields(record)
        if not field.name.startswith("_")
        for name in set(re.findall(r"\w+", str(field.type))) & public - INSIDE - set(listed)
    }
    assert not missing


# Classes whose members have pages that people read one by one.
FACES = ("Model", "LMMResults", "FitPlots")
NEEDS = {"etable": "maketables", "MarginalEffects": "marginaleffects", "stargazer": "stargazer"}
# The warnings of situations that few lines do not lead to.
WITHOUT_EXAMPLE = {
    "AgreementWarning",
    "CodingWarning",
    "ConvergenceWarning",
    "DroppedColumnsWarning",
    "FewDrawsWarning",
    "ProfileLimitWarning",
    "ReproducedWarning",
    "StructureWarning",
}


def is_raised(value: object) -> bool:
    """Whether something is an error or a warning of lmmtools."""
    return isinstance(value, type) and issubclass(value, (errors.LmmError, errors.LmmWarning))


def listed_objects() -> dict[str, object]:
    """Return what the API reference lists, and the members of the classes that are used through them, by name."""
    found: dict[str, object] = {}
    module = "lmmtools"
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.rpartition(" ")[2]
        elif re.fullmatch(r"   [\w.]+", line):
            home, _, name = f"{module}.{line.strip()}".rpartition(".")
            found[f"{home}.{name}"] = getattr(importlib.import_module(home), name)
    found |= {f"lmmtools.errors.{e.__name__}": e for e in vars(errors).values() if is_raised(e)}
    for path, value in list(found.items()):
        if isinstance(value, type) and value.__name__ in FACES:
            for name in (n for n in dir(value) if not n.startswith("_") and n != "marginal"):
                member = inspect.getattr_static(value, name)
                # Names of statsmodels that only say what to write instead are neither.
                if isinstance(member, (property, cached_property, classmethod)) or inspect.isfunction(member):
                    found[f"{path}.{name}"] = member
    return found


OBJECTS = {path: o for path, o in listed_objects().items() if path.rpartition(".")[2] not in WITHOUT_EXAMPLE}


@pytest.mark.parametrize("path", OBJECTS)
def test_docstring_of_public_name_ends_with_an_example_that_prints_what_it_shows(path, tmp_path):
    name = path.rpartition(".")[2]
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    if name == "MarginalEffects" and int(pytest.importorskip("polars").__version__.partition(".")[0]) > 1:
        pytest.skip("marginaleffects 0.6 needs polars < 2")
    text = inspect.getdoc(OBJECTS[path]) or ""
    _, _, example = text.partition("Examples\n--------\n")
    examples = doc_sessions.read_examples(example)
    assert examples, f"the docstring of {path} has no section Examples"
    printed = doc_sessions.run(examples, tmp_path)
    shown = "\n".join(f"{e.source}shown:\n{e.want}printed:\n{got}" for e, got in zip(examples, printed, strict=True))
    assert all(doc_sessions.is_as_shown(e, got) for e, got in zip(examples, printed, strict=True)), shown
    assert not any(got.startswith("Traceback") for got in printed), shown


def test_every_public_name_has_others_to_see(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    kin = importlib.import_module("see_also").relatives()
    alone = [p for p, o in OBJECTS.items() if "See Also" not in (inspect.getdoc(o) or "") and not kin.get(p)]
    assert alone == []
    assert [n for names in kin.values() for n in names if not is_there(n)] == []


def test_a_wrong_number_in_a_docstring_is_found_and_renewed(tmp_path):
    source = 'def f():\n    """Return 42.\n\n    Examples\n    --------\n    >>> 6 * 7\n    41\n    """\n'
    assert doc_sessions.renew_docstrings(source, tmp_path) == source.replace("    41\n", "    42\n")


def evidence(cell: str) -> Path:
    """Return the file that a table's cell names, after checking that it has the test named."""
    file, _, test = cell.partition("::")
    path = DOCS.parent / file
    assert path.exists(), cell
    assert not test or f"def {test}(" in path.read_text(encoding="utf-8"), cell
    return path


def codes_of_lint() -> dict[str, set[str]]:
    """Return the severities of each code of a finding that a module of lint makes, as its source names them."""
    found: dict[str, set[str]] = {}
    for path in (Path(lmmtools.__file__).parent / "linting").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Finding":
                code, severity = call.args[:2]
                texts = {n.value for n in ast.walk(severity) if isinstance(n, ast.Constant)}
                arms = [code.body, code.orelse] if isinstance(code, ast.IfExp) else [code]
                for arm in arms:
                    found.setdefault(ast.literal_eval(arm), set()).update(texts & {"error", "warning", "info"})
    return found


def test_every_code_of_lint_is_described_with_its_severities():
    listed = {c.name: set(re.findall(r"\b(?:error|warning|info)\b", c.severity)) for c in CODES.values()}
    assert listed == codes_of_lint()
    assert list(listed) == sorted(listed)
    for code in CODES.values():
        assert all((code.wrong, code.harm, code.cure)), code.name


def test_the_page_of_codes_has_every_code_with_its_harm_and_its_cure_and_no_other():
    page = (DOCS / "guide" / "lint_codes.rst").read_text(encoding="utf-8")
    assert page == lint_page.write_page(), "renew it: python -m tests.lint_page"
    assert re.findall(r"^\.\. _lint-(.+):$", page, flags=re.M) == list(CODES)


def test_every_file_that_the_map_names_exists():
    named = re.findall(r"``([a-z][\w.]*/[\w/.]*)``", (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8"))
    assert len(set(named)) > 40
    folders = [ROOT, ROOT / "lmmtools", *(p for p in (ROOT / "lmmtools").iterdir() if p.is_dir())]
    kinds = [n for n in named if "NAME" not in n and "NOUN" not in n]
    assert [n for n in kinds if not any((f / n).exists() or (f / f"{n}.py").exists() for f in folders)] == []


def is_there(name: str) -> bool:
    """Return whether a dotted name is that of a module of the package, or of something that is in one."""
    parts = name.split(".")
    paths = [ROOT.joinpath(*parts[:i]) for i in range(1, len(parts) + 1)]
    n_modules = sum(p.is_dir() or any(p.with_suffix(end).is_file() for end in (".py", ".pyx")) for p in paths)
    if n_modules == len(parts):
        return True
    found = importlib.import_module(".".join(parts[:n_modules]))
    for part in parts[n_modules:]:
        if part in getattr(found, "__annotations__", {}):
            return True
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_every_dotted_name_of_the_package_in_text_is_there():
    assert is_there("lmmtools.fit.record.Fit.objective")
    assert not is_there("lmmtools.fit.record.Fit.objectives")
    assert not is_there("lmmtools.fit.records")
    folders = [p for folder in ("lmmtools", "docs", "benchmarks") for p in sorted((ROOT / folder).rglob("*"))]
    texts = [
        p for p in [*folders, *ROOT.glob("*.rst"), ROOT / "pyproject.toml"] if p.suffix in {".py", ".rst", ".toml"}
    ]
    wrong = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in texts
        if path.name != "CHANGELOG.rst"
        for name in set(re.findall(r"(?<![\w./])lmmtools(?:\.\w+)+", path.read_text(encoding="utf-8")))
        if name != "lmmtools.css" and not is_there(name)
    ]
    assert wrong == []


@pytest.mark.parametrize("table", sorted((DOCS / "tables").glob("features_*.csv")), ids=lambda p: p.stem)
def test_every_feature_claimed_has_its_test_and_no_cell_is_empty(table):
    with table.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines)
    for row in rows:
        assert len(row) == len(head), row
        assert all(re.fullmatch(r"(✓|✗|\?|–|cannot|[\d.]+)( \[#\w+\]_)?", cell) for cell in row[1:]), row
        name, _, shown_by = row[0].partition("\n\n")
        if row[1].startswith("✗"):
            assert shown_by.startswith(":doc:"), name
        else:
            evidence(shown_by.strip("`"))


def inference_rows() -> list[list[str]]:
    rows = []
    for table in sorted((DOCS / "tables").glob("inference_*.csv")):
        with table.open(encoding="utf-8", newline="") as lines:
            rows += list(csv.reader(lines))[1:]
    return rows


def test_inference_has_every_export_and_method_of_rs_packages():
    record = json.loads((DOCS.parent / "tests" / "reference" / "r_exports.json").read_text(encoding="utf-8"))
    offered = {name for part in ("exports", "methods") for names in record[part].values() for name in names}
    listed = [name for row in inference_rows() for name in re.findall("``([^`]+)``", row[0])]
    assert offered - set(listed) == set()
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("row", inference_rows(), ids=lambda row: row[1])
def test_inference_has_a_call_that_exists_or_a_reason(row):
    assert all(row)
    mark, _, text = row[2].partition(" ")
    assert mark in {"✓", "✗"}
    assert len(text) > 10
    attributes = re.findall(r"(?<![.\w])fit\.(\w+)", text)
    functions = re.findall(r"(?<![.\w])lmt\.(\w+)", text)
    plots = re.findall(r"fit\.plot\.(\w+)", text)
    assert mark == "✗" or attributes or functions or "contrasts" in text or "max_iter" in text
    assert all(hasattr(lmmtools.LMMResults, name) or name in fields() for name in attributes), attributes
    assert all(hasattr(lmmtools, name) for name in functions), functions
    assert all(hasattr(lmmtools.plots.FitPlots, name) for name in plots), plots


def fields() -> set[str]:
    return {field.name for field in dataclasses.fields(lmmtools.LMMResults)}


def test_the_gallery_has_every_plot():
    """The build of the documentation runs its code."""
    shown = set(re.findall(r"\.plots?\.(\w+)\(", (DOCS / "guide" / "gallery.rst").read_text(encoding="utf-8")))
    assert set(lmmtools.plots.__all__) - shown == {"FitPlots", "checks"}


@pytest.mark.parametrize("page", ["from_lme4.rst", "from_statsmodels.rst"])
def test_every_call_in_the_tables_of_calls_exists(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    calls = set(re.findall(r"``(fm|fit|lmt)((?:\.\w+)+)", text))
    assert len(calls) > 20
    for start, names in calls:
        first, *rest = names.strip(".").split(".")
        owner = lmmtools if start == "lmt" else lmmtools.LMMResults
        assert hasattr(owner, first) or first in fields(), f"{start}{names}"
        if first == "plot":
            assert all(hasattr(lmmtools.plots.FitPlots, name) for name in rest), f"{start}{names}"


def test_citation_names_this_version():
    text = (DOCS.parent / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {lmmtools.__version__}\n" in text
