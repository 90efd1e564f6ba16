"""What the user sees of a run: errors in one line, a progress bar, a summary."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from types import FrameType
from typing import TYPE_CHECKING

from aureole.errors import AureoleError
from aureole.threads import STOPPING

if TYPE_CHECKING:
    from aureole.runs import RunReport
    from aureole.runs.report import Progress

BROKEN_PIPE = 128 + signal.SIGPIPE
_STOPS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
"""The signals that ask the process to end: from the keyboard, from batch systems, from a closed terminal."""
_NOT_MAPPED = ("failed to map segment from shared object", os.strerror(errno.ENOMEM))
_LISTED = 10
"""How many bad frames are listed by name."""


class _Stopped(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        self.number = signal.Signals(number)


def guarded(prog: str, run: Callable[[], int], *, stopped: str = "nothing was written") -> int:
    """Run a verb and return its exit code, whatever happens; a failure is told in one line on stderr.

    Parameters
    ----------
    prog : str
        Name of the command.
    run : callable
        Returns the exit code.
    stopped : str
        What to say is left of a run that was interrupted or terminated.
    """
    _mend_streams()
    try:
        with _ending_cleanly():
            code = run()
            sys.stdout.flush()
            return code
    except AureoleError as error:
        return _fail(prog, str(error))
    except BrokenPipeError:
        # Whoever read the output went away; what is still buffered must not complain at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, _Stopped) else signal.SIGINT
        _complain(f"{prog}: {_STOPS[number]}; {stopped}")
        return 128 + number
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _fail(prog, f"{name}{error.strerror or error}")
    except MemoryError as error:
        return _fail(prog, f"not enough memory {error}")
    except Exception as error:
        if _for_want_of_memory(error):
            return _fail(prog, f"not enough memory to load a library ({error})")
        traceback.print_exc()
        return _fail(prog, f"this is a defect of Aureole, please report it: {type(error).__name__}: {error}")


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Whether a library could not be loaded since there was no memory for it."""
    if not isinstance(error, ImportError):
        return False
    text = str(error)
    # The loader of shared libraries does not say why it could not map one, and that is the usual reason.
    wanting = any(sign in text for sign in _NOT_MAPPED) or isinstance(error.__cause__, MemoryError)
    return wanting or _for_want_of_memory(error.__cause__)


def _mend_streams() -> None:
    """Let stdout and stderr take any text; where they are closed (``>&-``), let nothing come of it."""
    # A file that is opened later must not be taken for one of them either.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            # Names of files need not be text.
            stream.reconfigure(errors="backslashreplace")


def _complain(line: str) -> None:
    # A terminal that was closed takes no line.
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _fail(prog: str, message: str) -> int:
    _complain(f"{prog}: error: {' '.join(message.split())}")
    return 2


@contextmanager
def _ending_cleanly() -> Iterator[None]:
    """Let signals that ask the process to end unwind the run, so that temporary files are removed."""
    asked = signal.SIGINT

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if number in _STOPS:
            asked = signal.Signals(number)
        STOPPING.set()
        raise _Stopped(asked)

    def unraisable(dropped: sys.UnraisableHookArgs) -> None:
        # What a destructor or the callback of a weak reference raises ends there: it is raised anew.
        if isinstance(dropped.exc_value, _Stopped):
            signal.setitimer(signal.ITIMER_REAL, 0.01)
        else:
            hook(dropped)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hook = sys.unraisablehook
    # What is ignored stays so: by nohup, and in the background jobs of scripts.
    found = ((number, signal.getsignal(number)) for number in (signal.SIGALRM, *_STOPS))
    before = {number: handler for number, handler in found if handler not in (signal.SIG_IGN, None)}
    try:
        sys.unraisablehook = unraisable
        for number in before:
            signal.signal(number, stop)
        yield
    finally:
        STOPPING.clear()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextmanager
def progress_bar(preparing: str, working: str) -> Iterator[Progress | None]:
    """Yield what is to be told of progress; it draws on stderr, and is None where that is no terminal.

    Parameters
    ----------
    preparing, working : str
        What is shown before the first frame is begun, and from then on: there the clock starts.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", justify="right"),
        TextColumn("eta"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(preparing, total=None, rate="")

        def advance(done: int, total: int) -> None:
            if done == 0:
                bar.reset(task, description=working, total=total)
                return
            elapsed = bar.tasks[0].elapsed
            rate = f"{done / elapsed:,.0f} frames/s" if elapsed else ""
            bar.update(task, completed=done, total=total, rate=rate)

        yield advance


def note(prog: str, line: str) -> None:
    """Tell the user something that is no error."""
    print(f"{prog}: note: {line}", file=sys.stderr)


def tell(prog: str, report: RunReport, *, where: str) -> int:
    """Print what could not be used and one line of summary; return the exit code.

    Parameters
    ----------
    prog : str
        Name of the command.
    report : RunReport
    where : str
        Where all issues are recorded.
    """
    for issue in report.issues[:_LISTED]:
        print(f"{prog}: {issue.status.name.lower()}: {issue.name}: {issue.reason}", file=sys.stderr)
    for line in report.notes:
        note(prog, line)
    more = len(report.issues) - _LISTED
    if more > 0:
        print(f"{prog}: and {more} more; {where}", file=sys.stderr)
    parts = [f"{report.done} of {report.frames} frame{'s' * (report.frames != 1)} done"]
    if report.issues:
        parts.append(f"{report.bad} bad, {report.missing} missing")
    speed = f"{report.seconds:.2f} s"
    if report.reused < report.frames:
        speed += f" ({report.rate:.0f} frames/s)"
    print(f"{', '.join(parts)} in {speed} -> {report.output}")
    return 1 if report.issues else 0
