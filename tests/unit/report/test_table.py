"""Tables hold raw numbers; only the formats round."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from lmmtools.report.cells import format_cells
from lmmtools.report.formats import format_names, render
from lmmtools.report.table import Column, Document, Fact, Facts, NumberFormat, Prose, Table

# Every character that some format gives a meaning to.
NASTY = "a|b*c_d`e<f>&\"'$#%{}~^\\[g]"


def small_table(**options):
    return Table(
        "small",
        "A small table",
        (
            Column("", is_label=True),
            Column("x", NumberFormat("significant", 4), "right"),
            Column("y", NumberFormat("scientific", 2), "right"),
        ),
        (("one", 1.23456789, 1e-9), (NASTY, 12.3456789, None)),
        **options,
    )


NASTY_DOCUMENT = Document(
    NASTY,
    (
        Facts(
            "model", (Fact("formula", "Formula", NASTY), Fact("value", "Value", 1234.56789, NumberFormat("plain", 5)))
        ),
        small_table(notes=(NASTY,)),
        Prose("notes", (NASTY, "second")),
        Prose("code", ("x = 1\ny = 2",), title=NASTY),
    ),
)


def test_there_is_one_module_per_format():
    assert format_names() == ("html", "json", "latex", "markdown", "text")


def test_unknown_format_is_named():
    with pytest.raises(ValueError, match=r"no format 'pdf'.*html, json, latex, markdown, text"):
        render(small_table(), "pdf")


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="row 0 of table 'bad' has 2 cells for 1 columns"):
        Table("bad", "", (Column("x"),), ((1, 2),))


def test_columns_that_share_are_laid_out_together():
    shared = NumberFormat("significant", 3, share="s")
    table = Table("t", "", (Column("a", shared), Column("b", shared)), ((1.23456, 100.0),))
    assert format_cells(table) == [["  1.23", "100.00"]]


def test_rows_can_have_formats_of_their_own():
    by_row = NumberFormat("by row")
    formats = (NumberFormat("correlation", 4), NumberFormat("significant", 3))
    columns = (Column("a", by_row), Column("b", by_row))
    table = Table("t", "", columns, ((1.0, 20.0), (0.123456, None)), row_numbers=formats)
    assert format_cells(table) == [[" 1.0000", "20.0000"], ["0.123", ""]]


def test_text_is_aligned():
    rows = (("one", 1.23456789, 1e-9), ("three", 12.3456789, None))
    assert render(replace(small_table(is_ruled=True), rows=rows), "text").splitlines() == [
        "A small table:",
        "            x        y",
        "-----  ------  -------",
        "one     1.235  1.0e-09",
        "three  12.346",
    ]


def test_wide_tables_are_cut_where_r_cuts_them():
    columns = (Column("", is_label=True), *(Column("x" * 20) for _ in range(5)))
    text = render(Table("t", "", columns, (("row", *"abcde"),)), "text")
    assert [line.split() for line in text.splitlines()] == [
        ["x" * 20] * 3,
        ["row", *"abc"],
        ["x" * 20] * 2,
        ["row", *"de"],
    ]


def test_json_keeps_every_digit_and_is_strict():
    table = Table("t", "T", (Column("x", NumberFormat("plain")),), ((0.1 + 0.2,), (float("nan"),), (float("inf"),)))
    content = json.loads(render(table, "json"))
    assert content["t"]["rows"] == [[0.1 + 0.2], [None], [None]]


def test_json_has_each_part_under_its_name():
    content = json.loads(render(NASTY_DOCUMENT, "json"))
    assert content["title"] == NASTY
    assert content["model"] == {"formula": NASTY, "value": 1234.56789}
    assert content["small"]["columns"] == ["", "x", "y"]
    assert content["notes"] == [NASTY, "second"]


class Reader(HTMLParser):
    """Collects tags and text, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_html_is_well_formed_and_escaped():
    reader = Reader()
    reader.feed(render(NASTY_DOCUMENT, "html"))
    assert reader.open == []
    assert "".join(reader.text).count(NASTY) == 6
    assert {tag for tag, _ in reader.attributes} >= {"section", "table", "caption", "thead", "tbody", "th", "td"}
    scopes = [a.get("scope") for tag, a in reader.attributes if tag == "th"]
    assert sorted(scopes) == ["col", "col", "row", "row"]


def test_markdown_tables_have_as_many_bars_in_every_row():
    lines = [line for line in render(NASTY_DOCUMENT, "markdown").splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {4}


def test_markdown_formula_is_code_whatever_is_in_it():
    def shown(formula):
        document = Document("", (Facts("model", (Fact("formula", "Formula", formula),)),))
        return render(document, "markdown")

    assert shown("y ~ `a b` + (1|g)") == "- Formula: `` y ~ `a b` + (1|g) ``"
    assert shown("y ~ I(x < 2) + (1|g)") == "- Formula: `y ~ I(x < 2) + (1|g)`"
    # What is between back-ticks has no entities.
    assert shown("y ~ `<b>` * x") == r"- Formula: <code>y \~ \`&lt;b\>\` \* x</code>"


def test_markdown_shows_what_looks_like_a_tag():
    tag = "<script>alert(1)</script>"
    code = f"x = {tag}\n\ny"
    parts = (
        Facts("model", (Fact("formula", tag, tag), Fact("value", tag, tag))),
        Table("t", tag, (Column(tag, is_label=True), Column(tag)), ((tag, tag),), notes=(tag,)),
        Prose("notes", (tag,), title=tag),
        Prose("code", (code, tag)),
    )
    text = render(Document(tag, parts), "markdown")
    assert "&lt;script" in text
    assert not re.search(r"<(?!/?(code|pre)>)", text)
    assert f"<pre>{code.replace('<', '&lt;').replace('>', '&gt;')}</pre>" in text


def test_latex_sets_code_that_ends_its_own_verbatim_line_by_line():
    text = render(Document("", (Prose("code", ("a\n\\end{verbatim}\\input{b}",)),)), "latex")
    assert "verbatim}" not in text.replace(r"\{verbatim\}", "")
    assert r"\input" not in text
    assert r"\texttt{\textbackslash{}end\{verbatim\}\textbackslash{}input\{b\}}" in text


def test_latex_has_no_bare_special_character():
    text = render(Document("", (small_table(notes=(NASTY,)),)), "latex")
    body = re.sub(r"\\[a-zA-Z]+(\{\})?|\\[{}$&#%_\\]|\$[-\d.]+( \\times 10\^\{-?\d+\})?\$|\{\\char34\}", "", text)
    body = re.sub(r"\{\[\}|\{\]\}", "", body)
    assert not set('$#%^~_\\"<>|`') & set(body.replace("10", ""))


def test_latex_braces_balance():
    text = render(NASTY_DOCUMENT, "latex").replace(r"\{", "").replace(r"\}", "")
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin") == text.count(r"\end")


def test_latex_numbers_have_a_minus_and_a_power_of_ten():
    table = Table("t", "", (Column("x", NumberFormat("scientific", 2)),), ((-1.5e-11,), (-2.0,)))
    text = render(table, "latex")
    assert r"$-1.5 \times 10^{-11}$ \\" in text
    assert r"\toprule" in text


def test_long_sentences_are_wrapped_and_code_is_not():
    text = render(Document("", (Prose("p", ("word " * 40,)), Prose("c", ("x" * 100 + "\ny",)))), "text")
    assert max(map(len, text.split("\n\n")[0].splitlines())) <= 80
    assert "x" * 100 in text
