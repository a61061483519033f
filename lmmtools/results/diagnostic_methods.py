"""Methods of a result: what looks wrong, and what the fit owes to single rows and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmmtools.fit.record import Fit
from lmmtools.threads import single

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from lmmtools.inference.influence import Influence
    from lmmtools.inference.residuals import ModeNormality

__all__ = ["DiagnosticMethods"]


class DiagnosticMethods(Fit):
    """``fit.influence()``, ``fit.cooks_distance``, ``fit.residuals(...)``, ``fit.mode_normality()``."""

    @single
    def influence(self, level: str | None = None, refit: bool = False) -> Influence:
        """Return what changes when a row, or a level of a factor, is left out.

        Parameters
        ----------
        level : str, optional
            Leave out one level of this grouping factor, or of this column of the data (``"a:b"``: of the combinations
            of two), after the other; by default one row after the other.
        refit : bool
            Fit the model again without each, as lme4's ``influence``; otherwise hold theta and sigma, and take the
            fixed effects from V^-1 exactly, without a fit.

        Returns
        -------
        Influence
            ``.to_frame()`` has columns ``rows cooks covratio leverage``, ``dfbetas[...]`` per fixed effect, and
            ``note``; ``.fixed_effects`` and, with ``refit=True``, ``.variances`` hold the changes.

        Raises
        ------
        DataError
            If there is no such factor or column.

        Notes
        -----
        Cook's distance of a set I is (b_I - b)' C^-1 (b_I - b) / p with C the covariance of b in the whole fit.
        lme4's ``cooks.distance(influence(fit, groups))`` is (m - p) / m times that for m levels, and its
        ``cooks.distance(fit)`` another quantity, from the hat values: :attr:`cooks_distance`.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.influence("Batch").to_frame()[["rows", "cooks"]].head(2).round(4)
               rows   cooks
        Batch
        A         5  0.0539
        B         5  0.0000
        """
        from lmmtools.inference.influence import influence

        return influence(self, level, refit)

    @property
    @single
    def cooks_distance(self) -> pd.Series[float]:
        """Cook's distance of each row from its leverage, as lme4's ``cooks.distance(fit)``.

        e_i**2 h_i / (p (1 - h_i)**2), e the scaled residual and h the hat value: of the conditional fit, modes counted
        as parameters, whereas ``influence()`` is about the fixed effects. NaN for a row whose leverage is one, and
        without fixed effects.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.cooks_distance.head(2).round(4)
        0    0.0050
        1    0.0402
        Name: cooks_distance, dtype: float64
        """
        from lmmtools.inference.residuals import cooks_distance

        return self.label_rows(cooks_distance(self), "cooks_distance")

    @single
    def residuals(self, kind: str = "conditional") -> pd.Series[float]:
        """Return residuals, indexed as the rows used.

        Parameters
        ----------
        kind : {"conditional", "marginal", "pearson", "scaled", "standardized", "studentized"}
            y less the conditional fitted values, lme4's ``type = "response"``; y less X b and offset; conditional,
            times the root of the weight; those over sigma, lme4's "scaled residuals"; those over sqrt(1 - h), h the
            hat value, which have variance one at the fit's theta: lme4's ``rstudent``; the same with sigma estimated
            without the row, as R's ``rstudent`` of linear models.

        Raises
        ------
        DataError
            If there is no such kind.

        Notes
        -----
        A row whose leverage is one determines its own fitted value: its standardized and studentized residuals are
        NaN.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.residuals("conditional").head(2).round(2)
        0    -4.10
        1   -14.63
        Name: conditional_residuals, dtype: float64
        """
        from lmmtools.inference.residuals import residuals

        return self.label_rows(residuals(self, kind), f"{kind}_residuals")

    @single
    def quantile_residuals(self, n: int = 250, rng: np.random.Generator | int | None = None) -> pd.Series[float]:
        """Return where each observation stands among draws from the model: uniform on (0, 1) where the model holds.

        Parameters
        ----------
        n : int
            Draws of the whole response, with new random effects and residuals.
        rng : numpy.random.Generator or int, optional
            Source of the draws, or its seed.

        Returns
        -------
        Series
            (r + 1/2) / (n + 1), r the number of draws below; ties, which a continuous response hardly has, are broken
            at random. Rows of one level share its effect, so that their quantiles hang together.

        Raises
        ------
        DataError
            If n is no whole number of at least one, or rng no source of random numbers.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.quantile_residuals(n=50, rng=1).shape
        (30,)
        """
        from lmmtools.inference.draws import as_generator, check_count
        from lmmtools.inference.residuals import quantile_residuals

        found = quantile_residuals(self, check_count(n), as_generator(rng))
        return self.label_rows(found, "quantile_residuals")

    @single
    def mode_normality(self) -> ModeNormality:
        """Return Shapiro-Wilk tests of the conditional modes, each over its own standard deviation under the model.

        Returns
        -------
        ModeNormality
            ``.to_frame()`` has columns ``grp term levels W p note``.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Reaction ~ Days + (Days | Subject)", lmt.datasets.load("sleepstudy")).fit(engine="pls")
        >>> fit.mode_normality().to_frame()[["grp", "term", "W", "p"]].round(3)
               grp         term      W      p
        0  Subject  (Intercept)  0.950  0.428
        1  Subject         Days  0.976  0.898
        """
        from lmmtools.inference.residuals import mode_normality

        return mode_normality(self)
