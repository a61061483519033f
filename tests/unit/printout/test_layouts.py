"""Every printed table is read whole, and its numbers are those behind the text, to the digits printed."""

import json
import math
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.printout.printed_table import PrintedTable

REFERENCE = Path(__file__).parents[2] / "reference" / "printed_tables"
RECORDED = json.loads((REFERENCE / "tables.json").read_text(encoding="utf-8"))["tables"]
# Another function prints the same, and nothing in the text tells whose it is.
UNKNOWN = ["ranef_worker", "varcorr_frame"]
TABLES = [name for name, record in RECORDED.items() if "numbers" in record and name not in UNKNOWN]


def text_of(name):
    return (REFERENCE / f"{name}.txt").read_text(encoding="utf-8")


def number(value):
    """A recorded number; R's NA and infinities are words."""
    return float("nan") if value in (None, "NA", "NaN") else float(value)


def printed_and_recorded(name):
    """(printed, recorded) for every number of a table, in the order of the frame behind it."""
    table, columns = lmt.read_printout(text_of(name)), RECORDED[name]["numbers"]
    if table.layout == "variances":
        labels = RECORDED[name]["labels"]
        rows = zip(labels["grp"], labels["var1"], labels["var2"], columns["vcov"], columns["sdcor"], strict=True)
        own = {(g, a or "", b or ""): {"Variance": v, "Std.Dev.": s, "Corr": s} for g, a, b, v, s in rows}
        for row in table.rows:
            for column, found in row.numbers.items():
                other = column.removeprefix("Corr with ") if column.startswith("Corr") else ""
                key = (row.labels[0], other, row.labels[1]) if other else (*row.labels, "")
                yield found, own[key]["Corr" if other else column]
        return
    if table.layout == "modes":
        for column in columns if name != "ranef_crossed" else [None]:
            rows = [row for row in table.rows if column in (None, row.labels[1])]
            recorded = columns[column or "both"]
            assert len(rows) == len(recorded)
            yield from ((row.numbers["mode"], value) for row, value in zip(rows, recorded, strict=True))
        return
    rows = [row for row in table.rows if row.labels[0] != "emmeans"]
    for k, row in enumerate(rows):
        for column, found in row.numbers.items():
            named = {"lower": next(iter(columns)), "upper": list(columns)[-1], "Estimate": "value"}
            recorded = columns[column if column in columns else named[column]]
            assert len(recorded) == len(rows)
            yield found, recorded[k]


@pytest.mark.parametrize("name", TABLES)
def test_the_numbers_are_those_behind_the_text(name):
    pairs = list(printed_and_recorded(name))
    assert pairs
    for found, recorded in pairs:
        # JSON has no infinity.
        value = found if math.isinf(found) and recorded is None else number(recorded)
        assert found == value or found.shows(value) or abs(found - value) <= 1.1 * found.half_unit, (found, recorded)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read_whole(name):
    table = lmt.read_printout(text_of(name))
    assert table.unread == ()
    record = RECORDED[name]["numbers"]
    cells = sum(value is not None for column in record.values() for value in column)
    if table.layout in ("anova", "ranova"):
        assert sum(len(row.numbers) for row in table.rows) == cells
    if table.layout == "intervals":
        assert len(table.rows) == len(RECORDED[name]["rows"])


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_no_line_names_is_not_read(name):
    with pytest.raises(lmt.LmmError):
        lmt.read_printout(text_of(name))


def test_every_text_has_its_record():
    assert {path.stem for path in REFERENCE.glob("*.txt")} == set(RECORDED)


def test_facts_of_tests_and_means():
    assert lmt.read_printout(text_of("anova_type_2")).facts == {"type": "II", "ddf": "satterthwaite"}
    assert lmt.read_printout(text_of("anova_kenward_roger")).facts["ddf"] == "kenward-roger"
    assert lmt.read_printout(text_of("pairs_holm")).facts["adjust"] == "holm"
    assert lmt.read_printout(text_of("emmeans_asymptotic")).facts == {"ddf": "z", "level": "0.95"}
    assert lmt.read_printout(text_of("confint_beta")).facts == {"alpha": "0.1"}


def test_coef_is_not_taken_for_ranef():
    """coef(fit) prints as ranef(fit) does; 308 has 253.7 there and 2.26 here (lme4 1.1-31)."""
    text = text_of("ranef_slope").replace("with conditional variances for “Subject”", "")
    assert lmt.read_printout(text).layout == "modes"
    lines = [line.replace("  2.2585509", "253.6636896") for line in text.splitlines()]
    with pytest.raises(lmt.LmmError, match="may be those of coef"):
        lmt.read_printout("\n".join(lines))
    with pytest.raises(lmt.LmmError, match="may be those of coef"):
        lmt.read_printout(text + 'attr(,"class")\ncoef.mer\n')


@pytest.mark.parametrize(
    ("name", "old", "new", "named"),
    [
        ("anova_cake", "20.60", "26.00", "Mean Sq is not Sum Sq over NumDF"),
        ("ranova_slope", "42.837", "42.873", "LRT is not twice the difference of logLik"),
        ("ranova_slope", "1794.5", "1749.5", "AIC does not follow"),
        ("coef_summary", "6.771481", "6.717481", "is not its estimate"),
        ("varcorr_both", "35.072", "53.072", "not square and root"),
        ("emmeans_worker", "66.3", "63.6", "not in the middle of its limits"),
        ("pairs_worker", "-7.559", "-7.955", "t.ratio is not estimate over SE"),
        ("confint_wald", "13.49698", " 3.49698", "lower limit is above the upper"),
    ],
)
def test_changed_numbers_are_seen(name, old, new, named):
    text = text_of(name)
    assert old in text
    with pytest.raises(lmt.LmmError, match=named):
        lmt.read_printout(text.replace(old, new))


def test_two_tables_are_refused():
    with pytest.raises(lmt.LmmError, match=r"ranova\(\) of lmerTest \(line \d+\).*give one at a time"):
        lmt.read_printout(text_of("anova_slope") + "\n" + text_of("ranova_slope"))
    with pytest.raises(lmt.LmmError, match="two tables of variances"):
        lmt.read_printout(text_of("varcorr_slope") + "\n" + text_of("varcorr_slope"))


def test_rows_that_are_not_understood_are_named():
    text = text_of("emmeans_worker").replace(" B         60.3 2.23 5.83", " B         nonEst NA NA")
    table = lmt.read_printout(text)
    assert [row.labels for row in table.rows] == [("Machine = A",), ("Machine = C",)]
    assert table.unread[0].startswith("line 3: 'B nonEst NA NA")
    assert "not read: line 3" in str(table)


def test_a_table_within_a_session():
    marked = "".join(f"#> {line}\n" for line in text_of("anova_slope").splitlines())
    table = lmt.read_printout(f"anova(fit)\n{marked}VarCorr(fit)\n")
    assert isinstance(table, PrintedTable)
    assert table.rows == lmt.read_printout(text_of("anova_slope")).rows


def test_a_summary_goes_before_tables_around_it():
    summary = (REFERENCE.parent / "printed" / "lmertest_satterthwaite.txt").read_text(encoding="utf-8")
    assert lmt.read_printout(summary + "\n" + text_of("anova_slope")).engine == "lme4"
