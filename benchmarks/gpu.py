"""Frames to patterns in HDF5 on an OpenCL device, against silx's decoders with pyFAI's engine on that device.

Pilatus 2M CdTe as CBF and Eiger 4M as bitshuffle-LZ4, from the page cache: 1000 bins, bbox, Poisson errors.
The peers read compressed bytes in threads ahead of the device, decode there (silx) and integrate what lies
there (pyFAI csr): once with one thread that feeds the device, and once with one for each of two queues.
Plans and first calls are not in the times. Then the time of the kernels alone, against the bytes that they
have to move at the speed at which the device copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import fabio.cbfimage
import h5py
import numpy as np
import pyopencl as cl

import common
import ours
import peers
from aureole.azimuthal.plan import BATCH
from aureole.errors import DeviceError
from aureole.io import open_frames
from aureole.kernels import opencl_table
from aureole.kernels.opencl_device import Device, choose
from aureole.kernels.opencl_lane import Lane
from aureole.simulate import write_eiger_scan, write_scan
from common import BINS, CORES, Row

Encoded = bytes
WANTED, WANTED_FLOOR = 5, 3


# the peers


class Peer:
    """silx's decoder and pyFAI's engine in one context of a device."""

    def __init__(self, poni: Path, image: np.ndarray, device: Device, decoder: str, largest: int) -> None:
        from pyFAI.containers import ErrorModel
        from pyFAI.method_registry import IntegrationMethod
        from silx.opencl.codec.bitshuffle_lz4 import BitshuffleLz4
        from silx.opencl.codec.byte_offset import ByteOffset

        ai = peers.integrator(poni)
        method = IntegrationMethod.select_method(
            dim=1, split="bbox", algo="csr", impl="opencl", target=place_of(device)
        )[0]
        peers.integrate(ai, image, method)  # which makes the table
        self.engine, self.poisson = ai.engines[method].engine, ErrorModel.POISSON
        self.solid_angle = ai.solidAngleArray(image.shape, absolute=False)
        self.dummies = dict(zip(("dummy", "delta_dummy"), ai.detector.get_dummies(image), strict=True))
        if decoder == "byte_offset":
            self.decoder = ByteOffset(largest, image.size, ctx=self.engine.ctx)
            self.decode = self.decoder.decode
        else:
            self.decoder = BitshuffleLz4(largest, image.size, image.dtype, ctx=self.engine.ctx)
            self.decode = self.decoder.decompress

    def __call__(self, encoded: Encoded) -> tuple[np.ndarray, np.ndarray]:
        image = self.decode(encoded)
        self.decoder.queue.finish()  # the engine has another queue, which would not wait
        found = self.engine.integrate_ng(
            image,
            error_model=self.poisson,
            solidangle=self.solid_angle,
            solidangle_checksum="same",
            **self.dummies,
        )
        return found.intensity, found.sem


def place_of(device: Device) -> tuple[int, int]:
    """Return the numbers of a device's platform, and of the device there, as pyFAI names them."""
    return next(
        (i, platform.get_devices().index(device.native))
        for i, platform in enumerate(cl.get_platforms())
        if device.native in platform.get_devices()
    )


def run_peers(
    engines: Sequence[Peer], read: Callable[[Any], Encoded], places: Sequence[Any], out: Path
) -> int:
    """Read ahead in threads; as many others as there are engines feed the device."""
    free: SimpleQueue[Peer] = SimpleQueue()
    for engine in engines:
        free.put(engine)

    def one(encoded: Any) -> tuple[np.ndarray, np.ndarray]:
        engine = free.get()
        try:
            return engine(encoded.result())
        finally:
            free.put(engine)

    with ThreadPoolExecutor(CORES) as readers, ThreadPoolExecutor(len(engines)) as feeders:
        coming = [readers.submit(read, place) for place in places]
        return peers.save_all(feeders.map(one, coming), out, len(places))


def read_cbf(path: Path) -> Encoded:
    raw: bytes = fabio.cbfimage.CbfImage().read(str(path), check_MD5=False, only_raw=True)
    return raw


def read_chunk(place: tuple[str, str, int]) -> Encoded:
    name, dataset, index = place
    with h5py.File(name, "r", locking=False) as file:
        chunk: bytes = file[dataset].id.read_direct_chunk((index, 0, 0))[1]
        return chunk


# what the device does


class Profiled(Lane):
    """A lane whose kernels are timed by the device."""

    events: list[tuple[str, Any]]

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.queue = cl.CommandQueue(context.cl, properties=cl.command_queue_properties.PROFILING_ENABLE)
        Profiled.events = []

    def kernel(self, program: str, name: str, **defines: object) -> Callable[..., Any]:
        built = super().kernel(program, name, **defines)

        def run(*given: Any) -> Any:
            event = built(*given)
            Profiled.events.append((name, event))
            return event

        return run


def copy_bandwidth(device: Device, nbytes: int = 1 << 28) -> float:
    """Return how many bytes a second the device reads and writes in a copy within its memory."""
    context = cl.Context([device.native])
    profiling = cl.command_queue_properties.PROFILING_ENABLE
    queue = cl.CommandQueue(context, properties=profiling)
    nbytes = min(nbytes, device.native.max_mem_alloc_size)
    source, target = (cl.Buffer(context, cl.mem_flags.READ_WRITE, nbytes) for _ in range(2))
    cl.enqueue_fill_buffer(queue, source, np.uint8(1), 0, nbytes)
    best = min(_seconds(cl.enqueue_copy(queue, target, source, byte_count=nbytes)) for _ in range(10))
    return 2 * nbytes / best


def _seconds(event: Any) -> float:
    event.wait()
    return (event.profile.end - event.profile.start) * 1e-9


def kernels_alone(spec: Any, source: Any, device: Device, repeats: int) -> dict[str, Any]:
    """Return the milliseconds a frame of each kernel, and the bytes that a frame cannot do without."""
    lane = opencl_table.Lane
    opencl_table.Lane = Profiled  # type: ignore[misc]
    try:
        plan = spec.plan("opencl", device=str(device.number))
    finally:
        opencl_table.Lane = lane  # type: ignore[misc]
    frames = [source[index] for index in range(min(BATCH, len(source)))]
    plan.integrate(frames)
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        Profiled.events = []
        plan.integrate(frames, threads=1)
        total: dict[str, float] = {}
        for name, event in Profiled.events:
            total[name] = total.get(name, 0.0) + _seconds(event) * 1e3 / len(frames)
        for name, ms in total.items():
            found.setdefault(name, []).append(ms)
    pixels = frames[0].shape[0] * frames[0].shape[1] * frames[0].dtype.itemsize
    table = plan._table.nbytes / len(frames)
    moved = float(np.mean([frame.nbytes for frame in frames])) + 2 * pixels + table + 16 * BINS
    return {"ms": {name: float(np.median(each)) for name, each in found.items()}, "bytes_moved": moved}


# both


def compare(
    title: str, scan: Any, device: Device, work: Path, *, eiger: bool, peer_frames: int, repeats: int
) -> dict[str, Any]:
    print(f"\n== {title}")
    if eiger:
        places, read, files = (
            peers.hdf5_places(scan.frames),
            read_chunk,
            sorted(scan.frames.parent.glob("*.h5")),
        )
        image = peers.read_hdf5(places[0])
    else:
        places = files = sorted(scan.frames.glob("*.cbf"))
        read, image = read_cbf, peers.read_unchecked(places[0])
    common.warm(files)
    few = places[:peer_frames]
    payloads = [len(read(place)) for place in few]
    decoder = "bitshuffle" if eiger else "byte_offset"
    engines = [Peer(scan.poni, image, device, decoder, max(payloads)) for _ in range(2)]
    spec = ours.spec(scan.poni)
    plans = {
        f"Aureole on the {device.kind}": spec.plan("opencl", device=str(device.number)),
        f"Aureole on the processor, {CORES} threads": spec.plan("cpu"),
    }
    theirs = [
        Row(
            f"silx + pyFAI, {n} queue{'s' * (n > 1)}",
            partial(run_peers, engines[:n], read, few, work / "peer.h5"),
        )
        for n in (1, 2)
    ]
    source = scan.frames if eiger else files
    mine = [
        Row(name, partial(ours.run, plan, source, work / f"{plan.backend}.h5", threads=CORES))
        for name, plan in plans.items()
    ]
    common.measure([*theirs, *mine], repeats)
    best = common.best_of(theirs)
    common.show_rows([*theirs, *mine], best)
    ratio = common.ratio(best, mine[0])
    common.show_ratio(f"against {best.name}", ratio, WANTED if device.kind == "gpu" else None)
    with open_frames(source) as opened:
        alone = kernels_alone(spec, opened, device, repeats)
    bandwidth = copy_bandwidth(device)
    floor_ms, total = alone["bytes_moved"] / bandwidth * 1e3, sum(alone["ms"].values())
    print("kernels, ms a frame: " + ", ".join(f"{name} {ms:.3f}" for name, ms in alone["ms"].items()))
    print(
        f"{total:.3f} ms of the device a frame; {alone['bytes_moved'] / 1e6:.1f} MB at "
        f"{bandwidth / 1e9:.0f} GB/s: {floor_ms:.3f} ms; {total / floor_ms:.1f} times (wanted {WANTED_FLOOR})"
    )
    return {
        "name": title,
        "bytes_a_frame": float(np.mean(payloads)),
        "rows": common.rows_json([*theirs, *mine]),
        "strongest": best.name,
        "ratio": ratio,
        "kernels_ms": alone["ms"],
        "bytes_moved": alone["bytes_moved"],
        "bandwidth": bandwidth,
        "floor_ms": floor_ms,
        "above_floor": total / floor_ms,
        "agreement": ours.agreement(work / "opencl.h5", work / "peer.h5"),
    }


def main() -> None:
    parser = common.arguments(__doc__, frames=1920, peer_frames=160, eiger_frames=640)
    parser.add_argument("--device", help="as aureole --device takes it; the first GPU, else the processor")
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.frames, wanted.peer_frames, wanted.eiger_frames, wanted.repeats = 48, 12, 24, 2
    try:
        device = choose(wanted.device)[0]
    except DeviceError as error:
        print(f"nothing to measure: {error}")
        return
    print(
        f"{device}, {device.memory >> 20} MiB" + ("" if device.kind == "gpu" else ": no GPU, only reported")
    )
    sets = []
    with common.scratch() as work:
        for eiger, title in ((False, "Pilatus 2M CdTe, CBF"), (True, "Eiger 4M, bitshuffle-LZ4")):
            write = write_eiger_scan if eiger else write_scan
            count = wanted.eiger_frames if eiger else wanted.frames
            scan = write(work / title[:5].lower(), count, counts=30, distinct=min(count, 160), seed=1)
            options = {"peer_frames": wanted.peer_frames, "repeats": wanted.repeats}
            sets.append(compare(title, scan, device, work, eiger=eiger, **options))
    facts = {"device": device.name, "platform": device.platform, "kind": device.kind, "sets": sets}
    common.save("gpu", facts)


if __name__ == "__main__":
    main()
