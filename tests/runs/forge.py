"""Runs commands in children of one warm process, in which a chosen call of the operating system goes wrong.

A program of its own, not a test: it reads one request a line (JSON) and answers with one line; its arguments
are modules that it imports beforehand. The commands are those of a user; nothing in them knows of this. A
place is ``operation file number``: which call of an operation on a file of that name, counted for each file,
so that it does not depend on how threads take turns. What is random in the names of temporary files is left
out.
"""

import errno
import importlib
import json
import os
import re
import signal
import sys
import threading
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import aureole.cli
from aureole.cli import make_parser

_TEMPORARY = re.compile(r"^\.(.*)\.[^.]*-\d+-[0-9a-f]{8}\.tmp$")
_OWNER = re.compile(r"-[0-9a-f]{12}-")
_WARM = (
    "h5py",
    "hdf5plugin",
    "aureole.runs",
    "aureole.cli.integrate",
    "aureole.io.positioners",
    "scipy.sparse",
    *(["pyopencl"] if find_spec("pyopencl") else []),
)


class Faults:
    """Counts what is done to files in one folder, and lets it go wrong at one place.

    Parameters
    ----------
    folder : str
        Only what happens in it counts.
    place, how : str
        Where, and what: "before" and "after" kill there, "half" after half of the bytes are written, "full"
        pretends that the disk is full, "stop" interrupts as Ctrl-C does.
    """

    def __init__(self, folder, place, how):
        self.folder, self.place, self.how = folder, place, how
        self.seen = Counter()
        self.trace = []
        self.lock = threading.Lock()

    def name(self, what):
        path = Path(f"/proc/self/fd/{what}").readlink() if isinstance(what, int) else Path.cwd() / what
        if not path.is_relative_to(self.folder):
            return None
        base = "" if path == Path(self.folder) else path.name.removesuffix(" (deleted)")
        temporary = _TEMPORARY.match(base)
        return _OWNER.sub("-", f"{temporary[1]}.tmp" if temporary else base)

    def at(self, operation, what):
        """Return how this call goes wrong; None if it does not."""
        name = self.name(what)
        if name is None:
            return None
        with self.lock:
            number = self.seen[operation, name]
            self.seen[operation, name] += 1
            place = f"{operation} {name} {number}"
            self.trace.append(place)
        return self.how if place == self.place else None

    def around(self, operation, call, which=0):
        def patched(*args, **options):
            how = self.at(operation, args[which])
            strike(how, "before")
            result = call(*args, **options)
            strike(how, "after")
            return result

        return patched

    def writing(self, call):
        def pwrite(descriptor, data, offset):
            how = self.at("write", descriptor)
            strike(how, "before")
            if how == "half":
                call(descriptor, data[: len(data) // 2], offset)
                strike(how, "half")
            written = call(descriptor, data, offset)
            strike(how, "after")
            return written

        return pwrite

    def whole(self, path, data):
        how = self.at("write", path)
        with path.open("wb") as file:
            strike(how, "before")
            file.write(data[: len(data) // 2])
            file.flush()
            strike(how, "half")
            file.write(data[len(data) // 2 :])
        strike(how, "after")
        return len(data)

    def install(self):
        os.pwrite = self.writing(os.pwrite)
        Path.write_bytes = lambda path, data: self.whole(path, data)
        Path.write_text = lambda path, text, encoding: self.whole(path, text.encode(encoding))
        for name in ("fsync", "unlink", "mkdir", "rmdir", "truncate", "ftruncate"):
            setattr(os, name, self.around(name, getattr(os, name)))
        for name in ("link", "rename", "replace"):
            setattr(os, name, self.around(name, getattr(os, name), which=1))


def strike(how, when):
    if how == "full" and when in ("before", "half"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if how == "links" and when == "before":
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    if how == "stop" and when == "before":
        os.kill(os.getpid(), signal.SIGINT)
    if how == when:
        os.kill(os.getpid(), signal.SIGKILL)


def child(request):
    """Run a command in this process, and end it."""
    os.chdir(request["cwd"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    faults = Faults(request["folder"], request["place"], request["how"])
    faults.install()
    code = aureole.cli.main(request["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    with Path(request["trace"]).open("w") as file:
        json.dump(faults.trace, file)
    os._exit(code)


def main():
    for module in (*_WARM, *sys.argv[1:]):
        importlib.import_module(module)
    make_parser()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "start":
            process = os.fork()
            if process == 0:
                try:
                    child(request)
                finally:
                    os._exit(99)
            answer = process
        elif request["do"] == "kill":
            os.kill(request["process"], signal.SIGKILL)
            answer = None
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(request["process"], 0)[1])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
