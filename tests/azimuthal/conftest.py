"""A small tilted detector, and what an integration must give, said as plainly as NumPy can say it."""

from types import SimpleNamespace

import numpy as np
import pytest

import aureole
from aureole.azimuthal.table import build_entries
from aureole.errors import DeviceError
from aureole.kernels.opencl_device import choose

SHAPE = (24, 31)


@pytest.fixture(params=["reference", "cpu", "opencl"])
def backend(request):
    if request.param == "opencl":
        try:
            choose(None)
        except DeviceError as error:
            pytest.skip(str(error))
    return request.param


@pytest.fixture
def geometry():
    detector = aureole.detector(pixel1=1e-3, pixel2=1.2e-3, shape=SHAPE)
    return aureole.Geometry(detector, 0.1, 0.009, 0.014, 0.1, -0.05, 0.2, wavelength=1e-10)


@pytest.fixture
def spec_of(geometry):
    """Make a spec of fixed ranges, so that its bins do not depend on its mask."""

    def make(*, cake=False, **options):
        radial = aureole.Axis("q_nm^-1", 9, (1.0, 13.0))
        azimuthal = aureole.Axis("chi_deg", 4, (-150.0, 130.0)) if cake else None
        return aureole.IntegrationSpec(geometry, radial=radial, azimuthal=azimuthal, **options)

    return make


@pytest.fixture
def counts():
    """Frames of counts with many zeros: shape (5, 24, 31)."""
    rng = np.random.default_rng(5)
    return rng.poisson(rng.uniform(0.0, 6.0, (1, *SHAPE)), (5, *SHAPE)).astype(np.int32)


@pytest.fixture
def expected():
    """Work out one frame from all fractions and pixels; `valid` says which pixels count."""

    def work_out(spec, image, *, valid=None, variance=None, monitor=1.0):
        fractions = _fractions(spec)
        valid = np.ones(SHAPE, bool) if valid is None else valid
        c = fractions * valid.ravel()
        value = {name: named.array.astype(float) for name, named in spec.arrays.items()}
        n = np.full(SHAPE, spec.normalization_factor)
        for name in ("flat", "absorption"):
            n = n * value.get(name, 1.0)
        if spec.solid_angle:
            n = n * spec.geometry.solid_angle()
        if spec.polarization_factor is not None:
            n = n * spec.geometry.polarization(spec.polarization_factor, spec.polarization_axis_offset)
        raw, n, dark, dark_variance = (
            np.where(valid, array, 0.0).ravel()
            for array in (image.astype(float), n, value.get("dark", 0.0), value.get("dark_variance", 0.0))
        )
        signal, norm = c @ (raw - dark), c @ (n * monitor)
        norm2 = (c * c) @ np.square(n * monitor)
        count = np.count_nonzero(c, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            intensity = signal / norm
        match spec.error_model:
            case None:
                spread = None
            case "poisson":
                spread = (c * c) @ raw
                # The variance that one count would have, from the whole bin.
                one_count = (fractions**2).sum(1) / np.maximum(fractions.sum(1), 1e-300)
                spread = np.where(spread == 0, one_count, spread)
                spread = np.where(count > 0, spread + (c * c) @ dark_variance, 0.0)
            case "poisson_floor":
                spread = (c * c) @ (np.maximum(raw, 1.0) + dark_variance)
            case "variance":
                spread = (c * c) @ (np.where(valid, variance, 0.0).ravel() + dark_variance)
            case "azimuthal":
                with np.errstate(invalid="ignore", divide="ignore"):
                    v = np.where(valid.ravel(), (raw - dark) / (n * monitor), 0.0)
                about = (v[None] - np.nan_to_num(intensity)[:, None]) ** 2
                spread = np.sum(np.square(c * n * monitor) * about, axis=1)
        sigma = std = None
        if spread is not None:
            with np.errstate(invalid="ignore", divide="ignore"):
                sigma, std = np.sqrt(spread) / norm, np.sqrt(spread / norm2)
        shape = tuple(axis.bins for axis in (spec.azimuthal, spec.radial) if axis and axis.bins)
        found = {
            "intensity": intensity,
            "sigma": sigma,
            "std": std,
            "sum_signal": signal,
            "sum_normalization": norm,
            "sum_normalization2": norm2,
            "sum_variance": spread,
            "count": count,
        }
        return SimpleNamespace(
            **{name: None if part is None else part.reshape(shape) for name, part in found.items()}
        )

    return work_out


def _fractions(spec):
    """Return the fraction of each pixel in each bin, (bins, pixels)."""
    table = build_entries(
        spec.geometry,
        spec.radial,
        spec.azimuthal,
        split=spec.split,
        mask=np.zeros(SHAPE, bool),
        chi_discontinuity=spec.chi_discontinuity,
        threads=1,
    )
    entries = table.entries
    fractions = np.zeros((entries.n_bins, entries.n_pixels))
    pixel = np.repeat(np.arange(entries.n_pixels), np.diff(entries.pixel_ptr))
    fractions[entries.bins, pixel] = entries.coefs
    return fractions


@pytest.fixture
def check():
    """Compare a result with `expected`, every sum and quotient."""

    def compare(result, wanted, *, rtol=1e-12):
        np.testing.assert_array_equal(result.count, wanted.count)
        for name in vars(wanted):
            have, want = getattr(result, name), getattr(wanted, name)
            if want is None:
                assert have is None, name
                continue
            scale = np.nanmax(np.abs(want), initial=1e-300)
            np.testing.assert_allclose(have, want, rtol=rtol, atol=1e-13 * scale, err_msg=name)

    return compare
