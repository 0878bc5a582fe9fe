"""Official checkpoints come in as they are, or not at all."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlzoo.errors import DataError
from mlzoo.progress import Progress
from mlzoo_biam.config import BiAMConfig
from mlzoo_biam.networks import BiAM
from mlzoo_biam.weights import COUNTER, import_weights

GOLDEN = Path(__file__).parents[1] / "golden" / "biam"
State = dict[str, Any]


@dataclass
class Holder:
    network: BiAM


def published() -> State:
    with np.load(GOLDEN / "biam_weights_A.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}


def network(channels: int = 16, **widths: int) -> BiAM:
    facts = {"channels_in": 512, "scene_width": 4096, "vector_width": 16} | widths
    return BiAM(BiAMConfig(channels=channels, heads=4), grid=(14, 14), **facts)


def load(folder: Path, state: Any, into: BiAM | None = None) -> tuple[BiAM, str]:
    """The network after an import, and what the person was told."""
    file, told, holder = folder / "model_best.pth", io.StringIO(), Holder(into or network())
    torch.save(state, file)
    import_weights(file, holder, None, Progress(told))
    return holder.network, told.getvalue()


def refusal(folder: Path, state: Any, into: BiAM | None = None) -> str:
    """The error, which leaves the network as it was."""
    target = into or network()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(DataError) as caught:
        load(folder, state, target)
    assert all(value.equal(before[name]) for name, value in target.state_dict().items())
    assert "model_best.pth" in str(caught.value)
    return str(caught.value)


def without_counters(state: State) -> State:
    return {name: value for name, value in state.items() if not name.endswith(COUNTER)}


WRAPPINGS = {
    "as it is": lambda state: state,
    "under state_dict": lambda state: {"epoch": 4, "state_dict": state},
    "under model": lambda state: {"model": state},
    "twice": lambda state: {"model": {"state_dict": state}},
    "of DataParallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "without counters": without_counters,
    "in 16 bits": lambda state: {
        name: value.half() if value.is_floating_point() else value for name, value in state.items()
    },
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_checkpoint_comes_in_however_it_is_wrapped(wrapping: str, tmp_path: Path) -> None:
    state = published()
    loaded, told = load(tmp_path, WRAPPINGS[wrapping](dict(state)))
    for name, value in loaded.state_dict().items():
        assert value.dtype == state[name].dtype
        assert name.endswith(COUNTER) or value.equal(state[name]), name
    assert "here they are 4" in told


def test_number_of_arrays_is_returned(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    torch.save(published(), file)
    found = import_weights(file, Holder(network()), None, Progress(io.StringIO()))
    assert found == {"arrays": 34}


def test_missing_and_unexpected_names_are_all_told(tmp_path: Path) -> None:
    state = published()
    state["W2.weight"] = state.pop("W.weight")
    state["other"] = torch.zeros(1)
    del state["W.bias"]
    text = refusal(tmp_path, state)
    assert "it lacks W.bias, W.weight; it has W2.weight, other" in text


def test_other_networks_are_told_in_a_line(tmp_path: Path) -> None:
    text = refusal(tmp_path, {f"layer{i}.weight": torch.zeros(1) for i in range(50)})
    assert "and 42 more" in text
    assert len(text) < 900


@pytest.mark.parametrize(
    ("made", "fix"),
    [
        ({"channels": 32}, "--channels 16"),
        ({"channels_in": 64}, "features of 512 channels; the data have 64"),
        ({"scene_width": 8}, "global features of width 4096, not 8"),
        ({"vector_width": 300}, "word vectors of width 16, not 300"),
    ],
)
def test_other_width_is_told_with_what_it_is(
    made: dict[str, int], fix: str, tmp_path: Path
) -> None:
    assert fix in refusal(tmp_path, published(), network(**made))


def test_checkpoint_of_the_earlier_program_is_told_to_be_one(tmp_path: Path) -> None:
    names = {
        "conv_3X3": "conv_layer1",
        "region_context_block.w_q": "self_attn1.query_conv",
        "scene_context_block.w_g": "linear1",
        "W.": "W1.",
    }
    state = without_counters(published())
    for ours, theirs in names.items():
        state = {
            theirs + name.removeprefix(ours) if name.startswith(ours) else name: value
            for name, value in state.items()
        }
    text = refusal(tmp_path, state)
    assert "earlier program" in text
    assert "no channel_conv" in text


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_values_that_are_not_finite_are_refused(bad: float, tmp_path: Path) -> None:
    state = published()
    state["W.bias"][3] = bad
    assert "W.bias has values that are not finite" in refusal(tmp_path, state)


def test_negative_variance_and_integers_are_refused(tmp_path: Path) -> None:
    state = published()
    state["conv_3X3.bn.running_var"][0] = -1
    assert "running_var has negative values" in refusal(tmp_path, state)
    state = published()
    state["W.bias"] = state["W.bias"].long()
    assert "W.bias is torch.int64" in refusal(tmp_path, state)


@pytest.mark.parametrize("state", [{}, {"state_dict": {}}, {"epoch": 3}, [torch.zeros(2)]])
def test_what_is_no_state_dict_is_refused(state: Any, tmp_path: Path) -> None:
    refusal(tmp_path, state)


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("code ran",))


def test_code_in_a_file_never_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refusal(tmp_path, {"state_dict": Hostile()})
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(DataError):
        import_weights(tmp_path / "plain.pth", Holder(network()), None, Progress(io.StringIO()))
    assert "code ran" not in capsys.readouterr().out


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere.pth"):
        import_weights(tmp_path / "nowhere.pth", Holder(network()), None, Progress(io.StringIO()))


def test_weights_reach_the_scores(tmp_path: Path) -> None:
    loaded, _ = load(tmp_path, published())
    with np.load(GOLDEN / "biam_eval_A.npz", allow_pickle=False) as file:
        arrays = {key: torch.from_numpy(np.asarray(file[key])) for key in file.files}
    with torch.no_grad():
        found: Tensor = loaded.eval()(
            arrays["features_u8"] * arrays["feature_scale"], arrays["x_g"], arrays["vecs"]
        )
    torch.testing.assert_close(found, arrays["logits"], rtol=1e-4, atol=1e-5)
