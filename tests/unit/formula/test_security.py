"""The text of a formula from anywhere can be read: it runs no code."""

from __future__ import annotations

import pytest

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


def test_trust_is_not_remembered():
    parse("y ~ f(x) + (1|g)", trusted=True)
    with pytest.raises(FormulaError):
        parse("y ~ f(x) + (1|g)")
