"""Multi-SK plans, queues and the anchor loss of a step against their plain formulations.

    python benchmarks/multisk_plans.py [--json FILE] [--device cuda] [--threads 1] [--repeats 3] [--quick]

Sizes are the published ones: 64 anchors, half of them assigned, ε = 0.07, 20 iterations, over a queue of
5500 rows and a batch. "K x B x K" is the plan as described: all 64 slices, sums repeated to full size,
a search for infinities after every step. "K x B x K, lean" does without repeats and searches,
and in place. The anchor loss with lean plans takes half a minute and is run once. What each call holds
beside its inputs is recorded.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from _measure import Call, Row, arguments, compare, peak, report, synchronise
from torch import Tensor
from torch.nn import functional

from mlzoo_multisk.anchor_loss import AnchorLoss, unit_rows
from mlzoo_multisk.config import PAIR_WEIGHTS
from mlzoo_multisk.losses import anchor_cost
from mlzoo_multisk.queues import EmbeddingQueues
from mlzoo_multisk.sinkhorn import GUARD, assignment_targets, min_max, multi_sinkhorn

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from plain_sinkhorn import plain_multipliers, plain_targets

EPSILON, ITERATIONS, SHARE = 0.07, 20, 0.5
MODALITIES = ("text", "video", "audio")


def similarities(rows: int, anchors: int, device: str) -> Tensor:
    """Cosines of random embeddings that lean to some anchors, [B, K]."""
    sides = [torch.randn(n, 32, device=device) for n in (rows, anchors)]
    one, other = (functional.normalize(side, dim=1) for side in sides)
    return one @ other.T


def lean_targets(scores: Tensor, discrete: bool = True) -> Tensor:
    """All K slices, broadcast and in place."""
    rows, anchors = scores.shape
    r = int(anchors * SHARE)
    multipliers = plain_multipliers(anchors, r, discrete).to(scores)
    a = (multipliers[:, None, None] * scores).div_(EPSILON).exp_()  # [K, B, K]
    a.div_(a.sum())
    for _ in range(ITERATIONS):
        a.mul_(rows / anchors / (a.sum(dim=1, keepdim=True) + GUARD))
        a.mul_(1 / (a.sum(dim=0, keepdim=True) + GUARD))
        a.mul_(1 / (a.sum(dim=2, keepdim=True) + GUARD))
    a.div_(a.sum(dim=2, keepdim=True))
    return min_max(a[-r:].sum(dim=0))


def beside(calls: Mapping[str, Call], device: str) -> dict[str, float | None]:
    """Megabytes that each holds beside what is there."""
    found = {name: peak(call, device)[1] for name, call in calls.items()}
    print(*(f"{name} {mb:.0f} MB beside;" for name, mb in found.items() if mb is not None))
    return found


def plan_row(rows: int, batch: int, anchors: int, options: argparse.Namespace) -> Row:
    """Targets of the batch from one plan."""
    scores = similarities(rows, anchors, options.device)
    settings: dict[str, Any] = {"epsilon": EPSILON, "iterations": ITERATIONS}
    settings |= {"assignments": int(anchors * SHARE), "rows": batch}
    calls: dict[str, Call] = {
        "mlzoo": lambda: assignment_targets(scores, **settings),
        "K x B x K": lambda: plain_targets(scores, EPSILON, ITERATIONS, SHARE),
        "K x B x K, lean": lambda: lean_targets(scores),
        "mlzoo, logarithms": lambda: assignment_targets(scores, **settings, arithmetic="log"),
    }
    expected = calls["K x B x K"]()
    for call in calls.values():
        torch.testing.assert_close(call()[-batch:], expected[-batch:], rtol=0, atol=1e-5)  # type: ignore[index]
    held = beside(calls, options.device)
    row = compare(
        f"Multi-SK plan, K = {anchors}, B = {rows}, {ITERATIONS} iterations",
        calls,
        options,
        against=("K x B x K", "K x B x K, lean"),
        accelerated=True,
    )
    return row | {"beside_mb": held}


def different_slices_row(rows: int, anchors: int, options: argparse.Namespace) -> Row:
    """A plan whose slices all differ."""
    scores = similarities(rows, anchors, options.device)
    settings: dict[str, Any] = {"epsilon": EPSILON, "iterations": ITERATIONS}
    settings |= {"assignments": int(anchors * SHARE), "discrete": False}
    calls: dict[str, Call] = {
        "mlzoo": lambda: min_max(multi_sinkhorn(scores, **settings).assigned()),
        "K x B x K, lean": lambda: lean_targets(scores, discrete=False),
    }
    torch.testing.assert_close(*(call() for call in calls.values()), rtol=0, atol=2e-5)
    held = beside(calls, options.device)
    row = compare(
        f"Multi-SK plan of slices that all differ, K = {anchors}, B = {rows}",
        calls,
        options,
        against=("K x B x K, lean",),
        accelerated=True,
    )
    return row | {"beside_mb": held}


class ShiftedQueues:
    """Queues that move every row in every step."""

    def __init__(self, rows: Mapping[str, Tensor]) -> None:
        self.rows = dict(rows)

    def push(self, batch: Mapping[str, Tensor]) -> None:
        for name, rows in self.rows.items():
            self.rows[name] = torch.cat([rows[len(batch[name]) :], batch[name]])


def queues_row(
    length: int, batch: int, widths: Mapping[str, int], options: argparse.Namespace
) -> Row:
    """A batch enters all queues."""
    device = options.device
    new = {name: torch.randn(batch, width, device=device) for name, width in widths.items()}
    ring = EmbeddingQueues(widths, length, device)
    shifted = ShiftedQueues(ring.rows)
    calls: dict[str, Call] = {
        "mlzoo": lambda: ring.push(new),
        "shifted": lambda: shifted.push(new),
    }
    for call in calls.values():
        call()
    for name, rows in shifted.rows.items():
        assert ring.in_order(name).equal(rows), name
    gigabytes = 2 * sum(rows.nbytes for rows in new.values()) / 1e9
    return compare(
        f"six queues of {length} rows take {batch}",
        calls,
        options,
        against=("shifted",),
        accelerated=True,
        gigabytes=gigabytes,
    )


def plain_anchor_loss(
    loss: AnchorLoss, before: ShiftedQueues, batch: Mapping[str, Tensor]
) -> Tensor:
    """Every similarity a product of its own, every plan K x B x K (lean), every queue shifted."""
    rows = {name: unit_rows(each) for name, each in batch.items()}
    anchors = {name: unit_rows(each) for name, each in loss.anchors.items()}
    size = len(rows["in_text"])

    def similarity(name: str, anchor: str) -> tuple[Tensor, Tensor]:
        assigned = rows[name] @ anchors[anchor].T
        with torch.no_grad():
            every = torch.cat([before.rows[name] @ anchors[anchor].T, assigned.detach()])
            return assigned, lean_targets(every)[-size:]

    inside = {m: similarity(f"in_{m}", f"in_{m}") for m in MODALITIES}
    out = {(m, n): similarity(f"out_{m}", f"out_{n}") for m in MODALITIES for n in MODALITIES}
    pairs = [(inside[m][0], out[n, m][1]) for m in MODALITIES for n in MODALITIES]
    pairs += [(out[m, n][0], inside[n][1]) for m in MODALITIES for n in MODALITIES]
    costs = [anchor_cost(s, q) for s, q in pairs]
    before.push({name: each.detach() for name, each in rows.items()})
    return torch.stack([w * cost for w, cost in zip(PAIR_WEIGHTS, costs, strict=True)]).sum()


def step_row(
    length: int, batch: int, anchors: int, widths: tuple[int, int], options: argparse.Namespace
) -> Row:
    """The anchor loss of a step, forward and backward, queues included."""
    loss = AnchorLoss(anchors=anchors, width_in=widths[0], width_out=widths[1], queue=length)
    loss.to(options.device)
    of_name = {name: each.shape[1] for name, each in loss.anchors.items()}
    with torch.no_grad():
        loss.queues.to(options.device)
        loss.queues.push(
            {
                name: unit_rows(torch.randn(length, w, device=options.device))
                for name, w in of_name.items()
            }
        )
    new = {
        name: torch.randn(batch, w, device=options.device).requires_grad_()
        for name, w in of_name.items()
    }
    shifted = ShiftedQueues({name: rows.clone() for name, rows in loss.queues.rows.items()})
    synchronise(options.device)
    started = time.perf_counter()
    expected = plain_anchor_loss(loss, shifted, new)
    expected.backward()
    synchronise(options.device)
    once = 1e3 * (time.perf_counter() - started)
    gradients = {name: each.grad.clone() for name, each in new.items() if each.grad is not None}

    def ours() -> Tensor:
        for each in (*new.values(), *loss.parameters()):
            each.grad = None
        value, _ = loss(new)
        value.backward()
        return value.detach()

    torch.testing.assert_close(ours(), expected.detach(), rtol=1e-5, atol=0)
    for name, gradient in gradients.items():
        torch.testing.assert_close(new[name].grad, gradient, rtol=1e-3, atol=1e-6)
    both = 3 * length * anchors * (widths[0] + 3 * widths[1])
    row = compare(
        f"anchor loss of {batch} clips, queue of {length}: 12 plans, queues, gradients",
        {"mlzoo": ours},
        options,
        against=("K x B x K, lean, products apart, shifted (once)",),
        accelerated=True,
        gflop=2 * (both + 3 * both * batch / length) / 1e9,
    )
    row["ms"]["K x B x K, lean, products apart, shifted (once)"] = {"best": once, "median": once}
    print(f"plain, once: {once:.3g} ms ({once / row['ms']['mlzoo']['best']:.0f}x)", flush=True)
    return row | {"beside_mb": beside({"mlzoo": ours}, options.device)}


def main() -> None:
    options = arguments(__doc__, repeats=3)
    queue, batch, anchors = (40, 12, 8) if options.quick else (5500, 2160, 64)
    widths = (6, 8) if options.quick else (4096, 6144)
    few = 5 if options.quick else 64
    names = {f"in_{m}": widths[0] for m in MODALITIES} | {f"out_{m}": widths[1] for m in MODALITIES}
    rows = [
        plan_row(queue + batch, batch, anchors, options),
        different_slices_row(queue + batch, anchors, options),
        queues_row(queue, batch, names, options),
        step_row(queue, few, anchors, widths, options),
    ]
    report(rows, options)


if __name__ == "__main__":
    main()
