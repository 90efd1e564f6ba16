"""A plan: what is compiled from a spec once, and then applied to any number of frames."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cached_property, partial, reduce

import numpy as np
from numpy.typing import NDArray

from aureole.azimuthal.batches import Batch, FramesLike, Item, Monitor, Reading, check_variance, in_order
from aureole.azimuthal.corrections import invalid_in_frames, pixels, shaped
from aureole.azimuthal.footprint import check_memory
from aureole.azimuthal.result import NOT_MERGED, Bins, Cake, Pattern, Sums, concatenate, mean_of
from aureole.azimuthal.robust import robust_sums, variance_of_pixels
from aureole.azimuthal.spec import IntegrationSpec
from aureole.azimuthal.static import Static, Values
from aureole.azimuthal.table import build_entries
from aureole.errors import DeviceError, FrameError, SpecError
from aureole.frames import EncodedFrame
from aureole.kernels.registry import DEVICE, HOST, computed_by, resolve
from aureole.kernels.registry import backend as find_backend
from aureole.kernels.robust import RobustSums
from aureole.kernels.sums import BatchSums
from aureole.threads import checked_threads, share_of_memory

F64 = NDArray[np.float64]

BATCH = 16
"""Most frames that go through the table at once."""

DEVICE_BATCH = 64
"""The same for graphics cards, which need more work at a time."""

ROBUST_BATCH = 8
"""The same for robust averages, which have all pixels of these frames in memory."""

_BATCH_BYTES = 24 << 20
"""Most memory for one sum of all frames of a whole batch; for cakes of more bins it has half as many."""


class Plan:
    """A spec made ready: look-up table, static sums, backend.

    Immutable: any number of threads may use it at once. What pickle takes is its spec, to make it again.

    Parameters
    ----------
    spec : IntegrationSpec
    backend : str
        ``"cpu"``; ``"opencl"``, for graphics cards; ``"reference"``: NumPy sums the frames, with the same
        table; or ``"auto"``: ``"opencl"`` where a device is named, or where there is a graphics card that
        has the memory, unless robust averages are asked for; else ``"cpu"``.
    device : str, optional
        On which OpenCL devices: numbers, ``"gpu"`` or parts of names, with commas between them; without it
        the first graphics card, or else what there is.
    threads : int, optional
        How many make the table; all available cores without it.

    Attributes
    ----------
    spec : IntegrationSpec
    backend : str
        The one in use, never ``"auto"``.
    device : str or None
        As it was asked for.
    computed_by : str
        The backend with the names of its devices.
    shape : tuple of int
        Of a frame.
    mask : ndarray of bool, shape (n1, n2)
        True where no frame has a valid value.
    bins : Bins

    Raises
    ------
    SpecError
        The shape of a frame is not known, every pixel is masked, no valid pixel lies in the ranges, there
        is no such backend, or it does not do robust averages.
    DeviceError
        There is no such device, or it has too little memory.
    """

    def __init__(
        self,
        spec: IntegrationSpec,
        *,
        backend: str = "auto",
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        geometry = shaped(spec)
        threads = checked_threads(threads)
        self.spec = spec
        self.shape = geometry.shape
        self._passes = 2 if spec.error_model == "azimuthal" and spec.robust is None else 1
        self.backend, self.device = resolve(backend, device, operations=self._operations), device
        self._detector = geometry.detector
        known = pixels(spec, geometry, threads=threads)
        check_memory(spec, geometry, known.mask, threads=threads)
        self.mask = known.mask
        self.mask.flags.writeable = False
        self._values = Values(known)
        table = build_entries(
            geometry,
            spec.radial,
            spec.azimuthal,
            split=spec.split,
            mask=known.mask,
            chi_discontinuity=spec.chi_discontinuity,
            sample=spec.sample,
            threads=threads,
        )
        entries = table.entries
        bins = Bins.of(spec, table.radial, table.azimuthal)
        if entries.bins.size == 0:
            raise SpecError(f"no valid pixel lies in the ranges: {_ranges(spec)}")
        # what no frame changes is summed on the processor: plans of one spec have one digest on all devices
        host = HOST if self.backend == DEVICE else self.backend
        on_host = find_backend("table", host)(entries, threads)
        self._static = Static.of(
            self._values,
            on_host,
            host,
            bins.shape,
            one_count=spec.error_model == "poisson",
            threads=threads,
        )
        self._table = on_host
        if spec.robust is not None:
            self._table = find_backend("rings", self.backend)(entries, self._values.for_robust())
        elif self.backend == DEVICE:
            asked_for = backend != "auto" or device is not None
            try:
                self._table = find_backend("table", DEVICE)(entries, threads, device)
                if not asked_for:
                    self._table.check_room()
                    self._try_out()
            except DeviceError:
                if asked_for:
                    raise
                self.backend, self._table = HOST, on_host
        self.computed_by = computed_by(self.backend, device)
        self.bins = replace(bins, one_count=self._static.one_count, backend=self.computed_by)
        self._functions = {name: find_backend(name, self.backend) for name in self._operations}

    def _try_out(self) -> None:
        """Have the device integrate nothing: one that cannot must be known before the first frame."""
        nothing = [EncodedFrame.from_array(np.zeros(self.shape, np.int32))] * 2
        rows = {"linear": self._values.linear, "quadratic": self._values.quadratic}
        find_backend("integrate", DEVICE)(
            self._table, nothing, invalid=np.zeros((0, 2)), variance="none", **rows
        )

    @property
    def _operations(self) -> tuple[str, ...]:
        """What is done to frames."""
        if self.spec.robust is not None:
            return ("robust",)
        return ("integrate", "deviations") if self._passes == 2 else ("integrate",)

    @property
    def normalization(self) -> F64:
        """Σ c·n of every bin, for a frame without invalid pixels and a monitor of one."""
        return self._static.norm

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the static sums of all bins, in hexadecimal.

        A coefficient or a norm that differs in its last bit, as between two processors, changes these sums:
        plans of one spec and of equal digests have the same table.
        """
        return self._static.digest(self.bins.radial, self.bins.azimuthal)

    def integrate(
        self,
        frames: FramesLike,
        *,
        variance: FramesLike | None = None,
        monitor: Monitor | None = None,
        threads: int | None = None,
    ) -> Pattern | Cake:
        """Integrate frames, each on its own.

        Parameters
        ----------
        frames : FramesLike
            One image of shape (n1, n2) or encoded frame; or several: an array (F, n1, n2) or a sequence.
        variance : FramesLike, optional
            The variance of each pixel, as many images as frames; needed by the error model ``"variance"``
            alone. Pixels of which it is negative or not finite are invalid.
        monitor : array of shape (F,) or callable, optional
            What the frames are divided by, above zero; or a function that finds it in an `EncodedFrame`.
        threads : int, optional
            All available cores without it. The result does not depend on it.

        Returns
        -------
        Pattern or Cake
            With a leading axis of frames, except for one image.

        Raises
        ------
        SpecError
            These are no frames, or not as many variances or monitor values.
        FrameError
            A frame is missing, corrupt, of another shape, or has a monitor that is not above zero.
        DeviceError
            The device was lost, or has too little memory left.
        """
        reading = self._reading(frames, variance, monitor)
        parts = [batch.result.sums for batch in self._good_batches(reading, threads)]
        sums = concatenate(parts) if parts else self._no_rows()
        return self._result(sums.apply(lambda part: part[0]) if reading.single else sums)

    def accumulate(
        self,
        frames: FramesLike,
        *,
        variance: FramesLike | None = None,
        monitor: Monitor | None = None,
        threads: int | None = None,
    ) -> Pattern | Cake:
        """Integrate frames and pool them, in their order and in bounded memory.

        Parameters, errors and the independence of threads are those of `integrate`; the result has no axis of
        frames, and the same bits as ``integrate(...).pooled()``. Robust averages are not pooled: `SpecError`.
        """
        if self.spec.robust is not None:
            raise SpecError(NOT_MERGED)
        sums = self._no_rows().apply(lambda part: np.zeros(self.bins.shape, part.dtype))
        for batch in self._good_batches(self._reading(frames, variance, monitor), threads):
            sums = reduce(Sums.merged, batch.result.sums.split(), sums)
        return self._result(sums)

    def stream(
        self,
        frames: FramesLike,
        *,
        variance: FramesLike | None = None,
        monitor: Monitor | None = None,
        threads: int | None = None,
    ) -> Generator[Batch, None, None]:
        """Integrate frames and yield them in batches, in order, as they are done; a bad frame stops nothing.

        Reading, decoding and integrating of several batches overlap; what waits to be taken is bounded.

        Parameters
        ----------
        frames, variance, monitor, threads
            As for `integrate`. A lazy source is read in the threads that integrate.

        Returns
        -------
        generator of Batch
            Every frame is in exactly one batch: among its rows or among its failures. Closing the generator
            ends its threads.

        Raises
        ------
        SpecError
            As for `integrate`, at the call.
        """
        return self._batches(self._reading(frames, variance, monitor), threads)

    def _reading(self, frames: FramesLike, variance: FramesLike | None, monitor: Monitor | None) -> Reading:
        check_variance(variance, self.spec.error_model)
        return Reading(frames, variance, monitor, self.shape)

    def _batches(self, reading: Reading, threads: int | None) -> Generator[Batch, None, None]:
        threads = checked_threads(threads)
        robust, n_bins = self.spec.robust is not None, int(np.prod(self.bins.shape))
        limit = BATCH if 8 * BATCH * n_bins <= _BATCH_BYTES and not robust else ROBUST_BATCH
        size = max(1, min(limit, -(-len(reading) // threads)))
        if self.backend == DEVICE:
            # a device computes for one thread while it copies the frames of another
            lanes: int = self._table.lanes
            threads = max(threads, lanes)
            most = max(limit, min(DEVICE_BATCH, _BATCH_BYTES // (8 * n_bins)))
            size = min(most, max(limit, -(-len(reading) // lanes)))
        # twice as many batches as threads are under way, each with some eight numbers a bin
        needed = 2 * 8 * 8 * size * n_bins
        if self.backend == DEVICE:
            # and a thread has the bytes of a batch: hardly more than two a pixel
            needed += 2 * size * int(np.prod(self.shape))
        if robust:
            images = 2 if self.spec.error_model == "variance" else 1
            needed += images * 8 * ROBUST_BATCH * int(np.prod(self.shape))
        threads = max(1, min(threads, share_of_memory() // needed))
        spans = [range(i, min(i + size, len(reading))) for i in range(0, len(reading), size)]
        return in_order(partial(self._batch, reading), spans, threads)

    def _good_batches(self, reading: Reading, threads: int | None) -> Iterator[Batch]:
        with closing(self._batches(reading, threads)) as batches:
            for batch in batches:
                for failure in batch.failures.values():
                    raise failure
                yield batch

    def _batch(self, reading: Reading, span: range) -> Batch:
        """Read some frames and integrate them: what one thread does at a time."""
        failures: dict[int, FrameError] = {}
        kinds: dict[tuple[object, ...], list[Item]] = {}
        for index in span:
            try:
                item = reading.item(index)
                if self._passes == 2:  # both must see the same pixels
                    item = replace(item, frame=replace(item.frame, payload=item.frame.encoded()))
            except FrameError as error:
                failures[index] = error
            else:
                kinds.setdefault(item.kind, []).append(item)
        monitor: dict[int, float] = {}
        parts: list[Sums] = []
        for items in kinds.values():
            good, sums = self._sums(items, failures)
            monitor |= {item.index: item.monitor for item in good}
            if reading.monitor is not None:
                sums = sums.with_monitor(np.array([item.monitor for item in good]))
            parts.append(sums)
        sums = concatenate(parts) if parts else self._no_rows()
        if len(parts) > 1:
            order = np.argsort(list(monitor))
            sums = sums.apply(lambda part: part[order])
        rows, values = sorted(monitor), [monitor[row] for row in sorted(monitor)]
        failures = dict(sorted(failures.items()))
        return Batch(span, np.array(rows, np.intp), self._result(sums), failures, np.array(values, float))

    def _sums(self, items: list[Item], failures: dict[int, FrameError]) -> tuple[list[Item], Sums]:
        """Integrate frames of one kind; what turns out to be corrupt goes to the failures."""
        frames = [item.frame for item in items]
        variances = [item.variance for item in items if item.variance is not None]
        invalid = invalid_in_frames(self.spec, self._detector, frames[0].dtype)
        if self.spec.robust is not None:
            kept: RobustSums = self._functions["robust"](
                self._table,
                frames,
                rule=self.spec.robust,
                invalid=invalid,
                variance=variance_of_pixels(self.spec),
                variance_frames=variances,
            )
            return _good(items, kept.failures, failures), robust_sums(self.spec, kept, self.bins.shape)
        raw: BatchSums = self._functions["integrate"](
            self._table,
            frames,
            invalid=invalid,
            linear=self._values.linear,
            quadratic=self._values.quadratic,
            variance=variance_of_pixels(self.spec),
            variance_frames=variances,
        )
        good = _good(items, raw.failures, failures)
        sums = self._static.corrected(raw)
        if self._passes == 2 and good:
            moments = self._functions["deviations"](
                self._table,
                [item.frame for item in good],
                invalid=invalid,
                norm=self._values.norm,
                dark=self._values.dark,
                mean=mean_of(sums).reshape(len(good), -1),
            )
            shape = sums.signal.shape
            sums = replace(
                sums, variance=moments.square.reshape(shape), weighted=moments.weighted.reshape(shape)
            )
        return good, sums

    def _no_rows(self) -> Sums:
        """Return the sums of no frames."""
        nothing = np.zeros((0, *self.bins.shape))
        model = self.spec.error_model
        return Sums(
            signal=nothing,
            normalization=nothing,
            normalization2=nothing,
            count=nothing.astype(np.int64),
            variance=None if model is None else nothing,
            dark_deviation=None if self._static.dark_variance is None else nothing,
            weighted=nothing if self._passes == 2 else None,
        )

    def _result(self, sums: Sums) -> Pattern | Cake:
        kind = Pattern if len(self.bins.shape) == 1 else Cake
        return kind(self.spec, sums, self.bins)

    def __reduce__(self) -> tuple[partial[Plan], tuple[IntegrationSpec]]:
        return partial(Plan, backend=self.backend, device=self.device), (self.spec,)

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"<Plan {self.digest[:12]} on {self.computed_by} for frames of {rows} x {columns} pixels>"


def _good(items: list[Item], found: list[FrameError | None], failures: dict[int, FrameError]) -> list[Item]:
    """Return the items that a kernel found sound; why others are not goes to the failures."""
    good: list[Item] = []
    for item, failure in zip(items, found, strict=True):
        if failure is None:
            good.append(item)
        else:
            failures[item.index] = failure
    return good


def _ranges(spec: IntegrationSpec) -> str:
    axes = [axis for axis in (spec.radial, spec.azimuthal) if axis is not None]
    return ", ".join(f"{axis.unit} {axis.range or 'everywhere'}" for axis in axes)
