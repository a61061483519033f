"""Where each data set comes from, what it is about, and what its columns mean."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmmtools import memory
from lmmtools.datasets._schema import find_schema, read_schemas

if TYPE_CHECKING:
    from lmmtools.datasets._schema import ColumnKind

__all__ = ["ColumnInfo", "DatasetInfo", "describe", "names"]


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column of a data set.

    Attributes
    ----------
    name : str
    kind : {"factor", "ordered", "integer", "double"}
        R's type. Factors load as categoricals, ordered ones as ordered categoricals.
    role : str
        What the column usually is in a model: ``"response"``, ``"covariate"``, ``"treatment"`` or ``"grouping"``.
    meaning : str
    unit : str
        Empty for a factor and for a number without a unit.
    levels : tuple of str
        In R's order; empty for a number.
    """

    name: str
    kind: ColumnKind
    role: str
    meaning: str
    unit: str = ""
    levels: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f" with {len(self.levels)} levels" if self.levels else ""
        unit = f" [{self.unit}]" if self.unit else ""
        return f"{self.name}: {self.meaning}{unit} ({self.kind}{size}; {self.role})"


@dataclass(frozen=True, slots=True)
class DatasetInfo:
    """Title, source, meaning and columns of one data set; ``str()`` is a short page to read.

    Attributes
    ----------
    name : str
    title : str
        A few words.
    source : str
        The original publication.
    meaning : str
        How the data arose, and what is nested in or crossed with what.
    package : str
        The R package whose copy this is.
    n_rows : int
    columns : tuple of ColumnInfo
        In the order of the DataFrame.
    """

    name: str
    title: str
    source: str
    meaning: str
    package: str
    n_rows: int
    columns: tuple[ColumnInfo, ...]

    def __str__(self) -> str:
        page = [f"{self.name}: {self.title}", ""]
        page += textwrap.wrap(self.meaning, width=88)
        page += ["", f"{self.n_rows} rows, {len(self.columns)} columns:"]
        for column in self.columns:
            page += textwrap.wrap(str(column), width=88, initial_indent="  ", subsequent_indent="      ")
        page += ["", *textwrap.wrap(f"Source: {self.source}", width=88, subsequent_indent="  ")]
        page += [f"As in the R package {self.package}."]
        return "\n".join(page)


@dataclass(frozen=True, slots=True)
class _Entry:
    """The texts on a data set; ``columns`` maps a name to (role, meaning, unit)."""

    title: str
    source: str
    meaning: str
    columns: dict[str, tuple[str, str, str]]


def names() -> list[str]:
    """Return the names of the data sets that ``load`` and ``describe`` know.

    See Also
    --------
    describe, load

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.datasets.names()[:4]
    ['Dyestuff', 'Dyestuff2', 'Penicillin', 'Pastes']
    """
    return list(read_schemas())


@memory.door
def describe(name: str) -> DatasetInfo:
    """Return source, meaning, and the columns with their types, roles and units.

    Parameters
    ----------
    name : str
        One of ``names()``.

    Raises
    ------
    DataError
        When there is no such data set; the message names the closest one.

    See Also
    --------
    names, load

    Examples
    --------
    >>> import lmmtools as lmt
    >>> lmt.datasets.describe("sleepstudy").n_rows
    180
    """
    schema = find_schema(name)
    entry = _ENTRIES[name]
    return DatasetInfo(
        name=name,
        title=entry.title,
        source=entry.source,
        meaning=entry.meaning,
        package=schema.package,
        n_rows=schema.rows,
        columns=tuple(
            ColumnInfo(column.name, column.kind, *entry.columns[column.name], levels=column.levels)
            for column in schema.columns
        ),
    )


_DAVIES = "Davies, O. L. and Goldsmith, P. L. (eds.) (1972). Statistical Methods in Research and Production, 4th ed."
_PINHEIRO = "Pinheiro, J. C. and Bates, D. M. (2000). Mixed-Effects Models in S and S-PLUS. Springer"

_ENTRIES: dict[str, _Entry] = {
    "Dyestuff": _Entry(
        title="yield of a dyestuff, batch by batch",
        source=f"{_DAVIES} Oliver and Boyd, section 6.4.",
        meaning=(
            "Six batches of an intermediate product, five preparations of the dyestuff from each. The question is "
            "how much of the variation in yield comes from the batches: one random factor, balanced."
        ),
        columns={
            "Batch": ("grouping", "batch of the intermediate", ""),
            "Yield": ("response", "yield of standard colour", "g"),
        },
    ),
    "Dyestuff2": _Entry(
        title="simulated twin of Dyestuff without batch variance",
        source=(
            "Box, G. E. P. and Tiao, G. C. (1973). Bayesian Inference in Statistical Analysis. Addison-Wesley, "
            "section 5.1.2."
        ),
        meaning=(
            "Simulated numbers in the layout of Dyestuff. The batch means vary less than the spread within batches "
            "would bring about by itself, so the estimated batch variance is exactly zero: the standard example of a "
            "singular fit."
        ),
        columns={
            "Batch": ("grouping", "batch, as in Dyestuff", ""),
            "Yield": ("response", "simulated yield", ""),
        },
    ),
    "Penicillin": _Entry(
        title="assay of penicillin on plates",
        source=f"{_DAVIES} Oliver and Boyd, section 6.6.",
        meaning=(
            "Each of six samples of penicillin was tested once on each of 24 plates, so plate and sample are fully "
            "crossed. The stronger the sample, the wider the zone around it in which bacteria do not grow."
        ),
        columns={
            "diameter": ("response", "diameter of the clear zone", "mm"),
            "plate": ("grouping", "assay plate, crossed with sample", ""),
            "sample": ("grouping", "penicillin sample, crossed with plate", ""),
        },
    ),
    "Pastes": _Entry(
        title="strength of a chemical paste, casks within batches",
        source=f"{_DAVIES} Oliver and Boyd, section 6.5.",
        meaning=(
            "Ten delivered batches, three casks picked from each, the contents of each cask tested twice. The labels "
            "a, b, c are used again in every batch: cask is nested in batch implicitly, and sample is the same "
            "nesting spelt out."
        ),
        columns={
            "strength": ("response", "strength of the paste", ""),
            "batch": ("grouping", "delivered batch", ""),
            "cask": ("grouping", "cask within its batch (labels reused from batch to batch)", ""),
            "sample": ("grouping", "batch and cask together, one label per cask", ""),
        },
    ),
    "sleepstudy": _Entry(
        title="reaction times of people kept from sleep",
        source=(
            "Belenky, G., Wesensten, N. J., Thorne, D. R., Thomas, M. L., Sing, H. C., Redmond, D. P., Russo, M. B. "
            "and Balkin, T. J. (2003). Patterns of performance degradation and restoration during sleep restriction "
            "and subsequent recovery: a sleep dose-response study. Journal of Sleep Research 12, 1-12."
        ),
        meaning=(
            "Eighteen people of the group that was allowed three hours in bed a night, measured daily for ten days. "
            "Days 0 and 1 are adaptation and training, day 2 is the baseline, and the restriction begins after it. "
            "Every subject has its own level and its own slope over the days."
        ),
        columns={
            "Reaction": ("response", "mean reaction time of the day's tests", "ms"),
            "Days": ("covariate", "day of the study, from 0", "days"),
            "Subject": ("grouping", "person", ""),
        },
    ),
    "cake": _Entry(
        title="breaking angle of chocolate cakes",
        source=(
            "Cook, F. E. (1938). Chocolate cake, I. Optimum baking temperature. Master's thesis, Iowa State College. "
            "Also in Cochran, W. G. and Cox, G. M. (1957). Experimental Designs, 2nd ed. Wiley, p. 300."
        ),
        meaning=(
            "A split-plot experiment: every recipe was mixed fifteen times, and each mix was divided into six cakes, "
            "one for each oven temperature. The mixes are recipe:replicate; the numbers 1 to 15 are used again in "
            "every recipe."
        ),
        columns={
            "replicate": ("grouping", "mix within its recipe (labels reused from recipe to recipe)", ""),
            "recipe": ("treatment", "recipe", ""),
            "temperature": ("treatment", "baking temperature as an ordered factor, degrees Fahrenheit", ""),
            "angle": ("response", "angle at which the cake broke", "degrees"),
            "temp": ("covariate", "baking temperature as a number", "degrees Fahrenheit"),
        },
    ),
    "InstEval": _Entry(
        title="students rating lecturers",
        source="Anonymised teaching evaluations of ETH Zurich, published with the R package lme4.",
        meaning=(
            "One row per rating that a student gave a lecturer, once per pair at most. Students are partially "
            "crossed with lecturers and with departments, while every lecturer belongs to one department: the usual "
            "larger test of crossed random effects."
        ),
        columns={
            "s": ("grouping", "student", ""),
            "d": ("grouping", "lecturer", ""),
            "studage": ("treatment", "semesters that the student had studied", ""),
            "lectage": ("treatment", "semesters that the lecture lay back when it was rated", ""),
            "service": ("treatment", "1 if the lecture was given for a department other than the lecturer's own", ""),
            "dept": ("grouping", "department, coded", ""),
            "y": ("response", "rating, from 1 (poor) to 5 (very good)", ""),
        },
    ),
    "ergoStool": _Entry(
        title="effort of getting up from four kinds of stool",
        source=(
            "Wretenberg, P., Arborelius, U. P. and Lindberg, F. (1993). The effects of a pneumatic stool and a one- "
            "legged stool on lower limb joint load and muscular activity during sitting and rising. Ergonomics 36, "
            "519-535. "
            f"Also in {_PINHEIRO}."
        ),
        meaning=(
            "Nine people each rose once from each of four stools: a randomised block design with people as blocks. "
            "The levels of Subject are ordered by mean effort, not by number."
        ),
        columns={
            "effort": ("response", "perceived effort", "Borg scale"),
            "Type": ("treatment", "kind of stool", ""),
            "Subject": ("grouping", "person", ""),
        },
    ),
    "Machines": _Entry(
        title="productivity of workers on three machines",
        source=(
            "Milliken, G. A. and Johnson, D. E. (1992). Analysis of Messy Data, Volume I: Designed Experiments. "
            f"Chapman and Hall. Also in {_PINHEIRO}."
        ),
        meaning=(
            "Six workers each used each of three machines three times: worker and machine are crossed, with three "
            "observations per cell, so that worker-by-machine effects can be told from the noise. The levels of "
            "Worker are ordered by their highest score."
        ),
        columns={
            "Worker": ("grouping", "worker", ""),
            "Machine": ("treatment", "brand of machine", ""),
            "score": ("response", "productivity score, for number and quality of the parts made", ""),
        },
    ),
    "Oats": _Entry(
        title="oat varieties and nitrogen in a split plot",
        source=(
            "Yates, F. (1935). Complex experiments. Supplement to the Journal of the Royal Statistical Society 2, "
            "181-247. "
            f"Also in {_PINHEIRO}."
        ),
        meaning=(
            "Six blocks were split into three plots, one for each variety, and each plot into four subplots, one for "
            "each amount of nitrogen. The plots are Block:Variety. The levels of Block are ordered by their highest "
            "yield."
        ),
        columns={
            "Block": ("grouping", "block of the field", ""),
            "Variety": ("treatment", "variety of oats; Block:Variety is the plot", ""),
            "nitro": ("covariate", "nitrogen given", "cwt/acre"),
            "yield": ("response", "yield", "bushels/acre, as nlme labels it"),
        },
    ),
    "Orthodont": _Entry(
        title="growth of a distance in children's skulls",
        source=(
            "Potthoff, R. F. and Roy, S. N. (1964). A generalized multivariate analysis of variance model useful "
            "especially "
            f"for growth curve problems. Biometrika 51, 313-326. Also in {_PINHEIRO}."
        ),
        meaning=(
            "Twenty-seven children, 16 boys and 11 girls, measured on X-ray pictures at the ages of 8, 10, 12 and "
            "14: a small growth study with a line for each child. The levels of Subject are ordered by mean distance "
            "within each sex."
        ),
        columns={
            "distance": ("response", "distance from the pituitary to the pterygomaxillary fissure", "mm"),
            "age": ("covariate", "age of the child", "years"),
            "Subject": ("grouping", "child; M for boys, F for girls", ""),
            "Sex": ("treatment", "sex of the child", ""),
        },
    ),
    "Oxide": _Entry(
        title="oxide layers on silicon wafers",
        source=(
            "Littell, R. C., Milliken, G. A., Stroup, W. W. and Wolfinger, R. D. (1996). SAS System for Mixed "
            "Models. "
            f"SAS Institute. Also in {_PINHEIRO}."
        ),
        meaning=(
            "Eight lots, three wafers from each, three sites on each wafer: sites within wafers within lots. The "
            "lots come from two sources, four each. Wafer labels are used again in every lot, site labels on every "
            "wafer."
        ),
        columns={
            "Source": ("treatment", "source of the lot", ""),
            "Lot": ("grouping", "lot of wafers", ""),
            "Wafer": ("grouping", "wafer within its lot (labels reused from lot to lot)", ""),
            "Site": ("grouping", "site on its wafer (labels reused from wafer to wafer)", ""),
            "Thickness": ("response", "thickness of the oxide layer", ""),
        },
    ),
    "Rail": _Entry(
        title="travel time of ultrasound in six rails",
        source=(
            "Devore, J. L. (2000). Probability and Statistics for Engineering and the Sciences, 5th ed. Duxbury. "
            f"Also in {_PINHEIRO}."
        ),
        meaning=(
            "Six rails chosen at random, an ultrasonic wave sent three times through each: nearly all of the variation "
            "is between rails. The levels of Rail are ordered by mean travel time."
        ),
        columns={
            "Rail": ("grouping", "rail", ""),
            "travel": ("response", "travel time of the wave, less 36,100", "ns"),
        },
    ),
    "RatPupWeight": _Entry(
        title="birth weights of rat pups by litter and dose",
        source=f"{_PINHEIRO}, appendix A.26.",
        meaning=(
            "The pups of 27 litters, whose mothers had one of three doses of a compound: the dose is given to litters, "
            "ten control, ten low and seven high; pups differ by sex. Large litters have light pups. The levels of "
            "Litter are ordered by dose and mean weight."
        ),
        columns={
            "weight": ("response", "weight of the pup at birth", "g"),
            "sex": ("covariate", "sex of the pup", ""),
            "Litter": ("grouping", "litter, nested in dose", ""),
            "Lsize": ("covariate", "number of pups in the litter", ""),
            "Treatment": ("treatment", "dose that the mother had", ""),
        },
    ),
    "MathAchieve": _Entry(
        title="mathematics scores of students in 160 schools",
        source=(
            "High School and Beyond, a survey of 1982 by the United States' National Center for Education Statistics. "
            "The part in Bryk, A. S. and Raudenbush, S. W. (1992). Hierarchical Linear Models. Sage. "
            f"Also in {_PINHEIRO}."
        ),
        meaning=(
            "7,185 students in 160 schools. SES is centred over all students; MEANSES is the mean of a school, so that "
            "effects within and between schools can be told apart."
        ),
        columns={
            "School": ("grouping", "school", ""),
            "Minority": ("covariate", "whether the student belongs to a minority", ""),
            "Sex": ("covariate", "sex of the student", ""),
            "SES": ("covariate", "socio-economic status, standardised", ""),
            "MathAch": ("response", "score in mathematics", ""),
            "MEANSES": ("covariate", "mean SES of the school's students", ""),
        },
    ),
    "radon": _Entry(
        title="radon in the houses of Minnesota",
        source=(
            "A survey of the United States' Environmental Protection Agency. Price, P. N., Nero, A. V. and Gelman, A. "
            "(1996). Bayesian prediction of mean indoor radon concentrations for Minnesota counties. Health Physics "
            "71, 922-936. Also in Gelman, A. and Hill, J. (2007). Data Analysis Using Regression and "
            "Multilevel/Hierarchical Models. Cambridge University Press."
        ),
        meaning=(
            "919 houses in 85 counties, one to 116 in each: the standard example of partial pooling. The radon comes "
            "from the soil, so that a basement has more of it than a first floor, and a county with uranium in its "
            "soil more than another."
        ),
        columns={
            "floor": ("covariate", "floor of the measurement: 0 the basement, 1 the first floor", ""),
            "county": ("grouping", "county", ""),
            "log_radon": ("response", "logarithm of the radon activity", "log pCi/l"),
            "log_uranium": ("covariate", "logarithm of the uranium in the county's soil", "log ppm"),
        },
    ),
}
