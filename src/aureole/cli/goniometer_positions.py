"""Where the motors stood for each image, as ``--positions`` says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aureole.errors import FormatError, FrameError, InputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.io import Frames

POSITIONS_HELP = (
    "where a motor stood for each image: table.csv:COLUMN, file.h5::/path, or a key of the images' headers; "
    "once for each motor, in their order or as MOTOR=SOURCE (default name: pos)"
)
_NAMED = re.compile(r"([A-Za-z_]\w*)=(.+)")


def motor_names(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the motors; raises `SpecError` where several have none, or the same."""
    names = tuple(name for name, _ in _split(given))
    if len(names) == 1:
        return (names[0] or "pos",)
    if None in names or len(set(names)) < len(names):
        raise SpecError(
            "--positions of several motors want a name each: --positions tth=... --positions z=..."
        )
    return tuple(name for name in names if name is not None)


def position_files(given: Sequence[str]) -> list[str]:
    """Return the files that positions come from."""
    from aureole.io.scalars import file_of

    return [name for _, source in _split(given) if (name := file_of(source)) is not None]


def read_positions(given: Sequence[str], motors: Sequence[str], frames: Frames) -> NDArray[np.float64]:
    """Return the positions, (frames, motors).

    Raises
    ------
    InputError
        A source cannot be read, has no number for an image, or the motors are not those of the model.
    """
    import numpy as np

    split = _split(given)
    if len(split) != len(motors):
        raise SpecError(
            f"the motors of the model are {', '.join(motors)}: --positions is given {len(split)} times"
        )
    sources = {
        motor if name is None else name: source for motor, (name, source) in zip(motors, split, strict=True)
    }
    if unknown := [name for name in sources if name not in motors]:
        raise SpecError(f"--positions {unknown[0]}=...: the motors of the model are {', '.join(motors)}")
    return np.stack([_column(motor, sources[motor], frames) for motor in motors], axis=1)


def _column(motor: str, source: str, frames: Frames) -> NDArray[np.float64]:
    import numpy as np

    from aureole.io import read_scalars

    found = read_scalars(source, frames)
    if callable(found):
        try:
            found = np.array([found(frame) for frame in frames], np.float64)
        except FrameError as error:
            raise FormatError(str(error)) from None
    if not np.all(np.isfinite(found)):
        index = int(np.flatnonzero(~np.isfinite(found))[0])
        raise InputError(f"{source}: there is no position of {motor} for image {index}, {frames.name(index)}")
    return found


def _split(given: Sequence[str]) -> list[tuple[str | None, str]]:
    matches = [_NAMED.fullmatch(text) for text in given]
    return [
        (None, text) if match is None else (match[1], match[2])
        for text, match in zip(given, matches, strict=True)
    ]


class Images(Sequence["NDArray[Any]"]):
    """Frames as images, read when they are asked for; values above the saturation are invalid."""

    def __init__(self, frames: Frames, saturation: float | None) -> None:
        self._frames, self._saturation = frames, saturation

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: Any) -> Any:
        import numpy as np

        from aureole.io.images import to_array

        try:
            image = to_array(self._frames[index])
        except FrameError as error:
            raise FormatError(str(error)) from None
        if self._saturation is None:
            return image
        return np.where(np.greater(image, self._saturation), np.nan, image)
