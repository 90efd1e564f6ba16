"""What a NeXus file of patterns or cakes holds besides their rows.

Patterns against q or 2θ follow the application definitions NXazint1d and NXazint2d of NeXus 2025.11
(https://manual.nexusformat.org/classes/applications/NXazint1d.html); what has no place there (other units, no
wavelength) is a plain NXdata of the same structure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h5py
import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError
from aureole.io.nexus import Provenance, Site, new_entry, new_group, write_provenance, write_site

_UNIT_NAMES = {
    "nm^-1": "1/nm",
    "A^-1": "1/angstrom",
    "nm^-2": "1/nm^2",
    "A^-2": "1/angstrom^2",
    "A": "angstrom",
    "deg": "degree",
    "None": "",
}
_QUANTITIES = {"2th": "2theta", "d*2": "d*^2"}
_ARBITRARY = "arbitrary units"
_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class AxisData:
    """One axis of a pattern as it is stored.

    Attributes
    ----------
    unit : str
        Name of the unit, such as ``"q_nm^-1"`` or ``"chi_deg"``.
    centres : ndarray, shape (n,)
        Centres of the bins.
    edges : ndarray, shape (n + 1,), optional
        Their limits.
    """

    unit: str
    centres: NDArray[np.float64]
    edges: NDArray[np.float64] | None = None

    @property
    def quantity(self) -> str:
        """Name of the quantity: ``"q"``, ``"2theta"``..."""
        name = self.unit.rpartition("_")[0]
        return _QUANTITIES.get(name, name)

    @property
    def units(self) -> str:
        """Its unit as NeXus spells it: ``"1/nm"``, ``"degree"``...; empty where there is none."""
        symbol = self.unit.rpartition("_")[2]
        return _UNIT_NAMES.get(symbol, symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternLayout:
    """What a file of patterns or cakes holds besides the rows.

    Attributes
    ----------
    radial, azimuthal : AxisData, optional
        At least one; with both, a row is a cake of shape (azimuthal, radial).
    norm : ndarray, optional
        The static normalisation, of the shape of a row; stored once.
    sigma : bool
        Whether there are errors.
    solid_angle, efficiency, polarization : bool
        Which corrections the intensities have seen.
    monitor : ndarray, shape (frames,), optional
        The monitor by which each frame was divided.
    site : Site
        Where the data were taken.
    provenance : Provenance
        How they came about.
    """

    radial: AxisData | None = None
    azimuthal: AxisData | None = None
    norm: NDArray[np.float64] | None = None
    sigma: bool = True
    solid_angle: bool = True
    efficiency: bool = False
    polarization: bool = False
    monitor: NDArray[np.float64] | None = None
    site: Site = field(default_factory=Site)
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def row_shape(self) -> tuple[int, ...]:
        """Shape of the intensities of one frame."""
        return tuple(len(axis.centres) for axis in (self.azimuthal, self.radial) if axis is not None)

    @property
    def definition(self) -> str | None:
        """Name of the application definition that these data follow, if one does."""
        if self.radial is None or self.radial.quantity not in ("q", "2theta"):
            return None
        if self.site.wavelength is None:
            return None
        return "NXazint1d" if self.azimuthal is None else "NXazint2d"


def check_layout(layout: PatternLayout, frames: int) -> None:
    """Raise `SpecError` if a layout contradicts itself or the number of frames."""
    if not layout.row_shape:
        raise SpecError("a file of patterns needs a radial or an azimuthal axis")
    if frames < 1:
        raise SpecError(f"a file of {frames} patterns cannot be written")
    if layout.norm is not None and layout.norm.shape != layout.row_shape:
        raise SpecError(f"a norm of shape {layout.norm.shape} does not fit rows of {layout.row_shape}")
    if layout.monitor is not None and layout.monitor.shape != (frames,):
        raise SpecError(f"{layout.monitor.size} monitor values for {frames} frames")
    for axis in (layout.radial, layout.azimuthal):
        if axis is not None and axis.edges is not None and len(axis.edges) != len(axis.centres) + 1:
            raise SpecError(f"{len(axis.edges)} edges for {len(axis.centres)} bins of {axis.unit}")


def write_skeleton(file: h5py.File, layout: PatternLayout, frames: int) -> dict[str, h5py.Dataset]:
    """Write all but the rows, and return the data sets that they go to."""
    entry = new_entry(file)
    if layout.definition is not None:
        entry["definition"] = layout.definition
    entry["solid_angle_applied"] = layout.solid_angle
    entry["efficiency_applied"] = layout.efficiency
    entry["polarization_applied"] = layout.polarization
    entry["normalization_applied"] = True
    entry["monitor_applied"] = layout.monitor is not None
    # The definitions ask for a kind and know no other; nothing is made up where nobody named a source.
    named = layout.definition is not None and layout.site.source != Site().source
    write_site(entry, layout.site, kind="Synchrotron X-ray Source" if named else None)
    if layout.monitor is not None:
        new_group(entry, "monitor", "NXmonitor")["data"] = layout.monitor
    write_provenance(entry, "reduction", layout.provenance)
    return _write_data(entry, layout, frames)


def _write_data(entry: h5py.Group, layout: PatternLayout, frames: int) -> dict[str, h5py.Dataset]:
    data = new_group(entry, "data", "NXdata")
    interpretation = "spectrum" if len(layout.row_shape) == 1 else "image"
    strict = layout.definition is not None
    names: list[str] = []
    for name, axis in (("azimuthal_axis", layout.azimuthal), ("radial_axis", layout.radial)):
        if axis is not None:
            names.append(name)
            _write_axis(data, name, axis, strict=strict)
    data.attrs["signal"] = "I"
    data.attrs["axes"] = [".", *names]
    data.attrs["interpretation"] = interpretation
    # The long names that the definitions prescribe leave no room for units, so that the title has them.
    axes = (axis for axis in (layout.azimuthal, layout.radial) if axis is not None)
    title = "Intensity against " + " and ".join(_labelled(axis) for axis in axes)
    data.attrs["title"] = title
    data["title"] = title
    row_bytes = 4 * int(np.prod(layout.row_shape))
    chunk = (max(1, min(frames, _CHUNK_BYTES // row_bytes)), *layout.row_shape)
    series = {"I": "intensity"} | ({"I_errors": "estimated intensity error"} if layout.sigma else {})
    rows = {}
    for name, long_name in series.items():
        rows[name] = dataset = data.create_dataset(
            name, (frames, *layout.row_shape), np.float32, chunks=chunk, fillvalue=np.float32(np.nan)
        )
        dataset.attrs["long_name"] = long_name
        dataset.attrs["units"] = _ARBITRARY
    rows["I"].attrs["interpretation"] = interpretation
    if layout.norm is not None:
        data["norm"] = layout.norm
        data["norm"].attrs["long_name"] = "effective number of pixels contributing to the corresponding bin"
        data["norm"].attrs["units"] = _ARBITRARY
    return rows


def _labelled(axis: AxisData, what: str = "") -> str:
    return f"{axis.quantity}{what} ({axis.units})" if axis.units else f"{axis.quantity}{what}"


def _write_axis(data: h5py.Group, name: str, axis: AxisData, *, strict: bool) -> None:
    """Write an axis, with the long name that the application definitions prescribe where one applies."""
    if not strict:
        label, edges_label = _labelled(axis), _labelled(axis, " bin edges")
    elif name == "azimuthal_axis":
        label, edges_label = "azimuthal bin center", "azimuthal bin edges"
    else:
        label, edges_label = axis.quantity, f"{axis.quantity} bin edges"
    for key, values, text in ((name, axis.centres, label), (f"{name}_edges", axis.edges, edges_label)):
        if values is not None:
            data[key] = values
            data[key].attrs["long_name"] = text
            data[key].attrs["units"] = axis.units
