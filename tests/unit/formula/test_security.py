"""The text of a formula from anywhere can be read: it runs no code."""

from __future__ import annotations

import contextlib
import time
import warnings

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main
from lmmtools.errors import FormulaError
from lmmtools.formula.parser import parse

ATTACKS = [
    "__import__('os').system('true')",
    "I(__import__('os').system('true'))",
    "eval('1')",
    "I(eval('1'))",
    "exec('1')",
    "open('f')",
    "getattr(x, 'a')",
    "np.load('f')",
    "np.fromfile('f')",
    "np.save('f', x)",
    "np.lib.npyio.DataSource('f')",
    "np.log.__class__(x)",
    "np.log(x).__class__",
    "I(np.log(x).__class__)",
    "I((x).__class__)",
    "I(x).__class__",
    "I(().__class__.__bases__[0].__subclasses__())",
    "I(x[0])",
    "I(x.mean())",
    "I([a for a in x])",
    "I((a for a in x))",
    "I({a for a in x})",
    "I({'a': x})",
    "I(lambda: x)",
    "I((lambda: x)())",
    "I((z := x))",
    "I(f'{x}')",
    "I(x if z else w)",
    "I(x and z)",
    "I(not x)",
    "I(*x)",
    "I(**x)",
    "I(await x)",
    "I(np.log)(x)",
    "C(x)(z)",
    "I(x @ z)",
    "I(x << 9999999999)",
    "I(9**9**9)",
    "I(x**99999999)",
    "I('a' * 999999999)",
    "I(b'a')",
    "I(1j*x)",
    "{__import__('os')}",
    "I(`a`(x))",
    "`eval`('1')",
    "Q(x)",
    "Q('a' + 'b')",
    "hashed(x)",
    "np.vectorize(x)",
    "contr.custom(x)",
    "C(x, np.zeros(3))",
    # Arguments that write into a column, or reach into formulaic.
    "np.exp(x, x)",
    "np.exp(x, out=x)",
    "np.sqrt(x, where=x)",
    "sqrt(x, z)",
    "np.exp(x, dtype='O')",
    "np.maximum(x, z, w)",
    "scale(x, _state=z)",
    "scale(x, _context=z)",
    "bs(x, __class__=3)",
    "bs(x, df=open('f'))",
    "poly(x, degree=(lambda: 3)())",
    "hashed(x, levels=3, hash_func=eval)",
    # What only costs time and memory.
    "I(x + ((2**64)**64)**64)",
    "I([0] * 999999999)",
    "I((0, 1) * 999999999)",
    "C(x, levels=['a'] * 999999999)",
    "poly(x, 999999999)",
    "bs(x, df=999999999)",
    "lag(x, 999999999)",
    "np.round(x, 999999999)",
    "np.round(x, decimals=10**9)",
    "bs(x, df=1000, degree=999)",
    "bs(x, 1000, None, 999)",
    f"bs(x, knots={[k / 5000 for k in range(1, 5000)]})",
    f"C(x, levels={list(range(100_000))})",
    "I(-'a')",
    # Lists are arguments, of numbers and texts.
    "c(x)",
    "c(1, 2)",
    "I([x, z])",
    "I((x, z))",
    "bs(x, knots=c(z, 1))",
    # Quotes that two readers pair differently.
    "I(x == '`')",
    "I((x == '`') & (z == \"`' + str(eval('1')) + '\"))",
    "I(x == '\\n')",
    "I(x == '\\x60')",
    # The name that stands for a column while a call is read, put together in a text.
    "I(x == '\\x6cmmcol0_0_')",
    "I(x == 'lmm' 'col0_0_')",
    # Letters that Python takes for others.
    "ｅｖａｌ('1')",
    "I(ｅｖａｌ('1'))",
    "np.ｌoad(x)",
    "𝐞𝐯𝐚𝐥('1')",
    "I(x․__class__)",
    "I(x，z)",
    "ѕqrt(x)",
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "place", ["y ~ {} + (1|g)", "y ~ ({}|g)", "y ~ (1|{})", "{} ~ (1|g)", "y ~ offset({}) + (1|g)"]
)
def test_code_in_a_formula_is_refused(attack, place):
    with pytest.raises(FormulaError):
        parse(place.format(attack))


def test_a_dotted_word_is_a_column_and_no_attribute():
    assert parse("y ~ I(x.__class__) + np.linalg + (1|g)").fixed == "I(`x.__class__`) + np.linalg"


def test_trusted_formulas_may_call_what_they_like():
    assert parse("y ~ my.transform(x, 3) + (1|g)", trusted=True).fixed == "my.transform(x, 3)"
    with pytest.raises(FormulaError, match="not a function"):
        parse("y ~ my.transform(x, 3) + (1|g)")


def evil_frame(touched):
    """Columns and levels whose names are code that would write a file, were any of them evaluated."""
    rng = np.random.default_rng(1)
    code = f'__import__("pathlib").Path({str(touched)!r}).touch()'
    names = [
        code,
        f"' + str({code}) + '",
        f"`' + str({code}) + '",
        f'") + {code} + ("',
        f"\\' + {code} #",
        "a`b",
        "np",
        "I",
        "eval",
    ]
    frame = pd.DataFrame({name: rng.uniform(1, 2, size=36) for name in names})
    levels = [f"{code}{k}" for k in range(6)]
    return frame.assign(y=rng.normal(size=36), g=np.repeat(levels, 6), f=np.tile([code, "`", "'"], 12)), names


def test_names_and_levels_that_are_code_stay_names(tmp_path):
    touched = tmp_path / "touched"
    frame, names = evil_frame(touched)
    for name in names:
        # Two names in one call, and the alias that stands for them, so that quotes could pair wrongly.
        column, other = (f"Q({n!r})" for n in (name, "a`b"))
        for term in (
            f"{column}",
            f"np.exp({column})",
            f"I({column} * {other})",
            f"I({column} == 'lmmcol_0_')",
            f"I({column} == 'lmmcol0_0_')",
            f"I({column} == 'lmmcolumn0_')",
            f"poly({column}, 2) + f",
        ):
            for formula in (f"y ~ {term} + (1 | g)", f"{column} ~ I({other} + 1) + (1 | g)"):
                with contextlib.suppress(lmt.LmmError), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = lmt.lmm(formula, frame)
                    str(model.spec)
                    model.fit(engine="pls").predict(frame)
            assert not touched.exists(), term


def test_mixedlm_takes_names_and_levels_for_names(tmp_path):
    touched = tmp_path / "touched"
    frame, names = evil_frame(touched)
    for name in names[:4]:
        with contextlib.suppress(lmt.LmmError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            lmt.lmm(f"y ~ Q({name!r}) + (1 | g)", frame).fit(engine="auto")
        assert not touched.exists(), name


def test_data_are_never_written_to():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=24), "x": rng.uniform(1, 2, size=24), "g": np.arange(24) % 4})
    before = frame.copy()
    for term in ("np.exp(x)", "scale(x)", "center(x)", "lag(x)", "I(x**2)", "poly(x, 2)", "np.maximum(x, 1.5)"):
        lmt.lmm(f"y ~ {term} + x + (1 | g)", frame)
        pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("command", ["fit", "report", "translate", "compare"])
@pytest.mark.parametrize(
    "attack",
    [
        "I(__import__('pathlib').Path('touched').touch())",
        "I(x.__class__)",
        "I((lambda: x)())",
        "I([a for a in x])",
        "I(f'{x}')",
        "np.exp(x, out=x)",
        "bs(x, df=open('touched', 'w'))",
        "{open('touched', 'w')}",
    ],
)
def test_the_command_line_refuses_code(capsys, tmp_path, monkeypatch, command, attack):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.normal(size=24), "x": rng.uniform(1, 2, size=24), "g": np.arange(24) % 4})
    frame.to_csv("data.csv", index=False)
    formula = f"y ~ {attack} + (1 | g)"
    assert main([command, "data.csv", formula]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("lmmtools: ")
    assert not (tmp_path / "touched").exists()


def test_what_models_need_is_still_allowed():
    for term in (
        "I(x**2 + 1)",
        "C(f, Treatment('b'))",
        "C(f, levels=['a', 'b'])",
        "C(f, contr.SAS)",
        "scale(x, center=False)",
        "poly(x, 3, raw=True)",
        "bs(x, df=5, degree=2)",
        "bs(x, knots=[0.2, 0.5])",
        "cr(x, df=4, constraints='center')",
        "cc(x, df=4)",
        "np.maximum(x, 0)",
        "round(x, 1)",
        "np.round(x, decimals=1)",
        "I((x > 1) & (x < 3))",
        'I(f == "O\'Brien")',
        "I((x**2)**2)",
        "lag(x, 2)",
    ):
        assert parse(f"y ~ {term} + (1 | g)").fixed, term


def test_a_hundred_columns_may_be_added_up():
    names = [f"x{i}" for i in range(90)]
    data = pd.DataFrame(np.random.default_rng(1).normal(size=(24, 90)), columns=names)
    data = data.assign(y=data["x0"] + data["x1"], g=np.arange(24) % 4)
    model = lmt.lmm(f"y ~ I({' + '.join(names)}) + (1|g)", data)
    np.testing.assert_allclose(model.design.X[:, 1], data[names].sum(axis=1))


def test_trust_is_not_remembered():
    parse("y ~ f(x) + (1|g)", trusted=True)
    with pytest.raises(FormulaError):
        parse("y ~ f(x) + (1|g)")


@pytest.mark.parametrize(
    "formula",
    [
        f"y ~ {' + '.join(['x'] * 50_000)} + (1|g)",
        f"y ~ {'-' * 100_000}x + (1|g)",
        f"y ~ ({' + '.join(f'I(x + {i})' for i in range(900))})**2 + (1|g)",
        f"y ~ ({' + '.join(f'a{i}' for i in range(900))}):({' + '.join(f'b{i}' for i in range(900))}) + (1|g)",
        f"y ~ {'(' * 4000}x{')' * 4000} + (1|g)",
        f"y ~ I({'-' * 5000}x) + (1|g)",
        f"y ~ I({'-' * 400}x) + (1|g)",
        f"y ~ I({'*'.join(['x'] * 400)}) + (1|g)",
        f"y ~ I(x + {'*'.join(['(' + '9' * 4000 + ')**64'] * 25)}) + (1|g)",
        f"y ~ I(x + {'*'.join(['9' * 300] * 1000)}) + (1|g)",
        "y ~ I(x + 2**(8*8*8*8*8)) + (1|g)",
        f"y ~ x + {'x' * 1_000_000} + (1|g)",
        f"y ~ {'/'.join(f'a{i}' for i in range(9000))} + (1|g)",
        f"y ~ (a + b)**{'9' * 5000} + (1|g)",
        f"y ~ Q('{'(' * 400_000}') + (1|g)",
        f"y ~ {'.'.join(f'lmmcol{i}_' for i in range(9000))} + {' + '.join(f'I(a+{i})' for i in range(2000))} + (1|)",
    ],
    ids=[
        *("sum", "signs", "power", "interactions", "parentheses", "operators", "some operators", "product", "powers"),
        *("integers", "exponent", "a long name", "slashes", "a long exponent", "a long text", "names like inner ones"),
    ],
)
def test_a_formula_that_would_take_for_ever_is_refused_soon(formula):
    before = time.process_time()
    with pytest.raises(FormulaError) as found:
        parse(formula)
    assert time.process_time() - before < 5
    assert len(str(found.value)) < 500


MANY = {
    "calls": " + ".join(f"I(x + {i})" for i in range(300)),
    "offsets": " + ".join(f"offset(x + {i})" for i in range(300)),
    "operations": " + ".join(f"I({' + '.join(['x'] * 80)} + {i})" for i in range(90)),
    "splines": " + ".join(f"bs(x, df={700 + i})" for i in range(200)),
    "polynomials": " + ".join(f"poly(x, degree={20 + i})" for i in range(200)),
    "slopes": "+".join(f"(0 + I(x + {i}) | g)" for i in range(300)),
}


@pytest.mark.parametrize("terms", MANY.values(), ids=MANY.keys())
def test_what_takes_long_to_evaluate_is_refused_before(terms):
    before = time.process_time()
    with pytest.raises(FormulaError, match="can be evaluated"):
        parse(f"y ~ x + {terms} + (1 | g)")
    assert time.process_time() - before < 5
    assert parse(f"y ~ x + {terms} + (1 | g)", trusted=True)
