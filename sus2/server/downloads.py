"""Downloads that are still there when the browser comes for them, however many visitors there are.

Streamlit tidies up whenever a script ends, anybody's: what a page offered before it began to be drawn anew is
forgotten, and a file that was written for a click is deleted at the second such end. Scripts that follow a calculation
end every second, so with some visitors a click came to nothing.
"""

from __future__ import annotations

import time
from typing import Any, Final

from streamlit.runtime.media_file_manager import MediaFileManager

KEPT_S: Final = 60.0
"""At least so long a file that was written for a click is kept."""


class PatientFiles(MediaFileManager):
    """Streamlit's files of a server, tidied up once in KEPT_S instead of at the end of every script."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tidied = time.monotonic()
        self._seen_unused: set[str] = set()

    def remove_orphaned_files(self) -> None:
        """Remove what no session has needed for KEPT_S: the first time round it is marked, the second it goes."""
        now = time.monotonic()
        if now - self._tidied < KEPT_S:
            return
        self._tidied = now
        super().remove_orphaned_files()

    def _remove_orphaned_deferred_callables(self) -> None:
        # A button that is being drawn anew is offered by no session for a moment, and may be clicked just then.
        used = {f for by_place in self._files_by_session_and_coord.values() for f in by_place.values()}
        unused = set(self._deferred_callables) - used
        for name in unused & self._seen_unused:
            self._drop_deferred_id(name)
        self._seen_unused = unused - self._seen_unused
