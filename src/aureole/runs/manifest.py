"""What a run was asked for, frozen before its first frame: whoever continues it must ask for the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aureole.azimuthal import Plan
from aureole.azimuthal.batches import FramesLike, Monitor
from aureole.errors import OutputError
from aureole.io.names import Item
from aureole.io.nexus import Source
from aureole.io.publish import publication
from aureole.io.series import Frames, Origin, reopen
from aureole.runs.described import described, digest
from aureole.runs.sources import same_paths
from aureole.version import __version__

_FORMAT = "aureole-run-1"
_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """A run's request and its sources.

    Attributes
    ----------
    request : mapping
        What decides on the results besides the content of the files: JSON.
    sources : sequence of Source
        The files of the frames, and of their variances.
    part_frames : int
        Frames in a part.
    origin, selection
        What reopens the frames (`aureole.io.series.reopen`).
    command : mapping
        How the run was begun, for `aureole resume`: ``argv`` and ``cwd``; empty if from Python.
    run : str
        SHA-256 of what the parts depend on as it was at first, in hexadecimal: whose the parts are.
    """

    request: Mapping[str, Any]
    sources: Sequence[Source]
    part_frames: int
    origin: Origin
    selection: range
    command: Mapping[str, Any]
    run: str

    @classmethod
    def of(
        cls,
        plan: Plan,
        frames: Frames,
        *,
        variance: FramesLike | None,
        monitor: Monitor | None,
        part_frames: int,
        command: Mapping[str, Any],
    ) -> Manifest:
        """Freeze what a plan shall make of frames.

        Raises
        ------
        InputError
            The frames are not from files; the monitor is a function that cannot be compared.
        """
        request = {
            "version": __version__,
            "spec": plan.spec.digest,
            "frames": len(frames),
            "places": described(frames),
            "check_md5": frames.origin.check_md5,
            "monitor": described(monitor),
            "variance": described(variance),
        }
        paths = [*frames.sources, *(variance.sources if isinstance(variance, Frames) else ())]
        sources = tuple(Source.of(path) for path in dict.fromkeys(paths))
        run = digest([request, sources, part_frames])
        return cls(request, sources, part_frames, frames.origin, frames.selection, command, run)

    @property
    def parts(self) -> list[range]:
        """The frames of each part."""
        total, size = self.request["frames"], self.part_frames
        return [range(first, min(first + size, total)) for first in range(0, total, size)]

    def frames(self) -> Frames:
        """Open the frames of the run.

        Raises
        ------
        InputError
            They cannot be opened as they were.
        """
        return reopen(self.origin, self.selection)

    def differs(self, other: Manifest) -> str | None:
        """Return in words why `other`, wanted now, is not this run; None if it is.

        Whether the content of the files is the same is another question: see `aureole.runs.sources`.
        """
        names = {
            "version": "was begun by another version of aureole ({0})",
            "spec": "was begun with another geometry, mask, axis or correction",
            "frames": "is of {0} frames, and now there are {1}",
            "places": "is of other frames",
        }
        for key, now in other.request.items():
            before = self.request.get(key)
            if before != now:
                return names.get(key, f"was begun with another {key.replace('_', ' ')}").format(before, now)
        return None if same_paths(self.sources, other.sources) else "is of other files"

    def with_sources(self, now: Sequence[Source]) -> Manifest:
        """Return the manifest with what the files are now, as far as they are there."""
        pairs = zip(self.sources, now, strict=True)
        return replace(self, sources=tuple(old if new.bytes is None else new for old, new in pairs))

    def save(self, directory: Path, *, overwrite: bool = False) -> None:
        """Write it into the directory of the run.

        Raises
        ------
        OutputError
            There is one already (`AlreadyThereError`), or it cannot be written.
        """
        folder = os.path.commonpath({os.path.dirname(source.path) for source in self.sources})  # noqa: PTH120
        content = {
            "format": _FORMAT,
            "run": self.run,
            "request": self.request,
            "part_frames": self.part_frames,
            "command": self.command,
            "folder": folder,
            "sources": [(_under(folder, source.path), *source[1:]) for source in self.sources],
            "items": [(_under(folder, item.path), item.dataset) for item in self.origin.items],
            "selection": [self.selection.start, self.selection.stop, self.selection.step],
        }
        with publication(directory / _NAME, overwrite=overwrite) as temporary:
            temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Manifest | None:
        """Read the manifest of a run; None where there is none.

        Raises
        ------
        OutputError
            It cannot be read, or is of another version.
        """
        path = directory / _NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != _FORMAT:
                raise OutputError(
                    f"{path}: is of {content['format']!r}, and this version of aureole knows {_FORMAT!r}: "
                    "finish the run with the version that began it, or remove the folder"
                )
            folder = str(content["folder"])
            command, part_frames = dict(content["command"]), int(content["part_frames"])
            if part_frames < 1 or (command and not _can_be_repeated(command)):
                raise ValueError
            return cls(
                content["request"],
                tuple(Source(_from(folder, name), size, time) for name, size, time in content["sources"]),
                part_frames,
                Origin(
                    tuple(Item(_from(folder, name), dataset) for name, dataset in content["items"]),
                    bool(content["request"]["check_md5"]),
                ),
                range(*content["selection"]),
                command,
                str(content["run"]),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{path}: cannot be read ({error.strerror or error})") from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise OutputError(f"{path}: is no manifest of a run; remove {directory} to begin anew") from None

    @staticmethod
    def request_in(directory: Path) -> dict[str, Any] | None:
        """Return what the run in a directory was asked for; None where there is none that can be read."""
        try:
            return dict(json.loads((directory / _NAME).read_text(encoding="utf-8"))["request"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return None

    @staticmethod
    def remove(directory: Path) -> None:
        """Remove the manifest: what is left is no run."""
        (directory / _NAME).unlink(missing_ok=True)


def _can_be_repeated(command: Mapping[str, Any]) -> bool:
    words = command.get("argv")
    return (
        isinstance(command.get("cwd"), str)
        and isinstance(words, list)
        and all(isinstance(word, str) for word in words)
    )


def _from(folder: str, name: str) -> str:
    """Return the path of what `_under` left of it."""
    return name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"


def _under(folder: str, path: str) -> str:
    """Return a path without the folder that it is under."""
    return path[len(folder) :].lstrip("/") if path.startswith(f"{folder.rstrip('/')}/") else path
