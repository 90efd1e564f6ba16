"""From the image of a calibrant to a PONI, without a start: three real Pilatus 2M images of ceria.

`aureole calibrate` in a new process, start-up included, and the same in a process that has its libraries
loaded: the image is read, calibrated and the PONI written. Residuals of the geometry found, and of the PONIs
beside the image, by one procedure that neither made: rings that stand alone are cut into 36 sectors of
azimuth by pyFAI's integrate2d; off is the centre of mass of a peak above its half height from the 2theta of
the calibrant.
There is no peer in it: pyFAI's own calibration wants clicks.
"""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import fabio
import numpy as np
import pyFAI

import aureole
import common
from aureole.calibration import calibrant, calibrate
from aureole.io import read_image
from common import REAL, Row

DETECTOR, CALIBRANT = "Pilatus2MCdTe", "CeO2"
WANTED_SECONDS = 10.0
SECTORS, STEP = 36, 0.005
"""Sectors of azimuth, and degrees of 2theta a bin."""
REACH, MOST, CLEAR = 0.1, 17.0, 3.0
"""Degrees of 2theta around a ring that are its own; up to where; height of a ring over what is around it."""


class Sample(NamedTuple):
    """An image, its wavelength (m), the PONIs beside it and whether these want it flipped up-down."""

    name: str
    image: Path
    wavelength: float
    ponis: tuple[Path, ...]
    flipped: bool


def samples() -> list[Sample]:
    """Return the real images that are there."""
    first = REAL / "ceo2_pilatus2m"
    found = [Sample("71 keV", first / "CeO2.cbf", 1.74625623831e-11, (first / "CeO2.poni",), False)]
    for scan in ("103852", "103853"):
        folder = REAL / "ceo2_pilatus2m_cdte" / f"{scan}-pilatus2M-files"
        ponis = tuple(folder / f"calibration_{scan}{end}.poni" for end in ("", "_Simon"))
        found.append(Sample(f"I12, {scan}", folder / "00001.cbf", 1.2423e-11, ponis, True))
    return [sample for sample in found if sample.image.exists()]


def by_command(sample: Sample, out: Path) -> int:
    """Calibrate in a new process."""
    command = [sys.executable, "-m", "aureole", "calibrate", str(sample.image), "--calibrant", CALIBRANT]
    command += [
        "--detector",
        DETECTOR,
        "--wavelength",
        repr(sample.wavelength),
        "-o",
        str(out),
        "--overwrite",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return 1


def in_process(sample: Sample, out: Path) -> int:
    """Calibrate with all libraries loaded."""
    image = read_image(sample.image)
    result = calibrate(image, aureole.detector(DETECTOR), calibrant(CALIBRANT), sample.wavelength)
    result.save(out, overwrite=True)
    return 1


def ring_residuals(sample: Sample, poni: Path, *, flip: bool) -> np.ndarray:
    """Return by how many degrees of 2theta the rings are off, in each sector where they stand out."""
    image = fabio.open(str(sample.image)).data
    bad = (image < 0).astype(np.int8)
    if flip:
        image, bad = image[::-1], bad[::-1]
    ai = pyFAI.load(str(poni))
    found = ai.integrate2d(
        image, round(MOST / STEP), SECTORS, unit="2th_deg", radial_range=(0.0, MOST), mask=bad,
        method=("bbox", "csr", "cython"), correctSolidAngle=False,
    )  # fmt: skip
    places, counts = found.radial, found.count
    rings = np.degrees(calibrant(CALIBRANT).two_theta(sample.wavelength, np.radians(MOST)))
    apart = np.diff(rings, prepend=-1.0, append=99.0)
    rings = rings[np.minimum(apart[1:], apart[:-1]) > 2.0 * REACH]
    off = []
    for ring in rings:
        near = np.abs(places - ring) < REACH
        for values, seen in zip(found.intensity[:, near], counts[:, near], strict=True):
            if (seen > 0).mean() < 0.9:
                continue
            height = np.where(seen > 0, values, np.inf)
            height = np.where(seen > 0, values - np.sort(height)[: len(height) // 4].mean(), 0.0)
            top = int(np.argmax(height))
            weight = np.maximum(height - 0.5 * height[top], 0.0)
            if 3 <= top < len(height) - 3 and height[top] > CLEAR * np.median(np.abs(height)):
                off.append(float(weight @ places[near] / weight.sum() - ring))
    return np.array(off)


def rms(off: np.ndarray) -> float:
    """Return the root mean square of all but outliers."""
    middle = np.median(off)
    kept = np.abs(off - middle) < 5.0 * 1.4826 * np.median(np.abs(off - middle))
    return float(np.sqrt(np.mean(np.square(off[kept]))))


def compare(sample: Sample, out: Path) -> dict[str, object]:
    """Return the residuals of the PONI found and of those beside the image, in degrees."""
    own = ring_residuals(sample, out, flip=False)
    beside = {poni.name: rms(ring_residuals(sample, poni, flip=sample.flipped)) for poni in sample.ponis}
    print(f"residuals: {rms(own):.5f}° ({len(own)} places); ", end="")
    print(", ".join(f"{name} {value:.5f}°" for name, value in beside.items()))
    return {"rms_degrees": rms(own), "places": len(own), "beside": beside}


def main() -> None:
    wanted = common.arguments(__doc__).parse_args()
    found = samples()
    if not found:
        print("no real images: nothing is measured")
        return
    sets = []
    with common.scratch() as work:
        for sample in found[:1] if wanted.quick else found:
            print(f"== {sample.name}")
            out = work / f"{sample.image.parent.name}.poni"
            common.warm([sample.image])
            rows = [
                Row("aureole calibrate, start-up included", partial(by_command, sample, out)),
                Row("in a process that runs", partial(in_process, sample, out)),
            ]
            common.measure(rows, 1 if wanted.quick else wanted.repeats)
            common.show_rows(rows, rate=False)
            reached = "reached" if rows[0].median < 1e3 * WANTED_SECONDS else "NOT REACHED"
            print(f"{rows[0].median / 1e3:.1f} s   wanted: {WANTED_SECONDS:g}, {reached}")
            sets.append({"name": sample.name, "rows": common.rows_json(rows), **compare(sample, out)})
    common.save("calibration", {"wanted_seconds": WANTED_SECONDS, "sets": sets})


if __name__ == "__main__":
    main()
