"""The integrator that pyFAI's scripts know, on Aureole's plans."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal import Cake, Clip, IntegrationSpec, Pattern, Plan, Trim
from aureole.compat.pyfai.containers import Called, Integrate1dResult, Integrate2dResult
from aureole.compat.pyfai.integrator.images import Images
from aureole.compat.pyfai.save import save1d, save2d
from aureole.compat.pyfai.words import error_model_of, is_hybrid, split_of, unit_of
from aureole.errors import SpecError

Image = NDArray[Any]
Range = tuple[float, float] | None

_LEAST_SIGMA = 1e-9
_NAMES = {type(None): "integrate1d_ng", Clip: "sigma_clip_ng", Trim: "medfilt1d_ng"}


class Options(TypedDict, total=False):
    """What the calls of pyFAI take; names and defaults are its own.

    `safe` is taken and does nothing: whether a plan fits is always looked at.
    """

    filename: str | Path | None
    correctSolidAngle: bool
    variance: Image | None
    error_model: object
    radial_range: Range
    azimuth_range: Range
    mask: Image | None
    dummy: float | None
    delta_dummy: float | None
    polarization_factor: float | tuple[float, float] | None
    dark: Image | None
    flat: Image | None
    absorption: Image | None
    method: object
    unit: object
    safe: bool
    normalization_factor: float | None
    metadata: object


class AzimuthalIntegrator(Images):
    """A geometry that integrates.

    The parameters are those of `Geometry`. Plans are kept by what was asked for, so that a loop over images
    makes one; nothing of one image is stored.

    Attributes
    ----------
    mask, darkcurrent, flatfield : ndarray or None
        Of the detector; taken where a call gives none. A mask replaces the gaps of the detector.
    empty : float
        What empty bins hold.
    """

    def integrate1d(self, data: Image, npt: int, **options: Unpack[Options]) -> Integrate1dResult:
        """Integrate an image to intensity against a radial unit.

        Parameters
        ----------
        data : ndarray, shape (n1, n2)
        npt : int
            Number of bins.
        **options
            See `Options`. With a file name, the pattern is written there as text.

        Raises
        ------
        InputError
            What is asked for cannot be; see `aureole.IntegrationSpec`.
        FrameError
            An image that cannot be used.
        """
        return self._pattern(data, npt, options)

    integrate1d_ng = integrate1d

    def integrate2d(
        self, data: Image, npt_rad: int, npt_azim: int = 360, **options: Unpack[Options]
    ) -> Integrate2dResult:
        """Integrate an image to intensity against a radial unit and χ in degrees.

        Parameters and errors are those of `integrate1d`; a `unit` of two is the radial one and that of χ.
        """
        units = options.get("unit", "q_nm^-1")
        radial, azimuthal = units if isinstance(units, tuple | list) else (units, "chi_deg")
        axes = (
            Axis(unit_of(radial).name, npt_rad, _pair(options.get("radial_range"))),
            Axis(unit_of(azimuthal).name, npt_azim, self._around(options, azimuthal)),
        )
        found = self._integrated(data, axes, options)
        assert isinstance(found, Cake)
        result = Integrate2dResult.of(found, _called(options, "integrate2d_ng"), empty=self.empty)
        if (filename := options.get("filename")) is not None:
            names = zip(result.unit, (result.radial, result.azimuthal), strict=True)
            save2d(filename, result.intensity, list(names))
        return result

    integrate2d_ng = integrate2d

    def integrate_radial(
        self,
        data: Image,
        npt: int,
        npt_rad: int = 100,
        *,
        radial_unit: object = "q_nm^-1",
        **options: Unpack[Options],
    ) -> Integrate1dResult:
        """Integrate an image to intensity against χ, of pixels in a range of a radial unit.

        `npt_rad` is taken and does nothing: the pixels go into the bins of χ at once, not by way of a cake.
        Parameters and errors are otherwise those of `integrate1d`.
        """
        given = _pair(options.get("radial_range"))
        radial = None if given is None else Axis(unit_of(radial_unit).name, None, given)
        unit = options.get("unit", "chi_deg")
        around = Axis(unit_of(unit).name, npt, self._around(options, unit))
        return self._finished(self._integrated(data, (radial, around), options), options)

    def sigma_clip(
        self,
        data: Image,
        npt: int = 1024,
        *,
        thres: float = 5.0,
        max_iter: int = 5,
        **options: Unpack[Options],
    ) -> Integrate1dResult:
        """Integrate the pixels of each bin that are not far from its mean.

        Parameters
        ----------
        data, npt, **options
            As for `integrate1d`; without an error model, the scatter within a bin is one.
        thres : float
            The cut-off in standard deviations; where Chauvenet's criterion is larger, that one.
        max_iter : int
            Most steps.
        """
        options.setdefault("method", ("no", "csr", "cython"))
        if hybrid := is_hybrid(options.get("error_model")):
            options["error_model"] = "poisson"
        elif error_model_of(options.get("error_model"), options.get("variance")) is None:
            options["error_model"] = "azimuthal"
        rule = None
        if max_iter > 0:
            rule = Clip(max(thres or 0.0, _LEAST_SIGMA), max_iter, chauvenet=True, by_scatter=hybrid)
        return self._pattern(data, npt, options, rule)

    sigma_clip_ng = sigma_clip

    def medfilt1d(
        self,
        data: Image,
        npt: int = 1024,
        *,
        percentile: float | tuple[float, float] = 50.0,
        **options: Unpack[Options],
    ) -> Integrate1dResult:
        """Integrate the pixels of each bin between two percentiles of their intensities, or take one of them.

        Parameters
        ----------
        data, npt, **options
            As for `integrate1d`.
        percentile : float or tuple of float
            50 is the median.
        """
        options.setdefault("method", ("full", "csr", "cython"))
        low, high = percentile if isinstance(percentile, tuple | list) else (percentile, percentile)
        return self._pattern(data, npt, options, Trim(low, high))

    medfilt1d_ng = medfilt1d

    def _pattern(
        self, data: Image, npt: int, options: Options, robust: Clip | Trim | None = None
    ) -> Integrate1dResult:
        radial = Axis(unit_of(options.get("unit", "q_nm^-1")).name, npt, _pair(options.get("radial_range")))
        limits = self._around(options, "chi_deg")
        around = None if limits is None else Axis("chi_deg", None, limits)
        found = self._integrated(data, (radial, around), options, robust)
        return self._finished(found, options, robust)

    def _beyond(self, axes: tuple[Axis | None, Axis | None]) -> dict[str, Any]:
        """Return fields of the spec that some kinds of integrators have."""
        return {}

    def _around(self, options: Options, unit: object) -> Range:
        """Return the range of azimuths, given in degrees, in a unit; what goes down ends a turn later."""
        given = options.get("azimuth_range")
        if given is None or (given[0] is None and given[-1] is None):
            return None
        ends = (-180.0, 180.0) if self.chiDiscAtPi else (0.0, 360.0)
        low, high = (end if one is None else float(one) for one, end in zip(given, ends, strict=True))
        scale = unit_of(unit).factor / unit_of("chi_deg").factor
        return low * scale, (high if high > low else high + 360.0) * scale

    def _finished(
        self, found: Pattern | Cake, options: Options, robust: Clip | Trim | None = None
    ) -> Integrate1dResult:
        assert isinstance(found, Pattern)
        called = _called(options, _NAMES[type(robust)])
        if isinstance(robust, Trim):
            called = called._replace(percentile=(robust.low, robust.high))
        result = Integrate1dResult.of(found, called, empty=self.empty)
        if (filename := options.get("filename")) is not None:
            save1d(filename, result, result.unit)
        return result

    def _integrated(
        self,
        data: Image,
        axes: tuple[Axis | None, Axis | None],
        options: Options,
        robust: Clip | Trim | None = None,
    ) -> Pattern | Cake:
        if unknown := options.keys() - Options.__annotations__.keys():
            raise SpecError(f"{', '.join(sorted(unknown))}: no such argument")
        image, variance, own = np.asarray(data), options.get("variance"), self.detector
        dark, flat, mask = (
            options[name] if options.get(name) is not None else given  # type: ignore[literal-required]
            for name, given in (("dark", own.darkcurrent), ("flat", own.flatfield), ("mask", own.own_mask))
        )
        dummy, delta = options.get("dummy"), options.get("delta_dummy")
        dummy, delta = (own.dummy, own.delta_dummy) if dummy is None else (dummy, delta)
        factor, offset = _polarization(options.get("polarization_factor"))
        spec = IntegrationSpec(
            self.pose_for(image.shape),
            radial=axes[0],
            azimuthal=axes[1],
            split=split_of(options.get("method", "bbox")),
            error_model=error_model_of(options.get("error_model"), variance),
            mask=mask,
            detector_mask=mask is None,
            dummy=dummy,
            delta_dummy=delta if dummy is not None else None,
            dark=dark,
            flat=flat,
            absorption=options.get("absorption"),
            solid_angle=bool(options.get("correctSolidAngle", True)),
            polarization_factor=factor,
            polarization_axis_offset=offset,
            normalization_factor=options.get("normalization_factor") or 1.0,
            chi_discontinuity=self.chi_discontinuity,
            robust=robust,
            efficiency=False,
            **self._beyond(axes),
        )
        return _plan(spec).integrate(image, variance=variance)


def load(filename: object, type_: str = "AzimuthalIntegrator") -> Any:
    """Return the integrator of a PONI file, of a mapping with its numbers, or of another geometry.

    Parameters
    ----------
    filename : str, Path, mapping, Geometry or aureole.Geometry
    type_ : str
        ``"AzimuthalIntegrator"`` or ``"Geometry"``.

    Raises
    ------
    GeometryError
        It is none of these, or a file that is no PONI file.
    FormatError
        It cannot be read.
    """
    return AzimuthalIntegrator.sload(filename).promote(type_)


@lru_cache(maxsize=8)
def _plan(spec: IntegrationSpec) -> Plan:
    return spec.plan()


def _called(options: Options, name: str) -> Called:
    given = options.get("polarization_factor")
    return Called(
        options.get("method", ("bbox", "csr", "cython")),
        given[0] if isinstance(given, tuple) else given,
        options.get("normalization_factor") or 1.0,
        options.get("metadata"),
        method_called=name,
    )


def _pair(given: Any) -> tuple[float, float] | None:
    return None if given is None else (float(min(given)), float(max(given)))


def _polarization(given: float | tuple[float, float] | None) -> tuple[float | None, float]:
    if isinstance(given, tuple | list):
        return float(given[0]), float(given[1])
    return given, 0.0
