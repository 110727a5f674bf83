"""How the loops of this package are compiled.

Numba counts references of each array that a function is given, looks up in a tuple or slices: an
atomic step each, about 1,500 for a play, which cost more than half of the loops themselves. Code
that neither makes an array nor returns one needs no count: whoever calls holds the arrays
meanwhile. So only what allocates is compiled with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from numba import njit

__all__ = ["allocating", "inlined", "kernel", "summing"]

F = TypeVar("F", bound=Callable[..., Any])


class _Compile(Protocol):
    def __call__(self, function: F, /) -> F: ...


_COUNTED: Final[dict[str, Any]] = {"cache": True, "nogil": True, "error_model": "numpy"}
_UNCOUNTED: Final = _COUNTED | {"_nrt": False}  # Any above: what its stubs do not know of

kernel: _Compile = njit(**_UNCOUNTED)
"""For what makes no array and returns none."""
inlined: _Compile = njit(**_UNCOUNTED, inline="always")
"""A kernel whose call would cost more than what it does."""
summing: _Compile = njit(**_UNCOUNTED, fastmath={"reassoc", "contract", "nsz", "arcp"})
"""A kernel whose sums of products may be taken in any order, so eight at a time."""
allocating: _Compile = njit(**_COUNTED)
"""For what makes arrays."""
