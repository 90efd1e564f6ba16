"""The geometry that pyFAI's scripts know: it is read and written, copied, and has its many accessors."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any, Self

from aureole.compat.pyfai.accessors import give_accessors
from aureole.compat.pyfai.formats import Formats
from aureole.compat.pyfai.placed import NUMBERS, Placed
from aureole.compat.pyfai.ponis import pose_from
from aureole.errors import GeometryError
from aureole.geometry import Geometry as Pose
from aureole.geometry import format_poni
from aureole.io import load as read_poni
from aureole.io.publish import publication


class Geometry(Formats):
    """A detector and where it stands, with numbers that can be set; see `Placed`."""

    def load(self, filename: object) -> Self:
        """Take the geometry of a PONI file, of a mapping with its numbers, or of another geometry.

        Raises
        ------
        GeometryError
            It is none of these.
        FormatError
            The file cannot be read.
        """
        if isinstance(filename, Placed):
            self._numbers, self._detector = filename._numbers, copy(filename._detector)
        elif isinstance(filename, Pose):
            self._take(filename)
        elif isinstance(filename, Mapping):
            self._take(pose_from(filename))
        elif isinstance(filename, str | Path):
            self._take(read_poni(filename))
        else:
            raise GeometryError(f"a PONI file or its numbers are needed, not {type(filename).__name__}")
        return self

    read = load
    set_config = load

    @classmethod
    def sload(cls, filename: object) -> Self:
        """Return the geometry of a PONI file."""
        return cls().load(filename)

    def save(self, filename: str | Path) -> None:
        """Write a PONI file; one that is there is replaced (pyFAI appends, and reads the last entries)."""
        with publication(filename, overwrite=True) as path:
            path.write_text(self._poni())

    write = save

    def _poni(self) -> str:
        return format_poni(self.pose, version=3 if self.parallax else 2.1)

    def get_config(self) -> dict[str, Any]:
        """Return what `set_config` takes: the entries of a PONI file."""
        config: dict[str, Any] = {"poni_version": 2.1} | dict(zip(NUMBERS, self.param, strict=True))
        if self.parallax:
            config |= {"poni_version": 3, "parallax": True}
        config |= {"detector": self.detector.name, "detector_config": self.detector.get_config()}
        return config if self.wavelength is None else config | {"wavelength": self.wavelength}

    def getPyFAI(self) -> dict[str, Any]:
        """Return the numbers of the geometry, and name and pixels of the detector."""
        numbers: dict[str, Any] = dict(zip(NUMBERS, self.param, strict=True))
        known = {"detector": self.detector.name, "pixel1": self.pixel1, "pixel2": self.pixel2}
        return known | numbers | ({} if self.wavelength is None else {"wavelength": self.wavelength})

    def setPyFAI(self, **kwargs: Any) -> Self:
        """Set what `getPyFAI` returns."""
        named = {key: kwargs.get(key) for key in ("pixel1", "pixel2", "max_shape") if kwargs.get(key)}
        config = self.get_config() if self.detector.is_known else {}
        name = kwargs.get("detector", "Detector")
        config |= {"poni_version": 2.1, "detector": name, "detector_config": named}
        return self.load(config | {key: kwargs[key] for key in (*NUMBERS, "wavelength") if key in kwargs})

    def make_headers(self, type_: str = "list") -> Any:
        """Return what says where an image was taken: a mapping for ``"dict"``, else lines of text."""
        return self.get_config() if type_ == "dict" else self._poni().splitlines()

    def promote(self, type_: Any = None, kwargs: Mapping[str, Any] | None = None) -> Any:
        """Return a geometry of another class with the same numbers.

        Parameters
        ----------
        type_ : type or str
            A class, or its name; integrators without it.
        kwargs : mapping, optional
            For its constructor.

        Raises
        ------
        GeometryError
            It is not a kind of geometry.
        """
        from aureole.compat.pyfai.integrator.azimuthal import AzimuthalIntegrator
        from aureole.compat.pyfai.integrator.fiber import FiberIntegrator

        known = {"Geometry": Geometry, "AzimuthalIntegrator": AzimuthalIntegrator}
        known["FiberIntegrator"] = FiberIntegrator
        wanted = AzimuthalIntegrator if type_ is None else type_
        found = known.get(wanted.rpartition(".")[2]) if isinstance(wanted, str) else wanted
        if not (isinstance(found, type) and issubclass(found, Geometry)):
            raise GeometryError(f"{type_}: there are {' and '.join(known)}")
        made = found(**dict(kwargs or {})).load(self)
        made.chiDiscAtPi = self.chiDiscAtPi
        return made

    def reset(self, collect_garbage: bool | None = None) -> None:
        """Do nothing: what is kept follows what is asked for."""

    collect_garbage = reset
    reset_engines = reset

    def __copy__(self) -> Self:
        made = type(self).__new__(type(self))
        made.__dict__ |= self.__dict__
        made._detector = copy(self._detector)
        return made

    def __deepcopy__(self, memo: object) -> Self:
        return self.__copy__()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Placed):
            return NotImplemented
        return bool(self._numbers == other._numbers and repr(self._detector) == repr(other._detector))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value:.6g}" for name, value in zip(NUMBERS, self.param, strict=True))
        return f"{type(self).__name__}({self._detector!r}, {numbers}, wavelength={self.wavelength})"

    def __str__(self) -> str:
        pose = " ".join(f"{name}={value:.6e}" for name, value in zip(NUMBERS, self.param, strict=True))
        lines = [
            f"Detector {self._detector.name} of {self._detector.shape} pixels",
            f"SDD and PONI in m, rotations in rad: {pose}",
        ]
        if self._detector.is_known:
            found = self.pose.to_fit2d()
            lines.append(
                f"DirectBeamDist={found.direct_mm:.3f} mm "
                f"Center: x={found.center_x:.3f}, y={found.center_y:.3f} pix "
                f"Tilt={found.tilt:.3f}° tiltPlanRotation={found.tilt_plane_rotation:.3f}°"
            )
        if self.wavelength is not None:
            lines.append(f"Wavelength={self.wavelength * 1e10:.6f} Å")
        return "\n".join(lines)


give_accessors(Geometry)
