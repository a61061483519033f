"""MixedLM calls in Python files and notebooks, read without running them."""

from lmmtools.linting.script.files import Source, read_file
from lmmtools.linting.script.reader import FoundCall

__all__ = ["FoundCall", "Source", "read_file"]
