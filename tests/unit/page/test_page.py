"""The report page: one file that loads nothing, that can be read without seeing it, and that names cannot break."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

VOID = {"meta", "link", "br", "hr", "img", "input"}
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = "<script>alert('x')</script> & \"y\""


class Page(HTMLParser):
    """Elements of a page, in order: tag, attributes, text within, and the tags around."""

    def __init__(self, text):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {[e['tag'] for e in self._open]}"

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {attrs}"
        element = {"tag": tag, "text": "", "around": tuple(e["tag"] for e in self._open), **dict(attrs)}
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self._open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self._open:
            element["text"] += data

    def all(self, *tags):
        return [e for e in self.elements if e["tag"] in tags]


def fit_of(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        return lmt.lmm(formula, data).fit(**options)


@pytest.fixture(scope="module")
def sleep():
    data = lmt.datasets.load("sleepstudy")
    data.loc[[3, 7], "Reaction"] = np.nan
    return fit_of("Reaction ~ Days + (Days | Subject)", data)


@pytest.fixture(scope="module")
def hostile():
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(6), 6)
    frame = pd.DataFrame({"y": rng.normal(size=36) + g, HOSTILE: rng.normal(size=36)})
    frame["g--><i>"] = [f"<b>{k}</b>\u202e&quot;" for k in g]
    frame.attrs["name"] = "<img src=x onerror=alert(1)>"
    return fit_of(f"y ~ `{HOSTILE}` + (1 | `g--><i>`)", frame)


@pytest.fixture(scope="module")
def dyestuff2():
    return fit_of("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff2"))


@pytest.fixture(scope="module", params=["sleep", "hostile", "dyestuff2"])
def text(request):
    return request.getfixturevalue(request.param).to_report()


def test_the_page_loads_nothing_and_runs_nothing(text):
    page = Page(text)
    assert not page.all("script", "iframe", "object", "embed", "base", "form", "img")
    for element in page.elements:
        for name, value in element.items():
            assert not name.startswith("on"), name
            if name in ("src", "href", "xlink:href", "action"):
                assert value.startswith(("#", "data:")), value
    for word in ("http:", "https:", "url(//", "@import", "<!--"):
        assert word not in re.sub(r"&\w+;", "", text), word


def test_headings_go_down_step_by_step_from_one_title(text):
    levels = [int(e["tag"][1]) for e in Page(text).all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels)), levels


def test_ids_are_unique_and_every_reference_has_its_target(text):
    page = Page(text)
    ids = [e["id"] for e in page.elements if "id" in e]
    assert len(ids) == len(set(ids))
    wanted = re.findall(r"url\(#([^)]*)\)", text)
    for e in page.elements:
        wanted += e.get("aria-labelledby", "").split()
        if e.get("href", "").startswith("#"):
            wanted.append(e["href"][1:])
    assert len(wanted) > 10
    assert not set(wanted) - set(ids)


def test_every_figure_has_a_description_in_words(text):
    page = Page(text)
    pictures = page.all("svg")
    assert len(pictures) >= 5
    titles, descriptions = ({e["id"]: e["text"] for e in page.all(tag) if "id" in e} for tag in ("title", "desc"))
    named = 0
    for e in pictures:
        assert e["role"] == "img"
        if "aria-label" in e:
            assert e["aria-label"]
            continue
        title, description = e["aria-labelledby"].split()
        assert titles[title]
        assert len(descriptions[description]) > 40
        named += 1
    assert named >= 5
    assert len(page.all("figcaption")) == len(page.all("figure"))


def test_landmarks_language_and_a_skip_link(text):
    page = Page(text)
    (html,) = page.all("html")
    assert html["lang"] == "en"
    for tag in ("header", "nav", "main", "footer"):
        assert len(page.all(tag)) == 1, tag
    assert page.all("a")[0]["href"] == "#content"
    assert page.all("title")[0]["text"] == page.all("h1")[0]["text"]


def test_every_table_has_a_caption_and_scopes_and_scrolls_by_keyboard(text):
    page = Page(text)
    assert len(page.all("caption")) == len(page.all("table")) >= 4
    assert all(e["scope"] in ("row", "col") for e in page.all("th")), page.all("th")
    boxes = [e for e in page.elements if e.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table"))
    assert all(e["tabindex"] == "0" and e["role"] == "region" and e["aria-label"] for e in boxes), boxes


def test_hostile_names_are_text(hostile):
    text = hostile.to_report(title=HOSTILE)
    assert repr(text) == f"<HTML page of {len(text):,} characters>"  # what a prompt shows is no page of code
    page = Page(text)
    assert not page.all("script", "img")
    assert page.all("h1")[0]["text"] == HOSTILE
    assert "<script" not in text
    assert HOSTILE in page.all("math")[0]["text"]
    assert "g--><i>" in page.all("math")[0]["text"]


def section(text, name):
    start = text.index(f'<section aria-labelledby="{name}">')
    return text[
        start : text.index("</section>\n<section aria-labelledby" if name != "provenance" else "</main>", start)
    ]


def test_the_equation_is_mathematics_and_latex(sleep):
    page = Page(sleep.to_report(compare=()))
    (math,) = page.all("math")
    assert math["alttext"] == lmt.translate(sleep).latex
    assert re.sub(r"\s", "", math["text"]).startswith("Reactioni=β0+β1Daysi+b0,Subject[i](1)")
    assert len(page.all("mtr")) >= 4


def test_flags_speak_of_this_fit(sleep, dyestuff2):
    flags = section(sleep.to_report(compare=()), "flags")
    assert "2 rows left out" in flags
    assert "2 of 180 rows" in flags
    assert "Not singular" in flags
    flags = section(dyestuff2.to_report(compare=()), "flags")
    assert "Boundary: no variance of (Intercept) by Batch" in flags
    assert "the 6 levels of Batch" in flags
    assert "All rows used" in flags


def test_what_failed_comes_first():
    from dataclasses import replace

    from lmmtools.page.flags import read_flags

    fit = fit_of("Yield ~ 1 + (1 | Batch)", lmt.datasets.load("Dyestuff"), engine="pls")
    assert all(flag.tone in ("good", "note") for flag in read_flags(fit)), read_flags(fit)
    certificate = replace(fit.certificate, holds=False, expected_decrease=0.25)
    stalled = replace(fit, estimate=replace(fit.estimate, certificate=certificate))
    first = read_flags(stalled)[0]
    assert (first.tone, first.title) == ("bad", "Not converged")
    assert "0.25" in first.sentences[0]


def test_comparison_is_with_mixedlm_or_what_is_given(dyestuff2):
    assert "mixedlm" in section(dyestuff2.to_report(), "comparison")
    recorded, _ = lmt.datasets.recorded("dyestuff2")
    given = section(dyestuff2.to_report(compare=[recorded, "pls"]), "comparison")
    assert "<td" in given
    assert "lme4" in given
    assert "mixedlm" not in given
    assert "<table" not in section(dyestuff2.to_report(compare=()), "comparison")


def test_a_model_beyond_mixedlm_says_why_nothing_stands_beside():
    rng = np.random.default_rng(3)
    n = 120
    frame = pd.DataFrame({"a": np.arange(n) % 10, "b": np.arange(n) // 10, "x": rng.normal(size=n)})
    frame = frame.astype({"a": str, "b": str}).assign(y=rng.normal(size=n) + frame["a"])
    fit = fit_of("y ~ x + (1 + x | a) + (1 + x | b)", frame)
    assert "MixedLM has no such model" in section(fit.to_report(), "comparison")


def test_flags_say_what_a_second_engine_was_asked(sleep):
    from lmmtools.page.flags import read_flags

    agrees = next(flag for flag in read_flags(sleep) if flag.title == "A second engine computes the same")
    assert agrees.tone == "good"
    assert "at these parameters" in agrees.sentences[0]
    texts = [text for flag in read_flags(sleep) for text in (flag.title, *flag.sentences)]
    assert [text for text in texts if "onfirmed" in text] == []
    # 2,000 groups, 71 microseconds each: more than a tenth of a second for one evaluation.
    x, g = np.tile([0.0, 1.0, 2.0], 2000), np.repeat(np.arange(2000), 3)
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"g": g.astype(str), "x": x, "y": rng.normal(size=6000) + rng.normal(size=2000)[g]})
    fit = fit_of("y ~ x + (1 | g)", frame)
    large = next(flag for flag in read_flags(fit) if flag.title == "No second engine was asked")
    assert "fit.confirm()" in large.sentences[0]
    assert "MixedLM was not asked: its fit would take about 2 seconds." in section(fit.to_report(), "comparison")


def test_provenance_names_the_call_the_versions_and_the_data(sleep):
    from lmmtools.report.hashes import data_hash

    part = section(sleep.to_report(compare=()), "provenance")
    assert data_hash(sleep.design.frame) in part
    assert "lmt.lmm(&#x27;Reaction ~ Days + (Days | Subject)&#x27;, sleepstudy)" in part
    assert f"lmmtools {lmt.__version__}" in part


def test_p_values_where_asked(sleep):
    assert "Pr(&gt;|t|)" not in sleep.to_report(compare=())
    assert "Pr(&gt;|t|)" in sleep.to_report(compare=(), ddf="satterthwaite")


def test_the_page_is_written_and_a_bad_path_named(dyestuff2, tmp_path):
    text = dyestuff2.to_report(tmp_path / "fit.html", compare=())
    assert (tmp_path / "fit.html").read_text(encoding="utf-8") == text
    with pytest.raises(lmt.DataError, match="cannot be written"):
        dyestuff2.to_report(tmp_path / "no" / "fit.html", compare=())


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_chromium_shows_it_without_errors_and_without_sideways_scrolling(sleep, tmp_path):
    sleep.to_report(tmp_path / "fit.html")
    # Chromium's own window is 500 pixels wide at least; a frame can be a telephone's.
    frame = '<body><iframe id="f" src="fit.html" width="390" height="844" style="border: 0"></iframe><script>'
    frame += "f.onload = () => { const d = f.contentDocument.documentElement; "
    frame += 'document.body.dataset.width = d.scrollWidth + " " + d.clientWidth; }</script></body>'
    (tmp_path / "frame.html").write_text(frame)
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--enable-logging=stderr",
    ]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000", "--dump-dom"]
    command = [CHROMIUM, *options, (tmp_path / "frame.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert "CONSOLE" not in done.stderr
    found = re.search(r'data-width="(\d+) (\d+)"', done.stdout)
    assert found is not None, done.stdout[-500:]
    width, shown = map(int, found.groups())
    assert shown <= 390
    assert width <= shown


def test_a_missing_package_is_named_before_anything_is_computed(dyestuff2, monkeypatch):
    monkeypatch.setattr("lmmtools.page.render.find_spec", lambda name: None if name == "jinja2" else object())
    monkeypatch.setattr("lmmtools.results.comparing.compare_engines", None)
    with pytest.raises(lmt.EngineError, match=r"needs jinja2: pip install jinja2"):
        dyestuff2.to_report()


def themes():
    """Colours of the page's style sheet by theme: light, dark, print."""
    from importlib.resources import files

    css = files("lmmtools.page").joinpath("templates/page.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block)) for block in blocks]


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", range(3), ids=["light", "dark", "print"])
def test_text_stands_out_from_its_ground_as_wcag_asks(theme):
    colours = themes()[theme]
    for name in ("text", "soft", "link", "good", "note", "caution", "bad"):
        for ground in ("ground", "paper"):
            low, high = sorted((luminance(colours[name]), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (name, ground)


@pytest.mark.parametrize("variance", ["C(cask)", "0 + C(cask)"])
def test_models_of_mixedlm_have_a_page_too(variance):
    import statsmodels.formula.api as smf

    data = lmt.datasets.load("Pastes").astype({"batch": str, "cask": str})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = smf.mixedlm("strength ~ 1", data, groups="batch", re_formula="1", vc_formula={"cask": variance})
        text = lmt.from_mixedlm(model.fit()).to_report()
    page = Page(text)
    assert len(page.all("figure")) >= 4
    assert ("share one variance" in section(text, "flags")) == (variance == "C(cask)")


def test_the_style_sheet_speaks_of_elements_that_there_are(sleep):
    text = sleep.to_report()
    sheet = re.sub(r"/\*.*?\*/", "", re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1], flags=re.DOTALL)
    selectors = re.findall(r"(?:^|[{};])\s*([^{};@]+?)\s*\{", sheet)
    plain = [re.sub(r"\[[^\]]*\]|[.:#][\w-]+|\([^)]*\)", "", s) for s in selectors if not s.startswith("from")]
    elements = {name for s in plain for name in re.findall(r"[a-z]\w*", s)} - {"html", "body"}
    assert {"figcaption", "caption", "td"} <= elements
    # MathML's text, code of a page without any, and the mathematics of other models may be missing in one page.
    there = {e["tag"] for e in Page(text).elements} | {"mtext", "time", "h4"}
    assert not elements - there


def test_numbers_within_C_and_columns_left_out_have_pages():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"y": rng.normal(size=80), "x": np.tile([1, 2, 4, 8], 20), "g": np.repeat(np.arange(8), 10)})
    data["z"] = rng.normal(size=80)
    data["twice"] = 2.0 * data["z"]
    page = Page(fit_of("y ~ C(x) + z + twice + (1|g)", data).to_report())
    captions = [e["text"] for e in page.all("figcaption")]
    assert any(c.startswith("y along x.") and "at 8" in c for c in captions), captions
    # Neither moves while the other is held, and marginal_means() says of both that they are not estimable.
    assert not any(c.startswith(("y along z.", "y along twice.")) for c in captions), captions


def test_weights_and_offsets_are_explained():
    data = lmt.datasets.load("sleepstudy")
    data["w"] = np.where(data["Days"] > 4, 4.0, 1.0)
    data["o"] = 10.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmt.LmmWarning)
        fit = lmt.lmm("Reaction ~ Days + (1|Subject)", data, weights="w", offset="o").fit(engine="pls")
    text = fit.to_report(compare=[])
    assert "Prior weights: w" in text
    assert f"goes from {fit.sigma / 2:.4g} to {fit.sigma:.4g}" in text
    assert "Offset: o" in text
    assert "from 10 to 10, is taken off Reaction" in text


def test_the_style_keeps_captions_with_pictures_and_shows_that_tables_go_on():
    from importlib.resources import files

    style = files("lmmtools.page").joinpath("templates/page.css").read_text(encoding="utf-8")
    print_rules = style.partition("@media print")[2]
    for rule in (
        "svg + figcaption",  # a caption does not begin a page
        "figure { break-inside: avoid; }",
        "h2, h3, h4, caption { break-after: avoid; }",
        "tbody tr:nth-last-child(-n+3) { break-before: avoid; }",
        ".scroll, .equation-box { background: none; }",  # nothing scrolls on paper
    ):
        assert rule in print_rules, rule
    on_screen = style.partition("@media print")[0]
    assert "background-attachment: local, local, scroll, scroll" in on_screen
    assert style.count("--shade:") == 2  # on light and on dark ground
