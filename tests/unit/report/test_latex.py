"""Every record's LaTeX compiles, whatever names the data have: by its structure, and by pdflatex where there is one."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import lmmtools as lmt
from lmmtools.report.formats import latex
from lmmtools.report.table import Column, Document, Prose, Table

RESPONSE, COVARIATE, FACTOR, GROUP = "50% of_y & #1", "x^2 {dose} $~\\alpha", "arm_[<b>]", 'who "is" | it_'
LONG = "a_very_long_name_of_a_covariate_that_somebody_took_from_a_questionnaire_item_by_item"
PREAMBLE = "\\documentclass{article}\n\\usepackage{booktabs,dcolumn,longtable,amsmath}\n\\begin{document}\n"
# What is to the right of the text's edge by less cannot be seen: a third of a millimetre.
VISIBLE = 1.0


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    who = np.repeat(np.arange(20), 6)
    frame = pd.DataFrame(
        {
            COVARIATE: np.tile(np.arange(6.0), 20),
            FACTOR: np.array(["10%", "a_b", "\\end{table}"])[np.arange(120) % 3],
            GROUP: np.array([f"#{k}_" for k in range(20)])[who],
            LONG: rng.normal(size=120),
        }
    )
    slopes = rng.normal(size=20)[who] * frame[COVARIATE]
    return frame.assign(**{RESPONSE: 1 + 2 * rng.normal(size=20)[who] + slopes + rng.normal(size=120)})


@pytest.fixture(scope="module")
def texts(data) -> dict[str, str]:
    y, x, f, g, long = (f"`{name}`" for name in (RESPONSE, COVARIATE, FACTOR, GROUP, LONG))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        large = lmt.lmm(f"{y} ~ {x} * {f} + {long} + ({x} | {g})", data).fit(engine="pls")
        small = lmt.lmm(f"{y} ~ {x} + {f} + (1 | {g})", data).fit(engine="pls")
        model = lmt.lmm(f"{y} ~ {x} + {f} + (1 | {g})", data)
        plain = pd.DataFrame({"y": data[RESPONSE], "x": data[COVARIATE]})
        records = {
            "summary": large.summary(ddf="satterthwaite"),
            "compare": lmt.compare(large, small),
            "compare three": lmt.compare(large, small, large),
            "anova": large.anova(),
            "likelihood ratio": lmt.anova(small, large),
            "ranova": large.ranova(),
            "tests": large.tests(),
            "f_test": small.f_test(np.eye(small.design.p)[1:]),
            "means": small.marginal_means(FACTOR),
            "pairs": small.pairwise(FACTOR),
            "r2": small.r2(),
            "icc": small.icc(),
            "partition": small.variance_partition(),
            "design effect": small.design_effect(),
            "repca": large.repca(),
            "profile": small.profile(),
            "bootstrap": small.bootstrap(20, rng=1),
            "influence": small.influence(),
            "normality": large.mode_normality(),
        }
        five = [large, small, model.fit(reml=False), large.to_json(), smf.ols("y ~ x", plain).fit(cov_type="HC1")]
        headers = ["50% of_y & #1", "α <script>", "ML $x$", "a record of a fit", "{OLS}_^~\\"]
        for size in range(1, 6):
            records[f"side by side {size}"] = lmt.tables.side_by_side(*five[:size], names=headers[:size], caption="#_%")
        records["side by side intervals"] = lmt.tables.side_by_side(
            *five[:3], below="interval", labels={COVARIATE: "α_&"}
        )
        records["side by side long"] = lmt.tables.side_by_side(*five * 2, caption="a_b", label="tab:a_b%")
        found = {name: record.to_latex() for name, record in records.items()}
        # A name longer than a line does not break in mathematics.
        crossed = lmt.lmm(f"{y} ~ {x} * {f} + ({x} | {g})", data)
        found["equation"] = f"\\[\n{lmt.translate(crossed).latex}\n\\]"
    return found


def test_structure(texts):
    for name, text in texts.items():
        assert check(text) == [], name


def check(text: str) -> list[str]:
    """Return what LaTeX would refuse."""
    text = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", text, flags=re.DOTALL)
    found = []
    open_now: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            open_now.append(name)
        elif not open_now or open_now.pop() != name:
            found.append(f"an {name} ends that did not begin")
    found += [f"{name} does not end" for name in open_now]
    if re.search(r"\\begin\{itemize\}\s*\\end", text):
        found.append("an empty list")
    bare = re.sub(r"\\\\|\\[{}$&#%_]", "", text)
    if bare.count("{") != bare.count("}"):
        found.append("braces that do not match")
    if bare.count("$") % 2:
        found.append("a dollar alone")
    found += [f"{c!r} as it is" for c in '#%~"|<>' if c in re.sub(r"&\\sim", "", bare)]
    for columns, body in re.findall(
        r"\\begin\{(?:tabular|longtable)\}\{((?:[lr]|p\{\d+pt\}|D\{\.\}\{\.\}\{\d+\.\d+\})+)\}(.*?)"
        r"\\end\{(?:tabular|longtable)\}",
        text,
        flags=re.DOTALL,
    ):
        size = len(re.findall(r"[lr]|p\{|D\{", columns))
        rows = [row for row in body.splitlines() if row.endswith(r"\\") and not row.startswith(r"\caption")]
        found += [f"row {row!r}" for row in rows if _width(row) != size]
    return found


def _width(row: str) -> int:
    """Columns that a row takes."""
    own = len(re.findall(r"(?<!\\)&", row)) + 1
    return own + sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row))


def test_the_check_finds_what_latex_refuses():
    assert check("\\begin{itemize}\n\\end{itemize}") == ["an empty list"]
    assert check("\\begin{table} a_b 5\\% {") == ["table does not end", "braces that do not match"]
    assert check("\\begin{tabular}{lr}\na & b & c \\\\\n\\end{tabular}") == ["row 'a & b & c \\\\\\\\'"]


@pytest.mark.parametrize("is_list", [True, False])
def test_nothing_to_list_is_nothing(is_list):
    assert latex.render(Document("", (Prose("notes", (), is_list=is_list), Prose("said", (), "Said", is_list)))) == ""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex")
def test_pdflatex_sets_every_record_within_the_page(texts, tmp_path):
    # One document: a page each, its name in the log before it.
    body = "\n\\clearpage\n".join(f"\\typeout{{RECORD {name}}}\n{text}" for name, text in texts.items())
    (tmp_path / "all.tex").write_text(f"{PREAMBLE}{body}\n\\end{{document}}\n")
    run = subprocess.run(
        ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )
    errors = [line for line in run.stdout.splitlines() if line.startswith("!")]
    assert errors == []
    assert (tmp_path / "all.pdf").exists()
    wide = []
    for record in run.stdout.split("RECORD ")[1:]:
        over = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide\)", record)]
        wide += [(record.split("\n")[0], points) for points in over if points > VISIBLE]
    assert wide == [], wide


@pytest.mark.skipif(not (shutil.which("pdflatex") and shutil.which("pdftotext")), reason="no pdflatex or no pdftotext")
def test_words_of_a_column_that_wraps_are_set_whole(tmp_path):
    # "1fil" before a word that begins with L would take its L.
    table = Table("t", "", (Column(""), Column("")), (("Levels of Lima " * 8, "Long lines " * 9),))
    (tmp_path / "t.tex").write_text(f"{PREAMBLE}{latex.render(Document('', (table,)))}\n\\end{{document}}\n")
    run = ["pdflatex", "-no-shell-escape", "-interaction=nonstopmode", "t.tex"]
    subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    text = subprocess.run(["pdftotext", "t.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert (text.count("Levels"), text.count("Long")) == (8, 9)
