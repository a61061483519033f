"""``lmmtools lint`` of many files: folders, patterns, what cannot be read, options, comments, formats."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lmmtools.cli import COMMANDS, main
from lmmtools.linting.checkout import show_text
from lmmtools.linting.codes import CODES
from lmmtools.linting.formats.sarif import SCHEMA

START = "import statsmodels.formula.api as smf\n"
# Reads as (1|batch:cask): the groups have no intercept (warning), cask may be crossed (info).
WRONG = f'{START}m = smf.mixedlm("y ~ 1", df, groups="batch", vc_formula={{"cask": "0 + C(cask)"}}).fit()\n'
RIGHT = f'{START}fit = smf.mixedlm("y ~ x", df, groups=df["g"]).fit()\n'
CODES_OF_WRONG = ["no-group-intercept", "factor-inside"]


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": c} for c in cells], "metadata": {}, "nbformat": 4})


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A current folder, and a function that writes a file into it."""
    monkeypatch.chdir(tmp_path)

    def write(name: str, text: str | bytes) -> str:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


def lint(capsys, *words: str) -> tuple[int, str, str]:
    status = main(["lint", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def lint_json(capsys, *words: str) -> dict:
    return json.loads(lint(capsys, *words, "--json")[1])


def codes_of(call: dict) -> list[str]:
    return [f["code"] for f in call["findings"]]


def pipe(monkeypatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


# -- files ------------------------------------------------------------------------------------------------------------


def test_folders_are_searched_and_what_is_not_ones_own_is_passed_by(desk, capsys):
    wanted = ["src/a.py", "src/deep/b.ipynb", "src/c.pyw"]
    desk("src/a.py", WRONG), desk("src/deep/b.ipynb", notebook(WRONG)), desk("src/c.pyw", WRONG)
    desk("src/env/pyvenv.cfg", ""), desk("src/notes.txt", WRONG)
    for place in ("env/lib", ".git", "__pycache__", "node_modules", ".ipynb_checkpoints", "site-packages"):
        desk(f"src/{place}/other.py", WRONG)
    found = lint_json(capsys, "src")
    assert sorted(f["path"] for f in found["files"]) == sorted(wanted)
    assert {f["status"] for f in found["files"]} == {1}
    # A folder that is named is searched, whatever its name is.
    assert [f["path"] for f in lint_json(capsys, "src/site-packages")["files"]] == ["src/site-packages/other.py"]


def test_a_library_of_several_hundred_files_is_read_in_seconds_and_nothing_is_said_of_files_without_calls(capsys):
    import statsmodels

    folder = Path(statsmodels.__file__).parent
    before = time.process_time()
    found = lint_json(capsys, str(folder))["files"]
    # 5 s for 1,900 files with SciPy's.
    assert time.process_time() - before < 30
    assert len(found) > 300
    assert not any(file["status"] == 2 for file in found)
    with_calls = [file["path"] for file in found if file["calls"]]
    assert all(b"MixedLM" in Path(path).read_bytes() or b"MixedGLM" in Path(path).read_bytes() for path in with_calls)
    # The library's own tests fit odd models; nothing else calls them.
    assert {Path(path).parent.name for path in with_calls if json_codes(found, path)} <= {"tests"}


def json_codes(found: list[dict], path: str) -> list[str]:
    return [code for file in found if file["path"] == path for call in file["calls"] for code in codes_of(call)]


def test_a_pattern_finds_files_and_each_file_is_read_once(desk, capsys):
    desk("a.py", RIGHT), desk("sub/b.py", WRONG), desk("sub/c.txt", WRONG)
    found = lint_json(capsys, "**/*", "sub/b.py", "./a.py")
    assert sorted(f["path"] for f in found["files"]) == ["a.py", "sub/b.py"]
    status, _, error = lint(capsys, "*.ipynb")
    assert status == 2
    assert "*.ipynb: no Python file or notebook has such a name" in error


def test_what_cannot_be_read_is_named_and_does_not_stop_the_others(desk, capsys):
    names = [
        desk("broken.py", "smf.mixedlm(\n"),
        desk("encoding.py", b'# coding: utf-8\nsmf.mixedlm("\xff")\n'),
        desk("wide.py", WRONG.encode("utf-16")),
        desk("book.ipynb", '{"cells": "mixedlm"'),
        "missing.py",
        desk("data.csv", "mixedlm"),
        desk("wrong.py", WRONG),
    ]
    status, out, error = lint(capsys, *names)
    assert status == 2
    assert out.count("wrong.py, line 2") == 1
    assert out.endswith(
        "1 file read: 1 call of MixedLM in 1 of them, 0 errors, 1 warning and 1 info; 6 could not be read\n"
    )
    for name in names[:-1]:
        assert f"not read: {name}" in error
    found = lint_json(capsys, *names)
    assert found["status"] == 2
    assert [f["status"] for f in found["files"]] == [2] * 6 + [1]
    assert all(bool(f["error"]) is (f["status"] == 2) for f in found["files"])


def test_files_without_the_words_of_mixedlm_say_nothing_whatever_is_in_them(desk, capsys):
    desk("old.py", "print 'Python 2'\n"), desk("bytes.py", b"\xff\xfe\x00"), desk("book.ipynb", "{")
    status, out, error = lint(capsys, ".")
    assert (status, out, error) == (0, "3 files read: no call of MixedLM found\n", "")
    assert lint(capsys, ".", "--format", "concise") == (0, "", "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("letters.py", f'{START}smf.ｍixedlm("y ~ 1", df, groups="g")\n'),
        ("escaped.ipynb", notebook(RIGHT).replace("mixedlm", "\\u006dixedlm")),
        ("split.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": [*RIGHT.partition("ixed")]}]})),
        ("utf7.py", b"# coding: utf-7\n" + RIGHT.replace("mixedlm", "+AG0-ixedlm").encode()),
    ],
)
def test_the_test_of_words_misses_no_call(desk, capsys, name, text):
    desk(name, text)
    (file,) = lint_json(capsys, ".")["files"]
    assert len(file["calls"]) == 1


def test_one_file_is_reported_as_before(desk, capsys):
    desk("right.py", RIGHT)
    status, out, _ = lint(capsys, "right.py")
    assert status == 0
    assert out.startswith("right.py, line 2\n")
    assert "files read" not in out
    assert set(lint_json(capsys, "right.py")) == {"calls", "unread"}


def test_a_checkout_of_several_hundred_files_takes_seconds(desk, capsys):
    body = "".join(f"def f{i}(x):\n    return [x + {i} for _ in range(3)]\n" for i in range(300))
    for i in range(400):
        desk(f"p{i % 20}/m{i}.py", body)
    desk("p0/a.py", WRONG)
    before = time.process_time()
    status, out, _ = lint(capsys, ".")
    # Reading the words of the others takes a tenth of a second, parsing them ten.
    assert time.process_time() - before < 5
    assert status == 1
    assert "401 files read: 1 call of MixedLM in 1 of them" in out


# -- notebooks --------------------------------------------------------------------------------------------------------


def test_a_notebook_is_read_from_standard_input(desk, capsys, monkeypatch):
    pipe(monkeypatch, notebook("x = 1", WRONG))
    (call,) = lint_json(capsys, "-")["calls"]
    assert (call["place"], call["cell"], call["line"]) == ("-, cell 2, line 2", 2, 2)
    # A script may begin with a brace.
    pipe(monkeypatch, '{"cells": 1}.keys()\n' + WRONG)
    assert len(lint_json(capsys, "-")["calls"]) == 1


@pytest.mark.parametrize(
    "line",
    [
        "%time CALL",
        "%time m = CALL",
        "m = %time CALL",
        "%timeit -n 1 -r3 -q CALL",
        "%prun -s cumulative -l 20 -q CALL",
        "%prun CALL",
        "    %time CALL",
        "%memit -r 1 CALL",
        "%lprun -f len CALL",
        "%time --no-raise-error CALL",
    ],
)
def test_the_call_behind_a_magic_is_read_at_its_place(desk, capsys, line):
    call = 'smf.mixedlm("y ~ x", df, groups="g").fit(reml=False)'
    indented = f"if True:\n{line}" if line.startswith(" ") else f"é = 1\n{line}"
    desk("b.ipynb", notebook(f"{START}{indented.replace('CALL', call)}\n"))
    (found,) = lint_json(capsys, "b.ipynb")["calls"]
    assert found["lme4"] == "y ~ x + (1|g)"
    assert (found["line"], found["column"]) == (3, line.index("CALL") + 1)


def test_the_model_behind_a_magic_is_known_below_it(desk, capsys):
    desk("b.ipynb", notebook(f'{START}%time m = smf.mixedlm("y ~ x", df, groups="g")', "m.fit_regularized(alpha=1)"))
    (call,) = lint_json(capsys, "b.ipynb")["calls"]
    assert codes_of(call) == ["penalised"]


@pytest.mark.parametrize("line", ["%time ls -l", "%prun", "x = %time y = 1", "%%timeit ls -l"])
def test_what_is_no_python_behind_a_magic_does_not_hide_its_cell(desk, capsys, line):
    desk("b.ipynb", notebook(f"{line}\n{RIGHT}"))
    status, out, error = lint(capsys, "b.ipynb")
    assert (status, error) == (0, "")
    assert "reads as `y ~ x + (1|g)`" in out


def test_a_statement_behind_a_magic_of_the_cell_is_read(desk, capsys):
    desk(
        "b.ipynb", notebook(f"%%timeit -n 1 import statsmodels.formula.api as other\n{RIGHT.replace('smf.', 'other.')}")
    )
    assert lint_json(capsys, "b.ipynb")["calls"][0]["lme4"] == "y ~ x + (1|g)"


def test_columns_count_characters(desk, capsys):
    desk("a.py", START + 'größe = "µ"; m = smf.mixedlm("y ~ x", df, groups="g")\n')
    assert lint_json(capsys, "a.py")["calls"][0]["column"] == 18


# -- choosing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "codes"),
    [
        ((), 1, CODES_OF_WRONG),
        (("--select", "factor-inside"), 0, ["factor-inside"]),
        (("--ignore", "no-group-intercept"), 0, ["factor-inside"]),
        (("--ignore", "no-group-intercept, factor-inside"), 0, []),
        (("--select", "no-group-intercept,factor-inside", "--ignore", "factor-inside"), 1, ["no-group-intercept"]),
    ],
)
def test_codes_are_selected_and_ignored(desk, capsys, words, status, codes):
    desk("a.py", WRONG)
    (call,) = lint_json(capsys, "a.py", *words)["calls"]
    assert codes_of(call) == codes
    assert sorted(call["ignored"] + codes) == sorted(CODES_OF_WRONG)
    assert lint(capsys, "a.py", *words)[0] == status


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--select", "factor-insid"), "--select: lint has no code 'factor-insid'. Did you mean 'factor-inside'?"),
        (("--ignore", "E501"), "--ignore: lint has no code 'E501'. There are: badly-scaled, "),
        (("--ignore", ","), "--ignore names no code"),
    ],
)
def test_a_code_that_does_not_exist_is_an_error(desk, capsys, words, said):
    desk("a.py", WRONG)
    status, out, error = lint(capsys, "a.py", *words)
    assert (status, out) == (2, "")
    assert said in error


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("CALL  # lmmtools: ignore[no-group-intercept]", ["factor-inside"]),
        ("CALL  # noqa: E501  # lmmtools: ignore[no-group-intercept, factor-inside]", []),
        ("CALL  # lmmtools: ignore", []),
        ("# lmmtools: ignore[factor-inside]\nCALL", ["no-group-intercept"]),
        ("# lmmtools: ignore[factor-inside]\n\nCALL", CODES_OF_WRONG),
        ("x = 1  # lmmtools: ignore\nCALL", CODES_OF_WRONG),
        ("if x:  # lmmtools: ignore\n    CALL", CODES_OF_WRONG),
        ('s = "# lmmtools: ignore"; CALL', CODES_OF_WRONG),
        ("CALL  # lmmtools: ignored", CODES_OF_WRONG),
        ("m = (\n    CALL\n    .fit()\n)  # lmmtools: ignore[factor-inside]", ["no-group-intercept"]),
    ],
)
def test_a_comment_ignores_codes_of_the_statement_that_it_stands_in(desk, capsys, code, kept):
    call = 'smf.mixedlm("y ~ 1", df, groups="batch",\n  vc_formula={"cask": "0 + C(cask)"})'
    for name, text in (
        ("a.py", START + code.replace("CALL", call)),
        ("b.ipynb", notebook(START + code.replace("CALL", call))),
    ):
        desk(name, text)
        (found,) = lint_json(capsys, name)["calls"]
        assert codes_of(found) == kept
    assert ("ignored here: " in lint(capsys, "a.py")[1]) is (kept != CODES_OF_WRONG)


@pytest.mark.parametrize("inside", ["[factor-insid]", "[]", "[factor-inside"])
def test_a_comment_that_names_no_code_says_so(desk, capsys, inside):
    desk("a.py", WRONG.rstrip() + f"  # lmmtools: ignore{inside}\n")
    found = lint_json(capsys, "a.py")
    assert codes_of(found["calls"][0]) == CODES_OF_WRONG
    assert found["unread"][0].startswith("a.py, line 2: ")


def test_pyproject_chooses_codes_and_files(desk, capsys):
    desk("pyproject.toml", '[tool.lmmtools.lint]\nignore = ["factor-inside"]\nexclude = ["old", "src/gen_*.py"]\n'
         '[tool.lmmtools.lint.per-file-ignores]\n"tests/*" = ["no-group-intercept"]\n')  # fmt: skip
    for name in ("src/a.py", "src/gen_b.py", "src/old/c.py", "tests/d.py", "inner/e.py"):
        desk(name, WRONG)
    desk("inner/pyproject.toml", "[tool.other]\n")
    desk("own/pyproject.toml", '[tool.lmmtools.lint]\nselect = ["factor-inside"]\n')
    desk("own/f.py", WRONG)
    found = {f["path"]: codes_of(f["calls"][0]) for f in lint_json(capsys, ".")["files"]}
    assert found == {
        "./src/a.py": ["no-group-intercept"],
        "./tests/d.py": [],
        "./inner/e.py": ["no-group-intercept"],
        "./own/f.py": ["factor-inside"],
    }
    # The command line goes before the file; a file that is named is read.
    (call,) = lint_json(capsys, "src/old/c.py", "--ignore", "no-group-intercept")["calls"]
    assert codes_of(call) == ["factor-inside"]
    left = lint_json(capsys, ".", "--exclude", "src", "--exclude", "*.py")
    assert left["files"] == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('selct = ["x"]', "there is no option 'selct'; there are select, ignore, exclude, per-file-ignores"),
        ('select = ["x"]', "lint has no code 'x'"),
        ('ignore = "factor-inside"', "ignore is a list of texts"),
        ("per-file-ignores = 3", "per-file-ignores is a table"),
        ("exclude = [", "is no TOML"),
    ],
)
def test_a_wrong_option_in_pyproject_is_an_error_that_names_the_file(desk, capsys, table, said):
    desk("pyproject.toml", f"[tool.lmmtools.lint]\n{table}\n"), desk("a.py", WRONG)
    for words in (["a.py"], ["."]):
        status, out, error = lint(capsys, *words)
        assert (status, out) == (2, "")
        assert "pyproject.toml" in error
        assert said in error


# -- formats ----------------------------------------------------------------------------------------------------------


def test_concise_is_a_line_for_each_finding(desk, capsys):
    desk("a.py", WRONG), desk("b.ipynb", notebook("x = 1", WRONG))
    status, out, _ = lint(capsys, "a.py", "b.ipynb", "--format", "concise")
    lines = out.splitlines()
    assert status == 1
    assert [line.split(" ")[0] for line in lines[:2]] == ["a.py:2:5:", "a.py:2:5:"]
    assert lines[0].startswith("a.py:2:5: no-group-intercept vc_formula is given without re_formula: batch ")
    assert lines[2].startswith("b.ipynb:cell 2:2:5: no-group-intercept ")
    assert len(lines) == 4


def test_names_of_files_cannot_forge_lines(desk, capsys):
    name = desk("a\nx.py:1:1: groups-list \x1b[2J.py", WRONG)
    for words in ([name, "--format", "concise"], [".", "--format", "concise"], [name], ["."]):
        out = lint(capsys, *words)[1]
        assert "\x1b" not in out
        assert not any(line.startswith("x.py") for line in out.splitlines())
    assert show_text("a\x1b\n\u202eb") == "a\\x1b \\u202eb"


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="names are bytes on Linux")
def test_names_of_files_need_not_be_text(desk, capsys):
    Path(os.fsdecode(b"caf\xe9.py")).write_text(WRONG)
    for format_ in ("concise", "full", "json", "sarif"):
        status, out, _ = lint(capsys, ".", "--format", format_)
        assert status == 1
        out.encode("utf-8")


# What SARIF 2.1.0 requires of the objects that lint writes (sections 3.13 to 3.58): properties with their types, "!" if
# they must be there; no others of these objects are written.
URI = {"type": "string", "pattern": "^[A-Za-z0-9%/_.~:-]+$"}
MESSAGE = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}


def closed(required: str, **properties: dict) -> dict:
    return {"type": "object", "required": required.split(), "properties": properties, "additionalProperties": False}


def array(items: dict) -> dict:
    return {"type": "array", "items": items}


COUNT = {"type": "integer", "minimum": 1}
PHYSICAL = closed(
    "artifactLocation",
    artifactLocation=closed("uri", uri=URI, uriBaseId={"type": "string"}),
    region=closed("startLine", startLine=COUNT, startColumn=COUNT),
)
LOCATIONS = array(
    closed("", physicalLocation=PHYSICAL, logicalLocations=array(closed("name", name={"type": "string"})))
)
RULE = closed(
    # Code hosts require the texts too.
    "id shortDescription fullDescription help",
    id={"type": "string"},
    shortDescription=MESSAGE,
    fullDescription=MESSAGE,
    help=MESSAGE,
    defaultConfiguration=closed("", level=LEVEL),
)
RESULT = closed(
    "message ruleId locations",
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={**LOCATIONS, "minItems": 1},
)
RUN = closed(
    "tool results",
    tool=closed(
        "driver",
        driver=closed(
            "name", name={"const": "lmmtools"}, version={"type": "string"}, rules={**array(RULE), "uniqueItems": True}
        ),
    ),
    invocations=array(
        closed(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications=array(closed("message", level=LEVEL, message=MESSAGE, locations=LOCATIONS)),
        )
    ),
    results=array(RESULT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
)
LOG = closed("version runs", **{"$schema": {"const": SCHEMA}, "version": {"const": "2.1.0"}, "runs": array(RUN)})


def test_sarif_has_the_structure_that_the_standard_requires(desk, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    desk("src/a b.py", WRONG), desk("src/c.ipynb", notebook("x = 1", WRONG, "mixedlm(")), desk("src/d.py", "mixedlm(")
    status, out, _ = lint(capsys, "src", "--format", "sarif")
    assert status == 2
    log = json.loads(out)
    jsonschema.validate(log, LOG)
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == list(CODES)
    assert [r["ruleId"] for r in run["results"]] == CODES_OF_WRONG * 2
    assert all(rules[r["ruleIndex"]] == r["ruleId"] for r in run["results"])
    assert [r["level"] for r in run["results"]] == ["warning", "note"] * 2
    places = [r["locations"][0]["physicalLocation"] for r in run["results"]]
    assert places[0]["artifactLocation"] == {"uri": "src/a%20b.py", "uriBaseId": "%SRCROOT%"}
    assert places[0]["region"] == {"startLine": 2, "startColumn": 5}
    assert run["results"][2]["message"]["text"].startswith("cell 2, line 2: ")
    (invocation,) = run["invocations"]
    assert not invocation["executionSuccessful"]
    assert [n["level"] for n in invocation["toolExecutionNotifications"]] == ["error", "warning"]


@pytest.mark.parametrize(
    "write",
    [
        lambda lines: json.dumps(book(lines), indent=1),
        lambda lines: json.dumps(book(lines), indent=1, ensure_ascii=False),
        lambda lines: json.dumps(book(["".join(lines)]), indent=1),
        lambda lines: json.dumps(book("".join(lines)), indent=None),
        lambda lines: json.dumps(book(lines), indent=1).replace("\n", "\r\n"),
        lambda lines: json.dumps({"worksheets": [{"cells": old(lines)}], "metadata": {}, "nbformat": 3}, indent=1),
    ],
)
def test_sarif_has_the_place_of_a_call_in_the_notebook_s_file(desk, capsys, write):
    line = '%time é = "\\t😀"; m = smf.mixedlm("y ~ 1", df, groups="batch", vc_formula={"cask": "0 + C(cask)"})\n'
    text = write([START, "\n", "# a\tb\n", line, "m.fit()"])
    desk("b.ipynb", text)
    (found, _) = json.loads(lint(capsys, "b.ipynb", "--format", "sarif")[1])["runs"][0]["results"]
    region = found["locations"][0]["physicalLocation"]["region"]
    rows = text.split("\n")
    assert rows[region["startLine"] - 1][region["startColumn"] - 1 :].startswith('smf.mixedlm(\\"y ~ 1')
    assert found["locations"][0]["logicalLocations"] == [{"name": "cell 2, line 4"}]
    assert found["message"]["text"].startswith("cell 2, line 4: ")


def book(source) -> dict:
    """A notebook whose second cell has a source, with text like a cell's in an output and in metadata."""
    other = {"cells": [{"source": ["smf.mixedlm("]}]}
    code = {"cell_type": "code", "metadata": other, "source": source, "outputs": [{"text": ["smf.mixedlm("]}]}
    return {"metadata": other, "cells": [{"cell_type": "markdown", "source": ["a [ { , \\ "]}, code], "nbformat": 4}


def old(source) -> list[dict]:
    return [{"cell_type": "heading", "source": ["A"]}, {"cell_type": "code", "input": source, "language": "python"}]


def test_standard_input_has_the_name_that_it_is_given(desk, capsys, monkeypatch):
    desk("src/pyproject.toml", '[tool.lmmtools.lint]\nper-file-ignores = {"a.py" = ["factor-inside"]}\n')
    pipe(monkeypatch, WRONG)
    found = lint_json(capsys, "-", "--stdin-filename", "src/a.py")
    assert codes_of(found["calls"][0]) == ["no-group-intercept"]
    assert found["calls"][0]["place"] == "src/a.py, line 2"
    pipe(monkeypatch, WRONG)
    status, out, _ = lint(capsys, "-", "--stdin-filename", "src/a.py", "--format", "concise")
    assert out.startswith("src/a.py:2:5: no-group-intercept ")
    assert status == 1
    pipe(monkeypatch, "{}")
    assert "src/a.ipynb is no notebook" in lint(capsys, "-", "--stdin-filename", "src/a.ipynb")[2]
    pipe(monkeypatch, notebook("x = 1", WRONG))
    result = json.loads(lint(capsys, "-", "--stdin-filename", "b.ipynb", "--format", "sarif")[1])["runs"][0]["results"][
        0
    ]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "b.ipynb"
    assert "--stdin-filename names what comes on standard input" in lint(capsys, "b.py", "--stdin-filename", "a.py")[2]


def test_sarif_of_one_file_and_of_none_is_valid(desk, capsys):
    jsonschema = pytest.importorskip("jsonschema")
    desk("a.py", RIGHT), Path("empty").mkdir()
    for path in ("a.py", "empty", str(Path("a.py").resolve())):
        status, out, _ = lint(capsys, path, "--format", "sarif")
        assert status == 0
        jsonschema.validate(json.loads(out), LOG)
        assert json.loads(out)["runs"][0]["results"] == []


# -- pre-commit -------------------------------------------------------------------------------------------------------


def test_the_hook_of_pre_commit_runs_the_command(desk, capsys):
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((Path(__file__).parents[3] / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {"id", "name", "entry", "language"} <= set(hook)
    program, *words = hook["entry"].split()
    assert program == "lmmtools"
    assert words[0] in COMMANDS
    desk("a.py", WRONG), desk("b.py", RIGHT)
    assert main([*words, "a.py", "b.py"]) == 1
    assert main([*words, "b.py"]) == 0
