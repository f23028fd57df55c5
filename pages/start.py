"""Start: drop a file or take a sample, and see what a potential says of the crystal."""

from __future__ import annotations

import streamlit as st

from pages._parts import frame
from pages._parts.header import finish, header, refused
from pages._parts.selection import box_key, file_chosen
from pages._start.dashboard import dashboard
from pages._start.gallery import gallery
from sus2.settings import settings
from sus2.structures import FORMATS

frame.title(
    "SUS2 Explorer",
    "Drop a crystal or take a sample: see what a **SUS2** potential predicts, and how far to trust it.",
)
drop, take = st.container(key="choose").columns([2, 5], gap="medium")
with drop:
    box = box_key("drop_box")
    st.file_uploader(
        "Your own crystal",
        key=box,
        on_change=file_chosen,
        args=(box,),
        help=f"{', '.join(FORMATS)}; recognised by content. The file stays on this server, in memory.",
        max_upload_size=settings().max_upload_mb,
    )
with take:
    gallery()
if not refused():
    with frame.guard():
        chosen = frame.crystal()
        header(judged=True)
        dashboard(chosen)
    finish(judged=True)
