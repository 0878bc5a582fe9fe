"""Shards: what is read is what was stored, damage is named, a kill loses one shard at most."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mlzoo.errors import DataError, RunError, UsageError
from mlzoo_multisk.clips import Item
from mlzoo_multisk.shards.foreign import index_shards
from mlzoo_multisk.shards.index import ShardIndex
from mlzoo_multisk.shards.layout import escaped, unescaped
from mlzoo_multisk.shards.order import windowed_order
from mlzoo_multisk.shards.store import ShardStore
from mlzoo_multisk.shards.writer import ShardWriter, part_folder

MADE_OF = {"list": "seven videos"}


def item(number: int, key: str | None = None) -> Item:
    """Video 0 has no 2D, video 1 no audio, video 2 nothing, video 3 no rows."""
    random = np.random.default_rng(number)
    video_2d = random.standard_normal((0 if number == 3 else 3 + number, 5)).astype(np.float32)
    video_3d = random.standard_normal((4 + number, 6)).astype(np.float16)
    audio = random.standard_normal((40, 7 + number)).astype(np.float16)
    lacks = {0: "2d", 1: "audio", 2: "all"}.get(number)
    return Item(
        key=key or f"video{number}",
        video_2d=None if lacks in ("2d", "all") else video_2d,
        video_3d=None if lacks == "all" else video_3d,
        audio=None if lacks in ("audio", "all") else audio,
        facts={"captions": [f"caption {number}", "ünïcode"], "start": [0.5, number]},
    )


def write(folder: Path, count: int = 7, **options: int | None) -> ShardStore:
    with ShardWriter.opened(folder, MADE_OF, **options) as writer:  # type: ignore[arg-type]
        for number in range(writer.done, count):
            writer.add(item(number))
        return writer.finish({"from": "a test"})


def assert_same(found: Item, wanted: Item) -> None:
    assert found.key == wanted.key
    assert found.facts == wanted.facts
    for name in ("video_2d", "video_3d", "audio"):
        mine, its = getattr(found, name), getattr(wanted, name)
        assert (mine is None) == (its is None), name
        if its is not None:
            assert mine.dtype == its.dtype
            np.testing.assert_array_equal(mine, its)


def files(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_items_come_back_as_they_were_in_any_order(tmp_path: Path) -> None:
    store = write(tmp_path / "shards", shard_videos=3)
    assert list(store.keys) == [f"video{number}" for number in range(7)]
    assert store.sizes.tolist() == [3, 3, 1]
    for row in (6, 0, 3, 3, 5, 1, 2, 4):
        assert_same(store.item(row), item(row))
    assert store.widths == {"2d": 5, "3d": 6, "audio": 40}
    assert store.facts == {"from": "a test"}
    assert store.lengths("2d").tolist() == [-1, 4, -1, 0, 7, 8, 9]
    assert store.lengths("audio").tolist() == [7, -1, -1, 10, 11, 12, 13]
    assert not part_folder(tmp_path / "shards").exists()
    store.verify()


def test_arrays_are_read_only_views_that_outlive_the_store(tmp_path: Path) -> None:
    array = write(tmp_path / "shards").item(4).audio
    assert array is not None
    assert not array.flags.writeable
    assert not array.flags.owndata
    assert array.__array_interface__["data"][0] % 64 == 0
    np.testing.assert_array_equal(array, item(4).audio)


def test_other_processes_can_be_given_a_store(tmp_path: Path) -> None:
    store = write(tmp_path / "shards")
    store.item(0)
    assert_same(pickle.loads(pickle.dumps(store)).item(4), item(4))


def test_any_tar_program_and_numpy_read_the_shards(tmp_path: Path) -> None:
    write(tmp_path / "shards")
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        names = archive.getnames()
        assert names[:3] == ["video0.3d.npy", "video0.audio.npy", "video0.json"]
        member = archive.extractfile("video4.2d.npy")
        assert member is not None
        data = member.read()
    assert data[6:8] == b"\x01\x00"
    np.testing.assert_array_equal(np.load(io.BytesIO(data)), item(4).video_2d)


def test_shards_stay_below_their_size_and_the_digest_is_of_the_content(tmp_path: Path) -> None:
    one = write(tmp_path / "one")
    many = write(tmp_path / "many", shard_bytes=20480)
    assert len(many.sizes) > 2
    assert all(p.stat().st_size <= 20480 for p in (tmp_path / "many").glob("*.tar"))
    assert one.digest() == many.digest()
    assert one.digest() != write(tmp_path / "less", 6).digest()
    tiny = write(tmp_path / "tiny", shard_bytes=1)
    assert tiny.sizes.tolist() == [1] * 7


@pytest.mark.parametrize("key", ["a.b/c", "../x", "-Zq w", "ü", "a%2Eb", "x" * 300, "~_-", "a\nb"])
def test_any_text_can_be_a_key(tmp_path: Path, key: str) -> None:
    name = escaped(key)
    assert "." not in name
    assert "/" not in name
    assert unescaped(name) == key
    with ShardWriter.opened(tmp_path / "shards", MADE_OF) as writer:
        writer.add(item(4, key))
        store = writer.finish()
    assert_same(store.item(0), item(4, key))
    with tarfile.open(tmp_path / "shards" / "shard-000000.tar") as archive:
        assert archive.getnames()[0] == f"{name}.2d.npy"


@pytest.mark.parametrize("key", ["", "\udc80"])
def test_what_is_no_key_is_refused(tmp_path: Path, key: str) -> None:
    with (
        ShardWriter.opened(tmp_path / "shards", MADE_OF) as writer,
        pytest.raises(DataError, match="key"),
    ):
        writer.add(Item(key, None, None, None, {}))


def test_a_key_twice_is_refused_by_name_also_after_a_stop(tmp_path: Path) -> None:
    with ShardWriter.opened(tmp_path / "s", MADE_OF, shard_videos=1) as writer:
        for number in (0, 1):
            writer.add(item(number))
        with pytest.raises(DataError, match="'video1' occurs twice"):
            writer.add(item(1))
    with (
        ShardWriter.opened(tmp_path / "s", MADE_OF) as writer,
        pytest.raises(DataError, match="'video0' occurs twice"),
    ):
        writer.add(item(0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_2d": np.full((2, 3), np.nan, np.float32)}, "video9: array '2d': expected finite"),
        ({"video_3d": np.zeros((2, 3))}, "'3d': expected float16 or float32, found float64"),
        ({"video_3d": np.zeros(3, np.float32)}, "'3d': expected 2 axes"),
        ({"audio": np.zeros((39, 3), np.float16)}, r"'audio': expected shape \(40, any\)"),
        ({"audio": np.zeros((40, 3), np.int16)}, "'audio': expected floats"),
        ({"video_2d": np.array([[object()]])}, "'2d': expected floats"),
        ({"facts": {"x": float("nan")}}, "video9: facts are no JSON"),
        ({"facts": {"x": {1, 2}}}, "video9: facts are no JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(
    tmp_path: Path, changes: Mapping[str, object], message: str
) -> None:
    given = {"key": "video9", "video_2d": None, "video_3d": None, "audio": None, "facts": {}}
    with (
        ShardWriter.opened(tmp_path / "shards", MADE_OF) as writer,
        pytest.raises(DataError, match=message),
    ):
        writer.add(Item(**{**given, **changes}))  # type: ignore[arg-type]
    assert not (tmp_path / "shards").exists()


def test_rows_of_different_widths_are_refused(tmp_path: Path) -> None:
    with ShardWriter.opened(tmp_path / "shards", MADE_OF) as writer:
        writer.add(Item("a", np.zeros((2, 3), np.float32), None, None, {}))
        writer.add(Item("b", np.zeros((2, 4), np.float32), None, None, {}))
        with pytest.raises(DataError, match="b: the 2d rows have 4 numbers, those of a 3"):
            writer.finish()
    assert not (tmp_path / "shards").exists()


def write_until_stopped(folder: Path, stop: int) -> None:
    with ShardWriter.opened(folder, MADE_OF, shard_videos=2) as writer:
        for number in range(stop):
            writer.add(item(number))
        raise KeyboardInterrupt


def test_a_stop_at_any_video_leaves_the_same_files_in_the_end(tmp_path: Path) -> None:
    write(tmp_path / "straight", shard_videos=2)
    for stop in range(7):
        folder = tmp_path / f"stopped{stop}"
        with pytest.raises(KeyboardInterrupt):
            write_until_stopped(folder, stop)
        assert not folder.exists()
        with ShardWriter.opened(folder, MADE_OF, shard_videos=2) as writer:
            assert writer.done == max(
                0, (stop - 1) // 2 * 2
            )  # an archive is closed by the next video
        write(folder, shard_videos=2)
        assert files(folder) == files(tmp_path / "straight")


def test_archives_without_a_record_are_written_again(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    with ShardWriter.opened(folder, MADE_OF, shard_videos=2) as writer:
        for number in range(5):
            writer.add(item(number))
    part = part_folder(folder)
    (part / "records" / "000001.json").unlink()
    (part / "store" / ".shard-000002.tar.tmp").write_bytes(b"half")
    with ShardWriter.opened(folder, MADE_OF, shard_videos=2) as writer:
        assert writer.done == 2
        assert [path.name for path in (part / "store").iterdir()] == ["shard-000000.tar"]
    write(folder, shard_videos=2)
    write(tmp_path / "straight", shard_videos=2)
    assert files(folder) == files(tmp_path / "straight")


def test_what_is_left_out_is_known_after_a_stop(tmp_path: Path) -> None:
    def go_on(stop: int) -> ShardStore | None:
        with ShardWriter.opened(tmp_path / "shards", MADE_OF, shard_videos=1) as writer:
            for number in range(writer.done, stop):
                if number in (0, 3, 6):
                    writer.leave_out(f"video{number}", "cannot be read")
                else:
                    writer.add(item(number))
            return writer.finish() if stop == 7 else None

    go_on(5)
    store = go_on(7)
    assert store is not None
    assert list(store.keys) == ["video1", "video2", "video4", "video5"]
    assert sorted(store.left_out) == ["video0", "video3", "video6"]


def test_unfinished_work_of_something_else_is_refused(tmp_path: Path) -> None:
    with ShardWriter.opened(tmp_path / "shards", MADE_OF, shard_videos=1) as writer:
        writer.add(item(0))
        writer.add(item(1))
        with (
            pytest.raises(RunError, match="another process"),
            ShardWriter.opened(tmp_path / "shards", MADE_OF),
        ):
            pass
    with (
        pytest.raises(RunError, match="unfinished work with other list"),
        ShardWriter.opened(tmp_path / "shards", {"list": "others"}),
    ):
        pass
    record = part_folder(tmp_path / "shards") / "records" / "000000.json"
    record.write_text('{"done": 1}')
    with (
        pytest.raises(RunError, match=r"000000.json is damaged"),
        ShardWriter.opened(tmp_path / "shards", MADE_OF),
    ):
        pass


def test_a_folder_that_exists_is_never_replaced(tmp_path: Path) -> None:
    write(tmp_path / "shards")
    leftover = part_folder(tmp_path / "shards")
    leftover.mkdir()  # killed as it was clearing up
    with (
        pytest.raises(UsageError, match="exists"),
        ShardWriter.opened(tmp_path / "shards", MADE_OF),
    ):
        pass
    assert not leftover.exists()


def test_no_videos_make_no_shards(tmp_path: Path) -> None:
    with (
        ShardWriter.opened(tmp_path / "shards", MADE_OF) as writer,
        pytest.raises(DataError, match="no videos"),
    ):
        writer.finish()


def test_all_damaged_shards_are_named_in_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    write(folder, shard_videos=2)
    (folder / "shard-000000.tar").unlink()
    with (folder / "shard-000001.tar").open("r+b") as file:
        file.truncate(100)
    (folder / "other.tar").write_bytes(b"")
    with pytest.raises(DataError) as error:
        ShardStore.opened(folder)
    for text in ("000000.tar is missing", "000001.tar has 100 bytes", "other.tar is not in the"):
        assert text in error.value.message


def test_damage_inside_a_shard_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    store = write(folder)
    place = store._index.place(4, "2d")
    assert place is not None
    path = folder / "shard-000000.tar"
    whole = path.read_bytes()

    def damaged(start: int, data: bytes) -> ShardStore:
        path.write_bytes(whole[:start] + data + whole[start + len(data) :])
        return ShardStore.opened(folder)

    with pytest.raises(DataError, match=r"shard-000000.tar: video4.2d.npy is no .npy file"):
        damaged(place.start, b"garbage").item(4)
    other = whole[place.start : place.data].replace(b"(7, 5)", b"(5, 7)")
    with pytest.raises(DataError, match=r"video4.2d.npy is not what the index says"):
        damaged(place.start, other).item(4)
    with pytest.raises(DataError, match=r"video4.2d.npy: expected finite values"):
        damaged(place.data, np.float32("nan").tobytes()).item(4)
    start = int(store._index.arrays["json_start"][4])
    with pytest.raises(DataError, match=r"video4.json is no JSON"):
        damaged(start, b"!").item(4)
    with pytest.raises(DataError, match=r"not what was written: shard-000000.tar"):
        damaged(place.data + 8, b"1").verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda kept: kept.update(format="x"), "not of the format"),
        (lambda kept: kept.pop("shards"), "is damaged"),
        (lambda kept: kept["shards"][0].update(file="../x.tar"), "is damaged"),
        (lambda kept: kept.update(index="0"), r"index.npz is not what index.json"),
        (lambda kept: kept["shards"].pop(), "a shard that is not there"),
    ],
)
def test_a_damaged_index_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "shards"
    write(folder, shard_videos=4)
    kept = json.loads((folder / "index.json").read_text())
    change(kept)
    (folder / "index.json").write_text(json.dumps(kept))
    with pytest.raises(DataError, match=message):
        ShardStore.opened(folder)


def test_a_folder_without_an_index_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        ShardStore.opened(tmp_path / "nothing")
    with pytest.raises(DataError, match="holds no index") as error:
        ShardStore.opened(tmp_path)
    assert "index_shards" in error.value.fix


def test_rows_that_are_not_there_are_refused(tmp_path: Path) -> None:
    store = write(tmp_path / "shards")
    for row in (-1, 7):
        with pytest.raises(IndexError, match="outside the 7 videos"):
            store.item(row)


def test_more_shards_than_stay_open_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlzoo_multisk.shards.store.OPEN_SHARDS", 2)
    store = write(tmp_path / "shards", shard_videos=1)
    found = [store.item(row) for row in range(7)]
    assert len(store._maps) == 2
    for number, each in enumerate(found):
        assert_same(each, item(number))


def foreign(path: Path, members: Mapping[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_shards_of_others_are_indexed(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    for number in (0, 1):
        members = {f"a/v{number}.2d.npy": npy(rows + number), f"a/v{number}.txt": b"x"}
        foreign(tmp_path / f"{number}.tar", {**members, f"a/v{number}.json": b'{"text": ["t"]}'})
    store = index_shards(tmp_path)
    assert list(store.keys) == ["a/v0", "a/v1"]
    assert store.facts == {"members of other names": 2}
    found = store.item(1)
    np.testing.assert_array_equal(found.video_2d, rows + 1)
    assert (found.video_3d, found.audio, found.facts) == (None, None, {"text": ["t"]})
    store.verify()


def test_an_index_made_anew_is_the_one_that_was_written(tmp_path: Path) -> None:
    written = write(tmp_path / "shards", shard_videos=3)
    before = files(tmp_path / "shards")
    for name in ("index.json", "index.npz"):
        (tmp_path / "shards" / name).unlink()
    anew = index_shards(tmp_path / "shards")
    assert anew.digest() == written.digest()
    assert files(tmp_path / "shards")["index.npz"] == before["index.npz"]


ROWS = np.ones((2, 3), np.float32)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"v.2d.npy": npy(ROWS)}, r"0.tar: the video 'v' has no facts"),
        ({"v.json": b"{}", "w.2d.npy": b"\x93NUMPY"}, r"w.2d.npy is no .npy file"),
        ({"v.2d.npy": npy(ROWS.astype(np.float64)), "v.json": b"{}"}, r"v.2d.npy: expected"),
        ({"v.2d.npy": npy(np.asfortranarray(ROWS)), "v.json": b"{}"}, "column by column"),
        ({"v.2d.npy": npy(ROWS)[:-1], "v.json": b"{}"}, r"v.2d.npy: expected 152 bytes"),
        ({"v.2d.npy": npy(ROWS * np.inf), "v.json": b"{}"}, r"v.2d.npy: expected finite values"),
        ({"v.audio.npy": npy(ROWS), "v.json": b"{}"}, r"v.audio.npy: expected shape \(40, any\)"),
        ({"v.json": b"{", "v.2d.npy": npy(ROWS)}, r"v.json is no JSON"),
        ({"v.json": b"[]"}, "must hold an object"),
        ({"v.json": b"{}", "w.json": b"{}", "v.2d.npy": npy(ROWS)}, "'v' has no facts"),
        ({"x.txt": b""}, "no videos"),
    ],
)
def test_what_is_wrong_with_shards_of_others_is_named(
    tmp_path: Path, members: Mapping[str, bytes], message: str
) -> None:
    foreign(tmp_path / "0.tar", members)
    with pytest.raises(DataError, match=message):
        index_shards(tmp_path)
    assert not (tmp_path / "index.json").exists()


def test_pickled_objects_in_shards_of_others_are_not_read(tmp_path: Path) -> None:
    data = io.BytesIO()
    np.save(data, np.array([[{}]], dtype=object), allow_pickle=True)
    foreign(tmp_path / "0.tar", {"v.2d.npy": data.getvalue(), "v.json": b"{}"})
    with pytest.raises(DataError, match="pickled objects"):
        index_shards(tmp_path)


def test_shards_of_others_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no shards"):
        index_shards(tmp_path)
    path = tmp_path / "0.tar"
    foreign(path, {f"v{n}.json": b"{}" for n in range(3)})
    whole = path.read_bytes()
    for length in (0, 100, 512, 700, 1024, 1100, 2048, 3072, 3584):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"0.tar (is cut short|is no whole tar)"):
            index_shards(tmp_path)
    path.write_bytes(whole[:1024] + b"x" * 512 + whole[1536:])
    with pytest.raises(DataError, match=r"0.tar is cut short or damaged at byte 1,024"):
        index_shards(tmp_path)


SIZES = np.array([5, 1, 8, 3, 7, 6])


@pytest.mark.parametrize("window", [1, 2, 7, 1000])
def test_an_order_has_every_row_once_and_follows_from_seed_and_pass(window: int) -> None:
    order = windowed_order(3, 1, SIZES, window)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(30))
    np.testing.assert_array_equal(order, windowed_order(3, 1, SIZES, window))
    for other in (windowed_order(3, 2, SIZES, window), windowed_order(4, 1, SIZES, window)):
        assert order.tolist() != other.tolist()


def test_a_window_of_one_reads_shard_after_shard() -> None:
    order = windowed_order(0, 0, SIZES, 1)
    ends = np.cumsum(SIZES)
    shards = np.searchsorted(ends, order, side="right")
    assert (np.diff(shards) != 0).sum() == len(SIZES) - 1
    assert all((np.diff(order[shards == shard]) == 1).all() for shard in range(len(SIZES)))


def test_a_row_leaves_within_the_window() -> None:
    sizes = np.random.RandomState(0).randint(1, 40, 200)
    stream = windowed_order(0, 5, sizes, 1)
    place = np.empty_like(stream)
    place[stream] = np.arange(len(stream))
    for window in (20, 50, 500):
        away = place[windowed_order(0, 5, sizes, window)] - np.arange(len(stream))
        assert np.abs(away).max() < window
        assert np.abs(away).max() > 0.4 * window


def test_a_large_window_mixes_as_a_permutation_does() -> None:
    """Rows that are neighbours in a shard are a third of all rows apart on average, as drawn at random."""
    sizes = np.full(50, 20)
    order = windowed_order(1, 0, sizes, 10**9)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    assert abs(np.abs(np.diff(place)).mean() / len(order) - 1 / 3) < 0.03


def test_two_halves_are_the_whole_and_shares_are_disjoint() -> None:
    whole = windowed_order(2, 3, SIZES, 6)
    first, rest = windowed_order(2, 3, SIZES, 6)[:13], windowed_order(2, 3, SIZES, 6)[13:]
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)
    shares = [whole[rank::2] for rank in (0, 1)]
    assert sorted(np.concatenate(shares)) == list(range(30))


def test_a_window_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        windowed_order(0, 0, SIZES, 0)


def test_one_process_reads_only_the_shards_of_its_rows(tmp_path: Path) -> None:
    store = write(tmp_path / "shards", shard_videos=1)
    for row in (1, 4):
        store.item(row)
    assert sorted(store._maps) == [1, 4]


def test_an_index_without_videos_is_none() -> None:
    with pytest.raises(DataError, match="no videos"):
        ShardIndex.of([], [], {}, {})
