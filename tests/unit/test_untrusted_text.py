"""Text of somebody else is never run: every text field of every entry point, tried with some sixty ways to reach code.

Each way would make a file, were it evaluated by Python or R; no file may appear, and what is raised is an `LmmError`.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.engines.mixedlm import MixedLMSpec, make_model
from lmmtools.results.stored_prediction import checksum

# Printed tables with a name in each.
TABLES = (
    "Type III Analysis of Variance Table with Satterthwaite's method\n"
    "      Sum Sq Mean Sq NumDF DenDF F value Pr(>F)\nTERM  1 1 1 17 45.853 0.1\n",
    "Groups Name Std.Dev.\nTERM (Intercept) 42.0\nResidual 49.5\n",
    "$TERM\n (Intercept)\nTERM 2.0\nb -2.0\n",
    " 2.5 % 97.5 %\nTERM 2.0 3.0\n",
    "TERM = TERM:\n TERM emmean SE df\n TERM 2.0 1.0 5\n",
)
MAKE = "__import__('pathlib').Path('made').touch()"
OPEN = "open('made','w')"
WAYS = [
    MAKE,
    OPEN,
    f"I({MAKE})",
    f"C({OPEN})",
    f"C(x, {OPEN})",
    f"C(x, levels=[{OPEN}])",
    f"np.log({OPEN})",
    f"bs(x, df={OPEN})",
    f"I(x + {MAKE})",
    f"I((lambda: {OPEN})())",
    f"I([{OPEN} for _ in x])",
    f"I(({OPEN} for _ in x))",
    f"I({{{OPEN}}})",
    f'I(f"{{{OPEN}}}")',
    f"I((z := {OPEN}))",
    f"I(x if {OPEN} else x)",
    f"I(x and {OPEN})",
    f"I(x[{OPEN}])",
    f"Q({OPEN})",
    f"Q('x' + str({OPEN}))",
    f"Q('x') + {OPEN}",
    f"x:{OPEN}",
    f"x*{OPEN}",
    f"(x + {OPEN})**2",
    f'eval("{OPEN}")',
    f'exec("{OPEN}")',
    f'pd.eval("{OPEN}")',
    "getattr(__builtins__, 'open')('made', 'w')",
    "().__class__.__base__.__subclasses__()",
    "x.to_csv('made')",
    "x.to_pickle('made')",
    "I(x).to_csv('made')",
    "np.array(x).tofile('made')",
    "np.save('made', x)",
    "np.savetxt('made', x)",
    "np.memmap('made', mode='w+', shape=1)",
    "np.lib.npyio.open('made', 'w')",
    "np.log.__class__('made', 'w')",
    f"center({OPEN})",
    f"te(cr(x, df=3), {OPEN})",
    f"{{{OPEN}}}",
    f"`x` + {OPEN}",
    f"`x`{OPEN}`x`",
    f"I(x == '''a' + {OPEN} + 'b''')",
    f'I(x == """ " """) + {OPEN}',
    f"I(x == '\\'') + {OPEN} + I(x == '\\'')",
    f"x # `\n + {OPEN}",
    f"x\n{OPEN}",
    f"x; {OPEN}",
    f"' + {OPEN} + '",
    f'" + {OPEN} + "',
    f'"); {OPEN}; ("',
    "ｏｐｅｎ('made','w')",
    "system('touch made')",
    "I(system('touch made'))",
    "x); system('touch made'); (x",
    "file.create('made')",
    "{file.create('made'); x}",
]


def frame(name: str = "w") -> pd.DataFrame:
    """Return 36 rows; a column and the levels of a factor have the given name."""
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 2, size=36)
    levels = [f"{name} {k}" for k in range(6)]
    columns = {"y": rng.normal(size=36) + x, "x": x, "g": np.repeat(list("abcdef"), 6), "h": np.tile(levels, 6)}
    return pd.DataFrame({**columns, name: rng.uniform(1, 2, size=36)})


DATA = frame()


def in_formulas(text: str) -> Iterator[Callable[[], object]]:
    for formula in (
        "y ~ x + {} + (1|g)",
        "y ~ x + (0 + {}|g)",
        "y ~ (1|{})",
        "{} ~ x + (1|g)",
        "y ~ offset({}) + (1|g)",
        "y ~ x + (0 + dummy(h, {})|g)",
    ):
        yield lambda formula=formula: lmt.lmm(formula.format(text), DATA)
        yield lambda formula=formula: lmt.translate(formula.format(text))
        yield lambda formula=formula: lmt.translate(formula.format(text), DATA)


def in_declarations(text: str) -> Iterator[Callable[[], object]]:
    yield lambda: lmt.lmm("y ~ x", DATA, random=lmt.random("g", text))
    yield lambda: lmt.lmm("y ~ x", DATA, random=lmt.random(text))
    yield lambda: lmt.lmm("y ~ x", DATA, random=lmt.crossed("g", text))
    yield lambda: lmt.lmm("y ~ x", DATA, random=lmt.nested("g", text))
    yield lambda: lmt.translate(lmt.random(text, text))
    yield lambda: lmt.lmm("y ~ x + (1|g)", DATA, weights=text)
    yield lambda: lmt.lmm("y ~ x + (1|g)", DATA, offset=text)
    yield lambda: lmt.structure(DATA, ["g", text])
    for formula in (f"y ~ {text} | g", f"y ~ x | {text}", f"{text} ~ x | g", text):
        yield lambda formula=formula: lmt.lmer_list(formula, DATA)
    yield lambda: lmt.datasets.load(text)


def in_calls(text: str) -> Iterator[Callable[[], object]]:
    """Arguments of MixedLM, given to lint, to translate and to the gate itself."""
    for call in (
        (f"y ~ x + {text}", "g", None, None),
        (f"{text} ~ x", "g", None, None),
        (text, "g", None, None),
        ("y ~ x", text, None, None),
        ("y ~ x", "g", text, None),
        ("y ~ x", "g", f"~ {text}", None),
        ("y ~ x", "g", f"1 + {text}", None),
        ("y ~ x", "g", None, {"h": text}),
        ("y ~ x", "g", "1", {"h": f"0 + C(h):{text}"}),
        ("y ~ x", "g", "1", {text: "0 + C(h)"}),
    ):
        # A tuple is taken apart for the arguments: this is both ways of giving a call.
        yield lambda call=call: lmt.lint((*call, DATA))
        # These pass on what statsmodels says of harmless text.
        yield lambda call=call: suppressed(lambda: lmt.translate(MixedLMSpec(*call, DATA)))
        yield lambda call=call: suppressed(lambda: make_model(call[0], DATA, *call[1:]))


def in_scripts(text: str) -> Iterator[Callable[[], object]]:
    """Scripts and notebooks, with the data and without."""
    for call in (
        f"smf.mixedlm({'y ~ x + ' + text!r}, df, groups='g').fit()",
        f"smf.mixedlm({text + ' ~ x'!r}, df, groups='g').fit()",
        f"smf.mixedlm('y ~ x', df, groups={text!r}).fit()",
        f"smf.mixedlm('y ~ x', df, groups='g', re_formula={'1 + ' + text!r}).fit()",
        f"smf.mixedlm('y ~ x', df, groups='g', re_formula='1', vc_formula={{'h': {text!r}}}).fit()",
        f"sm.MixedLM.from_formula('y ~ {{}}'.format({text!r}), df, groups='g')",
        f"t = {text!r}\nsmf.mixedlm(f'y ~ {{t}}', df, groups='g', vc_formula={{t: '0 + C(h)'}})",
        f"smf.mixedlm('y ~ x', df, groups='g', subset={text!r}, data={text!r})",
        # Not as text: the script's own code.
        f"smf.mixedlm('y ~ x', {OPEN}, groups={MAKE}, vc_formula={{'h': {OPEN}}}).fit(method={OPEN})",
        f"%time {text}\n%timeit -n 1 {OPEN}\nx = %prun -q {OPEN}\nsmf.mixedlm('y ~ x', df, groups='g')",
        f"smf.mixedlm('y ~ x', df, groups='g')  # lmmtools: ignore[{text}]",
        "!touch made\n%run -i made.py\nsmf.mixedlm('y ~ x', df, groups='g')\nx = %system touch made",
    ):
        script = f"import statsmodels.formula.api as smf\nimport statsmodels.api as sm\n{call}\n"
        cell = {"cell_type": "code", "source": script.splitlines(keepends=True)}
        notebook = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        for name, content in {"script.py": script, "book.ipynb": notebook}.items():
            yield lambda name=name, content=content: run("lint", name, "--data", "d.csv", file=(name, content))
        yield lambda script=script: run("lint", "script.py", "--json", file=("script.py", script))
        yield lambda: run("lint", "script.py", "book.ipynb", "--format", "sarif")


def in_commands(text: str) -> Iterator[Callable[[], object]]:
    formula = f"y ~ x + {text} + (1|g)"
    yield lambda: run("fit", "d.csv", formula, "--engine", "pls")
    yield lambda: run("report", "d.csv", formula, "-o", "page.html")
    yield lambda: run("translate", formula)
    yield lambda: run("translate", "d.csv", formula)
    yield lambda: run("compare", "d.csv", formula, "--engines", "pls,pls")
    yield lambda: run("structure", "d.csv", "g", text)
    yield lambda: run("lint", "script.py", "--data", "d.csv", "--factor", text, file=("script.py", ""))
    for option in ("--select", "--ignore", "--exclude"):
        yield lambda option=option: run("lint", "script.py", ".", option, text)
    yield lambda: run("lint", text, f"*{text}*", "--format", "concise")
    for option in ("select", "ignore", "exclude", f'"{OPEN}"'):
        table = f"[tool.lmmtools.lint]\n{option} = [{json.dumps(text)}]\n"
        yield lambda table=table: run("lint", "script.py", file=("pyproject.toml", table))
    table = f"[tool.lmmtools.lint.per-file-ignores]\n{json.dumps(text)} = ['factor-inside']\n"
    yield lambda table=table: run("lint", "script.py", file=("pyproject.toml", table))


def in_names(text: str) -> Iterator[Callable[[], object]]:
    """Columns and levels of that name, and names of arrays."""
    data = frame(text)
    quoted = f"Q({text!r})"

    def fit(formula):
        model = lmt.lmm(formula, data)
        exec_code(str(model.spec), data)
        exec_code(lmt.translate(formula).mixedlm or "", data)
        fit = model.fit(engine="pls")
        str(fit.summary()), fit._repr_html_(), fit.predict(data)

    yield lambda: fit(f"y ~ {quoted} + h + (1|g)")
    yield lambda: fit(f"y ~ np.log({quoted}) + (1|g)")
    yield lambda: fit(f"y ~ x + (1 + {quoted}|g)")
    yield lambda: fit("y ~ x + (1|h)")
    arrays = {"groups": data["g"], "exog_re": data[[text]]}
    exog = data[["x"]].assign(const=1.0)
    models = (
        lambda: MixedLM(data["y"], exog, **arrays),
        lambda: MixedLM(data["y"], exog.rename(columns={"x": text}), groups=data["g"]),
        lambda: MixedLM(
            data["y"],
            exog,
            groups=data["g"],
            exog_vc=VCSpec([text], [[[f"C({text})[T.a]", text]] * 6], [[np.eye(6)[:, :2]] * 6]),
        ),
        lambda: smf.mixedlm(f"y ~ {quoted}", data, groups="g", re_formula=f"1 + {quoted}"),
        lambda: smf.mixedlm("y ~ x", data, groups="h", vc_formula={text: "0 + C(g)"}),
    )
    for make in map(cache, models):
        for read in (lmt.lint, lmt.translate):
            yield lambda read=read, make=make: read(make())
    # The names are read, not the optimum: one step is enough.
    slopes = smf.mixedlm("y ~ x", data, groups="g", re_formula=f"1 + {quoted}")
    yield lambda: str(lmt.from_mixedlm(quiet(lambda: slopes.fit(method=["bfgs"], maxiter=1))))


def exec_code(code: str, data: pd.DataFrame) -> None:
    """Run code that lmmtools wrote, but for the fit, in which no name may have become code."""
    model = code.partition("\nresult = ")[0]
    with contextlib.suppress(Exception):
        exec(model, {"data": data.copy()})
    compile(model, "spec", "exec")


def suppressed(call):
    with contextlib.suppress(Exception):
        call()


def quiet(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


FIT = lmt.lmm("y ~ x + (1|g)", DATA).fit(engine="pls")
SAVED = FIT.to_json(random_effects=True)
PREDICTING = lmt.lmm("y ~ scale(x) + (1|g)", DATA).fit(engine="pls").to_json(predict=True)
PREDICTING_TEXTS = (
    ("formula", "fixed"),
    ("formula", "response"),
    ("formula", "source"),
    ("fixed", "text"),
    ("fixed", "names", 1),
    ("fixed", "learned"),
    ("terms", 0, "term", "factors", 0),
    ("terms", 0, "levels", 0, "values", 0),
    ("columns",),
    ("sha256",),
)


def predict_changed(path: tuple, text: str) -> object:
    """Read a record that predicts with another text in one place, as a value or as a key, and predict."""
    content = json.loads(PREDICTING)
    at = content["prediction"]
    for key in path[:-1]:
        at = at[key]
    old = at[path[-1]]
    at[path[-1]] = {text: next(iter(old.values()))} if isinstance(old, dict) else text
    if path != ("sha256",):
        content["prediction"]["sha256"] = checksum(content["prediction"])
    return lmt.read_json(json.dumps(content)).predict(DATA.head(2), random=False)


PRINTED = """Linear mixed model fit by REML ['lmerMod']
Formula: y ~ x + (1 | g)
   Data: DATA

REML criterion at convergence: 100.0

Random effects:
 Groups   Name        Variance Std.Dev.
 g        (Intercept) 0.1      0.3162
 Residual             0.9      0.9487
Number of obs: 36, groups:  g, 6

Fixed effects:
            Estimate Std. Error t value
(Intercept)   0.1000     0.2000   0.500
x             1.0000     0.1000  10.000
"""


def in_files(text: str) -> Iterator[Callable[[], object]]:
    """Records of fits and printed summaries."""
    records = []

    def read(saved):
        record = lmt.read_json(json.dumps(saved))
        records.append(record)
        return str(record)

    for key in ("formula", "call", "engine", "written"):
        yield lambda key=key: read({**json.loads(SAVED), key: text})
        yield lambda key=key: read({**json.loads(SAVED), key: f"y ~ {text} + (1|g)"})
    names = json.loads(SAVED)["names"]
    yield lambda: read({**json.loads(SAVED), "names": {**names, **dict.fromkeys(("data", "weights", "offset"), text)}})
    for old in ('"x"', '"g"', '"a"'):
        yield lambda old=old: read(json.loads(SAVED.replace(old, json.dumps(text))))
    for path in PREDICTING_TEXTS:
        yield lambda path=path: predict_changed(path, text)
    yield lambda: lmt.read_json(text)
    yield lambda: str(lmt.compare(FIT, *records))
    for old, new in (("y ~ x +", f"y ~ {text} +"), ("DATA", text), (" g   ", f" {text} "), ("x      ", f"{text} ")):
        yield lambda old=old, new=new: str(lmt.compare(lmt.read_lme4_summary(PRINTED.replace(old, new)), FIT))
    yield lambda: lmt.read_lme4_summary(text)
    yield lambda: lmt.read_printout(text)
    for table in TABLES:
        yield lambda table=table: str(lmt.compare(FIT, table.replace("TERM", text)))


def in_results(text: str) -> Iterator[Callable[[], object]]:
    yield lambda: FIT.t_test(text)
    for change in ("~ . + {}", "{} ~ .", "~ . - {}", "~ . + ({} | g)", "~ .:{}"):
        yield lambda change=change: FIT.update(change.format(text))
    yield lambda: FIT.step(keep=text)
    yield lambda: FIT.f_test(f"{text} = 0")
    yield lambda: FIT.marginal_means(text)
    yield lambda: FIT.pairwise(text)
    yield lambda: FIT.cohens_d(text)
    yield lambda: FIT.cov_params("CR1", cluster=text)
    yield lambda: FIT.tests(cov=text)
    yield lambda: FIT.residual_tests(by=text)
    yield lambda: lmt.pool([FIT, FIT]).t_test(text)
    yield lambda: lmt.pool([FIT, FIT]).contrasts(text)
    yield lambda: lmt.pool([FIT, FIT], dfcom=text)
    yield lambda: FIT.predict(DATA, random=text)
    yield lambda: FIT.predict(DATA.rename(columns={"x": text}))


def run(*arguments: str, file: tuple[str, str] | None = None) -> None:
    if file is not None:
        Path(file[0]).write_text(file[1], encoding="utf-8")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.suppress(SystemExit):
        main(arguments)


def in_paths(text: str) -> Iterator[Callable[[], object]]:
    """Paths and patterns of data."""
    yield lambda: lmt.lmm("y ~ x + (1|g)", text)
    for path in (f"{text}*.csv", f"**/{text}*", f"{text}/d.csv", f"x://{text}", f"file://{text}", f"{text}\0"):
        yield lambda path=path: lmt.lmm("y ~ x + (1|g)", path)
        yield lambda path=path: run("fit", path, "y ~ x + (1|g)")


def in_answers(text: str) -> Iterator[Callable[[], object]]:
    """Answers to exercises, as text of a number, of words, of a list and of terms."""
    for right in (0.5, 12, True, "crossed", (3, False), {"a", "b"}, lmt.exercises.same_terms("(1|g)")):
        yield lambda right=right: str(lmt.exercises.check(text, right, hint="Think."))
    for terms in (f"(1|{text})", f"({text}|g)", f"{text} ~ (1|g)"):
        yield lambda terms=terms: lmt.exercises.check(terms, lmt.exercises.same_terms("(1|g)"), hint="Think.")


DOORS = (
    in_paths,
    in_formulas,
    in_declarations,
    in_calls,
    in_scripts,
    in_commands,
    in_names,
    in_files,
    in_results,
    in_answers,
)


@pytest.mark.parametrize("door", DOORS, ids=lambda d: d.__name__)
def test_no_text_field_of_any_entry_point_runs_code(door, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    DATA.to_csv("d.csv", index=False)
    for way in WAYS:
        for number, attempt in enumerate(door(way)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with contextlib.suppress(lmt.LmmError):
                    attempt()
            assert not list(Path().glob("made*")), (door.__name__, number, way)


def test_each_way_would_make_the_file_were_it_run(tmp_path, monkeypatch):
    """The test above can fail: patsy, handed the text, runs it."""
    monkeypatch.chdir(tmp_path)
    for way in (MAKE, OPEN, f"I({MAKE})", f"C({OPEN})", "np.save('made', x)", "x.to_csv('made')"):
        with contextlib.suppress(Exception):
            smf.mixedlm(f"y ~ {way}", DATA, groups="g")
        made = list(Path().glob("made*"))
        assert len(made) == 1, way
        made[0].unlink()


def test_what_is_refused_is_linted_from_its_text_and_the_report_says_so():
    found = lmt.lint(f"y ~ x + {OPEN}", "g", None, {"h": "1 + C(h)"}, DATA)
    assert "intercept-inside" in found.codes
    said = next(f for f in found if f.code == "not-run")
    assert said.severity == "info"
    assert "from its text alone, without the data" in said.message
    assert "open() is not a function" in said.message


@pytest.mark.parametrize(
    "formula",
    [
        "np.log(y + 9) ~ x",
        "y ~ C(h, Treatment('w 1')) + x",
        "y ~ C(Q('h'), Sum)",
        "y ~ bs(x, df=4) + np.sqrt(x)",
        "y ~ I(x**2) + center(x) - 1",
        "y ~ Q('x'):C(h) + abs(x)",
    ],
)
def test_harmless_patsy_is_made_with_the_data(formula):
    found = lmt.lint(formula, "g", data=DATA)
    assert not {"not-run", "no-model"} & set(found.codes)
    assert found.lme4


def test_a_formula_that_patsy_cannot_read_makes_no_model():
    assert "no-model" in lmt.lint("y ~ x +", "g", data=DATA).codes


@pytest.mark.parametrize(
    ("formula", "re_formula", "vc_formula"),
    [
        ("y ~ (" + " + ".join(f"I(x + {i})" for i in range(44)) + ")**2", None, None),
        ("y ~ " + "*".join(["x", "C(h)", "C(g)", "I(x + 1)", "I(x + 2)", "C(Q('w'))"]), None, None),
        ("y ~ x + " + " + ".join(f"bs(x, df={900 + i})" for i in range(50)), None, None),
        ("y ~ x", "0 + C(w):C(x):C(h):C(g):C(y)", None),
        ("y ~ x", None, {"h": "0 + C(w):C(x):C(h):C(g):C(y)"}),
        ("y ~ x + " + "+".join(["x"] * 3000), None, None),
        ("y ~ " + "I(" * 60 + "x" + ")" * 60, None, None),
        ("y ~ I(" + "-" * 3000 + "x)", None, None),
        ("y ~ x + I(x + 9**64**64)", None, None),
    ],
    ids=["squares", "products", "splines", "re", "vc", "words", "calls", "signs", "powers"],
)
def test_a_call_that_would_take_for_ever_is_linted_from_its_text_soon(formula, re_formula, vc_formula):
    before = time.process_time()
    found = lmt.lint(formula, "g", re_formula, vc_formula, DATA)
    assert time.process_time() - before < 5
    assert "not-run" in found.codes


@pytest.mark.parametrize(
    "answer",
    [
        "1" * 100_000,
        "1," * 50_000,
        "1 " + "a" * 100_000 + "!",
        "((1|" * 20_000,
        "~" * 100_000,
        "1/" * 50_000,
        "(" * 100_000,
    ],
    ids=["digits", "commas", "letters", "terms", "tildes", "strokes", "brackets"],
)
def test_a_long_answer_is_judged_soon(answer):
    before = time.process_time()
    for right in (0.5, 12, "crossed", (3, False), lmt.exercises.same_terms("(1|g)")):
        assert not lmt.exercises.check(answer, right, hint="Think.")
    assert time.process_time() - before < 5.0
