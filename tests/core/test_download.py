"""Downloads against a local server that cuts, stalls, lies, refuses and changes its mind."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from faulty_server import (
    CONTENT,
    CUT,
    Handler,
    Server,
    answer,
    cut,
    endless,
    ignore_range,
    running,
    serve,
    stall,
)

from mlzoo.data import download as module
from mlzoo.data import download_plan, transfer
from mlzoo.data.download import carry_out, download
from mlzoo.data.download_plan import plan_download
from mlzoo.data.part_files import Source
from mlzoo.data.transfer import Patience
from mlzoo.errors import DataError
from mlzoo.specs import DataFile, DatasetSpec

HASTY = Patience(timeout=0.5, attempts=3, pause=0.0)


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLZOO_CACHE", str(tmp_path / "cache"))
    with running() as started:
        yield started


def dataset(*files: DataFile) -> DatasetSpec:
    return DatasetSpec(name="birds", summary="s", task="toy", load="a:b", files=files)


def whole(server: Server, **changes: object) -> DataFile:
    facts = {"size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    return DataFile(**{"path": "x.mat", "url": server.url, **facts, **changes})


def get(server: Server, root: Path, patience: Patience = HASTY, **changes: object):
    return download(dataset(whole(server, **changes)), root, patience=patience)


def lying(root: Path) -> list[str]:
    """What lies in the dataset's folder, without the lock and the record."""
    folder = root / "birds"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return sorted(names - {".lock", ".downloads.json"})


def test_file_arrives_verified(server, tmp_path):
    (outcome,) = get(server, tmp_path)
    assert outcome.state == "verified"
    assert outcome.path.read_bytes() == CONTENT
    assert lying(tmp_path) == ["x.mat"]


def test_nothing_is_asked_of_the_server_when_all_is_there(server, tmp_path):
    get(server, tmp_path)
    server.log.clear()
    assert get(server, tmp_path)[0].state == "verified"
    assert server.log == []


def test_empty_file_is_a_file(server, tmp_path):
    server.content = b""
    assert get(server, tmp_path, size=0, sha256=None)[0].path.read_bytes() == b""


def test_digest_is_recorded_and_called_unverified_where_none_is_declared(server, tmp_path):
    (outcome,) = get(server, tmp_path, sha256=None, size=None)
    assert outcome.state == "unverified"
    assert outcome.sha256 == hashlib.sha256(CONTENT).hexdigest()
    record = json.loads((tmp_path / "birds" / ".downloads.json").read_text())
    assert record["x.mat"]["sha256"] == outcome.sha256
    assert record["x.mat"]["url"] == server.url
    assert record["x.mat"]["declared"] is False


@pytest.mark.parametrize("fault", [cut, stall])
def test_broken_transfer_goes_on_where_it_stopped(server, tmp_path, fault):
    server.script = [fault]
    get(server, tmp_path)
    first, second = server.gets
    start = int(second.range.removeprefix("bytes=").rstrip("-"))
    assert first.range is None
    assert CUT - transfer.CHUNK_BYTES < start <= CUT
    assert second.sent == len(CONTENT) - start
    assert (tmp_path / "birds" / "x.mat").read_bytes() == CONTENT


def test_later_call_goes_on_with_what_an_earlier_one_left(server, tmp_path):
    server.script = [cut]
    with pytest.raises(DataError, match="cut"):
        get(server, tmp_path, Patience(timeout=0.5, attempts=1))
    assert lying(tmp_path) == ["x.mat.part", "x.mat.part.json"]
    left = (tmp_path / "birds" / "x.mat.part").stat().st_size
    plan = plan_download(dataset(whole(server)), tmp_path)
    assert plan.steps[0].done == left
    assert plan.to_fetch == len(CONTENT) - left
    get(server, tmp_path)
    assert server.gets[-1].range == f"bytes={left}-"
    assert server.gets[-1].sent == len(CONTENT) - left
    assert lying(tmp_path) == ["x.mat"]


def test_killed_process_leaves_what_the_next_one_goes_on_with(server, tmp_path):
    server.script = [stall]
    code = (
        "import sys; from pathlib import Path\n"
        "from mlzoo.data.part_files import Source\nfrom mlzoo.data.transfer import fetch, Patience\n"
        "fetch(Source(sys.argv[1]), Path(sys.argv[2]), Patience())"
    )
    (tmp_path / "birds").mkdir()
    part = tmp_path / "birds" / "x.mat.part"
    process = subprocess.Popen([sys.executable, "-c", code, server.url, str(part)])
    try:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > CUT - transfer.CHUNK_BYTES):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    left = part.stat().st_size
    get(server, tmp_path)
    assert server.gets[-1].sent == len(CONTENT) - left
    assert (tmp_path / "birds" / "x.mat").read_bytes() == CONTENT


def test_server_that_ignores_ranges_is_read_from_the_start(server, tmp_path):
    server.script = [cut, ignore_range]
    get(server, tmp_path)
    assert server.gets[1].range is not None
    assert server.gets[1].sent == len(CONTENT)
    assert (tmp_path / "birds" / "x.mat").read_bytes() == CONTENT


def changed(server: Server, content: bytes) -> Callable[[Handler], None]:
    """Cut, then have another version of the file."""

    def behave(handler: Handler) -> None:
        cut(handler)
        server.content = content
        server.validators = {"ETag": '"two"'}

    return behave


def test_file_that_changes_between_parts_is_not_stitched(server, tmp_path):
    new = CONTENT[::-1]
    server.script = [changed(server, new)]
    get(server, tmp_path, sha256=None)
    assert server.gets[1].if_range == '"one"'
    assert (tmp_path / "birds" / "x.mat").read_bytes() == new


def test_changed_file_from_a_server_that_ignores_if_range_is_not_stitched(server, tmp_path):
    new = CONTENT[::-1]

    def deaf(handler: Handler) -> None:
        handler.asked.if_range = None
        serve(handler)

    server.script = [changed(server, new), deaf]
    get(server, tmp_path, sha256=None)
    assert len(server.gets) == 3
    assert (tmp_path / "birds" / "x.mat").read_bytes() == new


def test_without_validator_or_checksum_nothing_is_gone_on_with(server, tmp_path):
    server.validators = {}
    server.script = [cut]
    get(server, tmp_path, sha256=None)
    assert [asked.range for asked in server.gets] == [None, None]


def test_stitched_bytes_are_found_by_the_checksum_and_fetched_anew(server, tmp_path):
    server.validators = {}
    server.script = [cut]
    server.content = CONTENT[::-1]
    with pytest.raises(DataError):
        get(server, tmp_path, Patience(timeout=0.5, attempts=1))
    server.content = CONTENT
    assert get(server, tmp_path)[0].state == "verified"
    assert [asked.range is None for asked in server.gets] == [True, False, True]


def test_wrong_bytes_are_deleted_and_named(server, tmp_path):
    server.content = CONTENT[::-1]
    with pytest.raises(DataError) as caught:
        get(server, tmp_path)
    for digest in (CONTENT, server.content):
        assert hashlib.sha256(digest).hexdigest() in str(caught.value)
    assert lying(tmp_path) == []


@pytest.mark.parametrize("size", [10, 600_000])
def test_size_that_is_not_the_declared_one_is_refused_before_the_body(server, tmp_path, size):
    server.script = [answer(200, bytes(size))]
    with pytest.raises(DataError, match=f"expected 512,000 bytes, the server offers {size:,}"):
        get(server, tmp_path)
    assert len(server.gets) == 1
    assert "x.mat" not in lying(tmp_path)


def test_body_shorter_than_its_length_never_gets_the_files_name(server, tmp_path):
    def short(handler: Handler) -> None:
        handler.begin(200, Content_Length=10**6)
        handler.body(CONTENT)

    server.script = [short] * 3
    with pytest.raises(DataError, match="3 attempts without getting further"):
        get(server, tmp_path, size=None, sha256=None)
    assert "x.mat" not in lying(tmp_path)


def test_endless_stream_is_stopped_at_the_declared_size(server, tmp_path):
    server.script = [endless]
    with pytest.raises(DataError, match="more bytes than the 512,000 expected"):
        get(server, tmp_path)
    assert lying(tmp_path) == []


def test_endless_stream_of_undeclared_size_is_stopped_too(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "MAX_UNKNOWN_BYTES", 10**6)
    server.script = [endless]
    with pytest.raises(DataError, match="more bytes than the 1,000,000 expected"):
        get(server, tmp_path, size=None, sha256=None)
    assert lying(tmp_path) == []


@pytest.mark.parametrize("status", [403, 404, 410])
def test_refusal_is_final(server, tmp_path, status):
    server.script = [answer(status)] * 3
    with pytest.raises(DataError, match=f"the server answers {status}"):
        get(server, tmp_path)
    assert len(server.gets) == 1
    assert lying(tmp_path) == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_trouble_is_tried_again(server, tmp_path, status):
    server.script = [answer(status, Retry_After=0), answer(status)]
    assert get(server, tmp_path)[0].state == "verified"
    assert len(server.gets) == 3


def test_lasting_trouble_is_given_up(server, tmp_path):
    server.script = [answer(503)] * 9
    with pytest.raises(DataError, match="503"):
        get(server, tmp_path)
    assert len(server.gets) == HASTY.attempts


def test_pauses_grow_and_heed_the_server(server, tmp_path, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=pauses.append))
    server.script = [answer(503), answer(503), answer(503, Retry_After=7), answer(429)]
    get(server, tmp_path, Patience(timeout=0.5, attempts=5, pause=1.0))
    assert pauses == [1.0, 2.0, 7.0, 8.0]


def test_attempts_count_anew_after_progress(server, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "PROGRESS_BYTES", 1)
    server.script = [lambda handler: serve(handler, 100_000)] * 4
    get(server, tmp_path, Patience(timeout=0.5, attempts=2, pause=0.0))
    assert len(server.gets) == 5


@pytest.mark.parametrize(
    "page",
    [
        answer(200, b"<html>log in</html>", Content_Type="text/html; charset=utf-8"),
        answer(200, b"\n<!DOCTYPE html>log in", Content_Type="application/octet-stream"),
    ],
)
def test_web_page_in_place_of_the_file_is_refused(server, tmp_path, page):
    server.script = [page]
    with pytest.raises(DataError, match="web page"):
        get(server, tmp_path, size=None, sha256=None)
    assert "x.mat" not in lying(tmp_path)


def test_redirect_is_followed(server, tmp_path):
    server.script = [answer(302, Location="/elsewhere")]
    assert get(server, tmp_path)[0].state == "verified"
    assert server.gets[-1].path == "/elsewhere"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://["])
def test_redirect_out_of_http_is_refused(server, tmp_path, target):
    server.script = [answer(302, Location=target)]
    with pytest.raises(DataError, match="which is not followed"):
        get(server, tmp_path)
    assert lying(tmp_path) == []


def test_redirect_from_https_to_http_needs_a_checksum():
    answer_ = SimpleNamespace(
        is_redirect=True, url="https://a.org/x", headers={"Location": "http://b.org/x"}
    )
    transfer.check_redirect(answer_, Source("https://a.org/x", checked=True))
    with pytest.raises(DataError, match="not followed"):
        transfer.check_redirect(answer_, Source("https://a.org/x"))


def test_redirects_in_a_circle_end(server, tmp_path):
    server.script = [answer(302, Location="/x.mat")] * 50
    with pytest.raises(DataError, match="redirects"):
        get(server, tmp_path)


def test_absurd_length_is_no_length(server, tmp_path):
    def boast(handler: Handler) -> None:
        handler.begin(200, Content_Length="9" * 5000)
        handler.body(CONTENT)
        handler.close_connection = True

    server.script = [boast]
    assert get(server, tmp_path)[0].state == "verified"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.org/x", "x.mat"])
def test_only_http_can_be_declared(url):
    with pytest.raises(ValueError, match="http or https"):
        DataFile(path="x.mat", url=url)


def test_gzip_file_that_the_server_calls_encoded_is_stored_as_it_is(server, tmp_path):
    import gzip

    packed = gzip.compress(CONTENT)
    server.script = [answer(200, packed, Content_Encoding="gzip")]
    digest = hashlib.sha256(packed).hexdigest()
    get(server, tmp_path, path="x.mat.gz", size=len(packed), sha256=digest)
    assert (tmp_path / "birds" / "x.mat.gz").read_bytes() == packed


def test_refused_connection_is_one_line(tmp_path):
    with Server() as gone:
        url = gone.url
    file = DataFile(path="x.mat", url=url)
    with pytest.raises(DataError, match="connection refused"):
        download(dataset(file), tmp_path, patience=HASTY)


def test_one_failing_file_does_not_stop_the_others(server, tmp_path):
    files = (whole(server, path="a.mat"), whole(server, path="b.mat"))
    server.script = [answer(404)]
    first, second = carry_out(plan_download(dataset(*files), tmp_path), patience=HASTY)
    assert (first.state, second.state) == ("failed", "verified")
    assert lying(tmp_path) == ["b.mat"]


def test_users_file_is_kept_unless_asked(server, tmp_path):
    (tmp_path / "birds").mkdir()
    mine = tmp_path / "birds" / "x.mat"
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match="wrong size"):
        get(server, tmp_path)
    assert mine.read_bytes() == b"mine"
    assert server.log == []
    download(dataset(whole(server)), tmp_path, patience=HASTY, replace_existing=True)
    assert mine.read_bytes() == CONTENT


def test_old_file_stays_when_its_replacement_fails(server, tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "x.mat").write_bytes(b"mine")
    server.content = CONTENT[::-1]
    with pytest.raises(DataError, match="expected SHA-256"):
        download(dataset(whole(server)), tmp_path, patience=HASTY, replace_existing=True)
    assert (tmp_path / "birds" / "x.mat").read_bytes() == b"mine"


def test_disk_that_is_too_small_is_refused_first(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_plan.shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(DataError, match=r"1.0 kB free; birds needs 512.0 kB more"):
        get(server, tmp_path)
    assert server.gets == []


def test_full_disk_is_one_line_and_the_part_is_kept(server, tmp_path, monkeypatch):
    def full(self: object, piece: bytes) -> None:
        raise OSError(28, "No space left on device")

    server.script = [cut]
    with pytest.raises(DataError):
        get(server, tmp_path, Patience(timeout=0.5, attempts=1))
    monkeypatch.setattr(transfer._Request, "write", full)
    with pytest.raises(DataError, match="no space left"):
        get(server, tmp_path)
    assert lying(tmp_path) == ["x.mat.part", "x.mat.part.json"]


def test_second_process_is_refused(server, tmp_path):
    spec = dataset(whole(server))
    with module._alone(tmp_path / "birds"), pytest.raises(DataError, match="another process"):
        carry_out(plan_download(spec, tmp_path), patience=HASTY)


def test_missing_library_is_one_line(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download_plan.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError) as caught:
        get(server, tmp_path)
    assert "pip install 'mlzoo-core[download]'" in str(caught.value)


def test_file_that_may_not_be_linked_says_how_to_get_it(tmp_path):
    file = DataFile(path="x.mat", how_to_get="ask the authors")
    with pytest.raises(DataError, match="ask the authors") as caught:
        download(dataset(file), tmp_path)
    assert str(tmp_path / "birds" / "x.mat") in str(caught.value)


# Archives


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"top/{name}.mat", content)
    return buffer.getvalue()


def packed_file(server: Server, **changes: object) -> DataFile:
    facts = {"path": "all.zip", "unpacks": ("a.mat",), "unpack_from": "top"}
    return DataFile(url=server.url, **{**facts, **changes})


def test_archive_is_unpacked_and_removed(server, tmp_path):
    server.content = zipped(a=b"A", b=b"B")
    spec = dataset(packed_file(server), DataFile(path="a.mat", size=1))
    first, second = download(spec, tmp_path, patience=HASTY)
    assert (first.state, second.state) == ("unpacked", "unverified")
    assert lying(tmp_path) == ["a.mat", "b.mat"]
    server.log.clear()
    download(spec, tmp_path, patience=HASTY)
    assert server.log == []


def test_archive_is_kept_on_request(server, tmp_path):
    server.content = zipped(a=b"A")
    download(dataset(packed_file(server)), tmp_path, patience=HASTY, keep_archives=True)
    assert lying(tmp_path) == ["a.mat", "all.zip"]


def test_archive_fetched_by_hand_is_unpacked_and_stays(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "all.zip").write_bytes(zipped(a=b"A"))
    file = DataFile(path="all.zip", unpacks=("a.mat",), unpack_from="top")
    assert download(dataset(file), tmp_path)[0].state == "unpacked"
    assert lying(tmp_path) == ["a.mat", "all.zip"]


def test_wrong_archive_fetched_by_hand_is_not_unpacked(tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "all.zip").write_bytes(zipped(a=b"A"))
    file = DataFile(path="all.zip", unpacks=("a.mat",), unpack_from="top", sha256="0" * 64)
    with pytest.raises(DataError, match="wrong checksum"):
        download(dataset(file), tmp_path)
    assert lying(tmp_path) == ["all.zip"]


def test_hostile_archive_leaves_only_itself(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.mat", "A")
        archive.writestr("../evil", "E")
    server.content = buffer.getvalue()
    with pytest.raises(DataError, match="outside its folder"):
        download(dataset(packed_file(server, unpack_from="")), tmp_path, patience=HASTY)
    assert lying(tmp_path) == ["all.zip"]
    assert not (tmp_path / "evil").exists()


def test_archive_without_what_it_promised_is_named(server, tmp_path):
    server.content = zipped(b=b"B")
    with pytest.raises(DataError, match=r"held no a\.mat"):
        download(dataset(packed_file(server)), tmp_path, patience=HASTY)


def test_wrong_archive_is_replaced_on_request(server, tmp_path):
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "all.zip").write_bytes(b"wrong")
    server.content = zipped(a=b"A")
    file = packed_file(server, sha256=hashlib.sha256(server.content).hexdigest())
    download(dataset(file), tmp_path, patience=HASTY, replace_existing=True)
    assert lying(tmp_path) == ["a.mat"]


def test_files_from_archives_are_checked(server, tmp_path):
    server.content = zipped(a=b"A")
    spec = dataset(packed_file(server), DataFile(path="a.mat", sha256="0" * 64))
    with pytest.raises(DataError, match=r"a\.mat: wrong checksum"):
        download(spec, tmp_path, patience=HASTY)


# The command line


@pytest.fixture
def linked(toy, server, monkeypatch):
    """The made-up plugin's dataset ``toy-files`` with a link to the server."""
    module_file = toy.folder / "mlzoo_toy.py"
    digest = hashlib.sha256(CONTENT).hexdigest()
    link = f'url="{server.url}", size={len(CONTENT)}, sha256="{digest}", licence="CC0"'
    old = 'DataFile(path="rows.npz", how_to_get="ask the author")'
    text = module_file.read_text()
    assert old in text
    module_file.write_text(text.replace(old, f'DataFile(path="rows.npz", {link})'))
    return server


def test_command_shows_the_size_then_fetches(linked, cli, tmp_path):
    done = cli("data", "download", "toy-files")
    assert done.code == 0
    assert "to download: 512.0 kB" in done.out
    assert "rows.npz: verified" in done.out
    assert "toy-files is complete" in done.out
    assert (tmp_path / "data-root" / "toy-files" / "rows.npz").read_bytes() == CONTENT
    assert cli("data", "verify", "toy-files").code == 0


def test_dry_run_fetches_nothing(linked, cli, tmp_path):
    done = cli("data", "download", "toy-files", "--dry-run", "--json")
    assert done.code == 0
    assert json.loads(done.out)["to_download"] == len(CONTENT)
    assert linked.gets == []
    assert not (tmp_path / "data-root").exists()


def test_json_is_all_that_stands_on_standard_output(linked, cli):
    done = cli("data", "download", "toy-files", "--json")
    result = json.loads(done.out)
    assert result["ok"] is True
    assert result["files"][0]["state"] == "verified"


def test_large_download_without_terminal_needs_yes(linked, cli, monkeypatch):
    from mlzoo.cli import download as command

    monkeypatch.setattr(command, "UNASKED_BYTES", 1000)
    refused = cli("data", "download", "toy-files")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert linked.gets == []
    assert cli("data", "download", "toy-files", "--yes").code == 0


def test_failure_is_told_without_traceback(linked, cli):
    linked.script = [answer(404)]
    done = cli("data", "download", "toy-files", "--json")
    assert done.code == 1
    assert "404" in json.loads(done.out)["files"][0]["error"]
    linked.script = [answer(404)]
    done = cli("data", "download", "toy-files")
    assert done.code == 1
    assert "the server answers 404" in done.err
    assert "Traceback" not in done.err


def test_unlinked_file_is_explained_with_exit_1(toy, cli):
    done = cli("data", "download", "toy-files")
    assert done.code == 1
    assert "ask the author" in done.err


def test_embedded_dataset_needs_nothing(toy, cli):
    done = cli("data", "download", "toys")
    assert (done.code, done.out) == (0, "toys needs no files\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_leaves_a_part_to_go_on_with(linked, mlzoo, tmp_path, number):
    linked.script = [stall]
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    words = [sys.executable, "-m", "mlzoo", "data", "download", "toy-files"]
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    part = tmp_path / "data-root" / "toy-files" / "rows.npz.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > CUT - transfer.CHUNK_BYTES):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    again = mlzoo(
        "data", "download", "toy-files", "--data-dir", tmp_path / "data-root",
        PYTHONPATH=path,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert 0 < linked.gets[-1].sent < len(CONTENT)


def test_of_several_layouts_only_the_nearest_is_asked_for(tmp_path):
    files = [
        DataFile(path="table.csv", layout="table", how_to_get="draw it"),
        DataFile(path="a.npz", layout="arrays", how_to_get="write it"),
        DataFile(path="b.npz", layout="arrays", how_to_get="write it"),
    ]
    spec = DatasetSpec(name="two", summary="-", task="t", load="a:b", files=tuple(files))
    with pytest.raises(DataError, match=r"table\.csv: get it by hand: draw it"):
        download(spec, tmp_path)
    (tmp_path / "two").mkdir()
    for name in ("a.npz", "b.npz"):
        (tmp_path / "two" / name).write_bytes(b"x")
    assert [outcome.file.path for outcome in download(spec, tmp_path)] == ["a.npz", "b.npz"]
