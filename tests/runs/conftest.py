"""A small scan, and a warm process in whose children commands run and die."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

import aureole
from aureole.geometry import format_poni
from aureole.io import write_cbf

SHAPE = (30, 40)
FRAMES = 24
_PROVENANCE = {
    *(
        "date",
        "command",
        "sources",
        "source_bytes",
        "source_mtime_ns",
        "request_sha256",
        "patterns_sha256",
        "virtual",
        "poni",
    ),
    *("mask", "dark", "flat", "variance", "monitor"),
}


class Forge:
    """Runs commands in children of ``forge.py``, which can be made to die at a place.

    Some modules more are imported but once.
    """

    def __init__(self, logs, *modules):
        self._logs = logs
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forge.py")), *modules],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, *argv, cwd, folder=None, place="", how="", log="a"):
        """Start a command, and return what `end` needs."""
        files = {name: str(self._logs / f"{log}.{name}") for name in ("out", "err", "trace")}
        for path in files.values():
            Path(path).write_text("")
        arguments = [str(argument) for argument in argv]
        process = self._ask(
            do="start", argv=arguments, cwd=str(cwd), folder=str(folder or cwd), place=place, how=how, **files
        )
        return SimpleNamespace(process=process, files=files)

    def kill(self, started):
        self._ask(do="kill", process=started.process)

    def end(self, started):
        """Wait for a command; return its exit code (minus the signal that killed it) and what it said."""
        code = self._ask(do="wait", process=started.process)
        out, err = (Path(started.files[name]).read_text() for name in ("out", "err"))
        trace = Path(started.files["trace"])
        done = json.loads(trace.read_text()) if code >= 0 else []
        return SimpleNamespace(code=code, out=out, err=err, trace=done)

    def run(self, *argv, **options):
        return self.end(self.start(*argv, **options))

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    @staticmethod
    def write_frame(folder, index, image):
        path = folder / f"f_{index:03d}.cbf"
        write_cbf(path, image, f"# Flux {1.0 + index / 8} cps\r\n")
        return path

    @staticmethod
    def data_of(path):
        """All data sets of a file but for provenance, by name, as bytes and shapes."""
        found = {}

        def take(name, item):
            if isinstance(item, h5py.Dataset) and name.rpartition("/")[2] not in _PROVENANCE:
                value = item.asstr()[()] if item.dtype.kind == "O" else item[()]
                found[name] = (item.shape, value.tolist() if item.dtype.kind == "O" and item.shape else value)
                if isinstance(value, np.ndarray) and item.dtype.kind != "O":
                    found[name] = (item.shape, str(item.dtype), value.tobytes())

        with h5py.File(path) as file:
            file.visititems(take)
        return found


@pytest.fixture(scope="session")
def forge(tmp_path_factory):
    forge = Forge(tmp_path_factory.mktemp("logs"))
    yield forge
    forge.close()


@pytest.fixture(scope="session")
def images():
    return np.random.default_rng(0).poisson(5.0, (FRAMES, *SHAPE)).astype(np.int32)


@pytest.fixture(scope="session")
def scan(tmp_path_factory, images):
    """A series of CBF files of which number 5 is not there, a stack of the same frames, a PONI file."""
    root = tmp_path_factory.mktemp("scan")
    (root / "frames").mkdir()
    for index, image in enumerate(images):
        if index != 5:
            Forge.write_frame(root / "frames", index, image)
    with h5py.File(root / "stack.h5", "w") as file:
        file.create_dataset("entry/data/data", data=images, chunks=(1, *SHAPE))
    with h5py.File(root / "variance.h5", "w") as file:
        file["data"] = images + np.float32(0.5)
    pixels = aureole.detector(pixel1=1e-3, pixel2=1e-3, shape=SHAPE)
    geometry = aureole.Geometry(pixels, 0.1, 0.01, 0.02, wavelength=1e-10)
    (root / "tiny.poni").write_text(format_poni(geometry))
    np.savetxt(root / "beam.csv", np.linspace(1.0, 2.0, FRAMES), header="beam", comments="")
    return root
