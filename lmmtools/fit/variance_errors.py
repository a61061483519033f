"""Standard errors of the variance components, laid out as the rows of VarCorr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from lmmtools.core import VarianceInformation
    from lmmtools.fit.varcorr import VarCorr

__all__ = ["variance_standard_errors"]


def variance_standard_errors(varcorr: VarCorr, information: VarianceInformation) -> pd.DataFrame:
    """Return VarCorr's rows with standard errors on both scales and, where they are undefined, why.

    Parameters
    ----------
    varcorr : VarCorr
    information : VarianceInformation
        Of the same fit; its elements run over lower triangles column by column, VarCorr's rows give variances first.
    """
    import pandas as pd

    place = {key: i for i, key in enumerate(zip(information.blocks, information.entries, strict=True))}
    rows = []
    for block, term in enumerate(varcorr):
        l = len(term.cnames)
        entries = [(i, i) for i in range(l)] + [(i, j) for j in range(l) for i in range(j + 1, l)]
        rows += [place[block, entry] for entry in entries]
    rows.append(len(information.blocks) - 1)
    frame = varcorr.to_frame()
    return pd.DataFrame(
        {
            **{name: frame[name] for name in ("grp", "var1", "var2", "vcov")},
            "se_vcov": information.vcov_se[rows],
            "sdcor": frame["sdcor"],
            "se_sdcor": information.sdcor_se[rows],
            "note": pd.Series([information.reasons[i] for i in rows], dtype=object),
        }
    )
