"""A fit as one HTML page that stands alone: words, equation, structure, summary, plots, comparison, provenance."""

from lmmtools.page.render import check_needs, render_page

__all__ = ["check_needs", "render_page"]
