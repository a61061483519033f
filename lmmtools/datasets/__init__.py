"""The public data sets of the mixed-model literature, typed as R has them.

``load("Penicillin")`` returns a DataFrame, ``describe("Penicillin")`` says where it
comes from and what its columns mean, and ``names()`` lists what there is.
"""

from __future__ import annotations

from lmmtools.datasets._catalogue import ColumnInfo, DatasetInfo, describe, names
from lmmtools.datasets._load import load
from lmmtools.datasets._recorded import recorded

__all__ = ["ColumnInfo", "DatasetInfo", "describe", "load", "names", "recorded"]
