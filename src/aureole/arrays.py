"""Arrays that a description of something holds: under a name, and known by the hash of their bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aureole.errors import SpecError


def unmasked(given: Any, name: str) -> NDArray[Any]:
    """Return an array; raises `SpecError` for a masked one, whose mask would be lost without a word."""
    if isinstance(given, np.ma.MaskedArray):
        raise SpecError(f"{name}: masked arrays are not read: give the mask as mask=...")
    return np.asarray(given)


class NamedArray:
    """An array with the name it came under; equal when name, shape, dtype and bytes are.

    Parameters
    ----------
    name : str
        Name or URI, for messages and provenance.
    array : ndarray
        Booleans, integers or floats. What can still be written to is copied, so that the hash stays true.

    Raises
    ------
    SpecError
        The array is masked, or holds something else than numbers.
    """

    __slots__ = ("array", "name", "sha256")

    name: str
    array: NDArray[Any]
    sha256: str

    def __init__(self, name: str, array: NDArray[Any]) -> None:
        array = unmasked(array, name)
        if array.dtype.kind not in "biuf":
            raise SpecError(f"{name}: an array of numbers is needed, not of type {array.dtype}")
        native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        if np.may_share_memory(native, array) and (array.flags.writeable or array.base is not None):
            native = native.copy()
        native.flags.writeable = False
        self.name = name
        self.array = native
        self.sha256 = hashlib.sha256(native.data).hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return name, shape, dtype and SHA-256 of the bytes in C order, for JSON."""
        return {
            "name": self.name,
            "shape": list(self.array.shape),
            "dtype": self.array.dtype.name,
            "sha256": self.sha256,
        }

    @classmethod
    def wrap(
        cls, name: str, given: NamedArray | NDArray[Any] | None, dtype: type | None = None
    ) -> NamedArray | None:
        """Give an array that came without a name this one; `dtype` bool turns numbers into "is not zero"."""
        if given is None:
            return None
        if not isinstance(given, NamedArray):
            given = cls(name, given)
        if dtype is None or given.array.dtype == dtype:
            return given
        return cls(given.name, given.array.astype(dtype))

    @classmethod
    def find(cls, described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> NamedArray:
        """Return the array that `describe` described, out of arrays by their SHA-256.

        Raises
        ------
        SpecError
            It is not among them, or is another one.
        """
        sha256, name = described["sha256"], described["name"]
        if sha256 not in arrays:
            raise SpecError(f"the array {name} of the spec (SHA-256 {sha256[:12]}…) was not given")
        found = cls(name, arrays[sha256])
        if found.describe() != described:
            raise SpecError(
                f"the array given for {name} is another one: {found.describe()} instead of {described}"
            )
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedArray) and self.describe() == other.describe()

    def __hash__(self) -> int:
        return hash((self.name, self.sha256))

    def __repr__(self) -> str:
        return f"NamedArray({self.name!r}, {self.array.dtype} {self.array.shape})"
