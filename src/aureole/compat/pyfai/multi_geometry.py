"""One pattern of several positions of a detector, as pyFAI's scripts ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Cake, IntegrationSpec, MultiSpec, Pattern
from aureole.compat.pyfai.containers import Called, Integrate1dResult, Integrate2dResult
from aureole.compat.pyfai.integrator.azimuthal import AzimuthalIntegrator
from aureole.compat.pyfai.words import error_model_of, split_of, unit_of
from aureole.errors import SpecError

Images = Sequence[NDArray[Any]]


class Options(TypedDict, total=False):
    """What the calls take; names and defaults are pyFAI's. Lists have an entry for each position."""

    correctSolidAngle: bool
    lst_variance: Images | None
    error_model: object
    polarization_factor: float | None
    normalization_factor: Sequence[float] | None
    lst_mask: Images | NDArray[Any] | None
    lst_flat: Images | NDArray[Any] | None
    method: object


class MultiGeometry:
    """Several integrators whose images make one pattern.

    Parameters
    ----------
    ais : sequence of AzimuthalIntegrator
    unit : str
        Of the radial axis; with a pair, the second is that of the azimuth.
    radial_range, azimuth_range : tuple of float, optional
        In their units; from the first to the last pixel of all positions without them.
    wavelength : float, optional
        In metres, for all of them.
    empty : float
        What empty bins hold.
    chi_disc : {180, 0}
        Whether azimuths run from -180° to 180° or from 0 to 360°.
    threadpoolsize : int
        Number of threads; 0 and None are all available cores.

    Raises
    ------
    SpecError
        No integrator is given, or a discontinuity that cannot be.
    """

    def __init__(
        self,
        ais: Sequence[AzimuthalIntegrator],
        unit: object = "2th_deg",
        radial_range: tuple[float, float] | None = None,
        azimuth_range: tuple[float, float] | None = None,
        wavelength: float | None = None,
        empty: float = 0.0,
        chi_disc: int = 180,
        threadpoolsize: int | None = 2,
    ) -> None:
        if not ais:
            raise SpecError("no position is given: at least one integrator is needed")
        if chi_disc not in (0, 180):
            raise SpecError(f"chi_disc is 180 or 0, not {chi_disc}")
        self.ais = list(ais)
        units = unit if isinstance(unit, tuple | list) else (unit, "chi_deg")
        self.unit, self.azimuth_unit = (unit_of(one) for one in units)
        self.radial_range, self.azimuth_range = radial_range, azimuth_range
        self.empty, self.chi_disc, self.threads = empty, chi_disc, threadpoolsize or None
        if wavelength is not None:
            self.set_wavelength(wavelength)

    def set_wavelength(self, value: float) -> None:
        """Set the wavelength (m) of all integrators."""
        for one in self.ais:
            one.wavelength = value

    @property
    def nb_geometry(self) -> int:
        """Number of positions."""
        return len(self.ais)

    def reset(self, collect_garbage: bool | None = None) -> None:
        """Do nothing: plans follow what is asked for."""

    @property
    def wavelength(self) -> float | None:
        """That of the first integrator, in metres."""
        return self.ais[0].wavelength

    def integrate1d(self, lst_data: Images, npt: int = 1800, **options: Unpack[Options]) -> Integrate1dResult:
        """Integrate one image of each position to one pattern.

        Parameters
        ----------
        lst_data : sequence of ndarray
        npt : int
            Number of bins.
        **options
            See `Options`.

        Raises
        ------
        InputError
            What is asked for cannot be.
        FrameError
            An image that cannot be used.
        """
        around = self.azimuth_range
        azimuthal = None if around is None else Axis(self.azimuth_unit.name, None, around)
        found = self._accumulated(lst_data, Axis(self.unit.name, npt, self.radial_range), azimuthal, options)
        assert isinstance(found, Pattern)
        return Integrate1dResult.of(found, _called(options), empty=self.empty)

    def integrate2d(
        self, lst_data: Images, npt_rad: int = 1800, npt_azim: int = 3600, **options: Unpack[Options]
    ) -> Integrate2dResult:
        """Integrate one image of each position to one cake; all else as with `integrate1d`."""
        azimuthal = Axis(self.azimuth_unit.name, npt_azim, self.azimuth_range)
        radial = Axis(self.unit.name, npt_rad, self.radial_range)
        found = self._accumulated(lst_data, radial, azimuthal, options)
        assert isinstance(found, Cake)
        return Integrate2dResult.of(found, _called(options), empty=self.empty)

    def _accumulated(
        self, images: Images, radial: Axis, azimuthal: Axis | None, options: Options
    ) -> Pattern | Cake:
        if unknown := options.keys() - Options.__annotations__.keys():
            raise SpecError(f"{', '.join(sorted(unknown))}: no such argument")
        data = [np.asarray(image) for image in images]
        if len(data) != len(self.ais):
            raise SpecError(f"there are {len(data)} images for {len(self.ais)} positions")
        variance = options.get("lst_variance")
        masks = self._each(options.get("lst_mask"))
        flats = self._each(options.get("lst_flat"))
        specs = []
        for one, image, mask, flat in zip(self.ais, data, masks, flats, strict=True):
            own = one.detector
            mask = own.own_mask if mask is None else mask
            specs.append(
                IntegrationSpec(
                    one.pose_for(image.shape),
                    radial=radial,
                    azimuthal=azimuthal,
                    split=split_of(options.get("method", ("full", "histogram", "cython"))),
                    error_model=error_model_of(options.get("error_model"), variance),
                    mask=mask,
                    detector_mask=mask is None,
                    dark=own.darkcurrent,
                    flat=own.flatfield if flat is None else flat,
                    solid_angle=bool(options.get("correctSolidAngle", True)),
                    polarization_factor=options.get("polarization_factor"),
                    chi_discontinuity="pi" if self.chi_disc else "zero",
                    dummy=own.dummy,
                    delta_dummy=own.delta_dummy if own.dummy is not None else None,
                    efficiency=False,
                )
            )
        monitor = np.ones(len(specs))
        given = options.get("normalization_factor")
        if given is not None:
            monitor *= given
        if options.get("correctSolidAngle", True):  # theirs is per steradian
            first = self.ais[0]
            monitor *= first.pixel1 * first.pixel2 / first.dist**2
        return MultiSpec(tuple(specs)).accumulate(
            data, variance=variance, monitor=monitor, threads=self.threads
        )

    def _each(self, given: Images | NDArray[Any] | None) -> Sequence[NDArray[Any] | None]:
        """Return an array for each position, of a list of them or of one for all."""
        if given is None or getattr(given, "ndim", None) == 2:
            return [given] * len(self.ais)  # type: ignore[list-item]
        if len(given) != len(self.ais):
            raise SpecError(f"there are {len(given)} arrays for {len(self.ais)} positions")
        return list(given)


def _called(options: Options) -> Called:
    given = options.get("normalization_factor")
    return Called(
        options.get("method"), options.get("polarization_factor"), 1.0 if given is None else np.nan, None
    )
