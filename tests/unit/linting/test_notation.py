"""lme4's notation and several columns where MixedLM takes neither: a finding, with the call to write."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.cli import main

CALLS = {
    'smf.mixedlm("y ~ x", df, groups=["subj", "item"])': ("groups-not-one-column", "'item': '0 + C(item)'"),
    'smf.mixedlm("y ~ x", df, groups=["subj"])': ("groups-not-one-column", "groups='subj'"),
    'smf.mixedlm("y ~ x", df, groups=df[["subj", "item"]])': ("groups-not-one-column", "'item': '0 + C(item)'"),
    'smf.mixedlm("y ~ x", df, groups=("subj", "item"), re_formula="~x")': (
        "groups-not-one-column",
        "'item': '0 + C(item)'",
    ),
    'smf.mixedlm("y ~ x + (1|subj)", df, groups="subj")': ("bar-in-formula", "groups='subj'"),
    'smf.mixedlm("y ~ x", df, groups="subj", re_formula="1|subj")': ("lme4-bars", "groups='subj'"),
    'smf.mixedlm("y ~ x", df, groups="subj", re_formula="~x|subj")': ("lme4-bars", "re_formula='1 + x'"),
    'smf.mixedlm("y ~ x + (x||subj)", df, groups="subj")': ("bar-in-formula", "groups='subj'"),
    'smf.mixedlm("y ~ x", df, groups="subj", vc_formula={"item": "0 + (1|item)"})': ("lme4-bars", "'y ~ x'"),
    'smf.mixedlm("y ~ x + us(x|subj)", df, groups="subj")': ("bar-in-formula", "re_formula='1 + x'"),
    'smf.mixedlm("y ~ x", df, groups="subj:item")': ("groups-formula", "groups"),
    'smf.mixedlm("y ~ x", df, groups="subj/item")': ("groups-formula", "groups='subj'"),
}
# What is no bar of lme4's, and what is one column.
RIGHT = [
    'smf.mixedlm("y ~ x + I((x > 0) | (x < -1))", df, groups="subj")',
    'smf.mixedlm("y ~ x", df, groups=df["subj"])',
    'smf.mixedlm("y ~ x", df, groups="subj", re_formula="1 + x")',
]
NEW = {"bar-in-formula", "groups-not-one-column", "lme4-bars", "groups-formula"}


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(43)
    data = pd.DataFrame(
        {"y": rng.standard_normal(60), "x": rng.standard_normal(60), "subj": [f"s{i // 6}" for i in range(60)]}
    )
    data.assign(item=[f"i{i % 6}" for i in range(60)]).to_csv("d.csv", index=False)

    def write(call):
        text = f"import statsmodels.formula.api as smf\nimport pandas as pd\ndf = pd.read_csv('d.csv')\n{call}.fit()\n"
        (tmp_path / "s.py").write_text(text)

    return write


@pytest.mark.parametrize("options", [[], ["--data", "d.csv"]], ids=["text", "data"])
@pytest.mark.parametrize("call", CALLS)
def test_a_script_gets_a_finding_and_the_call_to_write(script, capsys, call, options):
    script(call)
    assert main(["lint", "s.py", "--json", *options]) == 1
    (found,) = json.loads(capsys.readouterr().out)["calls"]
    code, cure = CALLS[call]
    own = [f for f in found["findings"] if f["code"] in NEW]
    assert [f["code"] for f in own] == [code]
    assert cure in own[0]["cure"]
    assert "PatsyError" not in str(found)


@pytest.mark.parametrize("options", [[], ["--data", "d.csv"]], ids=["text", "data"])
@pytest.mark.parametrize("call", RIGHT)
def test_a_call_that_mixedlm_reads_has_none_of_these_findings(script, capsys, call, options):
    script(call)
    main(["lint", "s.py", "--json", *options])
    (found,) = json.loads(capsys.readouterr().out)["calls"]
    assert not NEW & {f["code"] for f in found["findings"]}


def test_lint_of_arguments_knows_names_from_the_groups_of_rows():
    data = lmt.datasets.load("sleepstudy")
    assert "groups-not-one-column" in lmt.lint("Reaction ~ Days", groups=["Subject"], data=data).codes
    own = list(map(str, data.Subject))
    assert "groups-not-one-column" not in lmt.lint("Reaction ~ Days", groups=own, data=data).codes
