"""The field's tools at their best: fabio, h5py and hdf5plugin to read, pyFAI to integrate.

Every function integrates frames to BINS bins with bbox splitting and Poisson errors, and writes intensities
and errors to HDF5. pyFAI's OpenCL engines stand in gpu.py. Functions that run in other processes are at the
top level, as multiprocessing needs it.
"""

from __future__ import annotations

import copy
import logging
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.pool import Pool
from pathlib import Path
from queue import Queue
from threading import Thread
from time import perf_counter
from typing import Any

import fabio
import h5py
import hdf5plugin  # noqa: F401 (registers the filter)
import numpy as np
import pyFAI

from common import BINS, CORES, UNIT, mask_beside

logging.getLogger("pyFAI").setLevel(logging.ERROR)
logging.getLogger("fabio").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pyFAI")

METHODS = [
    ("bbox", "csr", "cython"),
    ("bbox", "csc", "cython"),
    ("bbox", "lut", "cython"),
    ("bbox", "histogram", "cython"),
    ("bbox", "csr", "python"),
    ("bbox", "csc", "python"),
]
Method = tuple[str, str, str]
Reader = Callable[[Any], np.ndarray]


def integrator(poni: Path) -> Any:
    ai = pyFAI.load(str(poni))
    if (mask := mask_beside(poni)) is not None:
        ai.mask = mask | (ai.detector.mask != 0)
    return ai


def integrate(ai: Any, image: np.ndarray, method: Method) -> Any:
    return ai.integrate1d(image, BINS, method=method, error_model="poisson", unit=UNIT)


def fastest_method(poni: Path, images: Sequence[np.ndarray]) -> tuple[Method, dict[str, float]]:
    """Return pyFAI's fastest method on the CPU here, and what each takes for one image, in ms."""
    ai = integrator(poni)
    taken = {}
    for method in METHODS:
        integrate(ai, images[0], method)
        times = []
        for image in images:
            begin = perf_counter()
            integrate(ai, image, method)
            times.append((perf_counter() - begin) * 1e3)
        taken[method] = float(np.median(times))
        ai.reset()
    return min(taken, key=taken.__getitem__), {" ".join(method): ms for method, ms in taken.items()}


# reading


def read_checked(path: Path) -> np.ndarray:
    """Read as the sequential snippet of the paper does: fabio finds the format and checks the MD5."""
    return fabio.open(str(path)).data


def read_unchecked(path: Path) -> np.ndarray:
    """Read as the pools of the paper do: the format is known, the MD5 is not checked."""
    return fabio.cbfimage.CbfImage().read(str(path), check_MD5=False).data


_open_file: tuple[str, h5py.File] | None = None


def read_hdf5(place: tuple[str, str, int]) -> np.ndarray:
    """Read one frame of (file, data set, index); the file stays open, one in each process."""
    global _open_file
    name, dataset, index = place
    if _open_file is None or _open_file[0] != name:
        _open_file = (name, h5py.File(name, "r", locking=False))
    return _open_file[1][dataset][index]


def hdf5_places(master: Path) -> list[tuple[str, str, int]]:
    """Return where each frame of an Eiger master is."""
    with h5py.File(master, "r", locking=False) as file:
        group = file["entry/data"]
        return [
            (group[name].file.filename, group[name].name, index)
            for name in sorted(group)
            for index in range(len(group[name]))
        ]


# arrangements


@contextmanager
def output(path: Path, frames: int) -> Iterator[tuple[h5py.Dataset, h5py.Dataset]]:
    with h5py.File(path, "w") as result:
        yield tuple(
            result.create_dataset(name, (frames, BINS), chunks=(1, BINS), dtype="float32")
            for name in ("intensities", "errors")
        )


def sequential(read: Reader, places: Sequence[Any], path: Path, ai: Any, method: Method) -> int:
    """The paper's first snippet: read, integrate and save one frame after the other."""
    with output(path, len(places)) as (intensities, errors):
        for index, place in enumerate(places):
            found = integrate(ai, read(place), method)
            intensities[index], errors[index] = found.intensity, found.sigma
    return len(places)


def pool_of_readers(
    read: Reader, places: Sequence[Any], path: Path, ai: Any, method: Method, *, readers: int
) -> int:
    """The paper's second snippet: threads read and decode, the main thread integrates and saves."""
    todo: Queue[Any] = Queue()
    images: Queue[Any] = Queue(maxsize=2 * readers + 2)

    def work() -> None:
        while (task := todo.get()) is not None:
            images.put((task[0], read(task[1])))

    for task in enumerate(places):
        todo.put(task)
    pool = [Thread(target=work) for _ in range(readers)]
    for thread in pool:
        todo.put(None)
        thread.start()
    with output(path, len(places)) as (intensities, errors):
        for _ in places:
            index, image = images.get()
            found = integrate(ai, image, method)
            intensities[index], errors[index] = found.intensity, found.sigma
    for thread in pool:
        thread.join()
    return len(places)


def threads(
    read: Reader, places: Sequence[Any], path: Path, integrators: Sequence[Any], method: Method
) -> int:
    """Threads that each read and integrate, with an integrator of their own; the main thread saves all."""
    free: Queue[Any] = Queue()
    for ai in integrators:
        free.put(ai)

    def one(place: Any) -> tuple[np.ndarray, np.ndarray]:
        ai = free.get()
        try:
            found = integrate(ai, read(place), method)
        finally:
            free.put(ai)
        return found.intensity, found.sigma

    with ThreadPoolExecutor(len(integrators)) as pool:
        return save_all(pool.map(one, places), path, len(places))


def own_integrators(ai: Any, count: int) -> list[Any]:
    return [copy.deepcopy(ai) for _ in range(count)]


_worker: tuple[Any, Method, Reader] | None = None


def _start_worker(poni: Path, method: Method, read: Reader, place: Any) -> None:
    global _worker
    _worker = (integrator(poni), method, read)
    _work(place)


def _work(place: Any) -> tuple[np.ndarray, np.ndarray]:
    assert _worker is not None
    ai, method, read = _worker
    found = integrate(ai, read(place), method)
    return found.intensity.astype(np.float32), found.sigma.astype(np.float32)


@contextmanager
def worker_processes(count: int, poni: Path, method: Method, read: Reader, place: Any) -> Iterator[Pool]:
    """Start processes that have made their table and integrated one frame; one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(max(1, CORES // count))
    try:
        pool = multiprocessing.get_context("spawn").Pool(count, _start_worker, (poni, method, read, place))
        pool.map(_work, [place] * (4 * count), chunksize=1)
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before
    try:
        yield pool
    finally:
        pool.terminate()
        pool.join()


def processes(pool: Pool, places: Sequence[Any], path: Path) -> int:
    """Processes that each read and integrate; the main one saves."""
    return save_all(pool.imap(_work, places, chunksize=2), path, len(places))


def save_all(found: Iterable[tuple[np.ndarray, np.ndarray]], path: Path, count: int) -> int:
    """Save all results at once: writing one row after the other would cost the peer time."""
    rows = np.empty((2, count, BINS), np.float32)
    for index, (intensity, error) in enumerate(found):
        rows[0, index], rows[1, index] = intensity, error
    with h5py.File(path, "w") as result:
        result["intensities"], result["errors"] = rows
    return count
