"""The picture of README.rst, docs/_static/trap.png: python docs/trap_picture.py draws it from three fits."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import statsmodels.formula.api as smf

import lmmtools as lmt

mpl.use("agg")
import matplotlib.pyplot as plt

PICTURE = Path(__file__).parent / "_static" / "trap.png"
FACTORS = ("plate", "sample", "plate:sample", "residual")


def deviations() -> dict[str, dict[str, float]]:
    """Return the standard deviations by program and factor."""
    data = lmt.datasets.load("Penicillin")
    obvious = smf.mixedlm(
        "diameter ~ 1",
        data.astype({"plate": str, "sample": str}),
        groups="plate",
        vc_formula={"plate": "1 + C(plate)", "sample": "0 + C(sample)"},
    ).fit()
    fits = {
        "MixedLM, written the obvious way": lmt.from_mixedlm(obvious),
        "lmmtools": lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", data).fit(),
    }
    tables = {name: fit.varcorr.to_frame().to_dict("list") for name, fit in fits.items()}
    tables["lme4"] = lmt.datasets.recorded("penicillin")[0]["varcorr"]
    return {
        name: {group.replace("Residual", "residual"): sd for group, sd in zip(t["grp"], t["sdcor"], strict=True)}
        for name, t in tables.items()
    }


def draw() -> None:
    """Write the picture."""
    figure, ax = plt.subplots(figsize=(6.0, 2.6), layout="constrained")
    looks = (("#d55e00", "s", 60, "#d55e00"), ("#0072b2", "o", 55, "#0072b2"), ("black", "o", 190, "none"))
    for (name, found), (colour, marker, size, face) in zip(deviations().items(), looks, strict=True):
        at = [factor for factor in FACTORS if factor in found]
        ax.scatter(
            [found[factor] for factor in at],
            [FACTORS.index(factor) for factor in at],
            s=size,
            marker=marker,
            facecolors=face,
            edgecolors=colour,
            linewidths=1.4,
            label=name,
        )
    ax.set_yticks(range(len(FACTORS)), FACTORS)
    ax.set_ylim(len(FACTORS) - 0.5, -0.5)
    ax.set_xlim(left=0)
    ax.set_xlabel("standard deviation [mm]")
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=9)
    figure.savefig(PICTURE, dpi=140)


if __name__ == "__main__":
    draw()
