"""What libhdf5 is spared: a disk that refuses, and signals."""

import errno
import os
import signal
import threading

import h5py
import numpy as np
import pytest

from aureole.io.shelter import PatientFile, signals_wait


def test_hdf5_writes_into_it(tmp_path):
    path = tmp_path / "file.h5"
    path.touch()
    patient = PatientFile(path)
    with h5py.File(patient, "w") as file:
        file["rows"] = np.arange(10_000.0)
        file["rows"].attrs["units"] = "nm"
    patient.close()
    assert patient.failure is None
    with h5py.File(path) as file:
        assert file["rows"].attrs["units"] == "nm"
        assert np.array_equal(file["rows"], np.arange(10_000.0))


def test_the_first_failure_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.touch()
    patient = PatientFile(path)
    assert patient.write(b"good") == 4

    def refuse(*args):
        raise OSError(next(reasons), "no")

    reasons = iter((errno.ENOSPC, errno.EIO))
    monkeypatch.setattr(os, "pwrite", refuse)
    assert patient.write(b"lost") == 4
    assert patient.truncate(20) == 20
    assert patient.write(b"lost") == 4
    assert patient.seek(0, os.SEEK_END) == 20
    patient.seek(2)
    assert patient.read(30) == b"od" + bytes(28)
    patient.close()
    patient.close()
    assert patient.failure.errno == errno.ENOSPC


def test_a_file_that_cannot_be_opened_is_patient_too(tmp_path):
    patient = PatientFile(tmp_path / "nothing")
    assert patient.write(b"lost") == 4
    patient.close()
    assert patient.failure.errno == errno.ENOENT


@pytest.fixture(params=[signal.SIGTERM, signal.SIGALRM])
def asked(request):
    def handler(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(request.param, handler)
    yield request.param, handler
    signal.signal(request.param, before)


def test_signals_wait_for_the_end_of_a_block(asked):
    number, handler = asked
    steps = []

    def work():
        with signals_wait():
            with signals_wait():
                signal.raise_signal(number)
                steps.append("inner")
            steps.append("outer")
        steps.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["inner", "outer"]
    assert signal.getsignal(number) is handler


def test_other_threads_have_no_signals_to_wait_for(asked):
    seen = []

    def work():
        with signals_wait():
            seen.append(signal.getsignal(asked[0]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [asked[1]]
