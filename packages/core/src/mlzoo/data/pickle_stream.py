"""Follow the opcodes of a pickle without acting on them, to refuse what is not data or is a bomb."""

from __future__ import annotations

import pickletools
from mmap import mmap
from typing import NamedTuple

MAX_DEPTH = 100
"""Containers inside containers; published files stay below ten."""


class RefusedError(Exception):
    """What in the stream is not data."""


_FORBIDDEN = {
    "PERSID": "a persistent id",
    "BINPERSID": "a persistent id",
    "EXT1": "an extension code",
    "EXT2": "an extension code",
    "EXT4": "an extension code",
    "INST": "an instance of a class",
    "OBJ": "an instance of a class",
    "NEWOBJ": "an instance of a class",
    "NEWOBJ_EX": "an instance of a class",
    "NEXT_BUFFER": "a buffer outside the file",
    "READONLY_BUFFER": "a buffer outside the file",
}
_MEMO_WRITES = ("PUT", "BINPUT", "LONG_BINPUT")
_MEMO_READS = ("GET", "BINGET", "LONG_BINGET")
_TUPLES = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
_GROWING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS")
_LENGTH_WIDTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


class _Opcode(NamedTuple):
    name: str
    argument: int  # bytes, or one of pickletools' negative codes
    lines: int  # of text arguments
    marked: bool  # takes everything down to the last mark
    pops: int  # taken besides
    pushes: int


def _opcode(info: pickletools.OpcodeInfo) -> _Opcode:
    before = [item.name for item in info.stack_before]
    marked = "mark" in before
    argument = info.arg.n if info.arg else 0
    lines = 2 if info.name in ("GLOBAL", "INST") else 1
    pops = before.index("mark") if marked else len(before)
    return _Opcode(info.name, argument, lines, marked, pops, len(info.stack_after))


_OPCODES = {ord(info.code): _opcode(info) for info in pickletools.opcodes}


class _Node(NamedTuple):
    """An object on the stack: how deep it nests, and how many tuples hashing it would visit."""

    depth: int
    hash_cost: int


_LEAF = _Node(0, 1)


def check_stream(data: bytes | mmap) -> None:
    """Follow the opcodes up to STOP without building anything.

    Raises:
        RefusedError: an opcode that no plain data needs, or a shape of the data that would exhaust memory,
            time or the stack of the interpreter (deep nesting, tuples doubled level by level).
        ValueError: truncated, or not a pickle.
    """
    stack: list[_Node] = []
    marks: list[int] = []
    memo: dict[int, _Node] = {}
    position = 0
    while position < len(data):
        opcode = _OPCODES.get(data[position])
        if opcode is None:
            raise ValueError(f"unknown opcode {data[position]:#04x} at byte {position}")
        start, position = position + 1, _end_of_argument(data, position + 1, opcode)
        name = opcode.name
        if name == "STOP":
            return
        if name in _MEMO_WRITES or name in _MEMO_READS:
            key = _index(data[start:position], opcode.argument)
            if name in _MEMO_READS:
                stack.append(memo[key])
            elif key > start:  # the reader would make room for all the indices below
                raise RefusedError(f"memo index {key} at byte {start}")
            else:
                memo[key] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name == "MARK":
            marks.append(len(stack))
        elif name == "POP" and marks and marks[-1] == len(stack):
            marks.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            _apply(opcode, stack, marks, start)
    raise ValueError("it is truncated")


def _end_of_argument(data: bytes | mmap, start: int, opcode: _Opcode) -> int:
    end = start
    if opcode.argument >= 0:
        end += opcode.argument
    elif opcode.argument == pickletools.UP_TO_NEWLINE:
        for _ in range(opcode.lines):
            end = data.find(b"\n", end) + 1
            if end == 0:
                raise ValueError(f"it is truncated in the text at byte {start}")
    else:
        end += _LENGTH_WIDTHS[opcode.argument]
        signed = opcode.argument == pickletools.TAKEN_FROM_ARGUMENT4
        length = int.from_bytes(data[start:end], "little", signed=signed)
        if length < 0:
            raise ValueError(f"negative length at byte {start}")
        end += length
    if end > len(data):
        raise ValueError(f"byte {start} declares {end - start} bytes, {len(data) - start} are left")
    return end


def _index(argument: bytes, kind: int) -> int:
    return (
        int(argument) if kind == pickletools.UP_TO_NEWLINE else int.from_bytes(argument, "little")
    )


def _apply(opcode: _Opcode, stack: list[_Node], marks: list[int], start: int) -> None:
    """The effect on the stack of an opcode that touches neither memo nor marks."""
    if opcode.name in _FORBIDDEN:
        raise RefusedError(f"{_FORBIDDEN[opcode.name]} at byte {start - 1}")
    if not opcode.marked and not opcode.pops:
        stack.extend([_LEAF] * opcode.pushes)
        return
    first = (marks.pop() if opcode.marked else len(stack)) - opcode.pops
    if first < 0:
        raise ValueError(f"stack underflow at byte {start - 1}")
    taken = stack[first:]
    del stack[first:]
    if not opcode.pushes:
        return
    own = taken.pop(0) if opcode.name in _GROWING else _LEAF
    depth = max(own.depth, 1 + max((node.depth for node in taken), default=-1))
    cost = 1 + sum(node.hash_cost for node in taken) if opcode.name in _TUPLES else 1
    if depth > MAX_DEPTH:
        raise RefusedError(f"more than {MAX_DEPTH} levels of nesting at byte {start - 1}")
    if cost > 10 * start + 1000:  # without sharing, no tuple has more items than the file has bytes
        raise RefusedError(f"a tuple of {cost:.1e} shared items at byte {start - 1}")
    stack.append(_Node(depth, cost))
