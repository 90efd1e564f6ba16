"""The folder of a run: how it is begun or taken up, and how it goes in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from aureole.errors import OutputError
from aureole.io.finished import read_finished
from aureole.io.publish import AlreadyThereError, sweep, unwritable
from aureole.io.sniff import what_is
from aureole.io.status import FrameStatus
from aureole.runs.executors import Before, Task
from aureole.runs.manifest import Manifest
from aureole.runs.parts import Parts, let_go
from aureole.runs.sources import Account, Files, told


class Folder:
    """The manifest and the parts of a run.

    Parameters
    ----------
    path : Path
    wanted : Manifest
        What is asked for now.
    files : Files
        Where its frames lie.
    table : str
        Digest of the table that makes patterns now. Parts of another backend have the same: what the same
        coefficients sum to differs in rounding alone.

    Attributes
    ----------
    path : Path
    manifest : Manifest
        What is asked for, as the run was begun if it was begun before.
    notes : list of str
        What the user should know of parts of before, one line each.
    begun : bool
        Whether it is there, as far as this process knows.
    """

    def __init__(self, path: Path, wanted: Manifest, files: Files, table: str) -> None:
        self.path = path
        self.manifest = self._wanted = wanted
        self.notes: list[str] = []
        self._files, self._table = files, table
        self.begun = False
        self._tasks: list[Task] = []

    @property
    def parts(self) -> Parts:
        """The parts in it."""
        return Parts(self.path, self.manifest.run)

    @property
    def taken_away(self) -> bool:
        """Whether it was there, and another process has removed it."""
        return self.begun and not self.path.is_dir()

    def begin(self, output: Path, *, overwrite: bool) -> list[Task]:
        """Freeze the manifest, or take up the one that is there, and return what is to be done for each part.

        Parameters
        ----------
        output : Path
            Goes if it points at parts that do.
        overwrite : bool
            Whether a run of something else may be removed.

        Raises
        ------
        OutputError
            It is of another run, or of files that have changed since; it cannot be written to.
        """
        try:
            self.path.mkdir(exist_ok=True)
        except OSError as error:
            if what_is(self.path) != "nothing":
                raise OutputError(f"{self.path}: is a file, where the folder of the run must be") from None
            raise OutputError(unwritable(self.path, error)) from None
        self.begun = True
        sweep(self.path)
        before = Manifest.load(self.path)
        if before is not None and (why := self._differs(before, output)):
            if not overwrite:
                raise OutputError(f"{self.path}: {why}, or begin anew with --overwrite")
            if (found := read_finished(output)) is not None and found.virtual:
                output.unlink(missing_ok=True)  # rather than that it points at nothing
            let_go(Parts(self.path, before.run).remove(), None)
            Manifest.remove(self.path)
            before = None
        if before is None:
            try:
                self._wanted.save(self.path)
                before = self._wanted
            except AlreadyThereError:  # another process began the same
                before = Manifest.load(self.path)
            if before is None or self._differs(before, output):
                raise OutputError(
                    f"{self.path}: another process works there on something else; choose another name"
                )
        self.manifest = before.with_sources(self._wanted.sources)
        if self.manifest.sources != before.sources:
            self.manifest.save(self.path, overwrite=True)
        return self._tasks

    def _differs(self, before: Manifest, output: Path) -> str | None:
        """Return in words why what is wanted now is not the run that is there, and what to do.

        If it is that run, its tasks are known then.
        """
        if why := before.differs(self._wanted):
            then, now = before.request, self._wanted.request
            known = any(then.get(key) != now[key] for key in ("frames", "places"))
            if then.get("version") == now["version"] and (known or before.command != self._wanted.command):
                return f"{why}; finish that run with 'aureole resume {output}'"
            return f"{why}; restore what it was begun with"
        self.notes.clear()
        self._tasks = list(self._found(before))
        accounts = map(_account, self._tasks)
        held = self._files.held(before.sources, self._wanted.sources, accounts)
        return f"{told(held)}; restore them" if held else None

    def _found(self, manifest: Manifest) -> Iterator[Task]:
        """Yield what is to be done for each part."""
        parts = Parts(self.path, manifest.run)
        listed = parts.listed()
        for number, frames in enumerate(manifest.parts):
            yield self._task(parts, number, frames, listed.get(number, {}))

    def _task(self, parts: Parts, number: int, frames: range, generations: Mapping[int, Path]) -> Task:
        """Return what is to be done for a part, from the newest of its generations that is sound."""
        newest = max(generations, default=0)
        for generation in sorted(generations, reverse=True):
            path = generations[generation]
            try:
                label, rows = parts.read(path, number, frames)
            except (OSError, ValueError) as error:
                self.notes.append(f"{path.name} is damaged ({error}): it is made again")
                continue
            if label.plan != self._table:
                self.notes.append(f"{path.name} was made with another look-up table: it is made again")
                continue
            before = Before.of(path, rows, partial(parts.again, path, number, frames))
            return Task(number, frames, newest + 1, before)
        return Task(number, frames, newest + 1)

    def give_up(self) -> None:
        """Remove it if it is that of this run and not one part is in it."""
        with suppress(OutputError):
            there = Manifest.load(self.path)
            mine = there is None or there.run == self.manifest.run
            if self.begun and mine and not self.parts.listed():
                self.remove()

    def remove(self) -> None:
        """Remove the parts, the manifest and the folder, unless they are those of something else."""
        with suppress(OSError):
            if Manifest.request_in(self.path) in (None, self.manifest.request):
                held = self.parts.remove()
                Manifest.remove(self.path)
                left = None
                try:
                    self.path.rmdir()
                except OSError:  # network file systems keep a name for an open file, and with it the folder
                    left = self.path
                let_go(held, left)


def _account(task: Task) -> Account:
    before = task.before
    if before is None:
        return Account(task.frames, np.full(len(task.frames), FrameStatus.PENDING, np.uint8), {})
    return Account(task.frames, before.status, before.late)
