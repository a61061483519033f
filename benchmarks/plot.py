"""The plot of a run: seconds per case on a log scale, a mark per rival."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.table import HEADINGS, US

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["draw"]

MARKERS = "os^vDPX*<>"
# Okabe and Ito's palette, told apart by colour-blind readers; the markers differ as well.
COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#666666", "#999933")


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Write the plot; open marks are fits that did not reach the optimum."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cases = record["cases"]
    figure, axes = plt.subplots(figsize=(8, 0.45 * len(cases) + 1.8), layout="constrained")
    axes.grid(axis="x", which="major", color="0.85")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    for name, marker, colour in zip(record["rivals"], MARKERS, COLOURS, strict=False):
        points = [
            (case["outcomes"][name]["seconds"], row, case["outcomes"][name]["gap"] is None)
            for row, case in enumerate(cases)
            if name in case["outcomes"] and case["outcomes"][name]["seconds"] is not None
        ]
        size = 70 if name == US else 40
        for right in (True, False):
            chosen = [(s, row) for s, row, reached in points if reached is right]
            if chosen:
                seconds, rows = zip(*chosen, strict=True)
                face = colour if right else "white"
                label = HEADINGS.get(name, name) if right else None
                axes.scatter(seconds, rows, s=size, marker=marker, facecolor=face, edgecolor=colour, label=label)
    axes.set_xscale("log")
    axes.set_yticks(range(len(cases)), [case["name"] for case in cases])
    axes.invert_yaxis()
    axes.set_xlabel("seconds, median (log scale); open marks stop short of the optimum")
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
