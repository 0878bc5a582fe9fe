"""The learning rate in closed form."""

from __future__ import annotations

from math import cos, pi
from pathlib import Path

import numpy as np
import pytest

from mlzoo_biam.schedule import learning_rate

GOLDEN = Path(__file__).parents[1] / "golden" / "biam"


def test_recorded_rates_of_forty_epochs() -> None:
    with np.load(GOLDEN / "lr_schedule.npz", allow_pickle=False) as file:
        base, minimum = float(file["base_lr"]), float(file["lr_min"])
        epochs, warmup = int(file["nepoch"]), int(file["warmup"])
        expected, logged = (
            file["lr"],
            dict(zip(file["log_epochs"].tolist(), file["log_printed_lr"].tolist(), strict=True)),
        )
    rates = [
        learning_rate(e, base=base, minimum=minimum, epochs=epochs, warmup=warmup)
        for e in range(1, epochs + 1)
    ]
    np.testing.assert_allclose(rates, expected, rtol=0, atol=1e-12)
    # What the published log prints is one recursive step of the cosine further, from epoch 5 on.
    for epoch, printed in logged.items():
        rate, t, total = rates[epoch - 1], epoch - warmup - 1, epochs - warmup
        if t >= 1:
            ahead = (1 + cos(pi * t / total)) / (1 + cos(pi * (t - 1) / total))
            rate = minimum + (rate - minimum) * ahead
        assert rate == pytest.approx(printed, abs=1e-15)


def test_warm_up_reaches_the_full_rate_which_the_next_epoch_keeps() -> None:
    rates = [learning_rate(e, base=1.0, epochs=10, warmup=4) for e in range(1, 6)]
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_last_epoch_is_one_step_above_the_minimum() -> None:
    last = learning_rate(10, base=1.0, minimum=0.5, epochs=10, warmup=2)
    assert last == pytest.approx(0.5 + 0.25 * (1 + cos(pi * 7 / 8)))


@pytest.mark.parametrize(("epochs", "warmup"), [(1, 0), (1, 3), (2, 3), (3, 3), (4, 3)])
def test_short_trainings_have_a_rate_for_every_epoch(epochs: int, warmup: int) -> None:
    for epoch in range(1, epochs + 1):
        rate = learning_rate(epoch, base=1.0, minimum=0.1, epochs=epochs, warmup=warmup)
        assert rate == (min(1, epoch / warmup) if warmup else 1)


def test_constant_rate_knows_no_warm_up() -> None:
    rates = {learning_rate(e, base=1e-4, epochs=9, warmup=3, schedule="constant") for e in (1, 9)}
    assert rates == {1e-4}
