"""The exit statuses of the command, and what each means."""

from __future__ import annotations

__all__ = ["DONE", "FOUND", "INTERRUPTED", "WRONG", "describe"]

DONE, FOUND, WRONG, INTERRUPTED = 0, 1, 2, 130

# Where a subcommand finds something to look at: its status is 1.
_FOUND = {
    "fit": "the optimum is not certified",
    "report": "the optimum is not certified; the page says so",
    "lint": "there are errors or warnings",
    "compare": "a number disagrees, is of another model, or cannot be\n       compared; looser convergence is 0",
}
_INDENT = "  "


def describe(command: str | None = None) -> str:
    """Return the statuses as lines of help, those of one subcommand or of all."""
    found = _FOUND if command is None else {k: v for k, v in _FOUND.items() if k == command}
    lines = [(str(DONE), "done")]
    lines += [
        (str(FOUND), f"done, and {text}" + (f" ({name})" if command is None else "")) for name, text in found.items()
    ]
    lines.append((str(WRONG), "wrong input, or output that cannot be written: standard error says why"))
    lines.append((str(INTERRUPTED), "interrupted"))
    return "exit status:\n" + "\n".join(f"{_INDENT}{number:<4} {text}" for number, text in lines)
