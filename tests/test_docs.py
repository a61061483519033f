"""The documentation names everything public."""

from __future__ import annotations

import re
from pathlib import Path

import lmmtools

DOCS = Path(__file__).parents[1] / "docs"


def test_every_public_name_is_in_the_api_reference():
    listed = set(re.findall(r"^   ([\w.]+)$", (DOCS / "api.rst").read_text(encoding="utf-8"), flags=re.M))
    modules = {"datasets", "errors", "plots", "__version__"}
    errors = {name for name in lmmtools.__all__ if name.endswith(("Error", "Warning"))}
    assert set(lmmtools.__all__) - modules - errors <= listed
    assert set(lmmtools.plots.__all__) <= listed
