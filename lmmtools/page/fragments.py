"""HTML fragments of other reports made fit for a page: wide tables and code scroll in boxes of their own."""

from __future__ import annotations

import re
from html import escape, unescape

__all__ = ["pre", "scrollable"]

_TABLE = re.compile(r"(<table\b[^>]*>)(.*?</table>)", re.DOTALL)
_CAPTION = re.compile(r"<caption\b[^>]*>(.*?)</caption>", re.DOTALL)
# Needed in a file of its own, not within HTML.
_NAMESPACE = ' xmlns="http://www.w3.org/2000/svg"'


def scrollable(fragment: str, name: str) -> str:
    """Return a fragment in which each table stands in a box that scrolls, by keyboard too, and has a name.

    The name is the table's caption; a table without one gets ``name`` for its caption.
    """
    return _TABLE.sub(lambda match: _box(match[1], match[2], name), fragment).replace(_NAMESPACE, "")


def pre(text: str, name: str) -> str:
    """Return code in a box that scrolls and has a name."""
    return f'<pre role="region" tabindex="0" aria-label="{escape(name, quote=True)}"><code>{escape(text)}</code></pre>'


def _box(start: str, rest: str, name: str) -> str:
    caption = _CAPTION.search(rest)
    if caption is None:
        start += f"<caption>{escape(name)}</caption>"
    label = escape(unescape(caption[1]) if caption else name, quote=True)
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">{start}{rest}</div>'
