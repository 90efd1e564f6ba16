"""Lines of text files, whoever wrote them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from aureole.errors import FormatError, InputError

_MOST_BYTES = 1 << 28


def read_lines(path: str | PathLike[str], what: str) -> list[str]:
    """Return the lines of a text file, without blanks around them.

    Parameters
    ----------
    path : path
    what : str
        What the file should be, for the error.

    Raises
    ------
    InputError
        The file cannot be read.
    FormatError
        It is not text.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    if b"\0" in content or len(content) > _MOST_BYTES:
        raise FormatError(f"{path}: is not {what}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return [line.strip() for line in text.splitlines()]
