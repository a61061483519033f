"""Sphinx configuration: sphinx-build -W --keep-going -b html docs docs/_build/html; no network needed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from lmmtools import __version__

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "lmmtools"
author = "lmmtools developers"
project_copyright = "2026, lmmtools developers"
version = release = __version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    # MathJax travels with the pages, so that equations are set without a network.
    "sphinx-mathjax-offline",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "see_also",  # in this folder
]
exclude_patterns = ["_build", "_templates", "**.ipynb_checkpoints"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"lmmtools {version}"
html_static_path = ["_static"]
html_css_files = ["lmmtools.css"]
mathjax_path = "mathjax/tex-chtml.js"

autodoc_typehints = "none"
autodoc_member_order = "groupwise"
autosummary_generate = True
numpydoc_show_class_members = False
# numpydoc writes the references of docstrings' "Attributes" without making members of them twice.
numpydoc_attributes_as_param_list = True

plot_formats = [("png", 120)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_rcparams = {"figure.figsize": (6.5, 4.0)}

copybutton_prompt_text = r">>> |\.\.\. |\$ |> "
copybutton_prompt_is_regexp = True

# Notebooks are stored without outputs; building runs them, and again only where one has changed.
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE / "_build" / "notebooks")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True
# The cells that are folded away are solutions of exercises.
nb_code_prompt_show = "Show a solution"
nb_code_prompt_hide = "Hide the solution"


def copy_notebooks() -> None:
    """Copy the notebooks to where Sphinx finds them; one that has not changed keeps its time and so its page."""
    target = HERE / "notebooks"
    target.mkdir(exist_ok=True)
    books = {path.name: path for path in (HERE.parent / "notebooks").glob("*.ipynb")}
    for old in target.glob("*.ipynb"):
        if old.name not in books:
            old.unlink()
    for name, path in books.items():
        copy = target / name
        if not copy.exists() or copy.read_bytes() != path.read_bytes():
            shutil.copyfile(path, copy)


def hide_signature(app, what, name, obj, options, signature, returned):
    """Show a class without the signature of its constructor: users are handed records, they do not make them."""
    return ("", returned) if what == "class" else None


def setup(app):
    """Connect what Sphinx calls."""
    app.connect("autodoc-process-signature", hide_signature)


copy_notebooks()
