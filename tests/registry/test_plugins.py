"""Plug-ins of packages and of the settings: listed with a card, made at first use, and a broken one is one sentence."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, PackageNotFoundError
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

import sus2
from sus2.errors import Sus2Error
from sus2.jobs.calculation import Calculation, compute
from sus2.registry.external import WrappedCalculator, wrap_calculator
from sus2.registry.others import adapters, known, plugins
from sus2.registry.reference import PotentialRef
from sus2.settings import potential_tables, read_settings

METALS = ["Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"]


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what the entry points of installed packages offer: offered(name=object, ...)."""

    def offer(**values: Any) -> None:
        module = ModuleType("offering")
        for name, value in values.items():
            setattr(module, name, value)
        monkeypatch.setitem(sys.modules, "offering", module)
        points = [EntryPoint(name, f"offering:{name}", plugins.GROUP) for name in values]
        monkeypatch.setattr(plugins, "entry_points", lambda group: points)
        # The same entry point offers something else now.
        plugins._found.cache_clear()

    return offer


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Set the content of the settings file."""
    path = tmp_path / "settings.toml"
    monkeypatch.setenv("SUS2_SETTINGS", str(path))
    return lambda text: path.write_text(text, encoding="utf-8") and None


def names() -> list[str]:
    return [card.name for card in sus2.models()]


def test_a_package_offers_one(offered: Callable[..., None]) -> None:
    offered(PLUGIN={"name": "emt", "factory": "ase.calculators.emt:EMT", "elements": METALS, "functional": "none"})
    card = next(c for c in sus2.models() if c.name == "emt")
    assert (card.functional, card.elements, card.plugin) == ("none", tuple(METALS), "ase.calculators.emt:EMT")
    potential = sus2.load("emt")
    assert isinstance(potential, WrappedCalculator)
    assert potential.card == card
    assert sus2.eos(bulk("Cu"), potential).b0_gpa == pytest.approx(134.4, abs=0.5)


def test_a_function_offers_several(offered: Callable[..., None]) -> None:
    entry = {"factory": "ase.calculators.emt:EMT", "elements": METALS}
    offered(several=lambda: [entry | {"name": "one"}, known.Plugin(name="two", **entry)])
    assert {"one", "two"} <= set(names())


def test_the_settings_list_one(written: Callable[[str], None]) -> None:
    written(
        'max_atoms = 77\n[potentials.argon]\nfactory = "ase.calculators.lj:LennardJones"\nelements = ["Ar"]\n'
        'licence = "LGPL"\noptions = {sigma = 3.4, epsilon = 0.0104, rc = 10.0}\n'
    )
    assert read_settings()[0].max_atoms == 77
    assert next(c for c in sus2.models() if c.name == "argon").licence == "LGPL"
    energy = sus2.load("argon").evaluate([bulk("Ar", "fcc", 5.26)])[0].energy_ev
    assert -0.1 < energy < -0.05


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"factory": "ase.calculators.emt:EMT", "elements": ["Xx"]}, "'Xx' is not a chemical element"),
        ({"factory": "ase.calculators.emt:EMT"}, "elements: Field required"),
        ({"elements": ["Cu"]}, "factory: Field required"),
        ({"factory": "x:y", "elements": ["Cu"], "colour": "red"}, "colour: Extra inputs"),
        ({"factory": "x:y", "elements": ["Cu"], "weights": "/nowhere/at.all"}, "weights of bad cannot be read"),
        ({"factory": "x:y", "elements": ["Cu"], "package": "no-such-package"}, "needs the package no-such-package"),
    ],
)
def test_a_broken_one_never_breaks_the_list(
    entry: dict[str, Any], sentence: str, offered: Callable[..., None], written: Callable[[str], None]
) -> None:
    def broken() -> None:
        raise RuntimeError("no\nlicence")

    plugins._found.cache_clear()
    shipped = names()
    offered(
        bad=entry | {"name": "bad"}, broken=broken, number=3, good={"name": "ok", "factory": "a:b", "elements": ["H"]}
    )
    assert names() == [*shipped, "ok"]
    problems = plugins.found().problems
    assert any(sentence in p for p in problems)
    assert any("broken" in p and "RuntimeError: no licence" in p for p in problems)
    assert any("offers a int" in p for p in problems)
    assert all("\n" not in p and p.endswith(".") for p in problems)


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        ("nothing_here:calculator", "ModuleNotFoundError"),
        ("ase.calculators.emt:Nothing", "AttributeError"),
        ("pathlib:Path", "gives a PosixPath, not an ASE calculator"),
        ("macee", "'macee' is no factory"),
        ("mace", "mace"),
    ],
)
def test_what_cannot_be_made_is_one_sentence(factory: str, sentence: str, offered: Callable[..., None]) -> None:
    offered(bad={"name": "bad", "factory": factory, "elements": ["Cu"]})
    with pytest.raises(Sus2Error, match=sentence) as caught:
        sus2.load("bad")
    assert "\n" not in str(caught.value)


def test_workers_make_it_by_name(offered: Callable[..., None]) -> None:
    offered(PLUGIN={"name": "emt", "factory": "ase.calculators.emt:EMT", "elements": METALS})
    reference = PotentialRef.of(next(c for c in sus2.models() if c.name == "emt"))
    assert reference.kind == "external"
    found = compute(Calculation.of(sus2.relax, atoms=bulk("Cu"), potential=reference)).result([reference])
    assert found.converged
    offered(PLUGIN={"name": "emt", "factory": "ase.calculators.emt:EMT", "elements": ["Cu"]})
    with pytest.raises(Sus2Error, match="has changed"):
        PotentialRef(reference.name, reference.identity, precision="float32").load()


def test_the_command_line_lists_them(written: Callable[[str], None]) -> None:
    from typer.testing import CliRunner

    from sus2.cli.main import app

    written(
        '[potentials.argon]\nfactory = "ase.calculators.lj:LennardJones"\nelements = ["Ar"]\n'
        '[potentials.bad]\nfactory = "x:y"\nelements = ["Xx"]\n'
    )
    found = CliRunner().invoke(app, ["models"])
    assert found.exit_code == 0
    assert any(line.split()[:1] == ["argon"] for line in found.stdout.splitlines())
    assert "'Xx' is not a chemical element" in found.stderr


def test_a_table_that_is_no_table(written: Callable[[str], None]) -> None:
    written("potentials = 3\n")
    with pytest.raises(Sus2Error, match="must hold tables"):
        potential_tables()


def test_a_known_model_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(known, "version", nothing)
    assert known.known() == []
    for name, model in known.KNOWN.items():
        assert known.missing(name) == (
            f"{name} needs the package {model.package}, which is not installed: pip install 'sus2[{model.extra}]'."
        )
    monkeypatch.setattr(known, "version", lambda name: "4.0.1")
    # Only matgl is held to one version.
    assert {p.name for p in known.known()} == {n for n, m in known.KNOWN.items() if m.package != "matgl"}
    assert "needs matgl 2.0.4; version 4.0.1 gives wrong energies" in known.missing("tensornet-matpes-pbe")


# Stubs with the interface of each package, as its documentation has it: what they are called with is what counts.
STUBS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "mace": (
        "mace.calculators",
        "MACECalculator",
        {"head": "r2scan"},
        {"model_paths": "w", "device": "cuda", "default_dtype": "float64", "head": "r2scan"},
    ),
    "mattersim": ("mattersim.forcefield", "MatterSimCalculator", {}, {"load_path": "w", "device": "cuda"}),
    "grace": ("tensorpotential.calculator", "TPCalculator", {}, {"model": "w"}),
    "nequix": ("nequix.calculator", "NequixCalculator", {}, {"model_path": "w", "backend": "jax"}),
    "sevennet": (
        "sevenn.calculator",
        "SevenNetCalculator",
        {"modal": "PBE"},
        {"model": "w", "device": "cuda", "modal": "PBE"},
    ),
}


@pytest.mark.parametrize("name", sorted(STUBS))
def test_adapters_call_the_packages_as_they_want(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, attribute, options, expected = STUBS[name]
    calls: list[dict[str, Any]] = []

    def calculator(**arguments: Any) -> EMT:
        calls.append(arguments)
        return EMT()

    monkeypatch.setattr(
        adapters,
        "import_module",
        lambda asked: SimpleNamespace(**{attribute: calculator}) if asked == module else pytest.fail(asked),
    )
    getattr(adapters, name)(weights="w", device="cuda", **options)
    assert calls == [expected]


def test_chgnet_computes_what_has_no_cell_in_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Atoms] = []

    class CrystalsAlone(EMT):
        def __init__(self, model: str, use_device: str, on_isolated_atoms: str) -> None:
            assert (model, use_device, on_isolated_atoms) == ("0.3.0", "cpu", "ignore")
            super().__init__()

        def calculate(self, atoms: Any, *arguments: Any, **options: Any) -> None:
            seen.append(atoms)
            assert atoms.cell.rank == 3
            super().calculate(atoms, *arguments, **options)

    def imported(name: str) -> Any:
        if name == "chgnet.model.model":
            return SimpleNamespace(CHGNet=SimpleNamespace(load=lambda model_name, use_device, verbose: model_name))
        return SimpleNamespace(CHGNetCalculator=CrystalsAlone)

    monkeypatch.setattr(adapters, "import_module", imported)
    potential = wrap_calculator(adapters.chgnet(), name="x", elements=["Cu"])
    pair = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]])
    found = potential.evaluate([pair])[0]
    direct = wrap_calculator(EMT, name="emt", elements=["Cu"]).evaluate([pair])[0]
    assert found.energy_ev == pytest.approx(direct.energy_ev)
    assert seen[0].cell.lengths() == pytest.approx([12.0, 12.0, 14.5])
    assert len(seen) == 1, "energy and forces come from one evaluation"
    slab = Atoms("Cu", cell=[[2.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 0.0]], pbc=[True, True, False])
    potential.evaluate([slab, bulk("Cu")])
    assert seen[1].cell.lengths() == pytest.approx([2.0, 5**0.5, 12.0])
    assert seen[2].cell == pytest.approx(bulk("Cu").cell)


def test_what_a_factory_prints_does_not_go_into_the_output(
    offered: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def chatty() -> Any:
        print("412,525 parameters")
        return {"name": "chatty", "factory": "offering:Chatty", "elements": ["Cu"]}

    class Chatty(EMT):
        def __init__(self) -> None:
            print("on cpu")
            super().__init__()

    offered(chatty=chatty)
    monkeypatch.setattr(sys.modules["offering"], "Chatty", Chatty, raising=False)
    sus2.load("chatty")
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-2:] == ["412,525 parameters", "on cpu"]


@pytest.mark.parametrize("pair", [False, True])
def test_orb_with_and_without_its_adapter_of_graphs(pair: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def model(**arguments: Any) -> Any:
        seen["model"] = arguments
        return ("net", "graphs") if pair else "net"

    def calculator(*arguments: Any, **settings: Any) -> EMT:
        seen["calculator"] = (arguments, settings)
        return EMT()

    def imported(name: str) -> Any:
        if name == "orb_models.forcefield.inference.calculator" and not pair:
            raise ImportError(name)
        return SimpleNamespace(orb_v3_conservative_inf_omat=model, ORBCalculator=calculator)

    monkeypatch.setattr(adapters, "import_module", imported)
    adapters.orb(weights="w")
    assert seen["model"] == {"weights_path": "w", "device": "cpu", "precision": "float64"}
    assert seen["calculator"] == (("net",), {"device": "cpu"} | ({"atoms_adapter": "graphs"} if pair else {}))
    with pytest.raises(Sus2Error, match="no architecture"):
        adapters.orb(weights="w", model="orb_v9")
