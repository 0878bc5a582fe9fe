"""Iterations in several processes equal those of one, and keep the processes equal bit for bit."""

from __future__ import annotations

import copy
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import torch

from mlzoo import run as mlzoo_run
from mlzoo.checkpoints import load_checkpoint
from mlzoo.errors import UsageError
from mlzoo.metrics_log import read_rows
from mlzoo.progress import Progress
from mlzoo.testing import first_difference
from mlzoo_tfvaegan.draws import draw
from mlzoo_tfvaegan.fast_step import FastStep
from mlzoo_tfvaegan.networks import Networks
from mlzoo_tfvaegan.shares import Shares
from mlzoo_tfvaegan.step import Draws, StepLosses, StepOptions, TrainingSet

FEATURES, ATTRIBUTES = 7, 4
OPTIONS = [
    StepOptions(critic_steps=3, learning_rate=1e-3, reconstruction_weight=0.1),
    StepOptions(critic_steps=2, encoded_noise=False, feedback_source="reconstruction"),
    StepOptions(critic_steps=2, encoded_noise=False, freeze_decoder=True, feedback_strength=0.5),
    StepOptions(critic_steps=2, attribute_loss="bce", adapt_penalty=False),
]


class Meeting:
    """Where the threads that stand in for processes gather."""

    def __init__(self, count: int) -> None:
        self.barrier = Barrier(count, timeout=60)
        self.told: list[torch.Tensor | None] = [None] * count


class Member:
    """What ``Shares`` asks of an accelerator."""

    def __init__(self, meeting: Meeting, index: int) -> None:
        self.meeting, self.process_index = meeting, index
        self.num_processes = len(meeting.told)

    def gather(self, tensor: torch.Tensor) -> torch.Tensor:
        meeting = self.meeting
        meeting.told[self.process_index] = tensor
        meeting.barrier.wait()
        everyone = torch.cat([each for each in meeting.told if each is not None])
        meeting.barrier.wait()
        return everyone


def start(options: StepOptions) -> tuple[Networks, TrainingSet]:
    torch.manual_seed(3)
    kind = "sigmoid" if options.attribute_loss == "bce" else "unit"
    networks = Networks(FEATURES, ATTRIBUTES, 6, 5, kind).double()
    with torch.no_grad():
        for parameter in networks.parameters():
            parameter.copy_(0.5 * torch.randn_like(parameter))
    embeddings = torch.nn.functional.normalize(torch.rand(20, ATTRIBUTES).double())
    return networks, TrainingSet(torch.rand(20, FEATURES).double(), embeddings, embeddings)


def iterate(step: FastStep, data: TrainingSet) -> list[StepLosses]:
    generator = torch.Generator().manual_seed(4)
    return [
        step.iteration(data, draw(data, step.options, 12, generator), feedback=feedback)
        for feedback in (False, True, True, False)
    ]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("count", [2, 3])
def test_shares_of_a_batch_take_the_step_of_the_batch(options, count):
    networks, data = start(options)
    alone = FastStep(copy.deepcopy(networks), options)
    expected = iterate(alone, data)
    meeting = Meeting(count)
    steps = [
        FastStep(copy.deepcopy(networks), options, shares=Shares(Member(meeting, index)))  # type: ignore[arg-type]
        for index in range(count)
    ]
    with ThreadPoolExecutor(count) as pool:
        told = list(pool.map(iterate, steps, [data] * count))

    for one, other in pairwise(steps):
        weights = (one.networks.state_dict(), other.networks.state_dict())
        assert first_difference(*weights) is None
        assert first_difference(one.state_dict(), other.state_dict()) is None
    for name, weight in alone.networks.state_dict().items():
        # Adam divides by the gradient's own size: rounding shows at a part of 1e-8 of its size.
        torch.testing.assert_close(
            steps[0].networks.state_dict()[name], weight, atol=1e-8, rtol=0, msg=name
        )
    for name in StepLosses.__dataclass_fields__:
        found = torch.stack(
            [torch.stack([getattr(each, name) for each in losses]) for losses in told]
        )
        single = torch.stack([getattr(each, name) for each in expected])
        torch.testing.assert_close(found.mean(0), single, atol=1e-8, rtol=1e-8, msg=name)


def test_shares_are_disjoint_and_cover_the_batch():
    options = StepOptions(critic_steps=2, encoded_noise=False)
    _, data = start(options)
    drawn = draw(data, options, 12, torch.Generator().manual_seed(1))
    parts = [Shares(Member(Meeting(3), index)).draws(drawn) for index in range(3)]  # type: ignore[arg-type]

    for name, batch in (("rows", 1), ("latent", 1), ("alpha", 1), ("generator_latent", 0)):
        joined = torch.cat([getattr(part, name) for part in parts], dim=batch)
        assert torch.equal(joined, getattr(drawn, name)), name
    noise = torch.cat([part.generator_noise for part in parts])
    assert torch.equal(noise, drawn.generator_noise)


def test_a_batch_without_equal_shares_is_refused():
    options = StepOptions(critic_steps=1)
    _, data = start(options)
    drawn: Draws = draw(data, options, 10, torch.Generator().manual_seed(1))
    with pytest.raises(UsageError, match="3 processes have no equal shares of 10") as error:
        Shares(Member(Meeting(3), 0)).draws(drawn)  # type: ignore[arg-type]
    assert "--batch-size" in error.value.fix


def test_a_job_of_two_processes_trains_as_one_does(mlzoo: Any, tmp_path: Path):
    options = {"select": "last", "limit": 40, "epochs": 1, "penalty": "fixed"}
    alone = mlzoo_run(
        "tfvaegan",
        preset="smoke",
        device="cpu",
        figures=False,
        progress=Progress(quiet=True),
        out=tmp_path / "one",
        **options,
    ).directory
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    words += ["--preset", "smoke", "--device", "cpu", "--no-figures", "--quiet", "--devices", 2]
    done = mlzoo("run", "tfvaegan", *words, "--out", tmp_path / "two", OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    (together,) = (path.parent for path in (tmp_path / "two").rglob("run.json"))
    logs = [list(read_rows(run / "metrics.jsonl")) for run in (alone, together)]
    states = [
        load_checkpoint(run / "checkpoints" / "last.pt")["state"] for run in (alone, together)
    ]

    assert len(logs[0]) == len(logs[1]) > 1
    for one, two in zip(*(log[:2] for log in logs), strict=True):
        assert two == pytest.approx(one, rel=1e-3, abs=1e-4)
    assert states[0]["model"]["stream"] == states[1]["model"]["stream"]
    assert json.loads((together / "run.json").read_text())["processes"] == 2
