"""Plots of fits, data and comparisons; each returns the matplotlib ``Axes`` it drew on and takes ``ax=``.

matplotlib is imported when a plot is drawn.
"""

from lmmtools.plots.by_group import by_group
from lmmtools.plots.caterpillar import caterpillar
from lmmtools.plots.comparison import comparison
from lmmtools.plots.effects import effects
from lmmtools.plots.incidence import incidence
from lmmtools.plots.of_fit import FitPlots
from lmmtools.plots.profile import profile_density, profile_zeta
from lmmtools.plots.qq import qq
from lmmtools.plots.residuals import residuals
from lmmtools.plots.section import section
from lmmtools.plots.shrinkage import shrinkage
from lmmtools.plots.variance import variance

__all__ = [
    "FitPlots",
    "by_group",
    "caterpillar",
    "comparison",
    "effects",
    "incidence",
    "profile_density",
    "profile_zeta",
    "qq",
    "residuals",
    "section",
    "shrinkage",
    "variance",
]
