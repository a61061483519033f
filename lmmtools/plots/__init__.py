"""Plots of fits, data and comparisons; each returns the matplotlib ``Axes`` it drew on and takes ``ax=``.

What has several panels returns a ``Figure`` and takes ``fig=``.

matplotlib is imported when a plot is drawn.
"""

from lmmtools.plots.check_panel import checks
from lmmtools.plots.check_plots import influence, mode_qq, predictive, scale_location
from lmmtools.plots.coefficient_plot import coefficients
from lmmtools.plots.collinearity_plot import collinearity
from lmmtools.plots.comparison_plot import comparison
from lmmtools.plots.effects_plot import effects
from lmmtools.plots.fit_plots import FitPlots
from lmmtools.plots.incidence_plot import incidence
from lmmtools.plots.interaction_plot import interaction
from lmmtools.plots.level_plot import intervals_by_level
from lmmtools.plots.means_plot import means
from lmmtools.plots.mode_plots import caterpillar, shrinkage
from lmmtools.plots.profile_plots import profile_density, profile_zeta
from lmmtools.plots.residual_plots import by_group, qq, residuals
from lmmtools.plots.section_plot import section
from lmmtools.plots.variance_plot import variance

__all__ = [
    "FitPlots",
    "by_group",
    "caterpillar",
    "checks",
    "coefficients",
    "collinearity",
    "comparison",
    "effects",
    "incidence",
    "influence",
    "interaction",
    "intervals_by_level",
    "means",
    "mode_qq",
    "predictive",
    "profile_density",
    "profile_zeta",
    "qq",
    "residuals",
    "scale_location",
    "section",
    "shrinkage",
    "variance",
]
