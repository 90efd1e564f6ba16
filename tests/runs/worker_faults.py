"""Installed in Dask workers when they start: at a chosen call of the operating system something dies.

A folder tells all workers what is to happen: in it lies ``order`` (JSON: folder, place and how, as `Faults`
takes them; "main" kills the process whose number is in the file ``main``, and the worker goes on). The first
worker that comes to the place takes ``armed`` away, so that no other dies of it. What they do on the way is
written to ``trace``, a line a call.
"""

import json
import os
import signal
import time
from pathlib import Path

from forge import Faults

_rename = os.rename


class WorkerFaults(Faults):
    """Faults that are told from outside, since a worker goes from run to run.

    Parameters
    ----------
    control : path
        The folder that tells them.
    """

    def __init__(self, control):
        super().__init__("", "", "")
        self.control = Path(control)
        self.told = ""

    def at(self, operation, what):
        told = (self.control / "order").read_text()
        if told != self.told:
            order = json.loads(told)
            self.folder, self.place, self.how = order["folder"], order["place"], order["how"]
            self.told = told
            self.seen.clear()
        before = len(self.trace)
        how = super().at(operation, what)
        with (self.control / "trace").open("a") as file:
            file.writelines(f"{place}\n" for place in self.trace[before:])
        if not how or not self.is_first():
            return None
        if how == "main":
            self.kill_main()
        return how

    def is_first(self):
        try:
            _rename(self.control / "armed", self.control / "taken")
        except FileNotFoundError:
            return False
        return True

    def kill_main(self):
        while not (self.control / "main").exists():
            time.sleep(0.001)
        os.kill(int((self.control / "main").read_text()), signal.SIGKILL)

    def opening(self, call):
        creating = self.around("open", call)

        def opened(path, flags, *more, **options):
            return (creating if flags & os.O_EXCL else call)(path, flags, *more, **options)

        return opened

    def install(self):
        super().install()
        os.open = self.opening(os.open)
        Path.read_bytes = self.around("read", Path.read_bytes)
