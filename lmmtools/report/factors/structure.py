"""``Structure``: what the data show of factors, printed as sentences, tables, pictures, HTML and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from lmmtools import memory
from lmmtools.design.structure import FactorStructure, examine, read_factors
from lmmtools.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.incidence import Order
    from lmmtools.report.factors.crosstab import CrossTable
    from lmmtools.report.factors.picture import Characters, Picture

__all__ = ["Structure", "structure", "write_structure"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Structure(FactorStructure):
    """What the data show about factors; prints as sentences and tables.

    Attributes
    ----------
    n_rows : int
        Rows used: those with a value in every factor.
    n_missing : int
        Rows left out.
    factors : tuple of FactorCounts
        As given.
    pairs : tuple of Pair
        Every two factors, in the given order.
    components : Islands
        Connected components over all factors.
    cell_counts : ndarray of intp, shape (cells,)
        Rows of each combination of all factors that occurs.
    findings : tuple of Finding
        What to look at; empty when nothing is wrong.
    suggestion : Suggestion or None
        The random effects that the factors stand for, as formula and as declaration; None if no factor can be one.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> len(found.factors), len(found.pairs)
    (2, 1)
    """

    def crosstab(self, a: str, b: str, order: Order = "levels") -> CrossTable:
        """Return the number of rows of each combination of levels, ``a`` down and ``b`` across, as R's ``xtabs``.

        It prints as a table; where there are too many levels, as a table of blocks. ``.to_frame()`` has all of it.

        Parameters
        ----------
        a, b, order
            As for ``incidence``. A table in blocks always has the levels in the order that shows the structure.

        Raises
        ------
        DataError
            If they are not two of the factors, or there is no such order.
        """
        from lmmtools.report.factors.crosstab import CrossTable

        return CrossTable(self.incidence(a, b, order))

    def picture(self, a: str, b: str, order: Order = "structure") -> Picture:
        """Return a picture of which combinations of levels occur, ``a`` down and ``b`` across.

        Nested factors make stairs, crossed ones a full field, islands fields that share no row or column. If labels
        are probably reused, a second panel has the inner factor's levels told apart.

        Parameters
        ----------
        a, b, order
            As for ``incidence``.

        Raises
        ------
        DataError
            If they are not two of the factors, or there is no such order.
        """
        from lmmtools.report.factors.picture import draw_pair

        return draw_pair(self.incidence(a, b, order), order)

    def to_text(self, characters: Characters = "auto") -> str:
        """Return sentences, small tables and pictures, 80 characters wide.

        Parameters
        ----------
        characters : {"auto", "unicode", "ascii"}
            Shades of pictures as block characters or in plain ASCII; ``"auto"``: as standard output can write them.

        Raises
        ------
        DataError
            If there is no such set of characters.
        """
        from lmmtools.report.factors.description import describe
        from lmmtools.report.factors.picture import choose_marks

        return describe(self, choose_marks(characters))

    def to_html(self) -> str:
        """Return the same as an HTML fragment that needs no style sheet, pictures as SVG."""
        from lmmtools.report.factors.description import render_structure

        return render_structure(self)

    def to_json(self) -> str:
        """Return the counts, relations, findings and suggestion as JSON."""
        from lmmtools.report.factors.structure import write_structure

        return write_structure(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_html()

    def __repr__(self) -> str:
        relations = "; ".join(f"{p.a}, {p.b}: {p.relation}" for p in self.pairs)
        return f"<Structure of {self.n_rows} rows: {relations or self.factors[0].name}>"


@memory.door
def structure(data: Any, factors: str | Sequence[str | tuple[str, ...]]) -> Structure:
    """Return how the factors of ``data`` relate, from the data alone.

    Parameters
    ----------
    data : DataFrame, path or lazy frame
        A pandas frame, or anything narwhals accepts; also what else :func:`lmm` takes, of which the factors' columns
        are read into memory.
    factors : sequence of str or tuple of str
        Columns; an interaction is ``"a:b"`` or ``("a", "b")``.

    Raises
    ------
    DataError
        If a column is missing, no factor is given or one twice, or no row has a value in every factor.

    See Also
    --------
    lmm : Fit the model that the structure suggests.

    Examples
    --------
    >>> import lmmtools as lmt
    >>> found = lmt.structure(lmt.datasets.load("Penicillin"), ["plate", "sample"])
    >>> print(found.suggestion.formula)
    (1 | plate) + (1 | sample)
    """
    source = open_source(data)
    found = examine(data if source is None else read_factors(source, factors), factors)
    return Structure(**{field.name: getattr(found, field.name) for field in fields(found)})


def write_structure(structure: FactorStructure) -> str:
    """Return one JSON object with rows, missing, factors, pairs, islands, findings and suggestion."""
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
