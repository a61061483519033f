"""SARIF 2.1.0 (OASIS, 2020; errata 01, 2023), which code hosts show beside the lines."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lmmtools._version import __version__
from lmmtools.linting.checkout import show_text
from lmmtools.linting.codes import CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmmtools.design.findings import Finding
    from lmmtools.linting.checkout import CallReport, FileReport

__all__ = ["write"]

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def write(reports: Sequence[FileReport], is_single: bool) -> str:
    """Return the log of one run; its rules are all codes of lint."""
    results = [_result(file, call, f) for file in reports for call in file.calls for f in call.report.findings]
    failed = [(file, file.error) for file in reports if file.error]
    notices = [*failed, *((file, sentence) for file in reports for sentence in file.unread)]
    invocation = {
        "executionSuccessful": not failed,
        "toolExecutionNotifications": [
            {
                "level": "error" if file.error else "warning",
                "message": {"text": show_text(text)},
                "locations": [{"physicalLocation": {"artifactLocation": _artifact(file.path)}}],
            }
            for file, text in notices
        ],
    }
    driver = {"name": "lmmtools", "version": __version__, "rules": [_rule(name) for name in CODES]}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "results": results,
        "columnKind": "unicodeCodePoints",
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(name: str) -> dict[str, Any]:
    code = CODES[name]
    wrong, harm, cure = (text.replace("``", "`") for text in (code.wrong, code.harm, code.cure))
    return {
        "id": name,
        "shortDescription": {"text": wrong},
        "fullDescription": {"text": f"{wrong} {harm}"},
        "help": {"text": f"{wrong} Harm: {harm} Cure: {cure}"},
        "defaultConfiguration": {"level": _LEVELS[code.level]},
    }


def _result(file: FileReport, call: CallReport, finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(file.path)}}
    text = show_text(finding.message)
    location["physicalLocation"]["region"] = {"startLine": call.file_line, "startColumn": call.file_column}
    if call.cell is not None:
        # Lines of a cell are no lines of the file.
        cell = f"cell {call.cell}, line {call.line}"
        location["logicalLocations"] = [{"name": cell}]
        text = f"{cell}: {text}"
    return {
        "ruleId": finding.code,
        "ruleIndex": list(CODES).index(finding.code),
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{text}\n{finding.cure}" if finding.cure else text},
        "locations": [location],
    }


def _artifact(path: str) -> dict[str, Any]:
    """Return the place of a file: below the current folder relative to it, as code hosts want it."""
    if path == "-":
        return {"uri": "stdin"}
    relative = os.path.relpath(path)
    if relative.startswith(os.pardir):
        return {"uri": f"file://{quote(os.fsencode(os.path.abspath(path)))}"}
    return {"uri": quote(os.fsencode(relative.replace(os.sep, "/"))), "uriBaseId": "%SRCROOT%"}
