"""The reports on all calls, for people to read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lmmtools.linting.checkout import show_path
from lmmtools.sentences import count_noun, join_with_and

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.linting.checkout import CallReport, FileReport

__all__ = ["write"]


def write(reports: Sequence[FileReport], is_single: bool) -> str:
    """Return the reports; of several files with a last line that counts."""
    parts = [_write_call(call) for file in reports for call in file.calls]
    if is_single:
        return "\n\n".join(parts) or f"{show_path(reports[0].path)}: no call of MixedLM found"
    return "\n\n".join([*parts, _count(reports)])


def _write_call(call: CallReport) -> str:
    return f"{call.report}\nignored here: {join_with_and(call.ignored)}" if call.ignored else str(call.report)


def _count(reports: Sequence[FileReport]) -> str:
    calls = [call for file in reports for call in file.calls]
    read = sum(not file.error for file in reports)
    if not calls:
        found = "no call of MixedLM found"
    else:
        kinds = Counter(f.severity for call in calls for f in call.report.findings)
        plurals = [count_noun(kinds[k], k) for k in ("error", "warning")] + [f"{kinds['info']:,} info"]
        n_files = sum(bool(file.calls) for file in reports)
        found = f"{count_noun(len(calls), 'call')} of MixedLM in {n_files:,} of them, {join_with_and(plurals)}"
    failed = len(reports) - read
    return f"{count_noun(read, 'file')} read: {found}" + (f"; {failed:,} could not be read" if failed else "")
