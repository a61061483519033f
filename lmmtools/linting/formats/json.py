"""JSON: of one file its calls, of several a list of files, each with its exit status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.linting.checkout import FileReport

__all__ = ["write"]


def write(reports: Sequence[FileReport], is_single: bool) -> str:
    """Return the JSON, indented."""
    if is_single:
        content = reports[0].to_dict()
    else:
        files = [{"path": r.path, "status": r.status, "error": r.error, **r.to_dict()} for r in reports]
        content = {"status": max((r.status for r in reports), default=0), "files": files}
    text = json.dumps(content, indent=2, ensure_ascii=False)
    # Names of files that are no UTF-8 have lone surrogates.
    return text if text.isascii() or _is_encodable(text) else json.dumps(content, indent=2)


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
