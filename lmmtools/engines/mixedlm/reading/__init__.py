"""What a MixedLM model really is, read from its arrays."""

from lmmtools.engines.mixedlm.reading.read import read_model
from lmmtools.engines.mixedlm.reading.record import Component, MixedLMReading, Piece, write_term

__all__ = ["Component", "MixedLMReading", "Piece", "read_model", "write_term"]
