"""How options are parsed and explained: one line for an error, examples kept as they are written."""

from __future__ import annotations

import argparse
import re
import sys
from typing import NoReturn

from aureole.version import __version__

_UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
NUMBER = rf"[-+]?{_UNSIGNED}"
"""The pattern of a number, as users write it."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and that takes ``-1e9`` and ``-90,90`` for numbers, not options."""

    def __init__(
        self,
        prog: str | None = None,
        *,
        usage: str | None = None,
        description: str | None = None,
        epilog: str | None = None,
    ) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        self._negative_number_matcher = re.compile(rf"^-{_UNSIGNED}(,{NUMBER})*$")

    def error(self, message: str) -> NoReturn:
        """Print one line to stderr and leave with 2."""
        line = " ".join(message.split())
        print(f"{self.prog}: error: {line} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
        # Room for the names of the verbs, whose indentation argparse forgets to count.
        self._action_max_length = 15


def version_text() -> str:
    """Return what ``--version`` says."""
    return f"aureole {__version__} (Python {sys.version.split()[0]})"
