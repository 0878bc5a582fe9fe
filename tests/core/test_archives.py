"""Archives that are whole, damaged, or out to do harm."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from mlzoo.data import archives
from mlzoo.data.archives import unpack
from mlzoo.errors import DataError

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
TARS = ["x.tar", "x.tar.gz", "x.tgz", "x.tar.bz2", "x.tar.xz"]
NOISE = bytes((i * i * 7919 >> 5) % 256 for i in range(50_000))
MEMBERS = {"data/a.bin": NOISE, "data/sub/b.txt": b"bee", "read.me": b"me"}

Entry = tarfile.TarInfo | tuple[str, bytes]


def tar_bytes(*entries: Entry) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
            else:
                info = tarfile.TarInfo(entry[0])
                info.size = len(entry[1])
                archive.addfile(info, io.BytesIO(entry[1]))
    return buffer.getvalue()


def zip_bytes(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def packed(name: str, *entries: tuple[str, bytes]) -> bytes:
    if name.endswith(".zip"):
        return zip_bytes(*entries)
    plain = tar_bytes(*entries)
    ending = {"tgz": "gz"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    return PACKERS[ending](plain) if ending in PACKERS else plain


@pytest.fixture
def given(tmp_path):
    """Write an archive; what is unpacked goes to the folder beside it."""

    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def assert_refused(archive: Path, words: str, **options: object) -> None:
    """It says why, and leaves nothing behind: not inside, not beside the folder."""
    before = everything(archive.parent)
    with pytest.raises(DataError, match=words):
        unpack(archive, archive.parent / "out", **options)
    assert everything(archive.parent) == before
    assert not list((archive.parent / "out").iterdir())


@pytest.mark.parametrize("name", [*TARS, "x.zip", "X.ZIP", "x.TAR.GZ"])
def test_every_kind_is_unpacked(given, tmp_path, name):
    archive = given(name, packed(name.lower(), *MEMBERS.items()))
    seen = []
    found = unpack(archive, tmp_path / "out", progress=lambda label, count: seen.append(count))
    assert found == sorted(MEMBERS)
    assert everything(tmp_path / "out") == MEMBERS
    assert sum(seen) >= sum(map(len, MEMBERS.values()))


@pytest.mark.parametrize("ending", PACKERS)
def test_packed_file_loses_its_ending(given, tmp_path, ending):
    archive = given(f"x.csv.{ending}", PACKERS[ending](NOISE))
    assert unpack(archive, tmp_path / "out") == ["x.csv"]
    assert everything(tmp_path / "out") == {"x.csv": NOISE}


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz"])
def test_start_takes_the_content_of_one_folder(given, tmp_path, name):
    archive = given(name, packed(name, *MEMBERS.items()))
    assert unpack(archive, tmp_path / "out", start="data") == ["a.bin", "sub/b.txt"]
    with pytest.raises(DataError, match="holds no file below 'nowhere'"):
        unpack(archive, tmp_path / "out", start="nowhere")


def test_folders_and_dots_are_harmless(given, tmp_path):
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    archive = given("x.tar", tar_bytes(folder, ("./a.txt", b"a")))
    assert unpack(archive, tmp_path / "out") == ["a.txt"]


def test_rights_of_members_are_not_taken_over(given, tmp_path):
    info = tarfile.TarInfo("a.sh")
    info.mode = 0o6777
    unpack(given("x.tar", tar_bytes(info)), tmp_path / "out")
    mode = (tmp_path / "out" / "a.sh").stat().st_mode
    assert not mode & (stat.S_IXUSR | stat.S_ISUID | stat.S_ISGID)


OUTSIDE = ["../evil", "a/../../evil", "/evil", "C:/evil", "..\\evil", "a/..", "new\nline"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
def test_member_outside_the_folder_is_refused(given, kind, name):
    archive = given(kind, packed(kind, ("fine", b"f"), (name, b"evil")))
    assert_refused(archive, "a member outside its folder")


def test_member_outside_is_refused_even_where_it_is_left_out(given):
    archive = given("x.tar", packed("x.tar", ("data/a", b"f"), ("../evil", b"evil")))
    assert_refused(archive, "outside its folder", start="data")


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE],
)
def test_links_and_devices_in_tars_are_refused(given, kind):
    info = tarfile.TarInfo("way")
    info.type, info.linkname = kind, "fine"
    assert_refused(given("x.tar", tar_bytes(("fine", b"f"), info)), "a link, device or sparse file")


def test_sparse_member_is_refused(given):
    info = tarfile.TarInfo("holes")
    info.type = tarfile.GNUTYPE_SPARSE
    assert_refused(given("x.tar", tar_bytes(info)), "sparse")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_zips_are_refused(given, kind):
    info = zipfile.ZipInfo("way")
    info.external_attr = (kind | 0o777) << 16
    assert_refused(given("x.zip", zip_bytes((info, b"/etc"))), "a link or device")


@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
def test_same_name_twice_is_refused(given, kind):
    assert_refused(given(kind, packed(kind, ("a", b"1"), ("./a", b"2"))), "twice")


@pytest.mark.parametrize(
    ("one", "other"), [("a.txt", "A.TXT"), ("data/x", "Data/y"), ("\u00e9", "e\u0301")]
)
def test_names_that_some_systems_take_for_one_are_refused(given, one, other):
    archive = given("x.zip", zip_bytes((one, b"1"), (other, b"2")))
    assert_refused(archive, "names that some systems take for one")


@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
def test_file_that_is_also_a_folder_is_refused(given, kind):
    assert_refused(given(kind, packed(kind, ("a", b"1"), ("a/b", b"2"))), "cannot unpack")


def test_encrypted_zip_is_refused(given):
    content = bytearray(zip_bytes(("a", b"secret")))
    content[6] |= 1  # the flag in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    assert_refused(given("x.zip", bytes(content)), "an encrypted member")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.xz", "x.zip", "x.csv.gz", "x.csv.bz2"])
def test_bomb_is_stopped(given, monkeypatch, name):
    monkeypatch.setattr(archives, "ALWAYS_BYTES", 100_000)
    zeros = bytes(30_000_000)
    single = name.startswith("x.csv")
    content = PACKERS[name[6:]](zeros) if single else packed(name, ("zeros", zeros))
    assert len(content) < 100_000
    assert_refused(given(name, content), "the most it may unpack to")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip"])
def test_declared_size_is_the_cap(given, tmp_path, name):
    archive = given(name, packed(name, *MEMBERS.items()))
    assert_refused(archive, "more than 50,000 bytes", max_bytes=50_000)
    assert unpack(archive, tmp_path / "fits", max_bytes=70_000) == sorted(MEMBERS)


def test_bomb_in_what_is_left_out_is_counted_in_tars(given):
    content = gzip.compress(tar_bytes(("a/x", b"x"), ("b/zeros", bytes(10**6))))
    assert_refused(given("x.tar.gz", content), "more than 100,000", start="a", max_bytes=100_000)


def test_bomb_in_a_header_is_refused_before_it_fills_the_memory(given, monkeypatch):
    monkeypatch.setattr(archives, "MAX_READ", 100_000)
    info = tarfile.TarInfo("attributes")
    info.type, info.size = tarfile.XHDTYPE, 10**6
    header = info.tobuf(tarfile.USTAR_FORMAT)
    assert_refused(given("x.tar.gz", gzip.compress(header + bytes(2 * 10**6))), "absurd size")


def test_too_many_members_are_refused(given):
    content = tar_bytes(*((f"f{i}", b"") for i in range(11)))
    assert_refused(given("x.tar", content), "more than 10 members", max_members=10)


def test_zip_header_that_lies_about_the_size_is_found(given):
    content = bytearray(zip_bytes(("a", NOISE)))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<L", 10)
    assert_refused(given("x.zip", bytes(content)), "damaged")


@pytest.mark.parametrize("name", [*TARS, "x.zip", "x.csv.gz", "x.csv.bz2", "x.csv.xz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
def test_truncated_archive_is_damaged(given, name, share):
    single = name.startswith("x.csv")
    content = PACKERS[name[6:]](NOISE) if single else packed(name, *MEMBERS.items())
    assert_refused(given(name, content[: int(len(content) * share)]), "damaged")


def test_tar_that_ends_between_two_members_is_damaged(given):
    one = tar_bytes(("a", NOISE[:512]))[:1024]
    assert_refused(given("x.tar", one), "ends before its end mark")


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tar.bz2", "x.tar.xz", "x.zip"])
def test_flipped_byte_is_found(given, name):
    content = bytearray(packed(name, *MEMBERS.items()))
    content[len(content) // 2] ^= 0xFF
    assert_refused(given(name, bytes(content)), "damaged")


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip", "x.csv.xz"])
def test_what_is_no_archive_is_damaged(given, name):
    assert_refused(given(name, b"<html>log in</html>" * 100), "damaged")


def test_unknown_ending_is_refused(given, tmp_path):
    with pytest.raises(DataError, match="no archive of a known kind"):
        unpack(given("x.rar", b"Rar!"), tmp_path / "out")


def test_users_file_is_kept_unless_asked(given, tmp_path):
    archive = given("x.tar", packed("x.tar", *MEMBERS.items()))
    mine = tmp_path / "out" / "data" / "a.bin"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match="which is another file"):
        unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == {"data/a.bin": b"mine"}
    unpack(archive, tmp_path / "out", replace=True)
    assert everything(tmp_path / "out") == MEMBERS


def test_equal_files_are_no_conflict_and_other_files_stay(given, tmp_path):
    archive = given("x.tar", packed("x.tar", *MEMBERS.items()))
    unpack(archive, tmp_path / "out")
    (tmp_path / "out" / "data" / "note.txt").write_bytes(b"note")
    (tmp_path / "out" / "read.me").unlink()
    unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == {**MEMBERS, "data/note.txt": b"note"}


def test_folder_in_place_of_a_file_is_never_replaced(given, tmp_path):
    (tmp_path / "out" / "read.me").mkdir(parents=True)
    members = {**MEMBERS, "another": b"a", "other": b"o"}  # whatever their order: none is moved
    archive = given("x.tar", packed("x.tar", *members.items()))
    with pytest.raises(DataError, match=r"read\.me"):
        unpack(archive, tmp_path / "out", replace=True)
    assert everything(tmp_path / "out") == {}


def test_left_over_of_a_killed_process_is_cleared(given, tmp_path):
    left = tmp_path / "out" / ".x.tar.unpacking"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"h")
    unpack(given("x.tar", packed("x.tar", *MEMBERS.items())), tmp_path / "out")
    assert everything(tmp_path / "out") == MEMBERS
