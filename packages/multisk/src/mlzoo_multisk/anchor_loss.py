"""The anchor loss of Multi-SK (Swetha et al., ICCV 2023), which keeps the structure of every modality.

Two kinds of embeddings of every modality m, text, video and audio, are compared with anchors: ``in_m``, the
mean input token, and ``out_m``, the projected output of the transformer. There is a set of K anchors
for each of the six. B: clips of a batch, N: rows of a queue, S: modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from mlzoo.errors import UsageError
from mlzoo_multisk.clips import MODALITIES, Modality
from mlzoo_multisk.config import PAIR_WEIGHTS, ROWS, SETS, MultiSKConfig
from mlzoo_multisk.losses import anchor_costs, without_autocast
from mlzoo_multisk.queues import EmbeddingQueues
from mlzoo_multisk.sinkhorn import (
    Arithmetic,
    assignment_targets,
    assignments_of,
    linear_or_log,
    spread_of,
)


@dataclass(frozen=True)
class AnchorInfo:
    """What the anchor loss says of a step.

    Attributes:
        npairs: pairs that were compared, those of weight 0 included; 0 while the queues fill.
        pairs: the weighted cost of each, without gradient. ``in_text_video`` is the assignment of in_text
            against the plan of out_video on the out anchors of text; ``out_text_video`` the assignment
            of out_text to the out anchors of video against the plan of in_video.
        filling: ``filling 12 of 5500`` while the queues fill, else empty.
    """

    npairs: int
    pairs: Mapping[str, Tensor]
    filling: str


class AnchorLoss(nn.Module):
    """Assignments to anchors against plans of the other side of the transformer.

    Over pairs of modalities m and n, with similarities s of embeddings to anchors, and targets q from
    Multi-SK plans of the queue and the batch, the loss is

        β Σ_m Σ_n  w_mn cost(s of in_m to its anchors, q of out_n to the out anchors of m)
                 + w'_mn cost(s of out_m to the out anchors of n, q of in_n to its anchors).

    Plans have no gradient. They are made before the batch enters the queues; until the queues are full
    the loss is 0, and the anchors have no gradient, so that an optimiser does not touch them. A queue
    of length 0 leaves plans to the batch alone. In several processes, give every one the embeddings of
    all (:mod:`mlzoo_multisk.gathering`) and leave this module out of what is prepared.

    Args:
        anchors: K of each set.
        width_in, width_out: of the embeddings.
        queue: N, rows of earlier steps.
        weights: of the 18 pairs, row by row: in_text, in_video, in_audio, out_text, out_video, out_audio
            against text, video, audio.
        share: r = share · K anchors are assigned to a sample.
        epsilon, iterations: of the plans.
        temperature: of the cost.
        weight: β.
        plan: arithmetic. ``auto`` decides by ε alone, as similarities are between -1 and 1.
        modalities: those that take part; the others' weights are passed over.

    Attributes:
        anchors: [K, D] by ``in_text``, ..., ``out_audio``; drawn from N(0, 1).
        queues: rows of length 1 of earlier steps. Their state is not part of this module's
            ``state_dict``: keep ``queues.state_dict()`` beside it.

    Raises:
        UsageError: an option is out of its range.
    """

    weights: Tensor

    def __init__(
        self,
        *,
        anchors: int = 64,
        width_in: int = 4096,
        width_out: int = 6144,
        queue: int = 5500,
        weights: Sequence[float] = PAIR_WEIGHTS,
        share: float = 0.5,
        epsilon: float = 0.07,
        iterations: int = 20,
        temperature: float = 0.1,
        weight: float = 1.0,
        plan: Arithmetic = "auto",
        modalities: Sequence[Modality] = MODALITIES,
    ) -> None:
        super().__init__()
        if len(weights) != ROWS * SETS:
            raise UsageError(f"the anchor loss has {ROWS * SETS} weights, got {len(weights)}.")
        self.modalities = tuple(modalities)
        self.epsilon, self.iterations, self.plan = epsilon, iterations, plan
        self.temperature, self.weight = temperature, weight
        self.assignments = assignments_of(anchors, share)
        self.spread = spread_of(anchors, self.assignments)
        chosen = [MODALITIES.index(m) for m in self.modalities]
        table = torch.tensor(weights, dtype=torch.float64).view(2, SETS, SETS)
        kept = table[:, chosen][:, :, chosen]  # [kind, m, n]
        self.register_buffer("weights", kept.float(), persistent=False)
        self.wanted: list[list[list[bool]]] = (kept > 0).tolist()
        widths = {f"in_{m}": width_in for m in self.modalities}
        widths |= {f"out_{m}": width_out for m in self.modalities}
        self.anchors = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(anchors, width)) for name, width in widths.items()}
        )
        self.queues = EmbeddingQueues(widths, queue)

    @classmethod
    def from_config(cls, config: MultiSKConfig) -> Self:
        """As the options of a run say."""
        return cls(
            anchors=config.anchors,
            width_in=config.width,
            width_out=config.projection,
            queue=config.anchor_queue,
            weights=config.anchor_pair_weights,
            share=config.anchor_share,
            epsilon=config.anchor_epsilon,
            iterations=config.anchor_iterations,
            temperature=config.anchor_temperature,
            weight=config.anchor_weight,
            plan=config.plan,
            modalities=MODALITIES if config.modalities == "tva" else ("text", "video"),
        )

    def forward(self, embeddings: Mapping[str, Tensor]) -> tuple[Tensor, AnchorInfo]:
        """The loss of a batch, which then enters the queues.

        Args:
            embeddings: [B, D] by the names of the anchors, of any length; others are passed over.

        Returns:
            A scalar in the anchors' precision, and what it is made of.
        """
        with without_autocast(self.weights):
            rows = self._unit(embeddings)
            self.queues.to(self.weights.device, self.weights.dtype)
            if not self.queues.full:
                loss, info = self.weights.new_zeros(()), AnchorInfo(0, {}, self._filling())
            else:
                loss, info = self._compared(rows)
            self.queues.push({name: each.detach() for name, each in rows.items()})
        return loss, info

    def assignments_to_anchors(self, embeddings: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """[B, K] each: similarities of ``in_<m>`` to its own anchors, and ``out_<m>_<s>`` of out_m to the
        anchors of set s. The queues are not touched."""
        with without_autocast(self.weights):
            in_own, out_all = self._similarities(self._unit(embeddings))
        found = {f"in_{m}": in_own[i] for i, m in enumerate(self.modalities)}
        for i, m in enumerate(self.modalities):
            found |= {f"out_{m}_{s}": out_all[i, j] for j, s in enumerate(self.modalities)}
        return found

    def targets(self, scores: Tensor, rows: int | None = None) -> Tensor:
        """[*, rows, K] in [0, 1], of the last rows of similarities [*, B, K]: what the plan over all of
        them assigns."""
        arithmetic = self.plan
        if arithmetic == "auto":
            arithmetic = linear_or_log(scores, -1, 1, self.epsilon, self.spread)
        return assignment_targets(
            scores,
            epsilon=self.epsilon,
            iterations=self.iterations,
            assignments=self.assignments,
            rows=rows,
            arithmetic=arithmetic,
        )

    def _filling(self) -> str:
        return f"filling {self.queues.count} of {self.queues.length}"

    def _unit(self, embeddings: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: unit_rows(embeddings[name].to(self.weights.dtype)) for name in self.anchors}

    def _similarities(
        self, rows: Mapping[str, Tensor], anchors: Mapping[str, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Of rows in_m with their own anchors, [S, rows, K], and of out_m with the out anchors of every
        modality, [S, S, rows, K]."""
        anchors = anchors or self._unit_anchors()
        in_own = [rows[f"in_{m}"] @ anchors[f"in_{m}"].T for m in self.modalities]
        out = torch.cat([anchors[f"out_{s}"] for s in self.modalities])  # [S·K, D], one product
        out_all = [rows[f"out_{m}"] @ out.T for m in self.modalities]  # [rows, S·K]
        shape = (len(self.modalities), -1)
        stacked = torch.stack(out_all).unflatten(2, shape)  # [S, rows, S, K]
        return torch.stack(in_own), stacked.transpose(1, 2)

    def _unit_anchors(self) -> dict[str, Tensor]:
        return {name: unit_rows(anchors) for name, anchors in self.anchors.items()}

    def _compared(self, rows: Mapping[str, Tensor]) -> tuple[Tensor, AnchorInfo]:
        """Loss and values of a batch of rows of length 1."""
        anchors = self._unit_anchors()
        in_own, out_all = self._similarities(rows, anchors)  # [S, B, K], [S, S, B, K]
        with torch.no_grad():
            constant = {name: each.detach() for name, each in anchors.items()}
            before = self._similarities(self.queues.rows, constant)
            q_in, q_out = self._all_targets(
                torch.cat([before[0], in_own.detach()], dim=-2),
                torch.cat([before[1], out_all.detach()], dim=-2),
                batch=in_own.shape[1],
            )
        q_out = q_out.transpose(0, 1)  # [n, m, B, K] to [m, n, B, K]
        costs_in = anchor_costs(in_own.unsqueeze(1).expand_as(q_out), q_out, self.temperature)
        costs_out = anchor_costs(out_all, q_in.expand_as(out_all), self.temperature)
        weighted = self.weights * torch.stack([costs_in, costs_out])  # [kind, m, n]
        pairs = dict(zip(self._pair_names(), weighted.detach().flatten(), strict=True))
        return self.weight * weighted.sum(), AnchorInfo(len(pairs), pairs, "")

    def _pair_names(self) -> list[str]:
        return [
            f"{kind}_{m}_{n}"
            for kind in ("in", "out")
            for m in self.modalities
            for n in self.modalities
        ]

    def _all_targets(self, in_own: Tensor, out_all: Tensor, batch: int) -> tuple[Tensor, Tensor]:
        """Targets of the last rows of similarities [S, N + B, K] and [S, S, N + B, K]; 0 where no pair of
        weight above 0 looks at them."""
        count = len(self.modalities)
        in_pairs, out_pairs = self.wanted
        wanted = [any(out_pairs[m][n] for m in range(count)) for n in range(count)]
        wanted += [in_pairs[m][n] for n in range(count) for m in range(count)]
        scores = torch.cat([in_own, out_all.flatten(0, 1)])  # [plans, N + B, K]
        targets = scores.new_zeros(len(scores), batch, scores.shape[2])
        chosen = [index for index, each in enumerate(wanted) if each]
        # Side by side on a GPU, where a launch costs more than a plan; a CPU's cache holds one plan.
        at_once = 1 if scores.device.type == "cpu" else max(len(chosen), 1)
        for first in range(0, len(chosen), at_once):
            some = chosen[first : first + at_once]
            targets[some] = self.targets(scores[some], rows=batch)
        return targets[:count], targets[count:].unflatten(0, (count, count))


def unit_rows(x: Tensor) -> Tensor:
    """x [n, D] with rows of length 1; a row of zeros stays, with a gradient as of a row of length 1."""
    norms = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    unit: Tensor = x / norms.where(norms > 0, 1)
    return unit
