"""What the documentation shows of R is what R prints."""

from __future__ import annotations

import pytest

from tests import doc_sessions
from tests.live_lme4 import require_lme4
from tests.test_docs import DOCS, PAGES

IN_R = [p for p in PAGES if "code-block:: rconsole" in p.read_text(encoding="utf-8")]


@pytest.mark.live_r
@pytest.mark.parametrize("page", IN_R, ids=[p.relative_to(DOCS).as_posix() for p in IN_R])
def test_page_shows_what_r_prints(page, tmp_path):
    require_lme4()
    examples = [e for e in doc_sessions.read_examples(page.read_text(encoding="utf-8")) if e.kind == "r"]
    printed = doc_sessions.run(examples, tmp_path)
    wrong = [
        f"line {e.first}: {e.source}\nshown:\n{e.want}\nprinted:\n{got}"
        for e, got in zip(examples, printed, strict=True)
        if not doc_sessions.is_as_shown(e, got)
    ]
    assert not wrong, "\n\n".join(wrong)
