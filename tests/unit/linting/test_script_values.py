"""What the text of a script tells of its calls: the model each reads as, what is not shown, and no false alarm."""

from __future__ import annotations

import time

import pytest

from lmmtools.linting.lint import lint_file

HEAD = "import numpy as np\nimport pandas as pd\nimport statsmodels.api as sm\nimport statsmodels.formula.api as smf\n"
VC = 'vc_formula={"a": "0 + C(a)"}'


def read(folder, text, head=HEAD):
    (folder / "s.py").write_text(head + text)
    reports, _ = lint_file(str(folder / "s.py"))
    return reports


READS = {
    "a helper with its arguments": (
        'def f(d, y, g="s"):\n    return smf.mixedlm(y + " ~ x", d, groups=d[g]).fit()\nf(df, "rt")',
        "rt ~ x + (1|s)",
    ),
    "a class with its arguments": (
        "class M:\n    def __init__(self, d, g):\n        self.d = d\n        self.g = g\n    def fit(self):\n"
        '        return smf.mixedlm("y ~ x", self.d, groups=self.d[self.g]).fit()\nM(df, "s").fit()',
        "y ~ x + (1|s)",
    ),
    "branches that belong together": (
        'if k:\n    f, r = "y ~ a", "~a"\nelse:\n    f, r = "y ~ b", None\nsmf.mixedlm(f, df, groups="g", re_formula=r)',  # noqa: E501
        "y ~ a + (1 + a|g) or y ~ b + (1|g)",
    ),
    "conditions that read alike": (
        'f = "y ~ a" if k == 1 else "y ~ b"\nr = None if k != 1 else "~a"\nsmf.mixedlm(f, df, groups="g", re_formula=r)',  # noqa: E501
        "y ~ a + (1 + a|g) or y ~ b + (1|g)",
    ),
    "passes that differ": (
        'for f, r in [("y ~ 1", None), ("y ~ x", "~x")]:\n    smf.mixedlm(f, df, groups="g", re_formula=r).fit()',
        "y ~ 1 + (1|g) or y ~ x + (1 + x|g)",
    ),
    "a dict that changes": (
        f'k = dict(formula="y ~ x", data=df, groups="g", {VC})\nk.pop("vc_formula")\nk |= {{"re_formula": "~x"}}\n'
        "smf.mixedlm(**k)",
        "y ~ x + (1 + x|g)",
    ),
    "a partial": (
        'from functools import partial\nfit = partial(smf.mixedlm, data=df, groups="g")\nfit("y ~ x", re_formula="~x")',
        "y ~ x + (1 + x|g)",
    ),
    "a class that inherits": (
        "class A:\n    re = '1'\n    def fit(self, d):\n"
        "        return smf.mixedlm(self.fixed(), d, groups='g', re_formula=self.re).fit()\n"
        "class B(A):\n    re = '~x'\n    def fixed(self):\n        return 'y ~ x'\nB().fit(df)",
        "y ~ x + (1 + x|g)",
    ),
    "super": (
        "class A:\n    def __init__(self, d, g):\n        self.d, self.g = d, g\nclass B(A):\n"
        "    def __init__(self, d):\n        super().__init__(d, 's')\n    def fit(self):\n"
        "        return smf.mixedlm('y ~ x', self.d, groups=self.d[self.g]).fit()\nB(df).fit()",
        "y ~ x + (1|s)",
    ),
    "fields of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    f: str = 'y ~ x'\n    g: str = 'g'\n"
        "c = C('y ~ z')\nsmf.mixedlm(c.f, df, groups=c.g)",
        "y ~ z + (1|g)",
    ),
    "two objects of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    f: str = 'y ~ x'\n    g: str = 'g'\n"
        "a = C('y ~ z')\nb = C('y ~ w')\nsmf.mixedlm(a.f, df, groups=a.g)",
        "? ~ ? + (1|g)",
    ),
    "a namedtuple": (
        "from collections import namedtuple\nS = namedtuple('S', 'f g')\ns = S('y ~ x', g='s')\n"
        "smf.mixedlm(s.f, df, groups=s.g)",
        "y ~ x + (1|s)",
    ),
    "a member of an enum": (
        "from enum import Enum\nclass G(Enum):\n    S = 's'\nsmf.mixedlm('y ~ x', df, groups=G.S.value)",
        "y ~ x + (1|s)",
    ),
    "a product of lists": (
        "from itertools import product\nfor y, g in product(['a', 'b'], ['s']):\n"
        "    smf.mixedlm(f'{y} ~ x', df, groups=g)",
        "a ~ x + (1|s) or b ~ x + (1|s)",
    ),
    "a global name": (
        "def f():\n    global G\n    G = 's'\nf()\nsmf.mixedlm('y ~ x', df, groups=G)",
        "y ~ x + (1|s)",
    ),
    "a static method": (
        "class A:\n    @staticmethod\n    def fit(d, g):\n        return smf.mixedlm('y ~ x', d, groups=g).fit()\n"
        "A().fit(df, 's')",
        "y ~ x + (1|s)",
    ),
    "a pipe": (
        "def f(d, g, re=None):\n    return smf.mixedlm('y ~ x', d, groups=d[g], re_formula=re)\n"
        "df.dropna().pipe(f, 's', re='~x').fit()",
        "y ~ x + (1 + x|s)",
    ),
    "a pipe by name": (
        "def f(g, d):\n    return smf.mixedlm('y ~ x', d, groups=d[g])\ndf.pipe((f, 'd'), 's').fit()",
        "y ~ x + (1|s)",
    ),
    "a pipe of a lambda and a new column": (
        "df.assign(one=1).pipe(lambda d: smf.mixedlm('y ~ x', d, groups='one', vc_formula={'s': '0 + C(s)'}))",
        "y ~ x + (1|s)",
    ),
    "a case that is known": (
        "def f(k, d):\n    match k:\n        case 'a' | 'b':\n            re = '~x'\n        case _:\n"
        "            re = None\n    return smf.mixedlm('y ~ x', d, groups='g', re_formula=re)\nf('b', df)",
        "y ~ x + (1 + x|g)",
    ),
    "a case that is not": (
        "match k:\n    case 'a':\n        re = '~x'\n    case _:\n        re = None\n"
        "smf.mixedlm('y ~ x', df, groups='g', re_formula=re)",
        "y ~ x + (1 + x|g) or y ~ x + (1|g)",
    ),
    "a case with a guard": (
        "re = None\nmatch 'a':\n    case 'a' if flag:\n        re = '~x'\n    case 'b':\n        re = '~z'\n"
        "smf.mixedlm('y ~ x', df, groups='g', re_formula=re)",
        "y ~ x + (1 + x|g) or y ~ x + (1|g)",
    ),
    "terms in a list": (
        't = ["x"]\nt.append("z")\nsmf.mixedlm("y ~ {}".format(" + ".join(t)), df, groups="g")',
        "y ~ x + z + (1|g)",
    ),
    "a handler that has no module": (
        "try:\n    import statsmodels.formula.api as api\nexcept ImportError:\n    api = None\n"
        'if api is not None:\n    api.mixedlm("y ~ x", df, groups="g")',
        "y ~ x + (1|g)",
    ),
    "labels that are joined": (
        'smf.mixedlm("y ~ x", df, groups=df["a"].astype(str) + "_" + df["b"].astype(str))',
        "y ~ x + (1|a:b)",
    ),
    "a response that is a parameter": (
        'def f(d, y):\n    return smf.mixedlm(f"{y} ~ x", d, groups=d["g"], re_formula="~x")',
        "? ~ x + (1 + x|g)",
    ),
    "numbers or labels": (
        'smf.mixedlm("y ~ x", df, groups="g", re_formula="1", vc_formula={"i": "0 + item"})',
        "y ~ x + (1|g) + (0 + item|g) or y ~ x + (1|g) + (1|g:item)",
    ),
    "groups within other rows": (
        'd = df[df["x"] > 0]\nsmf.mixedlm("y ~ x", d, groups=df[df["x"] > 0]["g"])',
        "y ~ x + (1|g)",
    ),
    "a matrix with a constant": (
        'sm.MixedLM(df["y"], sm.add_constant(df[["x"]]), groups=df["g"], exog_re=sm.add_constant(df["x"]))',
        "y ~ 1 + x + (1 + x|g)",
    ),
}


@pytest.mark.parametrize(("text", "model"), READS.values(), ids=[k.replace(" ", "-") for k in READS])
def test_a_call_reads_as_its_model(tmp_path, text, model) -> None:
    (report,) = read(tmp_path, text)
    assert report.lme4 == model
    assert "groups-elsewhere" not in report.codes


ONES = [
    "np.zeros(len(df))",
    "pd.Series(1, index=df.index)",
    '["all"] * len(df)',
    'df.assign(o=1)["o"]',
    "np.tile(1, len(df))",
    'np.full(len(df), "x")',
    "np.array([1 for _ in range(len(df))])",
]


@pytest.mark.parametrize("groups", ONES)
def test_one_group_however_it_is_made_holds_crossed_factors(tmp_path, groups) -> None:
    (report,) = read(tmp_path, f'smf.mixedlm("y ~ 1", df, groups={groups}, {VC})')
    assert report.lme4 == "y ~ 1 + (1|a)"
    assert report.codes == ()


@pytest.mark.parametrize(
    ("text", "unread", "origin"),
    [
        ("def run(f, d, g):\n    smf.mixedlm(f, d, groups=d[g])", ("formula", "groups"), "parameters of `run()`"),
        ("def run(d, **k):\n    smf.mixedlm('y ~ x', d, **k)", ("groups", "re_formula", "vc_formula"), ""),
        ("import argparse\na = argparse.ArgumentParser().parse_args()\nsmf.mixedlm('y ~ x', d, groups=a.g)",
         ("groups",), "the command line"),
        ("smf.mixedlm(cfg['f'], d, groups=cfg['g'])", ("formula", "groups"), ""),
        ("for k in keys:\n    kw[k] = 1\nsmf.mixedlm(**kw)", ("formula", "groups", "re_formula", "vc_formula"), ""),
    ],
)  # fmt: skip
def test_what_the_text_does_not_show_is_named_and_no_model_claimed(tmp_path, text, unread, origin) -> None:
    (report,) = read(tmp_path, text)
    assert report.unread == unread
    assert report.lme4 == ""
    assert set(report.origins) == {origin}
    assert "cannot tell: " in str(report)
    assert report.codes == ()


@pytest.mark.parametrize(
    "groups", ['df["g"]', "df.g", 'df.loc[:, "g"]', 'df["g"].values', 'pd.factorize(df["g"])[0]', "df.g.cat.codes"]
)
@pytest.mark.parametrize("data", ["df", "df.reset_index()", "df.to_pandas()", "df.assign(z=1)", "df.copy()"])
def test_rows_that_stay_raise_no_alarm(tmp_path, groups, data) -> None:
    (report,) = read(tmp_path, f'smf.mixedlm("y ~ x", {data}, groups={groups})')
    assert report.lme4 == "y ~ x + (1|g)"
    assert report.codes == ()


@pytest.mark.parametrize("data", ["df.dropna()", "df.sort_values('x')", "df[df.x > 0]", "df.query('x > 0')"])
def test_groups_of_other_rows_raise_one(tmp_path, data) -> None:
    (report,) = read(tmp_path, f'smf.mixedlm("y ~ x", {data}, groups=df["g"])')
    assert report.codes == ("groups-elsewhere",)


def test_an_unknown_fixed_part_does_not_hide_the_random_one(tmp_path) -> None:
    (report,) = read(tmp_path, f'def f(t, d):\n    smf.mixedlm(t, d, groups="g", {VC})')
    assert report.lme4 == "? ~ ? + (1|g:a)"
    assert {"no-group-intercept", "factor-inside"} <= set(report.codes)


def test_files_that_have_no_mixedlm_have_no_findings(tmp_path) -> None:
    text = 'smf.ols("y ~ x + (1|g)", df).fit().params["Group Var"]\nLmer("y ~ (1|g)", data=df).fit()\nfit(groups=["a"])'
    assert read(tmp_path, text) == []


@pytest.mark.parametrize("share", [5, 1])
def test_a_script_of_many_functions_and_names_is_read_in_seconds(tmp_path, share) -> None:
    names = "".join(f"n{i} = {i}\n" for i in range(5000 // share))
    functions = "".join(
        f"def f{i}(d, y):\n    if n{i}:\n        t = y + ' ~ x'\n    else:\n        t = 'y ~ x'\n"
        f"    return f{i - 1 if i else 0}(d, t)\n"
        for i in range(3000 // share)
    )
    before = time.process_time()
    (report,) = read(tmp_path, names + functions + 'smf.mixedlm("y ~ x", df, groups="g").fit()\n')
    assert report.lme4 == "y ~ x + (1|g)"
    # In proportion to the script: 1 s for the whole, 0.3 s for a fifth.
    assert time.process_time() - before < 10 / share
