"""``python -m lmmtools``: the same as the ``lmmtools`` command."""

import sys

from lmmtools.cli import main

if __name__ == "__main__":
    sys.exit(main())
