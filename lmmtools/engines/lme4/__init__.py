"""R's lme4 as an engine: one Rscript process, the data as bytes, the results as JSON; no text reaches R's evaluator."""

from lmmtools.engines.lme4.engine import describe_r, fit, fit_several
from lmmtools.engines.lme4.reading import RVersions

__all__ = ["RVersions", "describe_r", "fit", "fit_several"]
