"""A fit whose rows are read in batches says what a fit in memory says, or in one sentence why it needs the rows."""

from __future__ import annotations

import inspect
import json
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmmtools as lmt
from lmmtools.errors import DataError, RowsNeededError

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings("ignore::lmmtools.LmmWarning")

# Sums over batches round otherwise than sums over all rows, and the search stops within 1e-9 of the optimum's theta.
TABLES = 1e-6
FORMULA = "y ~ x*f + c + (x|g) + (1|h)"


def declare(formula, rows, **beside):
    """Declare a model on a frame in memory, or on rows of a source that are read when they are needed."""
    return lmt.lmm(formula, rows, stream=None if isinstance(rows, pd.DataFrame) else True, **beside)


def make_data(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "x": rng.normal(3.0, 1.0, n),
            "g": rng.integers(0, 60, n),
            "h": rng.choice(list("gfedcba"), n),
            "f": rng.choice(["u", "v", "w"], n, p=[0.5, 0.3, 0.2]),
            "w": rng.random(n) + 0.5,
        }
    )
    frame["c"] = pd.Categorical(rng.choice(["lo", "mid", "hi"], n), categories=["lo", "mid", "hi", "never"])
    g, h = rng.normal(size=(60, 2)), rng.normal(size=7)
    frame["y"] = frame.x * (1 + 0.4 * g[frame.g, 0]) + g[frame.g, 1] + h[frame.h.map(ord) - 97] + rng.normal(size=n)
    frame["y2"] = 2.0 * frame.y + frame.x + rng.normal(size=n)
    frame.loc[5:7, "x"] = np.nan
    return frame


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return make_data(4000)


@pytest.fixture(scope="module")
def path(data, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("parquet") / "rows.parquet"
    data.to_parquet(path, row_group_size=900)
    return str(path)


@pytest.fixture(scope="module", params=[{}, {"weights": "w"}], ids=["plain", "weighted"])
def fits(request, data, path):
    return declare(FORMULA, data, **request.param).fit(), declare(FORMULA, path, **request.param).fit()


WORKS = {
    "params": lambda fit: fit.params,
    "bse": lambda fit: fit.bse,
    "varcorr": lambda fit: fit.varcorr.to_frame()[["vcov", "sdcor"]],
    "varcorr_bse": lambda fit: fit.varcorr_bse[["se_vcov", "se_sdcor"]],
    "random_effects": lambda fit: fit.random_effects["g"],
    "random_effects_cov": lambda fit: fit.random_effects_cov["h"],
    "coef": lambda fit: fit.coef["g"],
    "anova": lambda fit: fit.anova().to_frame(),
    "anova type 1": lambda fit: fit.anova(type=1).to_frame(),
    "anova type 2": lambda fit: fit.anova(type=2).to_frame(),
    "anova kenward-roger": lambda fit: fit.anova(ddf="kenward-roger").to_frame(),
    "tests": lambda fit: fit.tests().to_frame(),
    "marginal_means": lambda fit: fit.marginal_means("f").to_frame()[["emmean", "se", "df"]],
    "marginal_means at": lambda fit: fit.marginal_means("f", at={"x": [0.0, 1.0]}).to_frame()[["emmean", "se"]],
    "pairwise": lambda fit: fit.pairwise("f").to_frame()[["estimate", "se", "p"]],
    "profile": lambda fit: fit.profile().conf_int(),
    "ranova": lambda fit: fit.ranova().to_frame().select_dtypes("number"),
    "icc": lambda fit: fit.icc().to_frame().select_dtypes("number"),
    "r2": lambda fit: fit.r2().to_frame(),
    "design_effect": lambda fit: fit.design_effect().to_frame().select_dtypes("number"),
    "variance_partition": lambda fit: fit.variance_partition().to_frame().select_dtypes("number"),
    "repca": lambda fit: fit.repca().to_frame().select_dtypes("number"),
    "glance": lambda fit: fit.glance().select_dtypes("number"),
    "ranef_frame": lambda fit: fit.ranef_frame()[["condval", "condsd"]],
    "predict": lambda fit: fit.predict(pd.DataFrame({"x": [1.0, 2.0], "f": ["v", "w"], "c": "hi", "g": 3, "h": "a"})),
    "fittedvalues": lambda fit: fit.fittedvalues,
    "resid": lambda fit: fit.resid,
    "scaled_resid": lambda fit: fit.scaled_resid,
    "residual_quantiles": lambda fit: fit.residual_quantiles,
    "hat_values": lambda fit: fit.hat_values,
    "cooks_distance": lambda fit: fit.cooks_distance,
}


@pytest.mark.parametrize("method", WORKS)
def test_what_needs_no_rows_or_a_pass_is_as_in_memory(method, fits):
    wanted, found = map(WORKS[method], fits)
    np.testing.assert_allclose(
        np.asarray(found, dtype=float), np.asarray(wanted, dtype=float), rtol=TABLES, atol=TABLES, equal_nan=True
    )


def test_the_summary_prints_what_that_in_memory_prints(fits):
    wanted, found = (str(fit.summary()).splitlines() for fit in fits)
    # The data have a name, and how they are read is said; and MixedLM, which needs the rows, gives no criterion.
    of_rows = ("   Data:", "rows are read in batches", "them again")
    assert [line for line in found if not line.startswith(of_rows)] == [
        line for line in wanted if "MixedLM" not in line and not line.startswith("   Data:")
    ]
    assert sum(line.startswith("rows are read in batches") for line in found) == 1


def test_a_fit_by_another_criterion_needs_no_second_pass(path):
    model = declare(FORMULA, path)
    assert model.fit().problem is model.fit(reml=False).problem


@pytest.mark.parametrize("engine", ["mixedlm", "lme4"])
def test_engines_that_hold_all_rows_say_so(engine, path):
    with pytest.raises(RowsNeededError, match=r"^model\.fit\(\): engine .* takes all rows in memory"):
        declare(FORMULA, path).fit(engine=engine)
    with pytest.raises(RowsNeededError, match=r"engine .* takes all rows in memory"):
        lmt.compare(declare(FORMULA, path), "pls", engine)


def test_models_that_are_compared_are_fitted_as_alone(path, data):
    by_two = lmt.compare(declare(FORMULA, path), "pls", "auto")
    alone = declare(FORMULA, path).fit()
    assert [column.criterion for column in by_two.columns] == [alone.objective] * 2
    changed = alone.update("~ . - c")
    assert changed.objective == pytest.approx(declare(FORMULA, data).fit().update("~ . - c").objective, rel=1e-10)


def test_the_error_names_what_was_called_and_the_cure(path):
    fit = declare(FORMULA, path).fit()
    for called, call in {
        "fit.simulate()": lambda: fit.simulate(2, rng=1),
        "fit.influence()": lambda: fit.influence(),
        "fit.predict()": lambda: fit.predict(interval="confidence"),
        "fit.bootstrap()": lambda: fit.bootstrap(2, rng=1),
        "design.X": lambda: fit.design.X,
        "design.V()": lambda: fit.design.V(fit),
    }.items():
        with pytest.raises(RowsNeededError) as error:
            call()
        assert str(error.value).startswith(f"{called} needs the ")
        assert "lmt.lmm(formula, data, stream=False) reads them all" in str(error.value)


def test_predictions_of_the_rows_fitted_are_a_pass(fits):
    in_memory, streamed = fits
    for random in (True, False, "h", "(1|g)"):
        wanted, found = (fit.predict(random=random) for fit in (in_memory, streamed))
        np.testing.assert_allclose(found, wanted, rtol=TABLES, atol=TABLES)
        assert (found.index == wanted.index).all()


def test_the_size_of_a_model_is_a_whole_number_of_bytes(path):
    assert type(declare(FORMULA, path).size.bytes) is int


def test_quantiles_are_those_of_all_numbers_whatever_their_order():
    from lmmtools.fit.by_rows import quantiles_of_parts

    rng = np.random.default_rng(7)
    shares = (0.0, 0.25, 0.5, 0.75, 1.0)
    for values in (
        rng.normal(size=10007),
        np.sort(rng.normal(size=10001)),
        np.round(rng.normal(size=5000)),
        np.ones(9),
    ):
        parts = np.array_split(values, 9)
        found = quantiles_of_parts(lambda parts=parts: iter(parts), shares, len(values))
        np.testing.assert_allclose(found, np.quantile(values, shares), rtol=1e-15, atol=1e-15)


def test_rows_are_written_with_what_the_fit_says_of_them(fits, data, tmp_path):
    in_memory, streamed = fits
    written = streamed.augment(tmp_path / "out", leverages=True)
    rows = pd.read_parquet(written)
    used = data[data.x.notna()].reset_index(drop=True)
    for name in data.columns:
        assert rows[name].tolist() == used[name].tolist()
    for name, wanted in (
        ("fitted", in_memory.fittedvalues),
        ("resid", in_memory.resid),
        ("hat", in_memory.hat_values),
        ("fixed", in_memory.predict(random=False)),
    ):
        np.testing.assert_allclose(rows[name], wanted, rtol=TABLES, atol=TABLES)


def test_a_name_that_ends_so_is_one_file_also_of_rows_in_memory(fits, tmp_path):
    paths = [fit.augment(tmp_path / f"{i}.parquet", prefix=".") for i, fit in enumerate(fits)]
    one, other = map(pd.read_parquet, paths)
    np.testing.assert_allclose(one[".fitted"], other[".fitted"], rtol=TABLES)
    assert len(one) == len(other) == fits[0].nobs


def test_rows_come_in_frames(fits):
    frames = list(fits[1].augment_batches())
    np.testing.assert_allclose(pd.concat(frames)["resid"], fits[0].resid, rtol=TABLES, atol=TABLES)


def test_nothing_is_overwritten_and_no_column_hidden(fits, tmp_path, data):
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"there is .* already"):
        fits[1].augment(tmp_path / "out")
    with pytest.raises(DataError, match=r"writes Parquet.*\"rows.parquet\" makes one file"):
        fits[1].augment(tmp_path / "rows.csv")
    data.rename(columns={"y2": "resid"}).to_parquet(tmp_path / "rows.parquet")
    fit = declare("y ~ x + (1|g)", str(tmp_path / "rows.parquet")).fit()
    with pytest.raises(DataError, match="have a column 'resid' already"):
        fit.augment(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "ctrl-c"])
@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_what_fails_while_it_writes_leaves_nothing(fault, name, fits, tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    written = pq.ParquetWriter.write_batch

    def write_batch(self, batch, *args, **kwargs):
        written(self, batch.slice(0, 10), *args, **kwargs)
        raise fault

    monkeypatch.setattr(pq.ParquetWriter, "write_batch", write_batch)
    with pytest.raises((DataError, KeyboardInterrupt)) as error:
        fits[1].augment(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    if isinstance(error.value, DataError):
        assert "No space left" in str(error.value)


def test_another_response_of_the_same_rows_is_a_pass(fits, data, path, tmp_path):
    in_memory, streamed = fits
    wanted = in_memory.refit(data.y2[data.x.notna()].to_numpy())
    found = streamed.refit("y2")
    assert found.objective == pytest.approx(wanted.objective, rel=1e-10)
    np.testing.assert_allclose(found.params, wanted.params, rtol=TABLES)
    np.testing.assert_allclose(found.resid, wanted.resid, rtol=TABLES, atol=TABLES)
    with pytest.raises(DataError, match="have no column 'y3'"):
        streamed.refit("y3")
    with pytest.raises(DataError, match="'f' is a factor of this model"):
        streamed.refit("f")
    with pytest.raises(DataError, match="is of a frame"):
        in_memory.refit("y2")
    data.assign(y2=data.y2.where(data.index != 3000)).to_parquet(tmp_path / "rows.parquet", row_group_size=900)
    with pytest.raises(DataError, match=r"'y2' has no value in row 3,001 of .*rows\.parquet"):
        declare("y ~ x + (1|g)", str(tmp_path / "rows.parquet")).fit().refit("y2")


@pytest.mark.parametrize("change", ["grown", "other levels", "gone"])
def test_files_that_change_between_passes_are_noticed(change, data, tmp_path):
    path = tmp_path / "rows.parquet"
    data.to_parquet(path, row_group_size=900)
    model = declare(FORMULA, str(path))
    if change == "gone":
        path.unlink()
    else:
        other = pd.concat([data, data]) if change == "grown" else data.assign(g=data.g + 1000)
        other.to_parquet(path, row_group_size=900)
        os.utime(path, (1, 1))
    with pytest.raises(DataError):
        model.fit()


def test_a_query_that_draws_other_rows_in_each_pass_is_noticed(path):
    duckdb = pytest.importorskip("duckdb")
    drawn = duckdb.sql(f"select * from '{path}' where x is not null order by random() limit 1000")
    with pytest.raises(DataError, match=r"changed after its rows were first read|gave other values of y in a second"):
        declare("y ~ x + (1|g)", drawn).fit()
    fixed = duckdb.sql(f"select * from '{path}' where x is not null order by y limit 1000")
    assert declare("y ~ x + (1|g)", fixed).fit().nobs == 1000


def test_an_interrupted_pass_leaves_the_model_as_it_was(path, monkeypatch):
    model = declare(FORMULA, path)
    coder = type(model.design.streamed.coder)
    code = coder.code

    def interrupted(self, columns, with_frame=False):
        raise KeyboardInterrupt

    monkeypatch.setattr(coder, "code", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit()
    monkeypatch.setattr(coder, "code", code)
    assert model.fit().objective == pytest.approx(declare(FORMULA, path).fit().objective, rel=1e-12)


def test_fits_are_tested_against_each_other(data, path):
    def tested(rows):
        return lmt.anova(*(declare(f, rows).fit(reml=False) for f in ("y ~ x + c + (1|g)", FORMULA))).to_frame()

    wanted, found = tested(data).select_dtypes("number"), tested(path).select_dtypes("number")
    np.testing.assert_allclose(found.to_numpy(float), wanted.to_numpy(float), rtol=TABLES, equal_nan=True)


def test_a_fit_is_compared_with_one_in_memory_with_its_record_and_reported(fits):
    in_memory, streamed = fits
    assert lmt.compare(in_memory, streamed).verdict == "same to the digits shown"
    record = lmt.read_json(streamed.to_json())
    assert record.objective == streamed.objective
    assert record.provenance.call.startswith(f"lmt.lmm({FORMULA!r}, {streamed.names.data!r}")
    assert lmt.compare(streamed, record).columns[1].criterion == streamed.objective
    assert "Scaled residuals" in str(record.summary())
    pytest.importorskip("jinja2")
    assert streamed.to_report().startswith("<!doctype html>")


GIVEN = {
    "contrasts": {"factors": "f"},
    "pairwise": {"factors": "f"},
    "marginal_means": {"factors": "f"},
    "f_test": {"constraints": "x = 0"},
    "t_test": {"constraints": "x = 0"},
    "refit": {"y": "y2"},
    "on_response": {"y": np.zeros(3997)},
    "refit_many": {"Y": np.zeros((3997, 2))},
    "bootstrap": {"n": 2, "rng": 1},
    "to_json": {},
}
"""Arguments of methods that need some."""

NOT_ASKED = {"of", "on_design", "with_estimate", "without_found", "label_rows"}


def test_every_method_works_or_says_in_one_error_that_it_needs_the_rows(path, tmp_path, monkeypatch):
    fit = declare(FORMULA, path).fit()
    passes: list[str] = []
    batches = type(fit.design.streamed).batches
    now = [""]

    def counted(self, *args, **kwargs):
        passes.append(now[0])
        return batches(self, *args, **kwargs)

    monkeypatch.setattr(type(fit.design.streamed), "batches", counted)
    monkeypatch.chdir(tmp_path)
    refused: dict[str, str] = {}
    redirected: list[str] = []
    for name, member in inspect.getmembers(type(fit)):
        if name.startswith("_") or name in NOT_ASKED:
            continue
        now[0] = name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if callable(member):
                    needed = [
                        p
                        for p in list(inspect.signature(member).parameters.values())[1:]
                        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                    ]
                    if needed and name not in GIVEN:
                        continue
                    found = getattr(fit, name)(**GIVEN.get(name, {}))
                    if inspect.isgenerator(found):
                        list(found)
                else:
                    getattr(fit, name)
        except RowsNeededError as error:
            refused[name] = str(error)
        except lmt.LmmError:
            pass
        except AttributeError as error:
            redirected.append(str(error))
    assert set(passes) <= set(fit.needs_rows)
    # What is refused is neither claimed as a pass nor a silent failure; augment() writes where it is given a path.
    assert set(refused) & set(fit.needs_rows) <= {"augment"}
    assert not any("\n" in text for text in refused.values())
    assert all("LMMResults has no" in text for text in redirected)
    assert Path(path).exists()


def test_backward_elimination_declares_smaller_models_on_the_same_rows(data, path, tmp_path):
    formula = "y ~ x + w + (1|g) + (1|h)"
    wanted, found = (declare(formula, rows).fit().step() for rows in (data, path))
    assert found.formula == wanted.formula == "y ~ x + (1 | g) + (1 | h)"
    np.testing.assert_allclose(found.fixed.to_frame().F, wanted.fixed.to_frame().F, rtol=TABLES)
    complete = data[data.x.notna()]
    complete.to_parquet(tmp_path / "complete.parquet", row_group_size=900)
    ratios = (
        declare(formula, rows).fit().drop1("chisq").to_frame().lrt[1:]
        for rows in (complete, str(tmp_path / "complete.parquet"))
    )
    np.testing.assert_allclose(*ratios, rtol=TABLES)
    # Without x, which three rows miss, there would be more rows.
    with pytest.raises(DataError, match=r"has 4,000 complete rows of .* has 3,997"):
        declare("y ~ x + (1|g)", path).fit().drop1("chisq")


@pytest.mark.parametrize("source", ["memory", "batches"])
def test_a_record_has_levels_of_factors_alone(source, data, path):
    rows = data if source == "memory" else path
    fit = declare("y ~ poly(x, 2, raw=True) + C(f, Sum):w + c + (1|g)", rows).fit()
    levels = json.loads(fit.to_json())["fixed_effects"]["levels"]
    assert levels == {"f": ["u", "v", "w"], "c": ["lo", "mid", "hi"]}


def test_many_rows_give_the_same_criterion_and_tables(tmp_path):
    many = make_data(200_000)
    many.to_parquet(tmp_path / "rows.parquet", row_group_size=30_000)
    wanted, found = (declare(FORMULA, rows).fit() for rows in (many, str(tmp_path / "rows.parquet")))
    assert found.objective == pytest.approx(wanted.objective, rel=1e-10)
    for method in (
        "params",
        "bse",
        "varcorr",
        "anova",
        "anova type 1",
        "tests",
        "marginal_means",
        "residual_quantiles",
    ):
        one, other = (np.asarray(WORKS[method](fit), dtype=float) for fit in (wanted, found))
        np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-8, err_msg=method)
