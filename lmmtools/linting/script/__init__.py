"""MixedLM calls in Python files and notebooks, read without running them."""

from lmmtools.linting.script.files import SUFFIXES, Source, may_have_calls, read_bytes, read_file, read_raw
from lmmtools.linting.script.positions import Place
from lmmtools.linting.script.reader import FoundCall

__all__ = ["SUFFIXES", "FoundCall", "Place", "Source", "may_have_calls", "read_bytes", "read_file", "read_raw"]
