"""What the options of ``aureole mask`` mean: rule after rule, and how many pixels each took."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aureole.cli.reduction import counts_photons
from aureole.errors import InputError, SpecError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aureole.azimuthal.masks import Mask, Peers
    from aureole.geometry import Detector
    from aureole.runs.average import Statistics


@dataclass
class Marked:
    """A mask on its way, and the lines that say how it came about."""

    mask: Mask
    lines: list[str] = field(default_factory=list)

    def add(self, rule: str, found: Mask) -> None:
        """Take the pixels of a rule."""
        number, new = int(found.sum()), int((found & ~self.mask).sum())
        known = f", {number - new} of them masked already" if new < number else ""
        self.lines.append(f"{rule:<24s} {number:>9d} pixels{known}")
        self.mask = self.mask | found

    def become(self, step: str, mask: Mask) -> None:
        """Be what a step makes of the mask."""
        change = int(mask.sum()) - int(self.mask.sum())
        self.lines.append(f"{step:<24s} {change:>+9d} pixels")
        self.mask = mask


class Rules:
    """The rules that the options name.

    Parameters
    ----------
    args : Namespace

    Raises
    ------
    InputError
        A file cannot be read, or something is named twice.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        from aureole.cli.average import read_known
        from aureole.geometry.layout import MOST_PIXELS
        from aureole.io import read_image

        self._args = args
        self.detector: Detector | None
        self.detector, self._geometry = read_known(args)
        self._files: dict[str, NDArray[np.generic]] = {
            name: read_image(name) for name in (*args.masks, *args.within, *args.without)
        }
        self._shape: tuple[int, int] | None = None
        if args.shape is not None:
            rows, columns = _numbers("shape", args.shape, 2)
            if (
                min(rows, columns) < 1
                or rows != int(rows)
                or columns != int(columns)
                or rows * columns > MOST_PIXELS
            ):
                raise SpecError(
                    f"--shape {args.shape}: wanted are two numbers of pixels, such as 1679,1475, not more "
                    f"than {MOST_PIXELS} pixels in all"
                )
            self.fit((int(rows), int(columns)))

    def fit(self, shape: tuple[int, int]) -> None:
        """Take the shape of the mask; raises `InputError` where there is another already."""
        if self._shape not in (None, shape):
            assert self._shape is not None
            raise SpecError(
                f"the mask has {self._shape[0]} x {self._shape[1]} pixels, and something else has "
                f"{shape[0]} x {shape[1]}"
            )
        self._shape = shape
        if self.detector is not None:
            self.detector = self.detector.with_shape(shape)
        if self._geometry is not None:
            self._geometry = self._geometry.with_shape(shape)

    def apply(self, statistics: Statistics | None, *, whole: bool) -> Marked:
        """Return the mask.

        Parameters
        ----------
        statistics : Statistics or None
            Of the frames, where there are any.
        whole : bool
            Whether their pixels hold whole numbers.
        """
        import numpy as np

        from aureole.azimuthal.masks import grow

        shape = self._known_shape()
        for name, image in self._files.items():
            if image.shape != shape:
                raise SpecError(
                    f"{name}: has {' x '.join(map(str, image.shape))} pixels, the mask has "
                    f"{shape[0]} x {shape[1]}"
                )
        marked = Marked(np.zeros(shape, bool))
        for rule, found in self._places(shape):
            marked.add(rule, found)
        if statistics is not None:
            for rule, found in self._values(statistics, whole=whole):
                marked.add(rule, found)
        args = self._args
        if args.grow or args.shrink:
            step = f"grown by {args.grow}" if args.grow else f"shrunk by {args.shrink}"
            marked.become(step, grow(marked.mask, args.grow - args.shrink))
        for name in args.within:
            marked.become(f"only where {name}", marked.mask & (self._files[name] != 0))
        for name in args.without:
            marked.become(f"not where {name}", marked.mask & (self._files[name] == 0))
        if args.invert:
            marked.become("inverted", ~marked.mask)
        if not marked.lines:
            raise InputError("no rule: give --detector, a shape, a threshold, another mask, --hot, ...")
        return marked

    def _known_shape(self) -> tuple[int, int]:
        if self._shape is None:
            for known in (
                self.detector.shape if self.detector is not None else None,
                *(image.shape for image in self._files.values()),
            ):
                if known is not None:
                    self.fit((known[0], known[1]))
                    break
            else:
                raise InputError("how large is the mask? name frames, --detector, --poni or --shape")
        assert self._shape is not None
        return self._shape

    def _places(self, shape: tuple[int, int]) -> Iterator[tuple[str, Mask]]:
        from aureole.azimuthal import masks

        args = self._args
        if self.detector is not None and not args.no_detector_mask:
            yield f"gaps of {self.detector.name}", self.detector.mask
        for text in args.disc:
            row, column, radius = _numbers("disc", text, 3)
            yield f"disc {text}", masks.disc(shape, (row, column), radius)
        for text in args.rectangle:
            first, second, third, fourth = _numbers("rectangle", text, 4)
            yield f"rectangle {text}", masks.rectangle(shape, (first, second), (third, fourth))
        for text in args.polygon:
            flat = _numbers("polygon", text)
            if len(flat) % 2 or len(flat) < 6:
                raise SpecError(f"--polygon {text}: wanted are three corners or more, Y,X,Y,X,Y,X")
            corners = list(zip(flat[::2], flat[1::2], strict=True))
            yield "polygon", masks.polygon(shape, corners)
        for name in args.masks:
            yield name, self._files[name] != 0

    def _values(self, statistics: Statistics, *, whole: bool) -> Iterator[tuple[str, Mask]]:
        import numpy as np

        from aureole.azimuthal import masks

        args, mean = self._args, statistics.mean
        yield "no value", (statistics.count == 0) & ~self._gaps(mean.shape)
        looked_at = {
            "mean": mean,
            "min": statistics.lowest,
            "max": statistics.highest,
            "std": np.sqrt(statistics.scatter),
        }[args.of]
        with np.errstate(invalid="ignore"):
            if args.above is not None:
                yield f"{args.of} above {args.above:g}", looked_at > args.above
            if args.below is not None:
                yield f"{args.of} below {args.below:g}", looked_at < args.below
        noise = self._noise(statistics, whole=whole)
        if args.beam_stop:
            from aureole.azimuthal.beam_stop import beam_stop

            assert self._geometry is not None
            yield "beam stop", beam_stop(mean, self._geometry, noise)
        if any(sigma is not None for sigma in (args.hot, args.cold, args.dead)):
            peers = self._peers(mean, noise)
            if args.hot is not None:
                yield f"hot ({args.hot:g} sigma)", peers.above(mean, args.hot)
            if args.cold is not None:
                yield f"cold ({args.cold:g} sigma)", peers.below(mean, args.cold)
            if args.dead is not None:
                used = statistics.total - len(statistics.issues)
                dead = masks.dead_pixels(statistics.highest, peers, used, args.dead, counts=whole)
                yield f"dead ({args.dead:g} sigma)", dead & (statistics.lowest == 0.0)
        if args.flicker is not None:
            yield f"flickering ({args.flicker:g} sigma)", self._flickering(statistics, whole=whole)

    def _gaps(self, shape: tuple[int, ...]) -> Mask:
        import numpy as np

        if self.detector is None or self._args.no_detector_mask:
            return np.zeros(shape, bool)
        return self.detector.mask

    def _peers(self, values: NDArray[np.float64], noise: NDArray[np.float64]) -> Peers:
        from aureole.azimuthal.masks import peers_beside, peers_on_rings, ring_numbers

        if self._geometry is None or self._args.peers == "neighbours":
            return peers_beside(values, noise)
        return peers_on_rings(values, ring_numbers(self._geometry), noise)

    def _noise(self, statistics: Statistics, *, whole: bool) -> NDArray[np.float64]:
        """Return the least variance of the means: by their scatter or by counting, and one count at least."""
        import numpy as np

        count = np.maximum(statistics.count, 1)
        scatter = np.nan_to_num(statistics.scatter)
        if whole and self.detector is not None and counts_photons(self.detector):
            scatter = np.maximum(scatter, np.nan_to_num(statistics.mean))
        least = 1.0 / count.astype(np.float64) ** 2 if whole else 0.0
        return np.maximum(scatter / count, least)

    def _flickering(self, statistics: Statistics, *, whole: bool) -> Mask:
        import numpy as np

        from aureole.azimuthal.masks import flickering

        frames = statistics.total - len(statistics.issues)
        scatter = statistics.scatter
        # the variance of a variance, of counts if they are
        least = 1.0 / frames if whole else 0.0
        usual = np.maximum(np.nan_to_num(scatter), least)
        mean = np.maximum(np.nan_to_num(statistics.mean), least)
        noise = usual**2 * (2.0 / max(frames - 1, 1) + (1.0 / (frames * mean) if whole else 0.0))
        found = flickering(scatter, self._peers(scatter, noise), frames, self._args.flicker)
        return found | ((statistics.count > 0) & (statistics.count < frames))


def _numbers(option: str, text: str, count: int | None = None) -> list[float]:
    from math import isfinite

    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(map(isfinite, found)) or count not in (None, len(found)):
        many = "numbers" if count is None else f"{count} numbers"
        raise SpecError(f"--{option} {text}: wanted are {many} with commas between them")
    return found
