"""Methods of a result: the fit as a web page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmmtools.errors import DataError
from lmmtools.results.methods import FitMethods

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PageMethods"]


class PageMethods(FitMethods):
    """``fit.to_report("fit.html")``."""

    def to_report(
        self,
        path: str | Path | None = None,
        *,
        compare: Sequence[Any] | None = None,
        ddf: str | None = None,
        title: str | None = None,
    ) -> str:
        """Return the fit as one HTML page that stands alone; write it to ``path`` if one is given.

        The page has the model in words and as an equation, the structure of the data, the summary, what the flags mean
        for this fit, plots, a comparison and the provenance. It loads nothing and runs no script.

        Parameters
        ----------
        path : str or Path, optional
            File to write.
        compare : sequence, optional
            What to show beside the fit: anything that :func:`lmmtools.compare` takes, and names of engines to fit the
            same model with. By default MixedLM (pls, beside a fit of MixedLM) where that is quickly done; an empty
            sequence for nothing.
        ddf : str, optional
            Show degrees of freedom and p-values in the summary, as ``fit.summary(ddf=...)``.
        title : str, optional
            Heading of the page.

        Raises
        ------
        EngineError
            If jinja2 or matplotlib is not installed: ``pip install jinja2 matplotlib``.
        DataError
            If ``path`` cannot be written, or an item of ``compare`` is nothing to compare.

        Examples
        --------
        >>> import lmmtools as lmt
        >>> fit = lmt.lmm("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff")).fit(engine="pls")
        >>> fit.to_report()[:15]
        '<!doctype html>'
        """
        from lmmtools.page import check_needs, render_page
        from lmmtools.report.provenance import provenance_of
        from lmmtools.results.comparing import compare_beside, compare_engines
        from lmmtools.results.summarising import summarise_results

        check_needs()
        fit = self._fit
        comparison, why_none = None, ""
        if compare is None:
            comparison, why_none = compare_engines(fit)
        elif compare:
            comparison = compare_beside(fit, compare)
        text = render_page(
            fit, summarise_results(fit, ddf), provenance_of(fit), comparison=comparison, why_none=why_none, title=title
        )
        if path is not None:
            try:
                Path(path).write_text(text, encoding="utf-8")
            except OSError as error:
                raise DataError(
                    f"{str(path)!r} cannot be written: {error.strerror}. Name a file in a folder that exists."
                ) from None
        return text
