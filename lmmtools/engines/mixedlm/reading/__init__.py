"""MixedLM models read from their arrays, and their results on the data's scale."""

from lmmtools.engines.mixedlm.reading.as_design import ReadDesign, as_design
from lmmtools.engines.mixedlm.reading.as_estimate import as_estimate, is_penalised
from lmmtools.engines.mixedlm.reading.mixedlm_reading import Component, MixedLMReading, Piece
from lmmtools.engines.mixedlm.reading.read import read_model

__all__ = [
    "Component",
    "MixedLMReading",
    "Piece",
    "ReadDesign",
    "as_design",
    "as_estimate",
    "is_penalised",
    "read_model",
]
