"""Read published pickles as data: containers, numbers, strings and numpy arrays, and nothing else.

Three steps, each of which refuses what it does not know:

1. :func:`~mlzoo.data.pickle_stream.check_stream` follows the opcodes without acting on them: no
   extension codes, no persistent ids, no lengths beyond the data, no memo index or nesting made to
   exhaust memory or the stack.
2. :class:`RestrictedUnpickler` resolves a global name to a stand-in of this module that checks its
   arguments. No name is imported and no function of another library is called with unchecked
   arguments; numpy's own ``__setstate__`` is never reached.
3. :func:`_finish` walks the result, turns the array stand-ins into arrays and admits no other type.
"""

from __future__ import annotations

import io
import math
import mmap
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from mlzoo.data.pickle_stream import MAX_DEPTH, RefusedError, check_stream
from mlzoo.errors import DataError

_PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, set, frozenset, type(None))


def loads(data: bytes, name: str, *, encoding: str = "ASCII") -> Any:
    """The object that a pickle describes, if it is made of plain data only.

    Admitted: None, bool, int, float, complex, str, bytes, bytearray, range, list, tuple, dict,
    OrderedDict, set, frozenset, and numpy scalars, dtypes and arrays of booleans, numbers, strings
    or such objects (structured and datetime dtypes are refused).

    Args:
        data: the whole pickle, any protocol; bytes after its end are ignored.
        name: what to call it in messages, usually the file's path.
        encoding: how strings written by Python 2 are decoded; ``"latin1"`` for its numpy arrays.

    Raises:
        DataError: damaged, or holds anything else; nothing of it has been executed.
    """
    return _load(data, io.BytesIO(data), name, encoding)


def load_file(path: Path, *, encoding: str = "ASCII") -> Any:
    """The same of a file, without a copy of it in memory: pickles of features take gigabytes.

    Raises:
        DataError: as :func:`loads`.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _load(data, file, str(path), encoding)


def _load(data: bytes | mmap.mmap, file: IO[bytes], name: str, encoding: str) -> Any:
    """``data`` is what ``file`` holds."""
    try:
        check_stream(data)
        unpickler = RestrictedUnpickler(file, encoding=encoding)
        result = unpickler.load()
        del unpickler  # it remembers every piece that it has read
        return _finish(result, 0, {})
    except RefusedError as error:
        raise DataError(
            f"{name} is a pickle with {error}.",
            "Only containers, numbers, strings and numpy arrays are read; convert it to .npz.",
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name}: a string of Python 2 is not {encoding}: {error}.", 'Read it as "latin1".'
        ) from error
    except Exception as error:  # a damaged stream can raise any error at all
        detail = str(error) or type(error).__name__
        raise DataError(
            f"{name} is not a whole pickle: {detail}.", "Fetch the file again."
        ) from error


# The names, each with a stand-in of this module.


class _Callable:
    """What a global name resolves to: it can be called, never changed, compared or kept."""

    __slots__ = ("_call",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise RefusedError("a state for a function")


class _Dtype:
    """A dtype whose state has been checked; numpy's own would admit fields outside the item."""

    __slots__ = ("value",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, kind: Any, align: Any = False, copy: Any = True) -> None:
        text = kind.decode("ascii") if isinstance(kind, bytes) else kind
        if not (isinstance(text, str) and re.fullmatch(r"[biufcSUO]\d{1,9}", text)):
            raise RefusedError(f"an array of type {kind!r:.40}")
        self.value: np.dtype[Any] = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        _version, given, *structure = state
        order: Any = given.decode("ascii") if isinstance(given, bytes) else given
        if any(part is not None for part in (*structure[:3], *structure[6:])):
            raise RefusedError("an array of structured type")
        if order not in ("<", ">", "=", "|"):
            raise RefusedError(f"an array of byte order {order!r:.40}")
        self.value = self.value.newbyteorder(order)


class _Array:
    """An array in the making: numpy's first builds an empty one and then gives it its state."""

    __slots__ = ("content", "dtype", "order", "shape")
    __hash__ = None  # type: ignore[assignment]

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, content = state
        if not (isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)):
            raise RefusedError(f"an array of shape {shape!r:.40}")
        if not isinstance(dtype, _Dtype):
            raise RefusedError("an array without a type")
        if isinstance(content, str):  # bytes of Python 2
            content = content.encode("latin1")
        is_object = dtype.value.kind == "O"
        if not isinstance(content, list if is_object else bytes | bytearray):
            raise RefusedError(f"an array of {dtype.value} filled from {type(content).__name__}")
        expected = math.prod(shape) * (1 if is_object else dtype.value.itemsize)
        if len(content) != expected:
            raise RefusedError(
                f"an array of shape {shape} and {len(content)} bytes, not {expected}"
            )
        self.shape = shape
        self.dtype = dtype.value
        self.content: Any = content
        self.order: Literal["C", "F"] = "F" if fortran else "C"

    def numbers(self) -> npt.NDArray[Any]:
        """A writable array of its own, once; for every type but objects."""
        view = np.ndarray(self.shape, self.dtype, buffer=self.content, order=self.order)
        self.content = None  # or a large file would lie in memory twice
        return view.copy(order="K")


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> _Array:
    if kind is not _ADMITTED["numpy", "ndarray"] or shape != (0,) or typecode not in (b"b", "b"):
        raise RefusedError("an array of an unknown class")
    return _Array()


def _frombuffer(content: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    if axes is not None or order not in ("C", "F"):
        raise RefusedError(f"an array in order {order!r:.20}")
    array = _Array()
    array.__setstate__((1, shape, dtype, order == "F", content))
    return array


def _scalar(dtype: Any, content: Any) -> Any:
    if isinstance(dtype, _Dtype) and dtype.value.kind == "O":
        raise RefusedError("a scalar of objects")
    array = _Array()
    array.__setstate__((1, (), dtype, False, content))
    return array.numbers()[()]


def _encode(text: Any, encoding: Any) -> bytes:
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise RefusedError("a call of a codec")
    return text.encode("latin1")


def _bytes(*arguments: Any) -> bytes:
    """``bytes()`` only: ``bytes(10**12)`` would fill the memory."""
    if arguments:
        raise RefusedError("a call of bytes")
    return b""


def _bytearray(content: Any = b"", *encoding: Any) -> bytearray:
    return bytearray(content if type(content) is bytes else _encode(content, *encoding))


def _from_list(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A container filled from a list: a range of 10**12 would fill the memory."""

    def build(*items: Any) -> Any:
        if len(items) > 1 or (items and type(items[0]) is not list):
            raise RefusedError(f"a call of {kind.__name__}")
        return kind(*items)

    return build


def _complex(real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise RefusedError("a call of complex")
    return complex(real, imaginary)


def _range(*limits: Any) -> range:
    return range(*limits)


def _not_called(*arguments: Any) -> NoReturn:
    raise RefusedError("a call of numpy.ndarray")


_BUILTINS: dict[str, Callable[..., Any]] = {
    "set": _from_list(set),
    "frozenset": _from_list(frozenset),
    "bytes": _bytes,
    "bytearray": _bytearray,
    "complex": _complex,
    "range": _range,
    "xrange": _range,
}
_MULTIARRAY: dict[str, Callable[..., Any]] = {"_reconstruct": _reconstruct, "scalar": _scalar}
_MODULES: dict[str, dict[str, Callable[..., Any]]] = {
    "builtins": _BUILTINS,
    "__builtin__": _BUILTINS,
    "collections": {"OrderedDict": _from_list(OrderedDict)},
    "_codecs": {"encode": _encode},
    "numpy": {"dtype": _Dtype, "ndarray": _not_called},
    "numpy.core.multiarray": _MULTIARRAY,
    "numpy._core.multiarray": _MULTIARRAY,
    "numpy.core.numeric": {"_frombuffer": _frombuffer},
    "numpy._core.numeric": {"_frombuffer": _frombuffer},
}
_ADMITTED = {
    (module, name): _Callable(call)
    for module, names in _MODULES.items()
    for name, call in names.items()
}


class RestrictedUnpickler(pickle.Unpickler):
    """Resolves names to the stand-ins above. :func:`loads` adds the checks before and after."""

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in of a name; ``RefusedError`` for every other one, dotted ones included."""
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise RefusedError(f"the object {module}.{name}, which is code, not data") from None

    def persistent_load(self, pid: Any) -> NoReturn:
        """RefusedError: what a persistent id means is known to its writer only."""
        raise RefusedError("a persistent id")


# The result.


def _finish(node: Any, depth: int, done: dict[int, tuple[Any, Any]]) -> Any:
    """The node with arrays for stand-ins; ``done`` keeps the originals alive, so that ids hold."""
    if type(node) in _PLAIN or isinstance(node, np.generic):
        return node
    if depth > MAX_DEPTH:
        raise RefusedError(f"more than {MAX_DEPTH} levels of nesting")
    if id(node) in done:
        return done[id(node)][1]
    if isinstance(node, _Dtype):
        result: Any = node.value
    elif isinstance(node, _Array) and node.dtype.kind != "O":
        result = node.numbers()
    elif isinstance(node, _Array):
        result = np.empty(len(node.content), dtype=object)
        done[id(node)] = node, result.reshape(node.shape, order=node.order)
        for index, item in enumerate(node.content):
            result[index] = _finish(item, depth + 1, done)
        return done[id(node)][1]
    elif type(node) is tuple:
        items = [_finish(item, depth + 1, done) for item in node]
        changed = any(new is not old for new, old in zip(items, node, strict=True))
        result = tuple(items) if changed else node
    else:
        _finish_in_place(node, depth, done)
        return node
    done[id(node)] = node, result
    return result


def _finish_in_place(node: Any, depth: int, done: dict[int, tuple[Any, Any]]) -> None:
    done[id(node)] = node, node
    if type(node) is list:
        node[:] = [_finish(item, depth + 1, done) for item in node]
    elif type(node) is dict or (type(node) is OrderedDict and not vars(node)):
        for key in node:  # keys are hashable, and the stand-ins are not
            node[key] = _finish(node[key], depth + 1, done)
    else:
        raise RefusedError(f"an object of type {type(node).__name__}")
