"""A structure as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmmtools.design.structure import FactorStructure

__all__ = ["write_structure"]


def write_structure(structure: FactorStructure) -> str:
    """Return one JSON object: rows, missing, factors, pairs, islands, findings, suggestion."""
    suggestion = structure.suggestion
    content: dict[str, Any] = {
        "rows": structure.n_rows,
        "missing": structure.n_missing,
        "factors": [
            {
                "name": f.name,
                "columns": list(f.columns),
                "levels": f.m,
                "min_rows": int(f.counts.min()),
                "max_rows": int(f.counts.max()),
            }
            for f in structure.factors
        ],
        "pairs": json.loads(structure.to_frame().to_json(orient="records")),
        "islands": len(structure.components),
        "findings": [asdict(finding) for finding in structure.findings],
        "suggestion": None if suggestion is None else asdict(suggestion),
    }
    return json.dumps(content, indent=2, ensure_ascii=False)
