"""Which backend a plan takes, and what is said where it cannot be had."""

import pickle
import sys
import threading

import numpy as np
import pytest

import aureole
from aureole.azimuthal import Clip, SparsePlan
from aureole.errors import DeviceError, SpecError
from aureole.kernels import opencl_device
from aureole.kernels.opencl_device import Device


@pytest.fixture
def no_card(monkeypatch):
    """There is OpenCL of the processor alone."""
    one = Device(0, "Processor", "Tests", "cpu", 1 << 30, True, None)
    monkeypatch.setattr(opencl_device, "devices", lambda: [one])


def test_auto_takes_the_card(card, spec_of, counts):
    spec = spec_of(error_model="poisson")
    plan = spec.plan()
    assert (plan.backend, plan.computed_by) == ("opencl", "opencl (Card)")
    result, expected = plan.integrate(counts), spec.plan("cpu").integrate(counts)
    assert result.bins.backend == "opencl (Card)"
    np.testing.assert_allclose(result.sigma, expected.sigma, rtol=1e-12)
    assert (result + expected + expected).bins.backend == "cpu, opencl (Card)"


def test_auto_takes_the_processor_for_what_the_card_does_not_do(card, spec_of, counts):
    spec = spec_of(error_model="poisson_floor", robust=Clip(3.0))
    assert spec.plan().computed_by == "cpu"
    assert SparsePlan(spec_of(error_model="poisson", robust=Clip(3.0), split="no")).backend == "cpu"
    for plan in (lambda: spec.plan("opencl"), lambda: spec.plan(device="0")):
        with pytest.raises(SpecError, match="'opencl' has no operation 'robust': it is done by cpu"):
            plan()


def test_auto_takes_the_processor_where_there_is_no_room_for_a_frame(card, spec_of):
    card.room = False
    assert spec_of().plan().computed_by == "cpu"
    assert spec_of().plan("opencl").backend == "opencl"  # frames of narrow pixels may fit


def test_auto_takes_the_processor_where_the_card_is_too_small(card, spec_of):
    card.memory = 10
    assert spec_of().plan().computed_by == "cpu"
    for plan in (lambda: spec_of().plan("opencl"), lambda: spec_of().plan(device="gpu")):
        with pytest.raises(DeviceError, match="too little memory"):
            plan()


def test_auto_takes_the_processor_where_the_card_does_not_work(card, spec_of):
    def fail(frames):
        raise DeviceError("OpenCL device Card cannot compile the kernels")

    card.before = fail
    assert spec_of().plan().computed_by == "cpu"
    with pytest.raises(DeviceError, match="cannot compile"):
        spec_of().plan("opencl").integrate(np.ones((24, 31), np.int32))


def test_auto_takes_the_processor_where_the_card_has_no_doubles(monkeypatch, spec_of):
    one = Device(0, "Card", "Tests", "gpu", 1 << 30, False, None)
    monkeypatch.setattr(opencl_device, "devices", lambda: [one])
    assert spec_of().plan().backend == "cpu"


def test_auto_takes_the_processor_without_a_card(no_card, spec_of):
    assert spec_of().plan().backend == "cpu"


def test_auto_takes_the_processor_without_pyopencl(monkeypatch, spec_of):
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    assert spec_of().plan().backend == "cpu"
    with pytest.raises(DeviceError, match=r"pip install 'aureole\[opencl\]'") as error:
        spec_of().plan("opencl")
    assert "\n" not in str(error.value)


def test_a_device_that_there_is_not(card, spec_of):
    with pytest.raises(DeviceError, match="no OpenCL device fits 'titan': there are 0: Card"):
        spec_of().plan(device="Titan")


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_device_goes_with_opencl_alone(card, spec_of, backend):
    with pytest.raises(SpecError, match=f"'{backend}' computes on the processor"):
        spec_of().plan(backend, device="0")


def test_plans_travel_with_backend_and_device(card, spec_of):
    plan = pickle.loads(pickle.dumps(spec_of().plan(device="card")))
    assert (plan.backend, plan.device) == ("opencl", "card")


def test_the_digest_is_that_of_the_table_on_all_backends(card, spec_of):
    spec = spec_of(error_model="poisson", dark=np.ones((24, 31)))
    assert len({spec.plan(name).digest for name in ("cpu", "reference", "opencl")}) == 1


def test_a_card_has_work_for_both_lanes_whatever_the_threads(card, spec_of, counts):
    both = threading.Barrier(2, timeout=20.0)
    plan = spec_of().plan()
    card.before = lambda frames: both.wait()
    frames = np.tile(counts, (8, 1, 1))  # of which 20 make a batch
    found = plan.integrate(frames, threads=1)
    expected = spec_of().plan("cpu").integrate(frames)
    np.testing.assert_allclose(found.intensity, expected.intensity, rtol=1e-12)


def test_calls_of_one_line_take_a_backend(card, geometry, counts):
    def made(**options):
        return aureole.integrate1d(counts[0], geometry, 9, **options).bins.backend

    assert made() == "opencl (Card)"
    assert made(backend="cpu") == "cpu"
    assert made(device="0") == "opencl (Card)"
