"""The crystal and the model that a session has chosen, and what it may choose from."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import streamlit as st
from ase import Atoms

import sus2
from sus2.errors import StructureError, Sus2Error, UnknownElementError
from sus2.registry.reference import PotentialRef
from sus2.settings import settings
from sus2.structures import (
    Choice,
    CrystalInfo,
    OpenChoiceError,
    content_key,
    describe,
    elements_of,
    read_structure,
    sample,
    samples,
)

MAX_CHOICES = 12
HASH = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, eq=False)
class Crystal:
    """The chosen crystal: key for links (a sample's or a content hash), label for people."""

    key: str
    label: str
    atoms: Atoms
    info: CrystalInfo

    @property
    def is_sample(self) -> bool:
        return HASH.fullmatch(self.key) is None

    @property
    def file_name(self) -> str:
        """A safe start for the names of downloads."""
        return re.sub(r"[^A-Za-z0-9]+", "-", self.info.formula)


# Chosen crystal -------------------------------------------------------------------------------------------------


class Kept:
    """The latest items of a server, by key; shared by its sessions, so keys must not be guessable or private."""

    def __init__(self, size: int) -> None:
        self._items: OrderedDict[str, Any] = OrderedDict()
        self._size = size
        self._lock = Lock()

    def get(self, key: str) -> Any:
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
            return self._items.get(key)

    def put(self, key: str, value: Any) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._size:
                self._items.popitem(last=False)


@st.cache_resource(show_spinner=False)
def uploads() -> Kept:
    """Uploaded crystals of this server, by content."""
    return Kept(settings().max_kept_uploads)


@st.cache_data(show_spinner=False, max_entries=500)
def _info(key: str, _atoms: Atoms) -> CrystalInfo:
    return describe(_atoms)


def crystal() -> Crystal:
    """The chosen crystal; raises StructureError where a link names one that is no longer kept."""
    key = st.session_state["crystal_key"]
    if HASH.fullmatch(key):
        found = st.session_state.get("own_crystals", {}).get(key) or uploads().get(key)
        if found is None:
            raise StructureError("This crystal is no longer kept by the server: upload its file again.")
        label, atoms = found
        return Crystal(key, label, atoms.copy(), _info(key, atoms))
    if key not in {s.key for s in samples()}:
        raise StructureError(f"The link names a sample '{key[:40]}', which does not exist: choose one of the samples.")
    chosen = sample(key)
    atoms = chosen.atoms()
    return Crystal(key, chosen.name, atoms, _info(content_key(atoms), atoms))


def choose_crystal(key: str) -> None:
    """Make a sample or a kept upload the chosen crystal (for callbacks)."""
    st.session_state["crystal_key"] = key
    for name in ("upload_error", "upload_choices", "lost_model"):
        st.session_state.pop(name, None)
    renew("sample_box")
    if not HASH.fullmatch(key):
        # A new key empties the upload boxes, which would otherwise still name the file.
        renew("upload_box")
        renew("drop_box")


def dismiss_refusal() -> None:
    """Go on with the crystal that was chosen before a file was refused (for callbacks)."""
    st.session_state.pop("upload_error", None)
    st.session_state.pop("upload_choices", None)
    renew("upload_box")
    renew("drop_box")


def box_key(box: str) -> str:
    """The present key of a widget that is sometimes renewed."""
    return f"{box}_{st.session_state.get(box, 0)}"


def renew(box: str) -> None:
    """Give a widget a new key, so that what a browser still sends of the old one cannot undo a choice."""
    st.session_state[box] = st.session_state.get(box, 0) + 1


def _chosen_in(key: str) -> Any:
    """What the box of that key holds; None where it has been renewed, as late news of an old box is no choice."""
    box = key.rsplit("_", 1)[0]
    return st.session_state[key] if key == box_key(box) else None


def keep_crystal(label: str, atoms: Atoms) -> str:
    """Keep a crystal for this session and for links to it; returns its key."""
    key = content_key(atoms)
    st.session_state.setdefault("own_crystals", {})[key] = (label, atoms)
    uploads().put(key, (label, atoms))
    return key


def sample_chosen(key: str) -> None:
    """Take the sample of the box of that key (for callbacks)."""
    chosen = _chosen_in(key)
    if chosen is not None:
        choose_crystal(chosen)


def model_chosen(key: str) -> None:
    """Take the model of the box of that key (for callbacks)."""
    chosen = _chosen_in(key)
    if chosen is not None:
        st.session_state["model_name"] = chosen
        st.session_state["model_by_hand"] = True
        st.session_state.pop("lost_model", None)


def file_chosen(key: str) -> None:
    """Read the file of the upload box of that key (for callbacks)."""
    if key != box_key(key.rsplit("_", 1)[0]):
        return
    uploaded = st.session_state[key]
    # A change of page registers the box anew and calls this again with the file that was read.
    file = uploaded and (uploaded.file_id, uploaded.name, uploaded.size)
    if file and file == st.session_state.get("file_read"):
        return
    st.session_state.pop("upload_error", None)
    if uploaded is not None:
        try:
            data = contents(uploaded)
        except Sus2Error as error:
            st.session_state["upload_error"] = str(error)
        else:
            read_upload(uploaded.name, data)
    st.session_state["file_read"] = file  # last: a click can cut this short, and the page that opens calls it again


def read_upload(name: str, data: bytes, choice: Choice | None = None) -> None:
    """Choose the crystal of a file; where the file leaves a choice, keep it for the panel to ask (for callbacks)."""
    st.session_state.pop("upload_error", None)
    st.session_state.pop("upload_choices", None)
    try:
        chosen: dict[str, Any] = {choice.argument: choice.value} if choice else {}
        atoms = read_structure(name, data, **chosen)
        _info(content_key(atoms), atoms)  # raises where the pages could not describe it, and keeps it for them
    except Sus2Error as error:
        st.session_state["upload_error"] = str(error)
        if isinstance(error, OpenChoiceError):
            st.session_state["upload_choices"] = (name, data, error.choices[:MAX_CHOICES])
        return
    choose_crystal(keep_crystal(name, atoms))
    st.session_state["show_structure"] = True


def contents(file: Any) -> bytes:
    """The bytes of an uploaded file; raises Sus2Error where this session has uploaded too much.

    A file counts once, however often its page runs, and goes on counting when its box has been emptied: what was read
    from it is kept for as long as the session lasts.
    """
    sizes: dict[str, int] = st.session_state.setdefault("uploaded_bytes", {})
    limit = settings().max_session_mb
    if file.file_id not in sizes and sum(sizes.values()) + file.size > limit * 2**20:
        raise Sus2Error(
            f"This session has uploaded {sum(sizes.values()) / 2**20:.1f} MiB, and with this file more than the "
            f"{limit} MiB that are allowed; reload the page to begin a new session."
        )
    sizes[file.file_id] = file.size
    return bytes(file.getvalue())


# Chosen model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """Where a potential that was made in the app came from: the key of its calculation, which a link names.

    crystal: content key of the one crystal that it was made for; reason: why it is the first choice there; both empty
    where it is none.
    """

    key: str
    crystal: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Model:
    """A potential that can be chosen: its card, the bytes of its file where it is the user's own, and its origin."""

    card: Any
    raw: bytes | None = None
    origin: Origin | None = None

    @property
    def name(self) -> str:
        return str(self.card.name)

    @property
    def elements(self) -> tuple[str, ...]:
        return tuple(self.card.elements)

    @property
    def is_own(self) -> bool:
        return self.raw is not None

    @property
    def identity(self) -> str:
        """Equal for models that give equal results."""
        return self.reference().identity

    def reference(self, precision: str = "float64") -> PotentialRef:
        """How a calculation names this model."""
        return PotentialRef.of(self.card, self.raw, precision=precision)

    def missing(self, atoms: Atoms) -> tuple[str, ...]:
        """Elements of atoms that the model does not cover."""
        return tuple(e for e in elements_of(atoms) if e not in self.elements)

    @property
    def is_exact(self) -> bool:
        """Whether it has exact second derivatives."""
        return not self.card.plugin and hasattr(self.load(), "spec")

    def load(self) -> Any:
        """The potential, loaded once in this server."""
        return self.reference().load()


@st.cache_resource(show_spinner=False)
def _cards() -> list[Any]:
    return sus2.models()


def models() -> list[Model]:
    """All models that this session can choose: shipped ones, then the user's own."""
    return [Model(card) for card in _cards()] + list(st.session_state.get("own_models", {}).values())


def add_model(raw: bytes, *, name: str, elements: Sequence[str] | None, functional: str) -> Model:
    """Check a user's own potential and keep it for this session; raises PotentialFileError.

    elements: in the order of the types in the file, None for a file that names them itself.
    """
    from sus2.registry.load import load_bytes

    card = load_bytes(raw, name=name, elements=elements, functional=functional).card
    if name in {m.name for m in models() if not m.is_own}:
        card = card.model_copy(update={"name": f"{name} (own)"})
    model = Model(card, raw)
    st.session_state.setdefault("own_models", {})[model.name] = model
    return model


def model(atoms: Atoms) -> Model:
    """The chosen model; raises Sus2Error where there is none or it does not cover an element of atoms."""
    chosen = next((m for m in models() if m.name == st.session_state.get("model_name")), None)
    if chosen is None and "lost_model" in st.session_state:
        gone = st.session_state["lost_model"]
        raise Sus2Error(
            f"The link names the potential '{gone[:60]}', which is not here: choose one in the panel on the left."
        )
    if chosen is None:
        raise Sus2Error("No potential is installed: load your own on the page Models.")
    missing = chosen.missing(atoms)
    if missing:
        others = [m.name for m in models() if not m.missing(atoms)]
        advice = f"choose {' or '.join(others)}" if others else "load one that does on the page Models"
        raise UnknownElementError(f"The potential {chosen.name} does not cover {listed(missing)}: {advice}.")
    return chosen


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
