"""A download outlives what other visitors do meanwhile."""

from __future__ import annotations

import pytest
from streamlit.runtime import runtime
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileStorageError
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

import sus2.server.serve  # noqa: F401  (it puts them in place)
from sus2.server import downloads
from sus2.server.downloads import KEPT_S, PatientFiles


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(downloads, "time", made)
    return made


def clicked(files: MediaFileManager) -> str:
    """Name of the file that was written for a click on a download."""
    offered = files.add_deferred(lambda: "V,E\n", "text/csv", "1.2.3", "eos.csv")
    files.clear_session_refs()  # the page begins to be drawn anew
    return files.execute_deferred(offered).rsplit("/", 1)[1].split(".")[0]


def ends(files: MediaFileManager, scripts: int) -> None:
    for _ in range(scripts):
        files.remove_orphaned_files()


def there(files: MediaFileManager, name: str) -> bool:
    try:
        files._storage.get_file(name)
    except MediaFileStorageError:
        return False
    return True


def test_streamlit_alone_loses_it() -> None:
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    name = clicked(files)
    assert there(files, name)
    ends(files, 2)
    assert not there(files, name), "streamlit keeps it now: sus2.server.downloads may go"


def test_it_stays_while_scripts_of_others_end(clock: Clock) -> None:
    files = PatientFiles(MemoryMediaFileStorage("/media"))
    name = clicked(files)
    ends(files, 1000)
    assert there(files, name)
    clock.now += KEPT_S
    ends(files, 1000)
    assert there(files, name)


def test_what_a_page_offered_before_can_be_had_while_it_is_drawn_anew(clock: Clock) -> None:
    files = PatientFiles(MemoryMediaFileStorage("/media"))
    offered = files.add_deferred(lambda: "V,E\n", "text/csv", "1.2.3", "eos.csv")
    files.clear_session_refs()
    ends(files, 1000)
    clock.now += KEPT_S
    ends(files, 1000)
    assert files.execute_deferred(offered)
    clock.now += KEPT_S
    ends(files, 1)
    with pytest.raises(MediaFileStorageError):
        files.execute_deferred(offered)


def test_it_does_not_stay_for_ever(clock: Clock) -> None:
    files = PatientFiles(MemoryMediaFileStorage("/media"))
    name = clicked(files)
    for _ in range(2):
        clock.now += KEPT_S
        ends(files, 1)
    assert not there(files, name)


def test_the_server_has_them() -> None:
    assert runtime.MediaFileManager is PatientFiles
