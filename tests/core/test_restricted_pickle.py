"""Pickles are read as data: everything else is refused, and nothing of it has happened."""

from __future__ import annotations

import io
import os
import pickle
import struct
import subprocess
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlzoo.data import restricted_pickle
from mlzoo.data.readers import read_pickle
from mlzoo.errors import DataError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ARRAYS = [
    np.arange(12, dtype=np.float32).reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
    np.array([True, False]),
    np.array(["ab", "é"]),
    np.array([b"ab", b"c"]),
    np.array([1 + 2j]),
    np.array([["a", None], [3, (4, "b")]], dtype=object),
    np.zeros((0, 5)),
    np.array(2.5),
]


def load(data: bytes, **options: Any) -> Any:
    return restricted_pickle.loads(data, "some.pkl", **options)


def string(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def name(module: str, attribute: str) -> bytes:
    return string(module) + string(attribute) + b"\x93"


class Call:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.reduced = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def equal(left: Any, right: Any) -> bool:
    return (
        type(left) is type(right)
        and left.dtype == right.dtype
        and left.shape == right.shape
        and np.array_equal(left, right)
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_data_comes_back_equal_whatever_the_protocol(protocol: int) -> None:
    plain = {
        "numbers": [1, -(2**70), 2.5, 3j, True, None],
        "text": ("a", "é", b"\x00\xff", b"", bytearray(b"ab"), ""),
        (1, "key"): [{1, 2}, frozenset({"a"}), range(2, 9, 3)],
        "ordered": OrderedDict([("b", 1), ("a", [2])]),
    }
    read = load(pickle.dumps(plain, protocol))
    assert read == plain
    assert type(read["ordered"]) is OrderedDict
    assert list(read["ordered"]) == ["b", "a"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_array_comes_back_with_type_shape_and_order(array: Any, protocol: int) -> None:
    read = load(pickle.dumps({"a": [array], "b": (array, array.dtype)}, protocol))
    assert equal(read["a"][0], array)
    assert read["b"][0] is read["a"][0]
    assert read["b"][1] == array.dtype
    assert read["a"][0].flags.writeable
    assert read["a"][0].flags.f_contiguous == array.flags.f_contiguous


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("ab")])
def test_numpy_scalar_keeps_its_type(value: Any, protocol: int) -> None:
    read = load(pickle.dumps([value], protocol))
    assert read == [value]
    assert type(read[0]) is type(value)


def test_names_of_old_and_new_numpy_are_the_same() -> None:
    data = pickle.dumps(np.arange(3.0), 2)
    assert b"numpy._core" in data or b"numpy.core" in data
    old = data.replace(b"numpy._core", b"numpy.core")
    new = old.replace(b"numpy.core", b"numpy._core")
    assert equal(load(old), np.arange(3.0))
    assert equal(load(new), np.arange(3.0))


def test_array_inside_a_cycle_is_replaced_everywhere() -> None:
    loop: list[Any] = [np.arange(3)]
    loop.append(loop)
    loop.append(np.array([loop[0], loop], dtype=object)[:1])
    read = load(pickle.dumps(loop))
    assert read[1] is read
    assert read[2][0] is read[0]
    assert equal(read[0], np.arange(3))


def test_python_2_array_is_read_as_latin1_and_the_message_says_so() -> None:
    raw = np.array([-1.5, 300.25], dtype="<f4").tobytes()
    data = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U" + bytes([len(raw)]) + raw + b"tb."
    )
    assert equal(load(data, encoding="latin1"), np.array([-1.5, 300.25], dtype=np.float32))
    assert equal(load(data, encoding="bytes"), np.array([-1.5, 300.25], dtype=np.float32))
    with pytest.raises(DataError, match="latin1"):
        load(data)


def hostile_calls(trap: str) -> dict[str, Any]:
    code = f"open({trap!r}, 'w').close()"
    return {
        "os.system": Call(os.system, f"touch {trap}"),
        "subprocess": Call(subprocess.call, ["touch", trap]),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "open": Call(io.open, trap, "w"),
        "__import__": Call(__import__, "os"),
        "getattr": Call(getattr, "text", "join"),
        "numpy.save": Call(np.save, trap + ".npy", [1]),
        "ndarray.tofile": Call(np.ndarray.tofile, np.arange(3), trap),
        "Path.touch": Call(Path.touch, Path(trap)),
        "nested": {"a": [(1, Call(list, Call(map, eval, [code])))]},
        "inside an object array": np.array([Call(eval, code), 1], dtype=object),
        "as a key": {Call(eval, code): 1},
        "state": Call(OrderedDict, state=Call(eval, code)),
        "pickle inside": Call(pickle.loads, pickle.dumps(Call(eval, code))),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("case", hostile_calls("trap"))
def test_call_of_anything_else_is_refused_and_not_made(
    case: str, protocol: int, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    data = pickle.dumps(hostile_calls(str(trap))[case], protocol)
    with pytest.raises(DataError, match=r"^some\.pkl is a pickle with .*\n.*convert it to \.npz"):
        load(data)
    assert list(tmp_path.iterdir()) == []


def test_the_traps_of_these_tests_do_go_off_in_a_plain_unpickler(tmp_path: Path) -> None:
    for case in ("os.system", "subprocess", "eval", "open", "Path.touch", "as a key"):
        trap = tmp_path / "trap"
        pickle.loads(pickle.dumps(hostile_calls(str(trap))[case]))  # our own payload
        assert trap.exists(), case
        trap.unlink()


HUGE = 2**40
NDARRAY, DTYPE = name("numpy", "ndarray"), name("numpy", "dtype")
LONG_HUGE = b"\x8a\x06" + HUGE.to_bytes(6, "little")
F8 = DTYPE + string("f8") + b"\x85R"
EMPTY_ARRAY = name("numpy._core.multiarray", "_reconstruct") + NDARRAY + b"K\x00\x85C\x01b\x87R"
STREAMS = {
    "dotted name": name("numpy", "core.os.system") + string("touch trap") + b"\x85R",
    "dotted module": name("numpy.ndarray", "tofile"),
    "attribute of an admitted class": name("collections", "OrderedDict.__init__"),
    "attribute of builtins": name("builtins", "set.__class__"),
    "name in parts": b"cposix\nsystem\n" + string("touch trap") + b"\x85R",
    "instance by INST": b"(" + string("touch trap") + b"ios\nsystem\n",
    "instance by OBJ": b"(" + name("os", "system") + string("touch trap") + b"o",
    "instance by NEWOBJ": name("collections", "OrderedDict") + b")\x81",
    "instance by NEWOBJ_EX": name("collections", "OrderedDict") + b")}\x92",
    "extension 1": b"\x82\x01",
    "extension 2": b"\x83\x01\x00",
    "extension 4": b"\x84\x01\x00\x00\x00",
    "persistent id": b"Pname\n",
    "binary persistent id": string("name") + b"Q",
    "outside buffer": b"\x97",
    "name left in the data": b"]" + NDARRAY + b"a",
    "name as a key": b"}" + DTYPE + b"K\x01s",
    "state of a function": name("_codecs", "encode") + b"N}" + string("_call") + b"N s\x86b",
    "state of a class": DTYPE + b"N}" + string("__call__") + NDARRAY + b"s\x86b",
    "state of a list": b"]}" + string("append") + b"K\x01sb",
    "attributes of a dict": name("collections", "OrderedDict")
    + b")R}" + string("keys") + b"K\x01sb",
    "huge array": NDARRAY + LONG_HUGE + b"\x85\x85R",
    "huge reconstruction": name("numpy.core.multiarray", "_reconstruct")
    + NDARRAY + LONG_HUGE + b"\x85C\x01b\x87R",
    "huge bytes": name("builtins", "bytes") + LONG_HUGE + b"\x85R",
    "huge bytearray": name("builtins", "bytearray") + LONG_HUGE + b"\x85R",
    "huge set": name("builtins", "set") + name("builtins", "range") + LONG_HUGE + b"\x85R\x85R",
    "huge dict": name("collections", "OrderedDict")
    + name("builtins", "range") + LONG_HUGE + b"\x85R\x85R",
    "huge length of bytes": b"\x8e" + struct.pack("<Q", HUGE) + b"ab",
    "huge length of a bytearray": b"\x96" + struct.pack("<Q", HUGE) + b"ab",
    "huge length of a text": b"\x8d" + struct.pack("<Q", HUGE) + b"ab",
    "huge length of an integer": b"\x8b" + struct.pack("<i", 2**31 - 1) + b"ab",
    "negative length": b"\x8b" + struct.pack("<i", -5) + b"ab",
    "huge frame": b"\x95" + struct.pack("<Q", HUGE) + b"N",
    "huge memo index": b"Nr" + struct.pack("<I", 2**32 - 2),
    "huge memo index as text": b"Np9999999999\n",
    "unset memo index": b"h\x05",
    "digits without end": b"L" + b"9" * 5000 + b"L\n",
    "deep lists": b"]" * 100_000 + b"a" * 99_999,
    "deep lists through the memo": b"]\x94" + b"".join(
        b"]\x94h" + bytes([i]) + b"a" for i in range(200)
    ),
    "deep tuples": b")" + b"\x85" * 100_000,
    "deep key": b"}" + b")" + b"\x85" * 100_000 + b"K\x01s",
    "doubled key": b"}" + b")" + b"2\x86" * 60 + b"K\x01s",
    "doubled key through the memo": b"})\x94" + b"".join(
        b"0h" + bytes([i]) + b"h" + bytes([i]) + b"\x86\x94" for i in range(60)
    ) + b"K\x01s",
    "doubled set member": b"\x8f(" + b")" + b"2\x86" * 60 + b"\x90",
    "dtype of objects in a scalar": name("numpy.core.multiarray", "scalar")
    + DTYPE + string("O8") + b"\x85R" + b"C\x08" + b"\x41" * 8 + b"\x86R",
    "dtype by description": DTYPE + string("f8,O8") + b"\x85R",
    "dtype by class": DTYPE + name("builtins", "set") + b"\x85R",
    "dtype with fields beyond its size": F8 + b"(K\x03" + string("|") + b"N"
    + string("a") + b"\x85}" + string("a") + F8 + LONG_HUGE + b"\x86sJ\x08\x00\x00\x00K\x01K\x00tb",
    "dtype with metadata": F8 + b"(K\x04" + string("<")
    + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00}tb",
    "objects from bytes": EMPTY_ARRAY + b"(K\x01K\x01\x85"
    + DTYPE + string("O8") + b"\x85R\x89C\x08" + b"\x41" * 8 + b"tb",
    "numbers from a list": EMPTY_ARRAY + b"(K\x01K\x01\x85" + F8 + b"\x89]K\x01atb",
    "array larger than its bytes": EMPTY_ARRAY + b"(K\x01" + LONG_HUGE + b"\x85"
    + F8 + b"\x89C\x08" + b"\x41" * 8 + b"tb",
    "negative shape": EMPTY_ARRAY + b"(K\x01J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"
    + F8 + b"\x89C\x08" + b"\x41" * 8 + b"tb",
    "array without a state": EMPTY_ARRAY,
    "array of another class": name("numpy._core.multiarray", "_reconstruct")
    + name("builtins", "set") + b"K\x00\x85C\x01b\x87R",
    "another codec": name("_codecs", "encode") + string("ab") + string("zlib") + b"\x86R",
    "opcode that does not exist": b"\xff",
    "empty stack": b"a",
}  # fmt: skip


@pytest.mark.parametrize("case", STREAMS)
def test_hostile_stream_is_refused_at_once(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^some\.pkl is "):
        load(b"\x80\x04" + STREAMS[case] + b".")
    assert list(tmp_path.iterdir()) == []
    assert equal(load(pickle.dumps(np.arange(3))), np.arange(3))  # nothing was left behind


def test_truncated_pickle_is_refused_wherever_it_ends() -> None:
    data = pickle.dumps({"a": np.arange(5), "b": ["text", 2.5]})
    for end in range(len(data)):
        with pytest.raises(DataError, match="not a whole pickle"):
            load(data[:end])


def test_random_damage_never_escapes_as_another_error() -> None:
    random = np.random.default_rng(0)
    data = pickle.dumps({"a": ARRAYS, "b": [OrderedDict(a=1), {1, 2}, np.float32(1)]}, 4)
    refused = 0
    for _ in range(1500):
        damaged = bytearray(data)
        for position in random.integers(0, len(data), 3):
            damaged[position] = random.integers(256)
        try:
            load(bytes(damaged))
        except DataError:
            refused += 1
    assert refused > 1000


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published files are not here")
@pytest.mark.parametrize(
    "path",
    [
        "nus-wide/test_img_names.pkl",
        "open-images/unseen_labels.pkl",
        "video/jsfusion_val_caption_idx.pkl",
    ],
)
def test_published_pickle_is_read(path: str) -> None:
    read = load((SHARED / path).read_bytes())
    if path.startswith("nus"):
        assert [len(names) for names in read.values()] == [107_859]
        assert read["img_names"][0].startswith("actor_0002_")
    elif path.startswith("open"):
        assert read.shape == (2594,)
        assert all(label.startswith("/m/") for label in read)
    else:
        assert len(read) == 1000
        assert set(map(type, read.values())) == {int}


@pytest.mark.parametrize("protocol", PROTOCOLS[2:])
def test_a_file_of_features_lies_in_memory_once(protocol: int, tmp_path: Path) -> None:
    items = [{"id": i, "2d": np.full((128, 1024), i, np.float32)} for i in range(24)]
    path = tmp_path / "features.pkl"
    path.write_bytes(pickle.dumps(items, protocol=protocol))
    tracemalloc.start()
    try:
        found = read_pickle(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all((item["2d"] == item["id"]).all() for item in found)
    size = sum(item["2d"].nbytes for item in found)
    # Bytes of Python 2 stand as text in protocol 2: they are decoded to bytes.
    assert peak < (1.25 if protocol > 2 else 2.6) * size


def test_a_file_is_refused_as_its_bytes_are(tmp_path: Path) -> None:
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(Call(os.system, f"touch {tmp_path / 'executed'}")))
    with pytest.raises(DataError, match=r"bad\.pkl is a pickle with the object \w+\.system"):
        read_pickle(path)
    path.write_bytes(pickle.dumps({"a": np.arange(1000)})[:-40])
    with pytest.raises(DataError, match=r"bad\.pkl is not a whole pickle"):
        read_pickle(path)
    assert not (tmp_path / "executed").exists()
