"""Rings of earlier embeddings beside a list that is shifted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlzoo.checkpoints import load_checkpoint, save_checkpoint
from mlzoo.errors import CheckpointError, UsageError
from mlzoo_multisk.queues import EmbeddingQueues

WIDTHS = {"in_text": 2, "out_text": 3}


def batch(rows: int, first: int = 0) -> dict[str, torch.Tensor]:
    """Rows that tell their number, from ``first`` on."""
    numbers = torch.arange(first, first + rows, dtype=torch.float32)
    return {name: numbers.unsqueeze(1).repeat(1, width) for name, width in WIDTHS.items()}


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 7), st.lists(st.integers(0, 12), max_size=8))
def test_ring_holds_what_a_shifted_list_holds(length, sizes):
    queues, shifted, written = EmbeddingQueues(WIDTHS, length), [0.0] * length, 0
    for size in sizes:
        queues.push(batch(size, first=written + 1))
        shifted = (shifted + list(range(written + 1, written + size + 1)))[
            len(shifted + [0] * size) - length :
        ]
        written += size
        for name, width in WIDTHS.items():
            expected = torch.tensor(shifted, dtype=torch.float32)
            assert queues.in_order(name).equal(expected.unsqueeze(1).repeat(1, width))
        assert queues.count == min(length, written)
        assert queues.full == (written >= length)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, 12), max_size=4), st.integers(0, 9))
def test_restored_queues_go_on_bit_equal(length, sizes, more):
    queues, restored = EmbeddingQueues(WIDTHS, length), EmbeddingQueues(WIDTHS, length)
    for number, size in enumerate(sizes):
        queues.push(batch(size, first=100 * number))
    restored.load_state_dict(queues.state_dict())
    for each in (queues, restored):
        each.push(batch(more, first=7))
    assert restored.count == queues.count
    for name in WIDTHS:
        assert restored.rows[name].equal(queues.rows[name])
        assert restored.in_order(name).equal(queues.in_order(name))


def test_state_goes_through_a_checkpoint_in_the_middle_of_filling(tmp_path):
    queues, restored = EmbeddingQueues(WIDTHS, 5), EmbeddingQueues(WIDTHS, 5)
    queues.push(batch(3))
    save_checkpoint(tmp_path / "last.pt", {"queues": queues.state_dict()})
    restored.load_state_dict(load_checkpoint(tmp_path / "last.pt")["queues"])
    assert (restored.position, restored.count, restored.full) == (3, 3, False)
    assert restored.in_order("out_text").equal(queues.in_order("out_text"))


def test_loading_copies():
    queues, restored = EmbeddingQueues(WIDTHS, 5), EmbeddingQueues(WIDTHS, 5)
    restored.load_state_dict(queues.state_dict())
    queues.push(batch(2, first=1))
    assert restored.rows["in_text"].equal(torch.zeros(5, 2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": {"in_text": torch.zeros(5, 2)}}, "expected.*out_text"),
        ({"rows": {"in_text": torch.zeros(5, 2), "out_text": torch.zeros(4, 3)}}, r"\[4, 3\]"),
        ({"rows": {"in_text": torch.zeros(5, 2), "out_text": "no"}}, "str"),
        ({"rows": None}, "expected"),
        ({"position": 5}, "position 5"),
        ({"count": 6}, "count 6"),
        ({"count": None}, "count None"),
    ],
)
def test_state_of_other_queues_is_refused_and_nothing_changes(change, words):
    queues = EmbeddingQueues(WIDTHS, 5)
    queues.push(batch(2, first=1))
    before = queues.in_order("in_text")
    state = EmbeddingQueues(WIDTHS, 5).state_dict()
    with pytest.raises(CheckpointError, match=words):
        queues.load_state_dict({**state, **change})
    assert queues.in_order("in_text").equal(before)
    assert queues.count == 2


def test_batch_of_other_names_or_shapes_is_refused():
    queues = EmbeddingQueues(WIDTHS, 5)
    with pytest.raises(UsageError, match="in_text"):
        queues.push({"in_text": torch.zeros(2, 2)})
    with pytest.raises(UsageError, match="out_text"):
        queues.push({"in_text": torch.zeros(2, 2), "out_text": torch.zeros(3, 3)})


def test_queues_move_and_take_no_gradient():
    queues = EmbeddingQueues(WIDTHS, 3).to("cpu", torch.float64)
    rows = {name: each.double().requires_grad_() for name, each in batch(2).items()}
    queues.push(rows)
    assert queues.rows["in_text"].dtype == torch.float64
    assert not queues.rows["in_text"].requires_grad
    assert queues.to("meta").rows["in_text"].device.type == "meta"


def test_published_size_is_676_mb():
    with torch.device("meta"):
        names = {f"in_{m}": 4096 for m in "tva"} | {f"out_{m}": 6144 for m in "tva"}
        queues = EmbeddingQueues(names, 5500)
    assert sum(each.nbytes for each in queues.rows.values()) == 675_840_000
