"""What the sample itself takes away, put right by its transmission.

At small angles of scattering, what is scattered anywhere along a ray leaves the sample along nearly the same
line. So whatever the place, it has been attenuated by the transmission of the whole ray: a sinogram of
diffraction is divided by that of the transmission, before it is reconstructed. Path lengths of scattered
rays differ from that by some 1 / cos 2θ - 1 of the path after the place: a per cent at 2θ = 8°, six at 20°.
Beyond, the correction is not to be trusted; a correction that follows each scattered ray is not here.

Transmissions are intensities behind the sample over those in front of it, shape (angles, translations).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aureole.errors import SpecError
from aureole.tomo.beam import ParallelBeam
from aureole.tomo.fbp import FilteredBackprojection
from aureole.tomo.normalise import Corrected

MOST = 1.2
"""Air transmits 1; noise makes it more, but whatever is beyond this is no transmission."""


def correct(
    given: Corrected,
    transmission: ArrayLike,
    variances: ArrayLike | None = None,
    *,
    channels_last: bool = False,
) -> Corrected:
    """Divide sinograms by the transmission of their rays.

    Parameters
    ----------
    given : Corrected
        Sinograms of diffraction, shape (..., angles, translations), and their variances if they are known.
    transmission : array_like, shape (angles, translations)
    variances : array_like, shape (angles, translations), optional
        Of the transmission; taken as exact without them. They make the channels of a ray correlated, so the
        variance of a sum of channels is more than the sum of theirs.
    channels_last : bool
        Whether sinograms are (angles, translations, channels).

    Raises
    ------
    SpecError
        A transmission that is not finite, not above 0, or above 1.2; shapes that do not fit.
    """
    passed, noise = _checked(transmission, variances)
    shape = given.sinograms.shape[:-1] if channels_last else given.sinograms.shape[-2:]
    if shape != passed.shape:
        raise SpecError(f"transmissions of shape {passed.shape} for sinograms of {given.sinograms.shape}")
    if channels_last:
        passed, noise = passed[..., None], noise[..., None]
    values = np.asarray(given.sinograms)
    sinograms = values / passed.astype(values.dtype)
    if given.variances is None:
        return Corrected(sinograms)
    squared = np.square(passed).astype(values.dtype)
    if variances is None:
        return Corrected(sinograms, given.variances / squared)
    return Corrected(sinograms, (given.variances + sinograms**2 * noise.astype(values.dtype)) / squared)


def line_integrals(transmission: ArrayLike, variances: ArrayLike | None = None) -> Corrected:
    """Return the line integrals of the attenuation, -ln(transmission), and their variances if there are any.

    Parameters and errors are those of `correct`.
    """
    passed, noise = _checked(transmission, variances)
    return Corrected(-np.log(passed), None if variances is None else noise / passed**2)


def attenuation(
    beam: ParallelBeam,
    transmission: ArrayLike,
    variances: ArrayLike | None = None,
    *,
    window: str = "shepp-logan",
) -> Corrected:
    """Return the slice of the attenuation, shape (size, size), per step of the translation, and its variance.

    Parameters
    ----------
    beam : ParallelBeam
        Where the rays ran.
    transmission, variances
        As for `correct`.
    window : str
        As for `FilteredBackprojection`.

    Raises
    ------
    SpecError
        As `correct`, and `FilteredBackprojection`.
    """
    integrals = line_integrals(transmission, variances)
    fbp = FilteredBackprojection(beam, window, method="fourier")
    found = fbp.reconstruct(integrals.sinograms)
    return Corrected(found, None if integrals.variances is None else fbp.variance(integrals.variances))


def _checked(
    transmission: ArrayLike, variances: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    passed = np.asarray(transmission, np.float64)
    if passed.ndim != 2:
        raise SpecError(f"transmissions of shape {passed.shape}; wanted is (angles, translations)")
    bad = ~((passed > 0) & (passed <= MOST))
    if bad.any():
        angle, place = (int(index[0]) for index in np.nonzero(bad))
        raise SpecError(
            f"the transmission of angle {angle}, translation {place} is {passed[angle, place]:g}, not "
            f"between 0 and 1 ({np.count_nonzero(bad)} rays like that): fill it or leave out the projection"
        )
    noise = np.zeros_like(passed) if variances is None else np.asarray(variances, np.float64)
    if noise.shape != passed.shape or not (noise >= 0).all():
        raise SpecError(f"variances of shape {noise.shape} of transmissions {passed.shape}, or negative ones")
    return passed, noise
