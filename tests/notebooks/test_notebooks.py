"""Every notebook runs, tells right answers to its exercises from wrong ones, and is stored without outputs.

An exercise is a cell with ``answer_N = ...``, and one tagged ``solution`` that ends in the check of ``answer_N`` and
defines ``solution_N``.
"""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
books = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
CHECKED = re.compile(r"check\(\s*answer_(\d)")
WRONG = "solution_{0} * 2 + 1 if isinstance(solution_{0}, (int, float)) else 'nothing of the kind'"


def is_solution(cell) -> bool:
    return "solution" in cell.metadata.get("tags", [])


def numbers(book) -> list[int]:
    """Return the numbers of the exercises that are checked."""
    return [int(n) for cell in book.cells if is_solution(cell) for n in CHECKED.findall(cell.source)]


RECORD = """import lmmtools as lmt
from tests.notebooks.right_forms import record, refused

lmt.exercises.check = record(lmt.exercises.check)"""


def answered(book, name):
    """Return the notebook with each check run twice more, on the solution and on a wrong answer, and on right forms."""
    book = copy.deepcopy(book)
    cells = [nbformat.v4.new_code_cell(RECORD)]
    for cell in book.cells:
        cells.append(cell)
        if is_solution(cell):
            (n,) = CHECKED.findall(cell.source)
            for answer in (f"solution_{n}", WRONG.format(n)):
                again = nbformat.v4.new_code_cell(f"answer_{n} = {answer}\n{cell.source}")
                again.metadata["tags"] = ["again"]
                cells.append(again)
            tried = nbformat.v4.new_code_cell(f"refused({name[:2]!r}, {n}, solution_{n})")
            tried.metadata["tags"] = ["forms"]
            cells.append(tried)
    book.cells = cells
    return book


def said(cell) -> str:
    """Return what the last line of a cell came to."""
    return next(output["data"]["text/plain"] for output in cell.outputs if output.output_type == "execute_result")


@books
def test_notebook_runs_and_tells_right_answers_from_wrong_ones(path):
    book = answered(nbformat.read(path, as_version=4), path.stem)
    NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parents[1])}}
    ).execute()
    checks = [cell for cell in book.cells if cell.cell_type == "code" and is_solution(cell)]
    assert all(said(cell).startswith("No answer yet") for cell in checks), checks
    # What a solution prints would give it away.
    assert not any(output.output_type == "stream" for cell in checks for output in cell.outputs), checks
    again = [said(cell) for cell in book.cells if "again" in cell.metadata.get("tags", [])]
    assert [text.split(":")[0] for text in again] == ["Right", "Not yet"] * len(checks), again
    # Every right form of an answer is right: numbers as text, terms in another order, and so on.
    assert [said(cell) for cell in book.cells if "forms" in cell.metadata.get("tags", [])] == ["[]"] * len(checks)


@books
def test_notebook_opens_with_its_aim_and_ends_with_checked_exercises(path):
    book = nbformat.read(path, as_version=4)
    assert "\nAfter this notebook you can " in book.cells[0].source
    *_, last = (i for i, cell in enumerate(book.cells) if re.search(r"^## ", cell.source, flags=re.M))
    assert "## Exercises" in book.cells[last].source
    asked = [int(n) for cell in book.cells[last:] for n in re.findall(r"^\*\*(\d)\.\*\*", cell.source, flags=re.M)]
    assert asked == numbers(book) == list(range(1, len(asked) + 1))
    assert len(asked) >= 2
    assert all(f"\nanswer_{n} = ..." in "\n".join(["", *(c.source for c in book.cells)]) for n in asked), asked
    assert is_solution(book.cells[-1])


@books
def test_notebook_is_stored_without_outputs(path):
    book = nbformat.read(path, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code if cell.outputs or cell.execution_count is not None] == []
