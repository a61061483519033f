"""What an editor and a notebook show: signatures with their options, objects as HTML, errors as the caller's line."""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt


@pytest.fixture(scope="module")
def model() -> lmt.Model:
    return lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2"))


@pytest.fixture(scope="module")
def fit(model) -> lmt.LMMResults:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        return model.fit()


def public_calls() -> dict[str, object]:
    """Functions and methods that users call, by name."""
    found = {n: getattr(lmt, n) for n in lmt.__all__ if inspect.isfunction(getattr(lmt, n))}
    for cls in (lmt.Model, lmt.LMMResults):
        found |= {
            f"{cls.__name__}.{n}": f for n, f in inspect.getmembers(cls, inspect.isfunction) if not n.startswith("_")
        }
    return found


@pytest.mark.parametrize("name", public_calls())
def test_no_public_call_hides_its_options(name) -> None:
    signature = inspect.signature(public_calls()[name])
    for parameter in signature.parameters.values():
        assert parameter.kind is not parameter.VAR_KEYWORD, parameter
    for parameter in signature.parameters.values():
        assert parameter.name == "self" or parameter.annotation is not parameter.empty, parameter


# Options of text: what a call takes beside names of columns, formulas and paths.
OPTIONS = (
    "ddf",
    "engine",
    "method",
    "adjust",
    "side",
    "kind",
    "unseen",
    "interval",
    "conf_method",
    "na_action",
    "test",
)


@pytest.mark.parametrize("name", public_calls())
def test_options_of_text_are_listed_in_the_signature(name) -> None:
    for parameter in inspect.signature(public_calls()[name]).parameters.values():
        if parameter.name in OPTIONS:
            assert re.search(r"Literal\[|\bAdjust\b|\bMethod\b", str(parameter.annotation)), (name, parameter)


def test_the_options_listed_are_those_taken() -> None:
    from lmmtools.inference.degrees import DDF
    from lmmtools.inference.marginal import adjust, contrast_methods

    assert set(typing.get_args(adjust.Adjust)) == set(adjust._OPTIONS) - {"fdr_bh"}  # another word for "fdr"
    assert set(typing.get_args(contrast_methods.Method)) == set(contrast_methods._METHODS)
    for function in (lmt.LMMResults.tests, lmt.LMMResults.anova, lmt.LMMResults.conf_int):
        listed = re.search(r"Literal(\[.*\])", str(inspect.signature(function).parameters["ddf"].annotation))
        assert set(typing.get_args(eval(f"typing.Literal{listed[1]}"))) == set(typing.get_args(DDF))


def test_predict_has_one_overload_for_each_kind_of_answer() -> None:
    overloads = typing.get_overloads(lmt.LMMResults.predict) if hasattr(typing, "get_overloads") else []
    if overloads:
        assert [str(o.__annotations__["return"]) for o in overloads] == ["pd.Series[float]", "pd.DataFrame"]


def test_an_editor_shows_the_signature_and_the_names() -> None:
    jedi = pytest.importorskip("jedi")
    code = "import lmmtools as lmt\nfit = lmt.LMMResults()\nfit.tests("
    (signature,) = jedi.Interpreter(code, [{"lmt": lmt}]).get_signatures(3, len("fit.tests("))
    assert '"kenward-roger"' in signature.to_string()
    names = {c.name for c in jedi.Interpreter("lmt.", [{"lmt": lmt}]).complete(1, 4)}
    assert {"lmm", "datasets", "anova"} <= names
    assert not {"Any", "importlib", "TYPE_CHECKING", "annotations"} & names


class Balanced(HTMLParser):
    """Reads HTML and notes tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.open.append(tag)
        self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda m, f: m, ["Yield ~ 1 + (1 | Batch)", "30", "6 levels", "Dyestuff2", "fit() fits it"]),
        (lambda m, f: m.design, ["Design", "Yield ~ 1 + (1 | Batch)", "(1 | Batch): 6 levels"]),
        (lambda m, f: f.certificate, ["theta is an optimum", "smallest curvature"]),
        (lambda m, f: f.boundary, ["zero variance", "Batch", "derivative there"]),
    ],
    ids=["model", "design", "certificate", "boundary"],
)
def test_objects_are_shown_as_html(model, fit, of, words) -> None:
    html = of(model, fit)._repr_html_()
    reader = Balanced()
    reader.feed(html)
    assert reader.open == []
    assert "table" in reader.tags
    for word in words:
        assert word in html


def test_names_of_the_data_are_escaped() -> None:
    data = pd.DataFrame({"y": np.arange(8.0) ** 2, "<b>": list("aabbccdd")})
    html = lmt.lmm("y ~ 1 + (1 | `<b>`)", data)._repr_html_()
    assert "<b>" not in html
    assert "&lt;b&gt;" in html


def test_a_design_is_printed_in_a_line(model) -> None:
    assert repr(model.design) == "<Design Yield ~ 1 + (1 | Batch): 30 rows, 1 fixed effects, 6 random effects>"


def run_cell(shell, code: str) -> str:
    """Return what a notebook shows of a cell that fails."""
    shown: list[list[str]] = []
    shell._showtraceback = lambda etype, value, stb: shown.append(stb)
    shell.run_cell(code, store_history=True)
    return "\n".join(shown[-1])


@pytest.fixture(scope="module")
def shell():
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    found = interactive.InteractiveShell.instance()
    found.run_cell("import lmmtools as lmt\ndata = lmt.datasets.load('sleepstudy')")
    yield found
    interactive.InteractiveShell.clear_instance()


def test_an_error_in_a_notebook_is_the_callers_line_and_the_message(shell) -> None:
    text = run_cell(shell, "x = 1\nlmt.lmm('Reaction ~ Day + (1 | Subject)', data)")
    lines = text.split("\n")
    assert len(lines) <= 8
    assert "----> 2 lmt.lmm('Reaction ~ Day + (1 | Subject)', data)" in text
    assert "lmmtools.DataError: The data have no column 'Day', which the model uses. Did you mean 'Days'?" in text
    assert "site-packages" not in text
    assert "build_design" not in text
    assert re.search(r"Cell In\s?\[\d+\], line 2", text)


def test_the_whole_traceback_can_be_had(shell) -> None:
    run_cell(shell, "lmt.lmm('Reaction ~ Day + (1 | Subject)', data)")
    whole = run_cell(shell, "%tb")
    assert "build_design" in whole
    assert "Did you mean 'Days'?" in whole


def test_lines_of_the_users_own_functions_are_shown(shell) -> None:
    text = run_cell(shell, "def mine(d):\n    return lmt.lmm('Reaction ~ Day + (1 | Subject)', d)\nmine(data)")
    assert "----> 3 mine(data)" in text
    assert "----> 2 return lmt.lmm('Reaction ~ Day + (1 | Subject)', d)" in text
    assert "in mine" in text


def test_an_unknown_name_is_shown_in_short_too(shell) -> None:
    text = run_cell(shell, "lmt.lmer")
    assert len(text.split("\n")) <= 6
    assert "lmmtools has no lmer: write lmt.lmm(formula, data).fit()" in text


def listed(name: str, parameter: inspect.Parameter) -> tuple[set[str], set[str]]:
    """Return the options of text that the docstring and the signature of a call list for a parameter."""
    doc = inspect.getdoc(public_calls()[name]) or ""
    line = re.search(rf"^{parameter.name} : .*?\{{(.*?)\}}", doc, flags=re.M)
    told = set(re.findall(r'"([^"]*)"', line[1])) if line and "..." not in line[1] else set()
    return told, set(
        re.findall(r"""["']([^"']*)["']""", "".join(re.findall(r"Literal\[(.*?)\]", str(parameter.annotation))))
    )


@pytest.mark.parametrize("name", public_calls())
def test_the_docstring_and_the_signature_list_the_same_options(name) -> None:
    for parameter in inspect.signature(public_calls()[name]).parameters.values():
        told, shown = listed(name, parameter)
        if told and shown:
            assert told == shown, (name, parameter.name)
