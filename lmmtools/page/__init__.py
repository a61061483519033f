"""A fit as one web page that stands alone: words, equation, structure, summary, plots, comparison, provenance."""

from lmmtools.page.render import render_page

__all__ = ["render_page"]
