"""OpenCL devices: found, chosen, refused in one line, and the memory that is kept on them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from aureole.errors import DeviceError
from aureole.kernels import opencl_device
from aureole.kernels.opencl_device import Device, choose, devices, told
from aureole.kernels.opencl_lane import Context, Lane
from aureole.kernels.opencl_table import Table
from aureole.kernels.registry import resolve
from aureole.kernels.sums import Entries

cl = pytest.importorskip("pyopencl")

GIB = 1 << 30
MACHINE = [
    Device(0, "Xeon", "Portable Computing Language", "cpu", 64 * GIB, True, None),
    Device(1, "GeForce RTX", "NVIDIA CUDA", "gpu", 24 * GIB, True, None),
    Device(2, "Iris", "Intel(R) OpenCL Graphics", "gpu", 8 * GIB, False, None),
    Device(3, "Xeon", "Intel(R) OpenCL", "cpu", 64 * GIB, True, None),
]


@pytest.fixture
def machine(monkeypatch):
    monkeypatch.setattr(opencl_device, "devices", lambda: MACHINE)


@pytest.mark.parametrize(
    ("wish", "numbers"),
    [
        (None, [1]),
        ("0", [0]),
        ("gpu", [1, 2]),
        ("GPU,0", [1, 2, 0]),
        ("iris, geforce", [2, 1]),
        ("1,gpu,nvidia", [1, 2]),
        ("portable", [0]),
    ],
)
def test_a_wish_is_met(machine, wish, numbers):
    assert [device.number for device in choose(wish)] == numbers


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("4", "no OpenCL device fits '4'"),
        ("radeon", "no OpenCL device fits 'radeon'"),
        ("accelerator", "no OpenCL device fits"),
        ("xeon", "several OpenCL devices fit 'xeon'"),
        ("cpu", "several OpenCL devices fit 'cpu'"),
        ("", "device '' has an empty name"),
        ("0,", "device '0,' has an empty name"),
        ("9" * 5000, "no OpenCL device fits '999"),
    ],
)
def test_a_wish_that_cannot_be_met_lists_what_there_is(machine, wish, says):
    with pytest.raises(DeviceError) as error:
        choose(wish)
    assert str(error.value).startswith(says)
    assert "1: GeForce RTX (gpu, NVIDIA CUDA); 2: Iris" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("wish", [0, ["0"], b"0"])
def test_a_wish_that_is_no_text_is_refused(machine, wish):
    with pytest.raises(DeviceError, match="it must be text, such as '0'"):
        choose(wish)


def test_without_a_wish_a_machine_without_gpu_takes_the_next_best(monkeypatch):
    card = replace(MACHINE[1], kind="accelerator")
    monkeypatch.setattr(opencl_device, "devices", lambda: [MACHINE[0], card])
    assert choose(None) == [card]
    monkeypatch.setattr(opencl_device, "devices", lambda: [MACHINE[0], MACHINE[3]])
    assert choose(None) == [MACHINE[0]]


def test_without_pyopencl_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyopencl", None)
    with pytest.raises(DeviceError, match=r"pip install 'aureole\[opencl\]'"):
        devices()


def test_without_a_platform_it_says_what_to_install(monkeypatch):
    def none():
        raise cl.LogicError("clGetPlatformIDs failed: PLATFORM_NOT_FOUND_KHR")

    for listing in (none, list):
        monkeypatch.setattr(cl, "get_platforms", listing)
        with pytest.raises(DeviceError, match="no OpenCL device: install the driver"):
            devices()


def test_a_pyopencl_that_cannot_be_loaded_is_told(monkeypatch, tmp_path):
    (tmp_path / "pyopencl.py").write_text("raise RuntimeError('made for another NumPy')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pyopencl")
    with pytest.raises(DeviceError, match="another NumPy"):
        devices()
    assert resolve("auto", operations=("integrate",)) == "cpu"


@pytest.mark.parametrize(
    "error", [cl.RuntimeError("clGetDeviceInfo failed: OUT_OF_RESOURCES"), OSError("gone")]
)
def test_a_broken_driver_stops_neither_the_cpu_nor_the_devices_of_others(monkeypatch, error):
    class Broken:
        name = "Broken"
        extensions = ""

        @property
        def type(self):
            raise error

    def platform(native):
        return SimpleNamespace(name="of a broken driver", get_devices=lambda: [native])

    good = SimpleNamespace(name="Good", type=cl.device_type.CPU, global_mem_size=GIB, extensions="")
    monkeypatch.setattr(cl, "get_platforms", lambda: [platform(Broken()), platform(good)])
    assert [(device.number, device.name) for device in devices()] == [(0, "Good")]
    monkeypatch.setattr(cl, "get_platforms", lambda: [platform(Broken())])
    with pytest.raises(DeviceError, match=rf"no OpenCL device \({type(error).__name__}: {error}\): install"):
        devices()
    assert resolve("auto", operations=("integrate",)) == "cpu"


def test_the_devices_of_this_machine(opencl):
    there = devices()
    assert there == devices()
    assert opencl in there
    for number, device in enumerate(there):
        assert device.number == number
        assert choose(str(number)) == [device]
        assert device.memory > 1 << 20
        assert device.kind in opencl_device.KINDS


def test_a_context_is_shared_by_threads_and_builds_a_program_once(opencl):
    with ThreadPoolExecutor(8) as pool:
        contexts = list(pool.map(lambda _: Context.of(opencl), range(16)))
        programs = list(pool.map(lambda one: one.program("byte_offset", GROUP=64), contexts))
    assert len(set(map(id, contexts))) == len(set(map(id, programs))) == 1
    assert contexts[0].program("byte_offset", GROUP=32) is not programs[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_told_at_once_that_it_cannot_use_a_device(opencl):
    n = 10
    table = Table(Entries(np.arange(n + 1), np.zeros(n, np.int32), np.ones(n, np.float32), 1))
    child = os.fork()
    if child == 0:
        told_of = []
        for use in (devices, table.worker().__enter__):
            try:
                use()
            except DeviceError as error:
                told_of.append("spawn" in str(error))
        os._exit(told_of != [True, True] or resolve("auto") != "cpu")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with table.worker():
        assert opencl in devices()


def test_a_lane_keeps_its_memory_and_lets_it_grow(opencl):
    lane = Lane(Context.of(opencl))
    first = lane.buffer("a", 1000)
    assert lane.buffer("a", 10) is first
    assert lane.nbytes == 1000
    assert lane.buffer("a", 2000) is not first
    lane.buffer("b", 0)
    assert 2000 < lane.nbytes < 2500
    host = lane.pinned("a", 5000)
    host[:] = np.arange(5000) % 251
    assert host.dtype == np.uint8
    cl.enqueue_copy(lane.queue, lane.buffer("c", 5000), host, is_blocking=False)
    back = lane.pinned("back", 5000)
    cl.enqueue_copy(lane.queue, back, lane.buffer("c", 5000), is_blocking=True)
    np.testing.assert_array_equal(back, np.arange(5000) % 251)
    assert lane.pinned("a", 100_000).size == 100_000
    lane.release()
    assert lane.nbytes == 0
    assert lane.buffer("a", 10).size == 10
    lane.release()


def test_memory_does_not_grow_beyond_what_a_device_gives_at_once(opencl, monkeypatch):
    lane = Lane(Context.of(opencl))
    monkeypatch.setattr(lane, "_most", 2100)
    for size in (1000, 2000):
        lane.buffer("a", size)
        lane.pinned("b", size)
    assert lane.nbytes == 2100
    lane.release()


SEND_BEHIND_A_GATE = """
import pyopencl as cl
from aureole.kernels.opencl_device import choose
from aureole.kernels.opencl_lane import Context, Lane

lane = Lane(Context.of(choose(None)[0]))
lane.pinned("a", 64)[:] = range(64)
buffer = lane.buffer("b", 64)
gate = cl.UserEvent(lane.context.cl)
cl.enqueue_barrier(lane.queue, wait_for=[gate])
for first in range(0, 64, 16):
    lane.send("a", slice(first, first + 16), buffer, first)
gate.set_status(cl.command_execution_status.COMPLETE)
back, event = lane.fetch("back", buffer, 64)
event.wait()
assert back.tolist() == list(range(64))
"""


def test_copies_to_the_device_do_not_wait_for_each_other(opencl):
    # a process of its own: what waits there would not let the gate be opened
    subprocess.run([sys.executable, "-c", SEND_BEHIND_A_GATE], check=True, timeout=30)


def test_too_much_memory_is_one_line(opencl):
    lane = Lane(Context.of(opencl))
    with pytest.raises(DeviceError, match="has too little free memory") as error:
        lane.buffer("all", 1 << 60)
    assert "\n" not in str(error.value)
    assert lane.nbytes == 0


def test_kernels_that_do_not_compile_are_told_in_one_line(opencl):
    with pytest.raises(
        DeviceError, match=r"cannot compile the kernels \(.*error:.*\): update its driver$"
    ) as error:
        Context.of(opencl).program("byte_offset", GROUP="nonsense")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("MEM_OBJECT_ALLOCATION_FAILURE", "too little free memory"),
        ("OUT_OF_RESOURCES", "too little free memory, or was lost"),
        ("INVALID_COMMAND_QUEUE", "was lost"),
        ("INVALID_KERNEL_ARGS", "refused"),
    ],
)
def test_what_a_device_refuses_is_told_in_one_line(code, says):
    record = SimpleNamespace(code=lambda: getattr(cl.status_code, code), routine=lambda: "clFinish")
    with pytest.raises(DeviceError, match=f"^OpenCL device GeForce RTX .*{says}.*{code}"), told(MACHINE[1]):
        raise cl.Error(record)
