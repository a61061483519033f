"""A matplotlib figure as an SVG element that can stand in a page beside others."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg"]

_XLINK = "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"url\(#([^)]*)\)")
# Of clouds of points that are drawn as pixels.
RASTER_DPI = 200
_LEFT_OUT = ("metadata", "style")


def inline_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Return a figure as an ``<svg>`` element with title and description.

    Its ids start with ``name``, so that figures do not share any; it has no style sheet, which would hold for the whole
    page, no metadata, and no address of anything outside it. Letters are outlines: no font is needed.
    """
    import matplotlib

    text = io.BytesIO()
    # The hash salt makes ids, and so the page, the same from run to run.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", dpi=RASTER_DPI, metadata={"Date": None})
    # The parser leaves comments out, which repeat the figure's texts.
    root = ElementTree.fromstring(text.getvalue())
    _make_local(root, name)
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib |= {
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-description",
        # What the style sheet said of every element.
        "stroke-linejoin": "round",
        "stroke-linecap": "butt",
    }
    for tag, content in (("desc", description), ("title", title)):
        element = ElementTree.Element(tag, {"id": f"{name}-{'title' if tag == 'title' else 'description'}"})
        element.text = content
        root.insert(0, element)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _make_local(root: ElementTree.Element, name: str) -> None:
    """Take namespaces out of the tags, prefix ids and references, drop metadata and style sheets."""
    for parent in list(root.iter()):
        parent.tag = _local(parent.tag)
        for child in [c for c in parent if _local(c.tag) in _LEFT_OUT]:
            parent.remove(child)
        for key, value in list(parent.attrib.items()):
            if key == "id":
                parent.set(key, f"{name}-{value}")
            elif key == _XLINK:
                del parent.attrib[key]
                parent.set("href", f"#{name}-{value[1:]}" if value.startswith("#") else value)
            elif "url(#" in value:
                parent.set(key, _REFERENCE.sub(rf"url(#{name}-\1)", value))


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
