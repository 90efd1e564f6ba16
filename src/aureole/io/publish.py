"""Files that appear whole or not at all.

What is written goes to a temporary file beside the target, whose name carries host, process and random bits.
When it is complete it is brought to the disk and given its name in one step. An existing file is never
replaced unless that was asked for.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time

from aureole.errors import OutputError
from aureole.io.sniff import what_is

_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class AlreadyThereError(OutputError):
    """A file has the name that another was to have."""


class Publication:
    """A file on its way to its name.

    Parameters
    ----------
    target : path
        The name that the file shall have.
    overwrite : bool
        Whether a file of that name may be replaced.

    Attributes
    ----------
    target, temporary : Path
        Where the file goes, and where it is written until then (created empty).

    Raises
    ------
    OutputError
        There is no such folder, it cannot be written to, or the target exists or is no file.
    """

    def __init__(self, target: str | Path, *, overwrite: bool = False) -> None:
        self.target = Path(target)
        self._overwrite = overwrite
        found = what_is(self.target)
        if found == "folder":
            raise OutputError(f"{self.target}: is a folder; give the name of a file in it")
        if found == "other":
            # Renaming onto a device would replace the device itself.
            raise OutputError(f"{self.target}: is a device or a pipe; give the name of a file")
        if not overwrite and self._exists():
            raise AlreadyThereError(
                f"{self.target}: exists already; choose another name or overwrite it (--overwrite)"
            )
        unique = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        # A file name ends at 255 bytes on every common file system.
        self.temporary = self.target.with_name(f".{self.target.name[:120]}.{unique}.tmp")
        try:
            os.close(os.open(self.temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise OutputError(unwritable(self.target, error)) from None

    def _exists(self) -> bool:
        """Whether there is something of that name, be it a link that leads nowhere."""
        try:
            self.target.lstat()
        except FileNotFoundError:
            return False
        except (OSError, ValueError) as error:
            raise OutputError(unwritable(self.target, error)) from None
        return True

    def commit(self) -> None:
        """Bring the temporary file to the disk and give it its name.

        Raises
        ------
        OutputError
            The target has come into being meanwhile, or the disk refuses.
        """
        try:
            _sync(self.temporary, os.O_RDWR)
            if self._overwrite:
                self.temporary.replace(self.target)
            else:
                self._link()
            _sync(self.target.parent, os.O_RDONLY)
        except FileExistsError:
            self.discard()
            raise AlreadyThereError(
                f"{self.target}: came into being meanwhile; choose another name or overwrite it (--overwrite)"
            ) from None
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError):
                raise OutputError(unwritable(self.target, error)) from None
            raise

    def _link(self) -> None:
        try:
            os.link(self.temporary, self.target)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            # Without hard links an empty file claims the name first; only one process can create it.
            os.close(os.open(self.target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
            self.temporary.replace(self.target)
        else:
            self.temporary.unlink()

    def discard(self) -> None:
        """Remove the temporary file."""
        with suppress(OSError):
            self.temporary.unlink()


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:32]


def sweep(folder: Path, name: str = "", *, patience: float = 86400.0) -> None:
    """Remove what processes left half-written in a folder when they were killed.

    Parameters
    ----------
    folder : path
    name : str
        Of the file that was to be written; of any without it.
    patience : float
        Seconds after its last change after which a file is taken for left that another machine was writing;
        of this one's processes it is known which live.
    """
    before = re.escape(f".{name[:120]}.") if name else r"\..*\."
    left = re.compile(rf"{before}([0-9A-Za-z-]*)-(\d+)-[0-9a-f]{{8}}\.tmp")
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = left.fullmatch(entry.name)
            if match is None:
                continue
            with suppress(OSError):
                here, last = match[1] == _host(), entry.stat().st_mtime
                if not _lives(int(match[2])) if here else time() - last >= patience:
                    os.unlink(entry.path)  # noqa: PTH108


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def publication(target: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes `target` when the block ends well.

    Raises
    ------
    OutputError
        The target exists and may not be replaced, or cannot be written.
    """
    pending = Publication(target, overwrite=overwrite)
    try:
        yield pending.temporary
    except OSError as error:
        pending.discard()
        raise OutputError(unwritable(pending.target, error)) from None
    except BaseException:
        pending.discard()
        raise
    pending.commit()


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do it for folders; the data are as safe as they can be made there.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(descriptor)


def unwritable(target: Path, error: Exception) -> str:
    """Return the one line that says why a file cannot be written."""
    if isinstance(error, FileNotFoundError) and what_is(target.parent) == "nothing":
        return f"{target}: there is no folder {target.parent}"
    if isinstance(error, NotADirectoryError):
        return f"{target}: {target.parent} is not a folder"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{target}: cannot be written ({reason})"
