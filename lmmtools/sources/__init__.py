"""Tables that are read in batches, larger than memory or elsewhere: files, queries, lazy and distributed frames.

``open_source`` finds which kind of source data are; ``Source`` is what all kinds can do; ``as_columns`` makes of a
batch the columns that the design reads.
"""

from __future__ import annotations

from lmmtools.sources.columns import as_columns
from lmmtools.sources.opening import open_files, open_source
from lmmtools.sources.source import BATCH_ROWS, Source
from lmmtools.sources.whole import read_small, read_whole

__all__ = ["BATCH_ROWS", "Source", "as_columns", "open_files", "open_source", "read_small", "read_whole"]
