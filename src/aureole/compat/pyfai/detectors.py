"""Detectors by pyFAI's names: an object whose pixels, shape and mask can be set.

Every name of pyFAI's registry is a function here too: ``detectors.Pilatus1M()``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aureole.compat.pyfai.accessors import give_pair
from aureole.errors import GeometryError
from aureole.geometry import Detector as Known
from aureole.geometry import Sensor, detector, model_names
from aureole.geometry.catalogue import find_model
from aureole.io import load_detector, save_detector

Shape = tuple[int, int]
F64 = NDArray[np.float64]
_GENERIC = "Detector"


class Detector:
    """A detector with what integrators take from it.

    Parameters
    ----------
    pixel1, pixel2 : float, optional
        In metres, along the slow and the fast axis.
    splinefile : str, optional
        A file of distortions, in the place of the sizes of pixels.
    max_shape : tuple of int, optional
        Number of pixels (slow, fast).
    orientation : int
        1 to 4; 0 is 3.

    Attributes
    ----------
    dummy, delta_dummy : float or None
        Values of pixels that are invalid, where a call gives none. Those that a detector is known to write
        are invalid as long as this is None.
    darkcurrent, flatfield : ndarray or None
        Taken where a call gives none.

    Raises
    ------
    GeometryError
        A number that cannot be.
    FormatError
        A file that cannot be read.
    """

    def __init__(
        self,
        pixel1: float | None = None,
        pixel2: float | None = None,
        splinefile: str | None = None,
        max_shape: Shape | None = None,
        orientation: int = 0,
    ) -> None:
        self._start: dict[str, Any] = {
            "pixel1": pixel1,
            "pixel2": pixel2,
            "shape": max_shape,
            "orientation": orientation or 3,
        }
        self._known: Known | None = None if splinefile is None else load_detector(splinefile)
        if self._known is None:
            self._complete()
        self._mask: NDArray[Any] | None = None
        self.dummy: float | None = None
        self.delta_dummy: float | None = None
        self.darkcurrent: NDArray[Any] | None = None
        self.flatfield: NDArray[Any] | None = None

    def _complete(self) -> None:
        if self._start["pixel1"] is not None and self._start["pixel2"] is not None:
            self._known = detector(**self._start)

    @classmethod
    def of(cls, known: Known) -> Self:
        """Return one of an `aureole.Detector`."""
        made = cls()
        made._known = known
        return made

    @classmethod
    def factory(cls, name: str, config: Mapping[str, Any] | None = None) -> Detector:
        """Return a detector by its name, see `detector_factory`."""
        return detector_factory(name, config)

    @property
    def is_known(self) -> bool:
        """Whether the size of its pixels is known."""
        return self._known is not None

    @property
    def known(self) -> Known:
        """As the rest of Aureole takes it; raises `GeometryError` before the size of the pixels is known."""
        if self._known is None:
            raise GeometryError("the detector has no pixel size: give its name, or pixel1 and pixel2")
        return self._known

    def _get(self, name: str) -> Any:
        return self._start[name] if self._known is None else getattr(self._known, name)

    def _put(self, name: str, value: Any) -> None:
        if self._known is None:
            self._start[name] = value
            self._complete()
        else:
            self._known = replace(self._known, **{name: value})

    @property
    def name(self) -> str:
        """As PONI files have it."""
        return _GENERIC if self._known is None else self._known.name

    @property
    def pixel1(self) -> float | None:
        """Size of a pixel along the slow axis, in metres."""
        return self._get("pixel1")  # type: ignore[no-any-return]

    @pixel1.setter
    def pixel1(self, value: float) -> None:
        self._put("pixel1", value)

    @property
    def pixel2(self) -> float | None:
        """Size of a pixel along the fast axis, in metres."""
        return self._get("pixel2")  # type: ignore[no-any-return]

    @pixel2.setter
    def pixel2(self, value: float) -> None:
        self._put("pixel2", value)

    @property
    def shape(self) -> Shape | None:
        """Number of pixels (slow, fast)."""
        return self._get("shape")  # type: ignore[no-any-return]

    @shape.setter
    def shape(self, value: Shape) -> None:
        self._put("shape", tuple(value))

    max_shape = shape

    @property
    def orientation(self) -> int:
        """1 to 4."""
        return int(self._get("orientation"))

    @property
    def binning(self) -> Shape:
        """How many pixels at full resolution one pixel holds."""
        return (1, 1) if self._known is None else self._known.binning

    @binning.setter
    def binning(self, given: Shape) -> None:
        known = self.known
        finest = [min(mode.pixel[axis] for mode in find_model(known.name).modes) for axis in (0, 1)]
        self._known = detector(
            known.name,
            pixel1=finest[0] * int(given[0]),
            pixel2=finest[1] * int(given[1]),
            orientation=known.orientation,
            sensor=known.sensor,
        )

    @property
    def sensor(self) -> Any:
        """Material and thickness of the sensor, or None."""
        return None if self._known is None else self._known.known_sensor

    @sensor.setter
    def sensor(self, given: Sensor | None) -> None:
        self._put("sensor", given)

    @property
    def mask(self) -> NDArray[Any] | None:
        """Not zero where pixels are invalid: as it was set, or the gaps; None without any."""
        if self._mask is not None or self._known is None or self._known.shape is None:
            return self._mask
        gaps = self._known.mask
        return gaps.astype(np.int8) if gaps.any() else None

    @mask.setter
    def mask(self, given: NDArray[Any] | None) -> None:
        self._mask = None if given is None else np.asarray(given)

    @property
    def own_mask(self) -> NDArray[Any] | None:
        """The mask that was set; None while that is the detector's gaps."""
        return self._mask

    def get_config(self) -> dict[str, Any]:
        """Return what `detector_factory` takes beside the name."""
        known = self.known
        config: dict[str, Any] = {"orientation": known.orientation}
        if known.sensor is not None:
            config["sensor"] = asdict(known.sensor)
        if known.name == _GENERIC:
            shape = None if known.shape is None else list(known.shape)
            config = {"pixel1": known.pixel1, "pixel2": known.pixel2, "max_shape": shape} | config
        return config

    def calc_cartesian_positions(
        self, d1: Any = None, d2: Any = None, center: bool = True
    ) -> tuple[F64, F64, F64 | None]:
        """Return where points are: along the slow axis, the fast one, and behind a flat detector, in metres.

        Parameters
        ----------
        d1, d2 : array, optional
            In pixels, broadcast with each other; all pixels without them.
        center : bool
            Whether whole numbers are centres of pixels; otherwise they are borders.

        Raises
        ------
        GeometryError
            The pixels form no grid, and others than all of them are asked for.
        """
        known, half = self.known, 0.5 if center else 0.0
        if d1 is None or d2 is None:
            return known.positions()
        return _along(known, 0, np.add(d1, half)), _along(known, 1, np.add(d2, half)), None

    def get_pixel_corners(self) -> F64:
        """Return the corners of each pixel, (n1, n2, 4, 3): behind, along the slow axis, along the fast."""
        return np.roll(self.known.corners(), 1, axis=-1)

    def dynamic_mask(self, img: NDArray[Any]) -> NDArray[Any]:
        """Return the mask of an image: not zero in gaps, and where its values say that there is none."""
        mask = (
            np.zeros(img.shape, np.int8)
            if self.mask is None
            else (np.asarray(self.mask) != 0).astype(np.int8)
        )
        intervals = self.known.invalid_values(img.dtype)
        if self.dummy is not None:
            delta = self.delta_dummy or 0.0
            intervals = [(self.dummy - delta, self.dummy + delta)]
        for low, high in intervals:
            mask |= (img >= low) & (img <= high)
        return mask

    def save(self, filename: str | Path) -> None:
        """Write a NeXus file of the detector; one that is there is replaced."""
        save_detector(self.known, filename, overwrite=True)

    def __repr__(self) -> str:
        return f"Detector({self.known if self.is_known else 'of unknown pixels'})"


for _name in ("pixel1", "pixel2", "mask", "darkcurrent", "flatfield", "name", "binning"):
    give_pair(Detector, _name)


def _along(known: Known, axis: int, index: Any) -> F64:
    if known.shape is None:
        return np.asarray(np.multiply(index, (known.pixel1, known.pixel2)[axis]), np.float64)
    borders = known.edges(axis)
    places = np.arange(borders.size, dtype=np.float64)
    wanted = np.asarray(index, np.float64)
    beyond = wanted - np.clip(wanted, 0.0, places[-1])
    step = np.where(beyond < 0.0, borders[1] - borders[0], borders[-1] - borders[-2])
    return np.asarray(np.interp(wanted, places, borders) + beyond * step)


def detector_factory(name: str, config: Mapping[str, Any] | None = None) -> Detector:
    """Return a detector by its name.

    Parameters
    ----------
    name : str
        Any name that Aureole knows, pyFAI's among them, or a file of a detector.
    config : mapping, optional
        ``pixel1``, ``pixel2`` (m), ``max_shape``, ``orientation`` and ``sensor``.

    Raises
    ------
    GeometryError
        No such detector, or a configuration that means nothing here.
    """
    if Path(name).suffix.casefold() in (".h5", ".nxs", ".hdf5"):
        return Detector.of(load_detector(name))
    given = {key: value for key, value in (config or {}).items() if value is not None}
    shape = given.pop("max_shape", given.pop("shape", None))
    shape = None if shape is None else tuple(shape)
    orientation = int(given.pop("orientation", 0) or 3)
    pixels = {key: given.pop(key, None) for key in ("pixel1", "pixel2")}
    sensor = given.pop("sensor", None)
    sensor = Sensor(**sensor) if isinstance(sensor, Mapping) else sensor
    if unknown := given.keys():
        raise GeometryError(f"detector {name}: {', '.join(sorted(unknown))} of its configuration has no use")
    if name.casefold() == _GENERIC.casefold():
        return Detector(max_shape=shape, orientation=orientation, **pixels)
    return Detector.of(detector(name, shape=shape, orientation=orientation, sensor=sensor, **pixels))


def detector_of(given: object, pixel1: float | None, pixel2: float | None, orientation: int) -> Detector:
    """Return the detector of an integrator: given as it is, by its name, or by the size of its pixels.

    Objects of pyFAI are taken by their name and configuration.
    """
    if isinstance(given, Detector):
        return given
    if isinstance(given, Known):
        return Detector.of(given)
    if given is None:
        return Detector(pixel1, pixel2, orientation=orientation)
    if isinstance(given, str):
        return detector_factory(given, {"orientation": orientation})
    config = {key: getattr(given, key, None) for key in ("pixel1", "pixel2", "orientation")}
    return detector_factory(type(given).__name__, config | {"max_shape": getattr(given, "shape", None)})


ALL_DETECTORS = {name.casefold(): partial(detector_factory, name) for name in model_names()}
"""Functions that make detectors, by their names in small letters."""


def __getattr__(name: str) -> Callable[..., Detector]:
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        made = detector_factory(name)
    except GeometryError as error:
        raise AttributeError(str(error)) from None
    return lambda **config: detector_factory(made.name, config)
