"""What code under research has filled is deleted, and nothing else."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from workspaces.folders import copy_plain_files, delete_folder

SOMEBODY = 65534


def chain(path: Path, depth: int) -> None:
    """A folder in a folder in a folder: deeper than a path can say."""
    path.mkdir()
    open_folder = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("deeper", dir_fd=open_folder)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=open_folder)
        os.close(open_folder)
        open_folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=open_folder))
    os.close(open_folder)


def test_a_chain_of_more_than_a_thousand_folders_is_deleted(tmp_path: Path) -> None:
    chain(tmp_path / "out", 1100)
    delete_folder(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_may_not_be_entered_are_deleted_by_who_owns_them() -> None:
    with tempfile.TemporaryDirectory() as home, somebody_bound_by_modes(Path(home)):
        out = Path(home) / "out"
        inner = out / "sealed" / "deeper"
        inner.mkdir(parents=True)
        (inner / "file").write_text("text")
        for path, mode in ((inner / "file", 0), (inner, 0), (inner.parent, 0o500), (out, 0)):
            path.chmod(mode)
        delete_folder(out)
        assert list(Path(home).iterdir()) == []


@contextmanager
def somebody_bound_by_modes(home: Path) -> Iterator[None]:
    """Root may enter every folder, so where we are root we are somebody else for a while."""
    before = os.geteuid()
    if before == 0:
        os.chown(home, SOMEBODY, SOMEBODY)
        os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_missing_folder_is_fine(tmp_path: Path) -> None:
    delete_folder(tmp_path / "absent")
    delete_folder(tmp_path / "absent" / "inside")


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "--help" / "inside").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    delete_folder(Path("--help"))
    assert list(tmp_path.iterdir()) == []


def test_links_are_deleted_and_what_they_name_is_untouched(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("text")
    precious.chmod(0o555)
    out = tmp_path / "out"
    (out / "sealed").mkdir(parents=True)
    (out / "link").symlink_to(precious)
    (out / "sealed" / "up").symlink_to("../..")
    (out / "file").symlink_to(precious / "file")
    (out / "broken").symlink_to("nowhere")
    (out / "sealed").chmod(0)
    delete_folder(out)
    (tmp_path / "folder").symlink_to(precious)
    delete_folder(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "file").read_text() == "text"
    assert precious.stat().st_mode & 0o777 == 0o555
    precious.chmod(0o755)


def test_plain_files_are_copied_and_nothing_else_is_read(tmp_path: Path) -> None:
    source, secret = tmp_path / "source", tmp_path / "secret"
    source.mkdir()
    secret.write_text("of the host")
    (source / "plain").write_text("mine")
    (source / "link").symlink_to(secret)
    os.mkfifo(source / "pipe")
    (source / "large").write_bytes(b"x" * 101)
    copied = {
        name: copy_plain_files(source, tmp_path / name, ["plain", name], 100)
        for name in ("plain", "link", "pipe", "large", "missing")
    }
    assert copied == {"plain": True, "link": False, "pipe": False, "large": False, "missing": False}
    assert (tmp_path / "plain" / "plain").read_text() == "mine"
    assert not (tmp_path / "link" / "link").exists()


def test_a_folder_that_is_a_link_is_not_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("of the host")
    (tmp_path / "source").symlink_to(elsewhere)
    assert not copy_plain_files(tmp_path / "source", tmp_path / "target", ["file"], 100)
