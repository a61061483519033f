"""What the data show about the factors of a study: nested, crossed, labels reused, connected."""

from __future__ import annotations

from lmmtools.design.components import connected_components, is_nested

__all__ = ["connected_components", "is_nested"]
