"""The short ways: one call from an image to its pattern or cake."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypedDict, Unpack

from numpy.typing import NDArray

from aureole.axis import Axis
from aureole.azimuthal.batches import FramesLike, Monitor
from aureole.azimuthal.plan import Plan
from aureole.azimuthal.result import Cake, Pattern
from aureole.azimuthal.spec import ArrayField, ErrorModel, IntegrationSpec, Split
from aureole.errors import SpecError
from aureole.frames import EncodedFrame
from aureole.geometry import Discontinuity, Geometry, Sample
from aureole.kernels.robust import Clip, Trim

Range = tuple[float, float]


class Options(TypedDict, total=False):
    """Fields of `IntegrationSpec` beside geometry and axes, and what `Plan.integrate` takes.

    `azimuthal_unit` is that of the azimuthal axis, ``"chi_deg"`` without it; `backend` and `device` are those
    of `Plan`.
    """

    split: Split
    error_model: ErrorModel | None
    mask: ArrayField
    detector_mask: bool
    dummy: float | None
    delta_dummy: float | None
    saturation: float | None
    dark: ArrayField
    dark_variance: ArrayField
    flat: ArrayField
    absorption: ArrayField
    solid_angle: bool
    polarization_factor: float | None
    polarization_axis_offset: float
    normalization_factor: float
    chi_discontinuity: Discontinuity
    robust: Trim | Clip | None
    sample: Sample | None
    azimuthal_unit: str
    backend: str
    device: str | None
    efficiency: bool
    variance: FramesLike | None
    monitor: Monitor | None


def integrate1d(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    npt: int,
    *,
    unit: str = "q_nm^-1",
    radial_range: Range | None = None,
    azimuth_range: Range | None = None,
    **options: Unpack[Options],
) -> Pattern:
    """Integrate an image, or a stack of images, to intensity against a radial coordinate.

    For many calls with the same settings make a plan (`IntegrationSpec.plan`). The plans of the last two
    settings are kept, so that a loop over images does not make them anew.

    Parameters
    ----------
    image : ndarray of shape (n1, n2) or (F, n1, n2), or EncodedFrame
    geometry : Geometry
        A detector without a shape gets that of the image.
    npt : int
        Number of bins.
    unit : str
        Of the radial axis, see `aureole.units`.
    radial_range : tuple of float, optional
        In that unit; the extent of the data without it.
    azimuth_range : tuple of float, optional
        In degrees; restricts what is integrated.
    **options
        Fields of `IntegrationSpec` (`split`, `error_model`, `mask`, `dark`, `flat`, `polarization_factor`,
        `sample`, ...); also `variance` and `monitor`, which `Plan.integrate` describes, `backend` and
        `device`, which `Plan` does, and `azimuthal_unit`: what stands in the place of degrees around the
        beam, such as ``"qoop_nm^-1"``.

    Returns
    -------
    Pattern
        With a leading axis of frames for a stack.

    Raises
    ------
    InputError
        Settings that are impossible, see `IntegrationSpec`.
    FrameError
        An image that cannot be used.
    """
    around = options.pop("azimuthal_unit", "chi_deg")
    azimuthal = None if azimuth_range is None else Axis(around, None, azimuth_range)
    result = _integrate(image, geometry, Axis(unit, npt, radial_range), azimuthal, options)
    assert isinstance(result, Pattern)
    return result


def integrate2d(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    npt_radial: int,
    npt_azimuthal: int = 360,
    *,
    unit: str = "q_nm^-1",
    radial_range: Range | None = None,
    azimuth_range: Range | None = None,
    **options: Unpack[Options],
) -> Cake:
    """Integrate an image, or a stack of images, to intensity against a radial and an azimuthal axis.

    Parameters
    ----------
    image, geometry, unit, radial_range, azimuth_range, **options
        As for `integrate1d`.
    npt_radial, npt_azimuthal : int
        Number of bins; azimuths are in degrees, or in `azimuthal_unit`.

    Returns
    -------
    Cake
        Arrays of shape (npt_azimuthal, npt_radial), with a leading axis of frames for a stack.

    Raises
    ------
    InputError, FrameError
        As for `integrate1d`.
    """
    azimuthal = Axis(options.pop("azimuthal_unit", "chi_deg"), npt_azimuthal, azimuth_range)
    result = _integrate(image, geometry, Axis(unit, npt_radial, radial_range), azimuthal, options)
    assert isinstance(result, Cake)
    return result


def _integrate(
    image: NDArray[Any] | EncodedFrame,
    geometry: Geometry,
    radial: Axis,
    azimuthal: Axis | None,
    options: Options,
) -> Pattern | Cake:
    if not isinstance(geometry, Geometry):
        raise SpecError(f"the geometry must be an aureole.Geometry, not {type(geometry).__name__}")
    if geometry.detector.shape is None and len(getattr(image, "shape", ())) >= 2:
        geometry = geometry.with_shape(image.shape[-2:])
    fields: dict[str, Any] = dict(options)
    given = {name: fields.pop(name, None) for name in ("variance", "monitor")}
    where = fields.pop("backend", "auto"), fields.pop("device", None)
    plan = _plan(IntegrationSpec(geometry, radial=radial, azimuthal=azimuthal, **fields), *where)
    return plan.integrate(image, **given)


@lru_cache(maxsize=2)
def _plan(spec: IntegrationSpec, backend: str, device: str | None) -> Plan:
    return spec.plan(backend, device=device)
