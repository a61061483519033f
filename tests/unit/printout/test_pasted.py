"""What happens to text between R and here: marks, prompts, PDFs; a cut is seen, and whose text it is if not lme4's."""

import json
import re
import time
from pathlib import Path

import pytest

import lmmtools as lmt

PRINTED = Path(__file__).parents[2] / "reference" / "printed"
# Tables of every shape: tests, one below the other, three correlations, names with blanks, ML, messages.
SHAPES = [
    "lmertest_narrow",
    "width_30_numbers",
    "names_with_spaces",
    "lmertest_ml",
    "singular_slope",
    "print_ml",
    "nested",
]


def text_of(name):
    return (PRINTED / f"{name}.txt").read_text(encoding="utf-8")


def by_line(change):
    return lambda text: "".join(f"{change(line)}\n" for line in text.splitlines())


def numbered(text, shape, start=1):
    return "".join(f"{shape.format(k, line)}\n".rstrip(" ") for k, line in enumerate(text.splitlines(), start))


MANGLED = {
    "knitr": by_line(lambda line: f"## {line}"),
    "knitr without trailing blanks": by_line(lambda line: f"## {line}".rstrip()),
    "reprex": by_line(lambda line: f"#> {line}"),
    "comment without a blank": by_line(lambda line: f"#{line}"),
    "slashes": by_line(lambda line: f"// {line}"),
    "comment of SQL": by_line(lambda line: f"-- {line}"),
    "code without a mark below it": lambda text: f"{by_line(lambda x: f'#> {x}')(text)}anova(m1, m2)  # 3\n",
    "prose below a marked block": lambda text: f"{by_line(lambda x: f'## {x}')(text)}The slope is 10.4.\n",
    "line numbers": lambda text: numbered(text, "{:3d} {}"),
    "line numbers from the middle": lambda text: numbered(text, "{}: {}", start=97),
    "line numbers after blanks": lambda text: numbered(text, "{:<4d} {}"),
    "line numbers of cat": lambda text: numbered(text, "{:6d}\t{}"),
    "line numbers and quotation": lambda text: numbered(by_line(lambda line: f"> {line}")(text), "[{}] {}"),
    "log": by_line(lambda line: f"2024-03-01 12:34:56,123 INFO [main] {line}"),
    "log of other levels": lambda text: "".join(
        f"[12:34:{k % 60:02d}] {'INFO' if k % 3 else 'WARN'} fit.R: {line}\n"
        for k, line in enumerate(text.splitlines())
    ),
    "log with time zone": by_line(lambda line: f"2024-03-01T12:34:56+01:00 {line}"),
    "quoted mail": by_line(lambda line: f"> {line}"),
    "quoted knitr": by_line(lambda line: f"> ## {line}"),
    "indented": by_line(lambda line: f"      {line}"),
    "trailing blanks": by_line(lambda line: f"{line}     "),
    "double-spaced": lambda text: text.replace("\n", "\n\n"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "blanks lost": by_line(lambda line: " ".join(line.split())),
    "blanks and blank lines lost": lambda text: "\n".join(" ".join(x.split()) for x in text.splitlines() if x.strip()),
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "thin spaces": lambda text: text.replace("  ", " \u2009"),
    "minus signs": lambda text: re.sub(r"(?<=\s)-(?=[\d.])", "\u2212", text),
    "dashes": lambda text: re.sub(r"(?<=\s)-(?=[\d.])", "\u2013", text),
    "minus apart": lambda text: re.sub(r"(?<=\s)-(?=[\d.])", "- ", text),
    "ligatures": lambda text: text.replace("fi", "\ufb01").replace("ff", "\ufb00"),
    "HTML": lambda text: f"<pre>{text.replace('<', '&lt;').replace('>', '&gt;')}</pre>",
    "byte order mark": lambda text: f"\ufeff{text}",
    "code block in prose": lambda text: f"We fitted:\n```r\n{text}```\nThe slope of Days is 10.4\nwith an error of 3",
    "between paragraphs": lambda text: f"Appendix A. Output of R:\n\n{text}\n\nAs one sees, 3.\nPage 12",
    "session": lambda text: (
        "> library(lme4)\nLoading required package: Matrix\n> fm <- lmer(y ~ x +\n+   (1|g), d)\n> summary(fm)\n"
        f"{text}> confint(fm)\nComputing profile confidence intervals ...\n       2.5 % 97.5 %\n.sig01 1.1 2.2\n> "
    ),
}


def numbers(printed):
    """The record, with one kind of minus."""
    return re.sub("[\u2212\u2013]", "-", repr(printed))


@pytest.mark.parametrize("how", MANGLED)
@pytest.mark.parametrize("name", SHAPES)
def test_pasted_text_has_the_same_numbers(name, how):
    assert numbers(lmt.read_lme4_summary(MANGLED[how](text_of(name)))) == numbers(lmt.read_lme4_summary(text_of(name)))


def folded(text, width, *, at_blanks):
    """The text as a page of this width breaks it: at blanks, or anywhere."""
    wrapped = []
    for line in text.splitlines():
        while len(line) > width:
            at = line.rfind(" ", 0, width + 1) if at_blanks else width
            wrapped.append(line[:at])
            line = line[at:].lstrip(" ") if at_blanks else line[at:]
        wrapped.append(line)
    return "\n".join(wrapped)


@pytest.mark.parametrize("at_blanks", [True, False])
@pytest.mark.parametrize("width", [36, 40, 45, 50, 55, 60, 66, 70])
@pytest.mark.parametrize("name", ["lmertest_many", "lmertest_satterthwaite", "names_with_spaces", "nested"])
def test_a_narrow_page_changes_no_number(name, width, at_blanks):
    whole = lmt.read_lme4_summary(text_of(name))
    try:
        printed = lmt.read_lme4_summary(folded(text_of(name), width, at_blanks=at_blanks))
    except lmt.LmmError:
        # A name that is broken is not put together, nor a number that either half may be.
        assert width < 60 or not at_blanks
        return
    assert [c.name for c in printed.fixed] == [c.name for c in whole.fixed]
    for one, other in ((printed.fixed, whole.fixed), (printed.random, whole.random)):
        assert numbers(one) == numbers(other)


BELOW = {
    "prose": "The slope is steep in all of them.",
    "prose with a number": "see the text of chapter 3",
    "code": "anova(m1, m2)",
    "an assignment": "x <- 3",
    "a vector": "[1] TRUE",
    "a prompt": "> VarCorr(m)",
    "a rule": "=" * 60,
}


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("name", ["lmertest_satterthwaite", "lmertest_without_stars", "print_reml", "nested"])
def test_what_stands_right_below_the_table_is_no_part_of_it(name, below):
    text = re.sub(r"\n*(---\nSignif|Correlation of Fixed)[\s\S]*", "", text_of(name).rstrip()).replace("***", "")
    whole = lmt.read_lme4_summary(text)
    assert numbers(lmt.read_lme4_summary(f"{text}\n{BELOW[below]}")) == numbers(whole)


@pytest.mark.parametrize("name", ["singular_slope", "not_converged"])
def test_messages_end_where_an_anova_begins(name):
    anova = (
        "Type III Analysis of Variance Table with Satterthwaite's method\n"
        "     Sum Sq Mean Sq NumDF DenDF F value    Pr(>F)\nDays  30031   30031     1    17  45.853 3.264e-06\n"
    )
    whole = lmt.read_lme4_summary(text_of(name))
    for gap in ("", "\n"):
        for indent in ("", "    "):
            text = "".join(f"{indent}{line}\n" for line in f"{text_of(name).rstrip()}\n{gap}{anova}".splitlines())
            assert lmt.read_lme4_summary(text).messages == whole.messages


def test_a_row_without_its_numbers_is_no_end_of_the_table():
    name = lmt.read_lme4_summary(text_of("lmertest_many")).fixed[2].name
    text = re.sub(rf"(?m)^{re.escape(name)} .*", name, text_of("lmertest_many"))
    with pytest.raises(lmt.LmmError, match="has not 5 numbers after a name"):
        lmt.read_lme4_summary(text)


def test_later_and_earlier_versions_of_lme4():
    text = text_of("lmertest_ml")
    later = text.replace("deviance df.resid", "-2*log(L)  df.resid").replace("    Min ", "Min ")
    assert lmt.read_lme4_summary(later).criterion == lmt.read_lme4_summary(text).criterion
    earlier = """\
Linear mixed model fit by REML
Formula: Reaction ~ Days + (Days | Subject)
   Data: sleepstudy
  AIC  BIC logLik deviance REMLdev
 1756 1775 -871.8     1752    1744
Random effects:
 Groups   Name        Variance Std.Dev. Corr
 Subject  (Intercept) 612.092  24.7405
          Days         35.072   5.9221  0.066
 Residual             654.941  25.5918
Number of obs: 180, groups: Subject, 18

Fixed effects:
            Estimate Std. Error t value
(Intercept)  251.405      6.825   36.84
Days          10.467      1.546    6.77

Correlation of Fixed Effects:
     (Intr)
Days -0.138
"""
    printed = lmt.read_lme4_summary(earlier)
    assert (printed.reml, printed.criterion.text) == (True, "1744")
    assert printed.correlations["Subject (Intercept), Days"].decimals == 3


# -- cut ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lmertest_satterthwaite", "lmertest_many", "print_ml", "width_20", "nested"])
def test_half_a_text_is_refused(name):
    text = text_of(name)
    for half in (text[: len(text) // 2], text[len(text) // 2 :]):
        with pytest.raises(lmt.LmmError, match=r"missing: |none of its tables|[Ww]as (?:the text|it) cut"):
            lmt.read_lme4_summary(half)


def test_no_cut_within_a_line_passes():
    text = text_of("lmertest_satterthwaite").rstrip()
    whole = lmt.read_lme4_summary(text)
    for end in range(len(text)):
        try:
            printed = lmt.read_lme4_summary(text[:end])
        except lmt.LmmError:
            continue
        assert printed.fixed == whole.fixed, end


@pytest.mark.parametrize(
    ("without", "named"),
    [
        ("REML criterion", "missing: the criterion"),
        ("Random effects", "missing: the table 'Random effects'"),
        ("Number of obs", "missing: the line 'Number of obs'"),
        ("Fixed effects", "missing: the table 'Fixed effects'"),
        (" Groups", "no heading 'Groups Name Variance Std.Dev.'"),
        ("Estimate", "no heading 'Estimate Std. Error t value'"),
        (" Residual", "no row 'Residual'"),
        ("Days          10.467", "no row for Days"),
        ("(Intercept)  251.405", "no row for (Intercept)"),
        ("Days -0.138", "correlations of the 2 fixed effects are not complete"),
    ],
)
def test_a_missing_line_is_named(without, named):
    text = "\n".join(line for line in text_of("lmertest_satterthwaite").splitlines() if without not in line)
    with pytest.raises(lmt.LmmError, match=re.escape(named)):
        lmt.read_lme4_summary(text)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("35.07", "35.70", "not square and root of one number"),
        ("1.546", "1.646", "is not its estimate 10.467 over its standard error 1.646"),
        ("   5.922   0.07", "   5.922", "'Subject Days' of the random effects has 2 of 3 numbers"),
        ("180, groups:  Subject, 18", "180, gro", "does not read as"),
        ("  1.546  17.000   6.771 3.26e-06 ***", "", "not 5 numbers"),
    ],
)
def test_changed_numbers_are_seen(old, new, named):
    text = text_of("lmertest_satterthwaite")
    assert old in text
    with pytest.raises(lmt.LmmError, match=re.escape(named)):
        lmt.read_lme4_summary(text.replace(old, new))


def test_columns_that_blank_lines_told_apart():
    text = "\n".join(line for line in text_of("groups_apart").splitlines() if line.strip())
    with pytest.raises(lmt.LmmError, match="blank lines that tell which effect is whose were lost"):
        lmt.read_lme4_summary(text)


def test_a_lost_component_is_named():
    text = "\n".join(line for line in text_of("nested").splitlines() if "cask:batch (Intercept)" not in line)
    with pytest.raises(lmt.LmmError, match="no row for cask:batch, which 'Number of obs' lists"):
        lmt.read_lme4_summary(text)


def test_two_printouts_are_refused():
    with pytest.raises(lmt.LmmError, match=r"more than one printed fit \(lines 1 and 21\)"):
        lmt.read_lme4_summary(2 * text_of("nested"))


# -- of others ----------------------------------------------------------------------------------------------------

OTHERS = {
    "MixedModels.jl": """\
Linear mixed model fit by maximum likelihood
 yield ~ 1 + (1 | batch)
   logLik   -2 logLik     AIC       AICc        BIC
  -163.6635   327.3271   333.3271   334.2501   337.5307

Variance components:
            Column    Variance Std.Dev.
batch    (Intercept)  1388.3332 37.2603
Residual              2451.2500 49.5101
 Number of obs: 30; levels of grouping factors: 6
""",
    "glmmTMB": """\
 Family: gaussian  ( identity )
Formula:          Reaction ~ Days + (Days | Subject)
Data: sleepstudy

     AIC      BIC   logLik deviance df.resid
  1763.9   1783.1   -876.0   1751.9      174

Random effects:

Conditional model:
 Groups   Name        Variance Std.Dev. Corr
 Subject  (Intercept) 565.52   23.781
          Days         32.68    5.717   0.08
 Residual             654.94   25.592
Number of obs: 180, groups:  Subject, 18
""",
    "statsmodels": "         Mixed Linear Model Regression Results\nModel: MixedLM Dependent Variable: Yield\n",
    "blme": "Cov prior  : plate ~ wishart(df = 3.5)\n\nLinear mixed model fit by REML ['blmerMod']\n",
    "SAS": "The Mixed Procedure\n\nCovariance Parameter Estimates\n",
    "Stata": "Mixed-effects REML regression                   Number of obs     =        180\n",
}


@pytest.mark.parametrize("whose", OTHERS)
def test_whose_text_it_is_is_named(whose):
    with pytest.raises(lmt.LmmError, match=whose):
        lmt.read_lme4_summary(OTHERS[whose])


@pytest.mark.parametrize(
    ("name", "whose"),
    [("nlme", "nlme's lme"), ("nlme_print", "nlme's lme"), ("nlme_gls", "gls"), ("glmer", "glmer"), ("lm", "R's lm")],
)
def test_other_printouts_of_r_are_named(name, whose):
    with pytest.raises(lmt.LmmError, match=whose):
        lmt.read_lme4_summary(text_of(f"other/{name}"))


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff\n"])
def test_empty_text(text):
    with pytest.raises(lmt.LmmError, match="empty"):
        lmt.read_lme4_summary(text)


@pytest.mark.parametrize("text", ["hello 3", "1 2 3\n4 5 6", json.dumps({"criterion": 3.0})])
def test_no_printout_at_all(text):
    with pytest.raises(lmt.LmmError, match="no printed lmer"):
        lmt.read_lme4_summary(text)


def test_something_else_than_text():
    with pytest.raises(lmt.LmmError, match="takes the printed text, not"):
        lmt.read_lme4_summary(PRINTED / "nested.txt")


@pytest.mark.parametrize(
    "text", ["> " * 400_000, "#" * 400_000, "`" * 400_000, " " * 400_000 + "x", "Number of obs: ²", "x\n" * 3_000_000]
)
def test_text_of_marks_without_end_is_refused_soon(text):
    before = time.process_time()
    with pytest.raises(lmt.LmmError) as found:
        lmt.read_lme4_summary(text)
    assert time.process_time() - before < 5
    assert len(str(found.value)) < 500


def test_counts_that_are_no_numbers_are_refused():
    for count in ("²", "9" * 5000, "1e3", "٣"):
        with pytest.raises(lmt.LmmError, match="does not read as"):
            lmt.read_lme4_summary(
                re.sub(r"Number of obs: \d+", f"Number of obs: {count}", text_of("call_with_options"))
            )
