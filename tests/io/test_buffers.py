"""Memory that frames are read into: taken again, and never while somebody looks at it."""

import os
from concurrent.futures import ThreadPoolExecutor

from aureole.azimuthal.plan import BATCH, DEVICE_BATCH
from aureole.io.buffers import KEPT, read_at


def test_a_batch_is_read_into_the_memory_of_the_one_before(tmp_path):
    path = tmp_path / "frames"
    path.write_bytes(bytes(range(200)))
    descriptor = os.open(path, os.O_RDONLY)

    def read_batch():
        views = [read_at(descriptor, 100, i) for i in range(KEPT)]
        assert [view[0] for view in views] == list(range(KEPT))
        return {id(view.obj) for view in views}

    try:
        with ThreadPoolExecutor(1) as fresh:
            first, second = (fresh.submit(read_batch).result() for _ in range(2))
    finally:
        os.close(descriptor)
    assert len(first) == KEPT
    assert first == second


def test_there_is_memory_for_a_batch_of_any_backend():
    assert max(BATCH, DEVICE_BATCH) <= KEPT
