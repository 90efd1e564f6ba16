from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aureole.frames import Buffer, FilePart

TILE: int
MAX_LANES: int
RAY_LANES: int
BACK_LANES: int
BACK_ROWS: int
BACK_TAPS: int
BACK_POWERS: int
ROBUST_LANES: int
isa: str
isas: list[str]

def decode(
    payload: Buffer | FilePart,
    encoding: int,
    dtype: int,
    n_pixels: int,
    out: NDArray[np.uint8],
    isa: str = "",
) -> int: ...

class Table:
    def __init__(
        self,
        pixel_ptr: NDArray[np.int64],
        bins: NDArray[np.int32],
        coefs: NDArray[np.float32],
        n_bins: int,
        n_threads: int = 1,
    ) -> None: ...
    @property
    def n_pixels(self) -> int: ...
    @property
    def n_bins(self) -> int: ...
    @property
    def nbytes(self) -> int: ...

def integrate(
    table: Table,
    frames: Sequence[tuple[Buffer | FilePart, int]],
    dtype: int,
    invalid: NDArray[np.float64],
    linear: NDArray[np.float64],
    quadratic: NDArray[np.float64],
    variance: int,
    variance_frames: Sequence[tuple[Buffer | FilePart, int]],
    variance_dtype: int,
    signal: NDArray[np.float64],
    variance_out: NDArray[np.float64],
    isa: str = "",
) -> tuple[
    list[int], list[int], list[tuple[int, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]]
]: ...
def deviations(
    table: Table,
    frames: Sequence[tuple[Buffer | FilePart, int]],
    dtype: int,
    invalid: NDArray[np.float64],
    norm: NDArray[np.float64],
    dark: NDArray[np.float64] | None,
    mean: NDArray[np.float64],
    square: NDArray[np.float64],
    weighted: NDArray[np.float64],
    isa: str = "",
) -> list[int]: ...
def project(
    table: Table,
    linear: Sequence[NDArray[np.float64] | None],
    quadratic: Sequence[NDArray[np.float64] | None],
    count: NDArray[np.int64],
    linear_sums: NDArray[np.float64],
    quadratic_sums: NDArray[np.float64],
    n_threads: int,
) -> None: ...

class Rings:
    def __init__(
        self,
        pixel_ptr: NDArray[np.int64],
        bins: NDArray[np.int32],
        coefs: NDArray[np.float32],
        n_bins: int,
        norm: NDArray[np.float64],
        dark: NDArray[np.float64] | None,
        dark_variance: NDArray[np.float64] | None,
    ) -> None: ...

def robust(
    rings: Rings,
    frames: Sequence[tuple[Buffer | FilePart, int]],
    dtype: int,
    invalid: NDArray[np.float64],
    rule: tuple[bool, float, float, bool, bool],
    variance: int,
    variance_frames: Sequence[tuple[Buffer | FilePart, int]],
    variance_dtype: int,
    sums: NDArray[np.float64],
    isa: str = "",
) -> tuple[list[int], list[int]]: ...

class Field:
    def __init__(
        self,
        rotation: Sequence[float],
        dist: float,
        base: int,
        function: int,
        scale: float,
        turn_at_zero: bool,
        constants: tuple[float, float, float],
        factors: NDArray[np.float64] | None = None,
    ) -> None: ...

class Grid:
    def __init__(
        self,
        rows: NDArray[np.float64],
        columns: NDArray[np.float64],
        row_edges: NDArray[np.float64],
        column_edges: NDArray[np.float64],
    ) -> None: ...

class Places:
    def __init__(
        self,
        rows: NDArray[np.float64] | None = None,
        columns: NDArray[np.float64] | None = None,
        single: NDArray[np.float32] | None = None,
        array: NDArray[np.float64] | None = None,
        flipped: tuple[bool, bool] = ...,
        origin: tuple[float, float, float] = ...,
    ) -> None: ...

class Coordinate:
    def __init__(
        self,
        field: Field | None = None,
        centre: NDArray[np.float64] | None = None,
        vertex: NDArray[np.float64] | None = None,
    ) -> None: ...

class Pixels:
    def __init__(
        self,
        shape: tuple[int, int],
        radial: Coordinate,
        azimuthal: Coordinate,
        mask: NDArray[np.uint8] | None = None,
        grid: Grid | None = None,
        period: float = 0.0,
        radius: bool = True,
        places: Places | None = None,
    ) -> None: ...

class SplitAxis:
    def __init__(
        self, lo: float, hi: float, bins: int = 1, period: float = 0.0, lowest: float = ...
    ) -> None: ...

def split(
    mode: int,
    pixels: Pixels,
    radial: SplitAxis | None = None,
    azimuthal: SplitAxis | None = None,
    threads: int = 1,
    isa: str = "",
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]: ...

class Image:
    def __init__(self, bytes: NDArray[np.uint8], dtype: int) -> None: ...

def sum_frame(
    mode: int,
    pixels: Pixels,
    radial: SplitAxis | None,
    azimuthal: SplitAxis | None,
    raw: Image,
    rule: int,
    variance: Image | None,
    norm: NDArray[np.float64],
    dark: NDArray[np.float64] | None,
    dark_variance: NDArray[np.float64] | None,
    mean: NDArray[np.float64] | None,
    sums: NDArray[np.float64],
    isa: str = "",
) -> None: ...
def extent(
    mode: int,
    pixels: Pixels,
    radial: bool,
    azimuthal: bool,
    turn: float,
    threads: int = 1,
    isa: str = "",
) -> list[float]: ...
def field(
    field: Field,
    rows: NDArray[np.float64],
    columns: NDArray[np.float64],
    threads: int = 1,
    isa: str = "",
) -> NDArray[np.float64]: ...
def field_at(
    field: Field, places: Places, corner: int | None = None, threads: int = 1, isa: str = ""
) -> NDArray[np.float64]: ...

class PixelPlaces:
    def __init__(
        self,
        place: NDArray[np.float32],
        inverse: NDArray[np.float64],
        n_bins: int,
        columns: int,
    ) -> None: ...

def pick(
    rings: Rings,
    frames: Sequence[tuple[Buffer | FilePart, int]],
    dtype: int,
    invalid: NDArray[np.float64],
    clip: tuple[float, int, bool, bool],
    variance: int,
    variance_frames: Sequence[tuple[Buffer | FilePart, int]],
    variance_dtype: int,
    places: PixelPlaces,
    rule: tuple[float, float, float, int, int],
    background: NDArray[np.float64],
    isa: str = "",
) -> tuple[
    list[int],
    list[int],
    list[tuple[NDArray[np.uint32], NDArray[np.generic], NDArray[np.uint32], NDArray[np.float64]]],
]: ...
def project_rays(
    volume: NDArray[np.float32],
    sinogram: NDArray[np.float32],
    cosine: NDArray[np.float64],
    sine: NDArray[np.float64],
    center: NDArray[np.float64],
    adjoint: bool,
    first_row: int,
    last_row: int,
    isa: str = "",
) -> None: ...
def backproject(
    sinograms: NDArray[np.float32],
    slices: NDArray[np.float32],
    cosine: NDArray[np.float64],
    sine: NDArray[np.float64],
    middle: NDArray[np.float64],
    weights: NDArray[np.float32],
    matrix: NDArray[np.float32],
    taps: NDArray[np.float32],
    seen: NDArray[np.uint8],
    per_step: float,
    lowest: float,
    isa: str = "",
) -> None: ...
