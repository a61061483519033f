"""What is common to all kinds of sources."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from lmmtools.errors import EngineError
from lmmtools.sources import open_source


def test_without_pyarrow_a_path_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.fs", None)
    with pytest.raises(EngineError, match=r"'x\.parquet' needs pyarrow, .*: pip install pyarrow\. The extra scale"):
        open_source("x.parquet")


@pytest.mark.parametrize("data", [pd.DataFrame({"x": [1]}), {"x": [1]}, None, [1, 2]])
def test_what_is_in_memory_is_no_source(data: object) -> None:
    assert open_source(data) is None
