"""What lint does with scripts and notebooks that would keep it busy, or are none: an answer or a DataError, soon."""

from __future__ import annotations

import json
import time

import pytest

from lmmtools.errors import DataError
from lmmtools.linting.lint import MOST_CALLS, lint_file

# Processor time, far above what any of these takes.
LIMIT = 5.0
CALL = "smf.mixedlm('y ~ x', df, groups='g').fit()"


def read(folder, text, name="script.py"):
    """Return reports and what was not read, within the limit."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = time.process_time()
    try:
        return lint_file(str(path))
    finally:
        assert time.process_time() - before < LIMIT


def loops(depth, passes):
    lines = ["    " * k + f"for a{k} in {list(range(passes))}:" for k in range(depth)]
    return "\n".join([*lines, "    " * depth + CALL])


LONG, LONG_LIST = "x" * 9000, list(range(100))
SCRIPTS = {
    "loops in loops": loops(8, 50),
    "comprehensions": f"L = {[0] * 100}\nx = [[[[a for a in L] for b in L] for c in L] for d in L]\n{CALL}",
    "dict comprehensions": f"L = {LONG_LIST}\nx = {{a: {{b: {{c: L for c in L}} for b in L}} for a in L}}\n{CALL}",
    "loops over lists": f"L = {LONG_LIST[:40]}\nfor a in L:\n for b in L:\n  for c in L:\n   d = [a, b, c]\n{CALL}",
    "doubled text": "x = 'ab'\n" + "x += x\n" * 100 + CALL,
    "doubled lists": "x = [1, 2]\n" + "x = [*x, *x]\n" * 100 + CALL,
    "one long f-string": f"x = {LONG!r}\ny = f'{'{x}' * 20_000}'\n{CALL}",
    "one long list": f"x = {list(range(3000))}\ny = [{'*x, ' * 20_000}]\n{CALL}",
    "many formats": f"x = {LONG!r}\ns = {'{0}' * 3000!r}\n" + "y = s.format(x)\n" * 5000 + CALL,
    "many percents": f"x = {LONG!r}\ns = {'%(a)s' * 1500!r}\n" + "y = s % dict(a=x)\n" * 5000 + CALL,
    "a wide format": "y = '%(sid)999999999d' % {'sid': 1}\nz = '%*d' % (999999999, 1)\n" + CALL,
    "a growing dict": "d = {}\n" + "".join(f"d['k{i}'] = {i}\n" for i in range(30_000)) + CALL,
    "growing columns": "df = f()\n" + "".join(f"df['k{i}'] = {i}\n" for i in range(30_000)) + CALL,
    "many names and branches": "".join(f"n{i} = {i}\nif n{i}:\n  m{i} = 1\n" for i in range(20_000)) + CALL,
    "names in a circle": "a = b.values\nb = a.values\nsmf.mixedlm('y ~ x', df, groups=a)\n",
    "arrays in a circle": "a = b.copy()\nb = a.copy()\ndf['g'] = a\nsmf.mixedlm('y ~ x', df, groups='g')\n",
    "lambdas": "x = 1\n" + "f = lambda: x\n" * 40_000 + CALL,
    "functions in loops": f"for a in {list(range(50))}:\n for b in {list(range(50))}:\n  def f():\n   {CALL}\n",
    "many calls": f"{CALL}\n" * 15_000,
    "a long expression beside calls": f"df = f({'1, ' * 100_000})\n" + f"{CALL}\n" * 1000,
    "integers without end": "x = 0x" + "f" * 5000 + "\ny = f'{x}'\nz = str(x)\nw = '%d' % x\nv = [x] * x\n" + CALL,
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_a_script_that_is_long_to_follow_is_answered_soon(tmp_path, script):
    reports, _ = read(tmp_path, script)
    assert len(reports) <= MOST_CALLS
    assert all("not-run" not in r.codes for r in reports), reports


def test_what_was_not_followed_is_said(tmp_path):
    _, unread = read(tmp_path, loops(8, 50))
    assert unread == (
        f"{tmp_path / 'script.py'}: its loops are longer than lint follows; what they make is taken for unknown",
    )
    reports, unread = read(tmp_path, f"{CALL}\n" * 1200)
    assert len(reports) == MOST_CALLS
    assert "of 1,200 calls of MixedLM the first 1,000 are linted" in unread[0]


def test_a_loop_that_is_short_is_followed_as_before(tmp_path):
    loop = "for name in ['a', 'b']:\n  v = {name: '1 + C(' + name + ')'}\n"
    script = f"{loop}  smf.mixedlm('y ~ x', df, groups='g', vc_formula=v)\n"
    reports, unread = read(tmp_path, script)
    assert unread == ()
    assert "a: '1 + C(a)' has an intercept" in str(reports[0])


REFUSED = {
    "deep parentheses": "(" * 5000 + ")" * 5000,
    "deep signs": "x = " + "-" * 100_000 + "1",
    "deep attributes": "x" + ".a" * 100_000,
    "a long sum": "x = " + "+".join("a" * 50_000),
    "a long elif": "if a: pass\n" + "elif a: pass\n" * 20_000,
    "a null byte": "x = 1\0",
    "too long": "x = 1\n" * 200_000,
    "undefined": b"# coding: undefined\nx = 1\n",
    "idna": b"# coding: idna\n" + b"x" * 500_000,
    "punycode": b"# coding: punycode\n" + b"x-" * 100_000,
    "no text": b"# coding: zlib\nx = 1\n",
    "no such coding": b"# coding: nothing\nx = 1\n",
    "no utf-8": b"x = '\xff'\n",
    "long line": "x = " + "1 " * 100_000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_script_that_cannot_be_read_is_refused_soon(tmp_path, text):
    with pytest.raises(DataError) as found:
        read(tmp_path, text)
    assert len(str(found.value)) < 700


def notebook(*cells):
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.mark.parametrize(
    "cell",
    [
        " " * 300_000 + "x",
        "\t" * 300_000,
        "a," * 150_000,
        "a " * 150_000 + "= %x",
        "\n" * 300_000,
        "?" * 300_000,
        "%" * 300_000,
    ],
    ids=["spaces", "tabs", "commas", "words", "lines", "questions", "percents"],
)
def test_a_cell_of_anything_is_passed_over_soon(tmp_path, cell):
    reports, _ = read(tmp_path, notebook(cell, CALL), "book.ipynb")
    assert len(reports) == 1


def test_a_cell_nested_too_deeply_leaves_the_others(tmp_path):
    reports, unread = read(tmp_path, notebook("x = " + "-" * 100_000 + "1", CALL), "book.ipynb")
    assert len(reports) == 1
    assert "cell 1: its expressions are nested too deeply" in unread[0]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"cells": ' + "[" * 100_000,
        '{"cells": 1}',
        '{"cells": [1]}',
        '{"cells": [{"cell_type": "code", "source": 1}]}',
        '{"cells": [{"cell_type": "code", "source": [1]}]}',
        '{"cells": {"cell_type": "code"}}',
        '{"cells": [], "metadata": []}',
        '{"cells": [], "metadata": {"kernelspec": 1}}',
        '{"worksheets": []}',
        "9" * 5000,
        "null",
        '"cells"',
        b"\xff\xfe",
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path, text):
    with pytest.raises(DataError):
        read(tmp_path, text, "book.ipynb")


def test_magics_and_questions_are_still_passed_over(tmp_path):
    lines = ["%matplotlib inline", "!pip install x", "?df", "df?", "df.head??", "files = !ls", "a, b.c = %timeit -o x"]
    cell = "\n".join([*lines, "x = 3 != 4", CALL])
    reports, unread = read(tmp_path, notebook(cell), "book.ipynb")
    assert len(reports) == 1
    assert unread == ()
    assert reports[0].place.endswith("cell 1, line 9")
