"""Oracles: the pixels of an encoded frame by fabio and hdf5plugin, not by ours."""

import os
import resource
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from fabio.compression import decByteOffset

import aureole.kernels
from aureole.frames import EncodedFrame, Encoding


def oracle(frame: EncodedFrame) -> np.ndarray:
    count = frame.shape[0] * frame.shape[1]
    if frame.encoding is Encoding.RAW:
        pixels = np.frombuffer(frame.encoded(), frame.dtype)
    elif frame.encoding is Encoding.BYTE_OFFSET:
        pixels = np.asarray(decByteOffset(bytes(frame.encoded()), count, np.int64)).astype(frame.dtype)
    else:
        with h5py.File("memory", "w", driver="core", backing_store=False) as file:
            data = file.create_dataset(
                "x", frame.shape, frame.dtype, chunks=frame.shape, **hdf5plugin.Bitshuffle(cname="lz4")
            )
            data.id.write_direct_chunk((0, 0), bytes(frame.encoded()), 0)
            file.flush()
            pixels = data[()]
    return pixels.reshape(frame.shape)


@pytest.fixture
def pixels() -> Callable[[EncodedFrame], np.ndarray]:
    """Decode a frame without our kernels."""
    return oracle


@pytest.fixture
def oracle_kernels(monkeypatch) -> None:
    """Let the oracle decode wherever our kernels would."""
    monkeypatch.setattr(aureole.kernels, "decode", oracle, raising=False)


@pytest.fixture
def images() -> np.ndarray:
    """Five small images with all that compression meets: zeros, counts, hot pixels, negative marks."""
    rng = np.random.default_rng(1)
    stack = rng.poisson(3.0, (5, 37, 53)).astype(np.int32)
    stack[:, 5, 7] = 1_000_000
    stack[:, 20:22] = -1
    stack[:, 30, 30] = -2
    return stack


@pytest.fixture
def no_more_files() -> Callable[[], AbstractContextManager[None]]:
    """While it lasts, the system opens no more files for us."""

    @contextmanager
    def limited():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with Path(os.devnull).open() as lowest_free:
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free.fileno(), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return limited
