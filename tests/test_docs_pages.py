"""The pages that people look for are there: questions, messages, citations, and the words of a search."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from lmmtools import errors

DOCS = Path(__file__).parents[1] / "docs"
HOWTO = sorted(p for p in (DOCS / "howto").glob("*.rst") if p.name != "index.rst")
FIELDS = [
    "agriculture",
    "ecology",
    "education",
    "growth",
    "medicine",
    "psycholinguistics",
]
# What people type into a search box.
SEARCHED = [
    "post hoc",
    "effect size",
    "repeated measures",
    "multilevel",
    "hierarchical",
    "growth",
    "longitudinal",
    "split-plot",
    "Windows",
    "Quarto",
    "p-value",
    "ICC",
    "power",
    "singular",
    "emmeans",
    "Tukey",
    "confidence interval",
    "missing values",
    "R2",
]


def sections(path: Path) -> dict[str, str]:
    """Return the text under each heading of the second level of a page."""
    parts = re.split(r"^(.+)\n-{4,}\n", path.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def found_by(page: Path) -> str:
    """Return what the search of the built pages ranks: title, keywords, index entries, headings."""
    text = page.read_text(encoding="utf-8")
    keywords = re.findall(r":keywords: (.+)", text)
    entries = re.findall(r"^\.\. index:: (.+)", text, flags=re.M)
    return "\n".join([text.splitlines()[0], *keywords, *entries, *sections(page)]).lower()


def test_over_fifty_questions_are_answered_by_a_call_or_a_page_within_a_screen():
    answers = {question: text for page in HOWTO for question, text in sections(page).items()}
    assert len(answers) >= 50
    assert all(question.endswith("?") for question in answers)
    assert not [q for q, text in answers.items() if ">>> " not in text and "``" not in text and ":doc:" not in text]
    assert max(len(text.splitlines()) for text in answers.values()) <= 40
    with_calls = sum(">>> " in text for text in answers.values())
    assert with_calls >= 50


@pytest.mark.parametrize("field", FIELDS)
def test_page_of_a_field_goes_from_data_to_report(field: str):
    page = DOCS / "fields" / f"{field}.rst"
    text = page.read_text(encoding="utf-8")
    assert "The report" in sections(page)
    assert text.count(">>> ") > 15
    assert "Traceback" not in text


def test_every_class_of_error_and_warning_is_explained():
    text = (DOCS / "messages.rst").read_text(encoding="utf-8")
    explained = re.findall(r"^\.\. rubric:: (\w+)", text, flags=re.M)
    classes = {name for name in errors.__all__ if name.endswith(("Error", "Warning"))} - {"LmmError", "LmmWarning"}
    assert sorted(explained) == sorted(classes)


def test_every_reference_has_its_doi_or_says_that_it_has_none():
    text = (DOCS / "bibliography.rst").read_text(encoding="utf-8")
    entries = re.split(r"^\.\. (?=\[)", text, flags=re.M)[1:]
    assert len(entries) > 30
    for entry in entries:
        assert re.search(r"`doi:(10\.\d{4,}/\S+) <https://doi\.org/\1>`__|\(No DOI\.\)", " ".join(entry.split())), entry


def test_citations_of_all_pages_are_in_the_bibliography():
    known = re.findall(r"^\.\. \[(\w+)\]", (DOCS / "bibliography.rst").read_text(encoding="utf-8"), flags=re.M)
    assert len(set(known)) == len(known)
    for page in DOCS.rglob("*.rst"):
        if page.relative_to(DOCS).parts[0] not in {"_build", "api"}:
            cited = re.findall(r"(?<![\w`])\[([A-Z]\w+\d{4}[a-z]?)\]_", page.read_text(encoding="utf-8"))
            assert set(cited) <= set(known), page


@pytest.mark.parametrize("words", SEARCHED)
def test_words_that_people_search_for_lead_to_a_page(words: str):
    pages = [p for p in DOCS.rglob("*.rst") if p.relative_to(DOCS).parts[0] not in {"_build", "_templates", "api"}]
    assert [p for p in pages if words.lower() in found_by(p)], words


def test_notebooks_of_the_browser_begin_by_installing_lmmtools(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    site = runpy.run_path(str(DOCS / "browser_site.py"))
    site["copy_notebooks"](tmp_path)
    written = sorted(tmp_path.glob("*.ipynb"))
    assert [p.name for p in written] == list(site["NOTEBOOKS"])
    for path in written:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.cells[0].source == "%pip install -q lmmtools matplotlib"
        assert len(notebook.cells) > 10
