"""The command line: ``aureole VERB ...``, one module a verb.

The modules of the verbs import nothing heavy before their verb runs, so that help comes at once. They are
imported where an interrupt is told in one line already.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aureole.cli.parser import Parser

_DESCRIPTION = """\
X-ray detector frames to diffraction patterns, in real time.

Give a verb; 'aureole VERB --help' explains its options and has an example."""

_EPILOG = """\
exit codes: 0 clean, 1 finished with bad or missing frames, 2 usage, input or output error,
129 hung up, 130 interrupted, 143 terminated

example:
  aureole integrate 'scan_*.cbf' --poni detector.poni -o patterns.h5
  aureole plot patterns.h5"""


_VERBS = (
    "average",
    "mask",
    "calibrate",
    "goniometer",
    "integrate",
    "xrdmap",
    "xrdct",
    "separate",
    "inpaint",
    "sparsify",
    "densify",
    "pdf",
    "resume",
    "info",
    "plot",
    "export",
    "convert",
    "simulate",
    "demo",
)
"""Modules of the verbs, in the order of the help."""


def make_parser() -> Parser:
    """Return the parser of all verbs."""
    from aureole.cli.parser import Parser, version_text

    parser = Parser(prog="aureole", description=_DESCRIPTION, epilog=_EPILOG)
    parser.set_defaults(stopped="nothing was written")
    parser.add_argument("--version", action="version", version=version_text())
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in _VERBS:
        import_module(f"aureole.cli.{verb}").add_parser(verbs)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments after the name of the program; those of the process without it.

    Returns
    -------
    int
        0 clean, 1 finished with bad or missing frames, 2 usage, input or output error, 129 hung up,
        130 interrupted, 143 terminated.
    """
    try:
        from aureole.cli.terminal import guarded
    except KeyboardInterrupt:
        return 130
    return guarded("aureole", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    from aureole.cli.parser import Parser
    from aureole.cli.terminal import guarded

    parser = make_parser()
    try:
        args, unknown = parser.parse_known_args(argv)
        if unknown:
            verb = f"aureole {args.verb}" if args.verb else "aureole"
            Parser(prog=verb).error(f"unknown options: {' '.join(unknown)}")
    except SystemExit as stop:
        return int(stop.code or 0)
    if args.verb is None:
        parser.print_help(sys.stderr)
        return 2
    args.argv = list(sys.argv[1:] if argv is None else argv)
    args.resumed = None
    return guarded(f"aureole {args.verb}", lambda: args.run(args), stopped=args.stopped)
