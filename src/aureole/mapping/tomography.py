"""What is asked for of a tomogram: corrections of the sinograms, reconstruction, images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.mapping.images import ImageRequest
from aureole.mapping.patterns import Window
from aureole.tomo.iterative import check_strength
from aureole.tomo.windows import WINDOWS

Method = Literal["fbp", "sirt", "cgls", "osem", "mlem", "tv"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrections:
    """What is put right in a sinogram before it is reconstructed.

    Attributes
    ----------
    equal_totals : bool
        Scale projections so that all have the same total intensity.
    air : int
        So many translations at both ends see air only, which is subtracted.
    jitter, backlash : bool
        Move projections to where the sample's centre of mass should be: each by itself, or those of every
        second line of a zigzag scan.
    without_angles, without_translations : tuple of int
        Numbers of those that are left out, or filled from their neighbours.
    """

    equal_totals: bool = False
    air: int = 0
    jitter: bool = False
    backlash: bool = False
    without_angles: tuple[int, ...] = ()
    without_translations: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.jitter and self.backlash:
            raise SpecError("jitter moves each projection, which makes up for backlash too: choose one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconstruction:
    """How slices are made of sinograms.

    Attributes
    ----------
    method : str
        Filtered backprojection ("fbp"), which alone gives errors, or one of the iterative `METHODS`.
    window : str
        Of the ramp filter: one of `aureole.tomo.WINDOWS`.
    iterations : int, optional
        As usual for the method without it.
    strength : float
        Of the total variation ("tv").
    nonnegative : bool
        Negative values are raised to zero after each iteration of "sirt" and "tv".
    center : float, optional
        Rotation axis in steps from the first translation; found from the sum of all channels without it.
    half_acquisition : bool
        Over 360°, with the axis near one edge.
    """

    method: Method = "fbp"
    window: str = "shepp-logan"
    iterations: int | None = None
    strength: float = 0.0
    nonnegative: bool = False
    center: float | None = None
    half_acquisition: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise SpecError(f"no method {self.method!r}; there are {', '.join(METHODS)}")
        if self.window not in WINDOWS:
            raise SpecError(f"no window {self.window!r}; there are {', '.join(WINDOWS)}")
        if self.iterations is not None and (self.method == "fbp" or self.iterations < 1):
            raise SpecError(f"{self.iterations} iterations of {self.method}")
        if self.strength and self.method != "tv":
            raise SpecError(f"a strength of {self.strength:g} of {self.method}: it is of the total variation")
        check_strength(self.strength)
        if self.nonnegative and self.method not in ("sirt", "tv"):
            raise SpecError(f"nonnegative is of sirt and tv, not of {self.method}")


def check(corrections: Corrections, reconstruction: Reconstruction, shape: tuple[int, int]) -> None:
    """Refuse, before any work is done, what cannot be done with sinograms of (angles, translations).

    Raises
    ------
    SpecError
        Numbers of angles or translations that are not there, margins that leave nothing, an axis outside the
        translations, or corrections that need the whole sample in all projections.
    """
    for what, numbers, count in (
        ("angle", corrections.without_angles, shape[0]),
        ("translation", corrections.without_translations, shape[1]),
    ):
        wrong = [number for number in numbers if not 0 <= number < count]
        if wrong:
            raise SpecError(f"there is no {what} {wrong[0]} of {count} that could be left out")
        if len(set(numbers)) > count - 2:
            raise SpecError(f"without {len(set(numbers))} of {count} {what}s too few are left")
    if corrections.air < 0 or 2 * corrections.air >= shape[1]:
        raise SpecError(f"{corrections.air} translations of air at both ends, of {shape[1]}")
    center = reconstruction.center
    if center is not None and not 0 <= center <= shape[1] - 1:
        raise SpecError(
            f"rotation center {center:g} is outside the translations, which are 0 to {shape[1] - 1} steps"
        )
    if reconstruction.half_acquisition:
        for what, wanted in (
            ("equal totals", corrections.equal_totals),
            ("jitter", corrections.jitter),
            ("air", corrections.air),
        ):
            if wanted:
                raise SpecError(
                    f"{what}: needs the whole sample in each projection, and half acquisition has half of it"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class TomographyRequest:
    """What is made of the sinograms.

    Attributes
    ----------
    corrections : Corrections
    reconstruction : Reconstruction
    images : ImageRequest
        Images of the volume.
    direct : mapping of str to (float, float)
        Radial ranges, by name, in which the one peak of each voxel is fitted directly against the sinograms.
    transmission : ndarray of float64, shape (frames,), or callable, optional
        That of each frame, or what returns it; called when frames are there.
    transmission_name : str, optional
        Where it comes from.
    """

    corrections: Corrections
    reconstruction: Reconstruction
    images: ImageRequest
    direct: Mapping[str, Window] = field(default_factory=dict)
    transmission: NDArray[np.float64] | Callable[[], NDArray[np.float64]] | None = None
    transmission_name: str | None = None

    def describe(self) -> dict[str, object]:
        """Return it as JSON."""
        return {
            "corrections": asdict(self.corrections),
            "reconstruction": asdict(self.reconstruction),
            "images": self.images.describe(),
            "direct": dict(self.direct),
            "transmission": self.transmission_name,
        }
