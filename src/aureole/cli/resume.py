"""``aureole resume``: finish a run that was stopped."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from aureole.cli import inputs
from aureole.errors import InputError

_DESCRIPTION = """\
Finish a run that was stopped, with the options and the frames that it was begun with.
What was done is kept; frames that were missing or bad are tried again. The command
that began the run does the same, as long as it names the same frames. Another backend
can go on, too: the result says which frames came from which."""

_EPILOG = """\
examples:
  aureole resume patterns.h5
  aureole resume patterns.h5 --backend cpu"""


def add_parser(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add this verb."""
    parser = verbs.add_parser(
        "resume",
        usage="aureole resume OUT [--backend NAME] [--device WHICH]",
        help="finish a run that was stopped",
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    parser.set_defaults(run=run, stopped="the same command goes on with what was done")
    parser.add_argument("output", metavar="OUT", type=Path, help="output of the run, or its folder OUT.run")
    inputs.add_backend(parser, default=None)


def run(args: argparse.Namespace) -> int:
    """Do again what began the run."""
    from aureole.cli import make_parser
    from aureole.io.finished import read_finished
    from aureole.runs.manifest import Manifest
    from aureole.runs.run import directory_of

    if not args.output.name:
        raise InputError(f"{args.output}: give the name of an output, or of its folder OUT.run")
    directory = directory_of(args.output).absolute()
    output = directory.with_suffix("")
    manifest = Manifest.load(directory)
    begun = manifest or read_finished(output)
    if begun is None:
        raise InputError(f"{directory}: there is no run to resume, nor an output of one beside it")
    command = begun.command
    if not command:
        raise InputError(f"{directory}: was not begun by a command; call the same function again")
    try:
        os.chdir(command["cwd"])
    except OSError as error:
        raise InputError(f"{command['cwd']}: {error.strerror}; the run was begun there") from None
    again = make_parser().parse_args(command["argv"])
    if args.backend is not None or args.device is not None:
        # a device that the run was begun on says nothing to another backend
        again.backend, again.device = args.backend or "auto", args.device
    again.argv, again.resumed, again.output = command["argv"], manifest, output
    # what was done is kept, unless the run that was stopped was to replace something else
    again.overwrite &= manifest is not None
    return int(again.run(again))
