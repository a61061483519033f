"""From a result to the records that the report layer prints."""

from __future__ import annotations

from typing import TYPE_CHECKING
