"""No change of a text (lines lost, pages narrowed, columns shifted, blanks lost) makes a number that is read wrong."""

import random
import re
from pathlib import Path

import pytest

import lmmtools as lmt
from lmmtools.printout.printed_table import PrintedTable

REFERENCE = Path(__file__).parents[2] / "reference"
TEXTS = {
    path.stem if folder != "printed_lme" else f"lme_{path.stem}": path
    for folder in ("printed", "printed_tables", "printed_parameters", "printed_lme", "printed_other", "printed_mixedlm")
    for path in sorted((REFERENCE / folder).glob("*.txt"))
}
# Random changes of each kind for each text.
DRAWS = 10
# Decimal commas and other kinds of minus are the same digits.
SIGNS = str.maketrans({",": ".", "\u2212": "-", "\u2013": "-"})


def numbers_of(text):
    """{what it is: its digits} of every number that is read."""
    read = lmt.read_printout(text)
    if isinstance(read, PrintedTable):
        return {key: n.text for row in read.rows for column, n in row.numbers.items() for key in [_key(row, column)]}
    found = {("criterion",): read.criterion.text, ("sigma",): read.sigma.text, ("nobs",): str(read.nobs)}
    found |= {("variance", k): v.text for k, v in read.variances.items()}
    found |= {("sd", k): v.text for k, v in read.std_devs.items()}
    found |= {("corr", k): v.text for k, v in read.correlations.items()}
    for c in read.fixed:
        columns = ("estimate", "std_error", "df", "t", "p")
        found |= {(c.name, name): v.text for name in columns if (v := getattr(c, name)) is not None}
    for i, row in enumerate(read.fixed_correlations or (), 1):
        found |= {("corr", read.fixed[j].name, read.fixed[i].name): r.text for j, r in enumerate(row)}
    found |= {("residuals", str(k)): q.text for k, q in enumerate(read.scaled_residuals or ())}
    return found


def _key(row, column):
    """As that of a summary, of which the table may be a part."""
    amounts = {"Variance": "variance", "Std.Dev.": "sd"}
    names = {"Estimate": "estimate", "Std. Error": "std_error", "df": "df", "t value": "t", "Pr(>|t|)": "p"}
    if column in amounts:
        return (amounts[column], " ".join(filter(None, row.labels)))
    return (*row.labels, names.get(column, column))


def is_right(key, digits, whole):
    """Whether a number is the one printed of it; under a name that was damaged, one of its column."""
    digits = digits.translate(SIGNS)
    if key in whole:
        return whole[key].translate(SIGNS) == digits
    whole = {one: text.translate(SIGNS) for one, text in whole.items()}
    kinds = {(one[0] if one[0] in ("variance", "sd", "corr") else one[-1], text) for one, text in whole.items()}
    # The residual's are the fit's sigma.
    kinds |= {("sd", text) for one, text in whole.items() if one == ("sigma",)}
    return (key[0] if key[0] in ("variance", "sd", "corr") else key[-1], digits) in kinds or key == (
        "variance",
        "Residual",
    )


def dropped(text, rng):
    lines = text.splitlines()
    lines.pop(rng.randrange(len(lines)))
    return "\n".join(lines)


def dropped_two(text, rng):
    """Two lines lost that are no neighbours: of names over numbers two neighbours leave no trace."""
    lines = text.splitlines()
    first = rng.randrange(len(lines))
    second = rng.randrange(len(lines))
    lost = {first, second if abs(first - second) != 1 else first}
    return "\n".join(line for k, line in enumerate(lines) if k not in lost)


def wrapped(text, rng):
    width, at_blanks = rng.randrange(25, 90), rng.random() < 0.5
    lines = []
    for line in text.splitlines():
        rest = line
        while len(rest) > width:
            at = max(rest.rfind(" ", 0, width + 1), 1) if at_blanks else width
            lines.append(rest[:at])
            rest = rest[at:]
        lines.append(rest)
    return "\n".join(lines)


def shifted(text, rng):
    """Blanks put in, or taken out, at some place of some line."""
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 4)):
        k = rng.randrange(len(lines))
        gaps = [i for i, c in enumerate(lines[k]) if c == " "]
        if gaps:
            at = rng.choice(gaps)
            wide = rng.random() < 0.5 or lines[k][max(at - 1, 0)] != " "
            lines[k] = lines[k][:at] + " " * rng.randrange(1, 9) * wide + lines[k][at + (not wide) :]
    return "\n".join(lines)


def collapsed(text, rng):
    lines = text.splitlines()
    every = rng.random() < 0.5
    return "\n".join(" ".join(line.split()) if every or rng.random() < 0.3 else line for line in lines)


def cut(text, rng):
    return text[: rng.randrange(len(text) // 2, len(text))]


def cell_lost(text, rng):
    """A number taken out of a row, its blanks kept or not."""
    lines = text.splitlines()
    k = rng.randrange(len(lines))
    words = lines[k].split(" ")
    places = [i for i, word in enumerate(words) if word[:1].isdigit() or word[:1] == "-"]
    if places:
        at = rng.choice(places)
        words[at] = " " * (len(words[at]) - 1) if rng.random() < 0.5 else ""
        lines[k] = " ".join(words)
    return "\n".join(lines)


def marked(text, rng):
    """As a page shows it: behind a mark, indented, with prose and prompts around it, with the line ends of Windows."""
    mark = rng.choice(["#> ", "## ", "# ", "> ", "    ", "// ", "| "])
    lines = [(mark + line).rstrip() if rng.random() < 0.98 else line for line in text.splitlines()]
    before = rng.choice([[], ["> summary(fit)"], ["The fit of 12 models is:", ""], ["```r", "summary(fit)", "```"]])
    after = rng.choice([[], ["", "We see that the effect is 3.5 (p = 0.02)."], ["> 1 + 1", "[1] 2"], ["```"]])
    return rng.choice(["\n", "\r\n"]).join([*before, *lines, *after])


def in_other_signs(text, rng):
    """With decimal commas, another minus, tabs for blanks."""
    kind = rng.randrange(4)
    if kind == 0:
        return re.sub(r"(?<=\d)\.(?=\d)", ",", text)
    if kind == 1:
        return re.sub(r"(?<![\w-])-(?=\d)", rng.choice(["\u2212", "\u2013"]), text)
    gap = r"(?<=\S) {2,}(?=\S)" if kind == 2 else r"(?<=\S) +(?=\S)"
    return re.sub(gap, "\t", text)


CHANGES = [dropped, dropped_two, wrapped, shifted, collapsed, cut, cell_lost, marked, in_other_signs]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", TEXTS)
def test_no_number_is_read_wrongly(name, change):
    text = TEXTS[name].read_text(encoding="utf-8")
    try:
        whole = numbers_of(text)
    except lmt.LmmError:
        pytest.skip("the text is not read")
    rng = random.Random(f"{name} {change.__name__}")
    for _ in range(DRAWS):
        changed = change(text, rng)
        try:
            read = numbers_of(changed)
        except lmt.LmmError:
            continue
        wrong = {key: (digits, whole.get(key)) for key, digits in read.items() if not is_right(key, digits, whole)}
        assert not wrong, f"{wrong}\n{changed}"
