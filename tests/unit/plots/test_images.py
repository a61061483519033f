"""Every plot looks as it did when somebody last looked: small pictures, compared with a tolerance.

``LMMTOOLS_DRAW=1 python -m pytest tests/unit/plots/test_images.py`` draws the stored pictures again; look at them then.
"""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib import image

import lmmtools as lmt

FOLDER = Path(__file__).parent / "images"
DPI = 50
# Mean difference of grey values, from 0 (black) to 1 (white). Another font moves it by some 0.01; a plot of something
# else, by more than 0.03.
TOLERANCE = 0.02

PLOTS = {
    "caterpillar": lambda f: f["penicillin"].plot.caterpillar("sample"),
    "shrinkage": lambda f: f["sleep"].plot.shrinkage(),
    "incidence": lambda f: f["penicillin"].plot.incidence("plate", "sample"),
    "residuals": lambda f: f["sleep"].plot.residuals(),
    "by_group": lambda f: f["sleep"].plot.by_group("Subject"),
    "qq": lambda f: f["sleep"].plot.qq(),
    "variance": lambda f: f["penicillin"].plot.variance(),
    "effects": lambda f: f["sleep"].plot.effects("Days"),
    "intervals_by_level": lambda _: lmt.plots.intervals_by_level(by_subject(), "Days"),
    "effects_by": lambda f: f["oats"].plot.effects("nitro", by="Variety"),
    "interaction": lambda f: f["oats"].plot.interaction("nitro ~ Variety", at={"nitro": [0, 0.6]}),
    "means": lambda f: f["oats"].plot.means("Variety", comparisons=True, letters=True),
    "coefficients": lambda f: f["oats"].plot.coefficients(f["oats"], names=["one", "again"]),
    "scale_location": lambda f: f["sleep"].plot.scale_location(),
    "influence": lambda f: f["sleep"].plot.influence(),
    "collinearity": lambda f: f["oats"].plot.collinearity(),
    "mode_qq": lambda f: f["sleep"].plot.mode_qq(),
    "predictive": lambda f: f["sleep"].plot.predictive(n_simulations=20),
    "section": lambda f: f["dyestuff2"].plot.section(),
    "comparison": lambda f: lmt.plots.comparison(lmt.compare(f["penicillin"], without_a_plate())),
    "profile_zeta": lambda f: f["sleep"].plot.profile_zeta("cor_Days.(Intercept)|Subject"),
    "profile_density": lambda f: f["sleep"].plot.profile_density("sigma"),
}


def by_subject() -> object:
    return lmt.lmer_list("Reaction ~ Days | Subject", lmt.datasets.load("sleepstudy"))


def without_a_plate() -> lmt.LMMResults:
    data = lmt.datasets.load("Penicillin")
    return lmt.lmm("diameter ~ 1 + (1|plate) + (1|sample)", data[data["plate"] != "a"]).fit(engine="pls")


@pytest.fixture
def fits(penicillin, sleep, dyestuff2, oats) -> dict:
    return {"penicillin": penicillin, "sleep": sleep, "dyestuff2": dyestuff2, "oats": oats}


def draw(name: str, fits: dict, path: Path) -> np.ndarray:
    PLOTS[name](fits).figure.savefig(path, dpi=DPI, metadata={"Software": None})
    return read(path)


def read(path: Path) -> np.ndarray:
    """Grey values, shape (height, width)."""
    return image.imread(path)[..., :3].mean(axis=2)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference of blurred pictures, so that a letter beside its place is no other letter."""
    return float(np.abs(blur(a) - blur(b)).mean())


def blur(x: np.ndarray, size: int = 5) -> np.ndarray:
    h, w = (n // size * size for n in x.shape)
    return x[:h, :w].reshape(h // size, size, w // size, size).mean(axis=(1, 3))


@pytest.mark.parametrize("name", PLOTS)
def test_plot_looks_as_stored(name: str, fits: dict, tmp_path: Path) -> None:
    if name == "incidence" and tuple(map(int, matplotlib.__version__.split(".")[:2])) < (3, 10):
        pytest.skip("older versions leave other margins around axes of a given aspect")
    drawn = draw(name, fits, tmp_path / "drawn.png")
    stored = FOLDER / f"{name}.png"
    if os.environ.get("LMMTOOLS_DRAW"):
        draw(name, fits, stored)
    expected = read(stored)
    assert drawn.shape == expected.shape
    assert difference(drawn, expected) < TOLERANCE


def test_another_plot_is_told_apart(fits: dict, tmp_path: Path) -> None:
    a = draw("residuals", fits, tmp_path / "a.png")
    b = read(FOLDER / "qq.png")
    height, width = min(a.shape[0], b.shape[0]), min(a.shape[1], b.shape[1])
    assert difference(a[:height, :width], b[:height, :width]) > TOLERANCE
