"""Lesson 3: elasticity and symmetry."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import streamlit as st
from ase import Atoms

import sus2
from pages._parts import frame
from pages.lessons import parts
from sus2.figures.lessons.symmetry import pattern_figure, stress_figure
from sus2.figures.lessons.universal import diagonal_figure
from sus2.figures.properties.elastic import surface_figure
from sus2.lessons.first import BONDING, UNIVERSAL_MODEL, cauchy_arguments
from sus2.lessons.symmetry import Cauchy, cauchy, elastic_symmetry, strain_response
from sus2.properties.elastic.result import ElasticResult
from sus2.structures import describe, with_subscripts
from sus2.structures.samples import sample

TITLE = "Elasticity and symmetry"
EXAMPLES = (
    parts.Example("Silicon", "si-mlearn-pbe", "si"),
    parts.Example("Copper", "sus2-universal-pbe", "cu"),
    parts.Example("Magnesium", "sus2-universal-pbe", "mg"),
    parts.Example("Rutile", "sus2-universal-pbe", "tio2"),
    parts.Example("Quartz", "sus2-universal-pbe", "quartz"),
)
COMPONENTS = ("xx", "yy", "zz", "yz", "xz", "xy")


@lru_cache
def _formula(key: str) -> str:
    return describe(sample(key).atoms()).formula


EXPLANATION = (
    "A strain has six components, a stress has six, and 36 numbers could link them. That energy is a function of "
    "strain makes the table symmetric: **21**. The symmetry of the crystal does the rest: turn it onto itself and "
    "the numbers may not change. A cube keeps **3**. Strain the cell, and you see both at once: which stress "
    "answers, and how many constants the crystal has once it is strained."
)


def show() -> None:
    st.markdown("Which stress answers a strain, and how many elastic constants does a crystal have? Strain it.")
    example = parts.choose(EXAMPLES, key="l3_crystal")
    body, foot = parts.places()
    with foot:
        found = parts.kept(
            "elastic", sus2.elastic, atoms=example.atoms(), potential=parts.model(example.model), cross_checks=False
        )
    st.markdown(EXPLANATION)
    if found is None:
        return
    with body:
        _strain(found, example)
    _direction(found, example)
    _systems()
    relation = _cauchy()
    _questions(found, example, relation)
    _break(found, example)
    parts.links(
        (
            (
                "elasticity",
                f"All of the elasticity of {example.label.lower()}",
                "compress",
                example.key(),
                example.model,
            ),
            ("elasticity", "Zinc oxide: five constants", "compress", "zno", "sus2-universal-pbe"),
            ("structure", "Look at the crystal", "deployed_code", example.key(), example.model),
        )
    )


@parts.live
def _strain(found: ElasticResult, example: parts.Example) -> None:
    left, right = parts.beside()
    with right:
        stretches, shears = st.columns(2)
    strain = [
        (shears if k > 2 else stretches).slider(
            f"{name} (%)",
            -2.0,
            2.0,
            1.0 if k == 0 else 0.0,
            0.1,
            key=f"l3_{name}",
            bind="query-params",
            help="Shear, as the change of the angle between two axes." if k > 2 else "Stretch along this axis.",
        )
        for k, name in enumerate(COMPONENTS)
    ]
    response = strain_response(found, parts.model(example.model).load(), strain)
    before = elastic_symmetry(found.atoms)
    with left:
        frame.plot(
            stress_figure(
                computed_gpa=response.stress_gpa,
                linear_gpa=response.linear_gpa,
                mode=frame.mode(),
                height=parts.HEIGHT,
            ),
            key="l3_stress",
            alt=f"Six stresses of strained {example.label}, computed and from its elastic constants",
            name="lesson-stress",
        )
    with right:
        frame.plot(
            pattern_figure(
                nonzero=response.symmetry.nonzero,
                independent=response.symmetry.independent,
                mode=frame.mode(),
                height=280,
            ),
            key="l3_pattern",
            alt="Which elastic constants the symmetry of the strained crystal allows",
            name="lesson-pattern",
        )
    parts.numbers(
        (
            ("At rest", before.system, f"· {before.independent} constants", ""),
            ("Strained", response.symmetry.system, f"· {response.symmetry.independent} constants", ""),
            ("Off from C times the strain", parts.plain(response.nonlinearity_percent, 1), "%", ""),
        )
    )
    st.caption(
        f"{example.label} in {example.model}, axes as on the elasticity page. Bars: the stress of the strained cell, "
        "ions at rest. Marks: the elastic tensor at rest times the strain. Squares: constants that the symmetry of "
        "the strained crystal leaves free; small dots: zero by symmetry."
    )


def _direction(found: ElasticResult, example: parts.Example) -> None:
    young = found.extremes["youngs_modulus_gpa"]
    words = (
        f" The Zener ratio 2C₄₄/(C₁₁ − C₁₂) is {found.zener_anisotropy:.2f}; 1 would be the same in every direction."
        if found.zener_anisotropy is not None
        else ""
    )
    st.markdown(
        f"**Symmetric is not the same as isotropic.** Pull {example.label.lower()} along different directions and "
        f"Young's modulus runs from {young.minimum:.0f} to {young.maximum:.0f} GPa.{words}"
    )
    frame.plot(
        surface_figure(c_gpa=found.c_gpa, quantity="youngs_modulus", resolution=48, mode=frame.mode(), height=430),
        key="l3_surface",
        alt=f"Young's modulus of {example.label} in all directions",
        name="lesson-young",
    )


@lru_cache
def _system_rows() -> tuple[dict[str, str], ...]:
    rows = []
    copper = sample("cu").atoms()
    shears = {
        "copper, stretched along x and y": (2, -1, 0, 0, 0, 0),
        "copper, stretched and sheared once": (2, 0, -3, 0, 1, 0),
        "copper, strained at random": (1, 2, 3, 4, 5, 6),
    }
    for label, atoms in (
        ("copper", copper),
        ("magnesium", sample("mg").atoms()),
        ("quartz", sample("quartz").atoms()),
        ("rutile", sample("tio2").atoms()),
        *((name, _strained(copper, e)) for name, e in shears.items()),
    ):
        s = elastic_symmetry(atoms)
        rows.append(
            {
                "system": s.system,
                "example": label,
                "operations": str(s.operations),
                "independent constants": str(s.independent),
            }
        )
    return tuple(rows)


def _systems() -> None:
    with st.expander("Independent constants of the crystal systems, counted"):
        frame.table(_system_rows(), key="l3_systems")
        st.caption(
            "Counted by averaging the 21 unit tensors over the point group of each crystal. Tetragonal and trigonal "
            "crystals of low symmetry (4/m, −3) have 7."
        )


def _strained(atoms: Atoms, strain: Sequence[float]) -> Atoms:
    xx, yy, zz, yz, xz, xy = np.array(strain) / 100
    out = atoms.copy()
    e = np.array([[xx, xy / 2, xz / 2], [xy / 2, yy, yz / 2], [xz / 2, yz / 2, zz]])
    out.set_cell(atoms.cell.array @ (np.eye(3) + e).T, scale_atoms=True)
    return out


def _cauchy() -> Cauchy | None:
    st.markdown(
        "**What C₁₂ = C₄₄ tells.** Cauchy showed that if atoms attract and repel only along the line between them, "
        "and each sits at a centre of symmetry, then C₁₂ = C₄₄ in a cube. Salts come near. In metals atoms also sink "
        "into a common sea of electrons, which resists compression but not shear: C₁₂ > C₄₄. Covalent bonds resist "
        "bending: C₄₄ > C₁₂."
    )
    keys = {k: kind for kind, row in BONDING.items() for k in row}
    body, foot = st.container(), st.container()
    with foot:
        found: Cauchy | None = parts.kept("cauchy", cauchy, **cauchy_arguments(parts.model(UNIVERSAL_MODEL)))
    if found is None:
        return None
    with body:
        frame.plot(
            diagonal_figure(
                labels=[with_subscripts(_formula(k)) for k in keys],
                x=found.clamped_c44_gpa,
                y=found.clamped_c12_gpa,
                x_title="C<sub>44</sub> (GPa)",
                y_title="C<sub>12</sub> (GPa)",
                groups=list(keys.values()),
                logarithmic=True,
                line="central forces",
                mode=frame.mode(),
            ),
            key="l3_cauchy",
            alt="C₁₂ against C₄₄ of cubic crystals",
            name="lesson-cauchy",
        )
        st.caption(f"{UNIVERSAL_MODEL}, clamped ions, GPa.")
    return found


def _questions(found: ElasticResult, example: parts.Example, relation: Cauchy | None) -> None:
    ratios = ""
    if relation is not None:
        by: dict[str, list[float]] = {}
        for label, ratio in zip(relation.labels, relation.ratio, strict=True):
            kind = next(kind for kind, row in BONDING.items() for k in row if sample(k).name == label)
            by.setdefault(kind, []).append(float(ratio))
        ratios = " Medians of C₁₂/C₄₄ here: " + ", ".join(f"{k} {np.median(v):.2f}" for k, v in by.items()) + "."
    parts.questions(
        (
            (
                "Shear silicon by yz alone. Why is there no stress along x?",
                "A half turn about z turns a shear by +yz into one by −yz and leaves a stress along x as it was. So "
                "both shears would have to call up the same stress, but in a linear law opposite strains call up "
                "opposite stresses: it is zero. Quartz has no such half turn. Choose it and shear yz.",
            ),
            (
                "Is a crystal with three constants the same in all directions?",
                "No: an isotropic body has two. The third is the freedom of a cube to be stiffer along its edges or "
                "along its diagonals. "
                + (
                    f"For {example.label.lower()} the Zener ratio is {found.zener_anisotropy:.2f}."
                    if found.zener_anisotropy is not None
                    else "Choose a cubic crystal and look at its surface."
                ),
            ),
            (
                "Why are a strained cube's extra constants so small at first?",
                "They grow with the strain: the crystal next to the cube is nearly a cube. Symmetry is exact or it "
                "is not; what it forbids comes back continuously.",
            ),
            ("What would you conclude from C₁₂ far above C₄₄?", "Forces that are not central, as in a metal." + ratios),
        )
    )


def _break(found: ElasticResult, example: parts.Example) -> None:
    with parts.break_it(
        "Measure C₄₄ as one would with a naive script: shear the cell by yz, read the stress, divide. Forget that the "
        "atoms inside move too, or shear so far that the answer is no longer proportional."
    ):
        _naive(found, example)


@parts.live
def _naive(found: ElasticResult, example: parts.Example) -> None:
    left, right = st.columns(2)
    shear = left.slider("Shear yz (%)", 0.5, 15.0, 1.0, 0.5, key="l3_shear", bind="query-params")
    hold = right.toggle("Hold the ions (no relaxation)", True, key="l3_hold")
    response = strain_response(found, parts.model(example.model).load(), [0, 0, 0, shear, 0, 0])
    stress = response.clamped_gpa if hold else response.stress_gpa
    apparent, right_number = 100 * stress[3] / shear, found.c_gpa[3, 3]
    parts.numbers(
        (
            ("C₄₄, exact, ions at rest", parts.plain(right_number, 1), "GPa", "right"),
            ("C₄₄ from your stress", parts.plain(apparent, 1), "GPa", "wrong"),
            ("Off by", parts.signed(100 * (apparent / right_number - 1), 1), "%", "wrong"),
        )
    )
    if len(found.atoms) == 1:
        st.caption("With one atom in the cell there is nothing to relax inside; choose silicon or quartz.")
    else:
        st.caption(
            f"Held ions: {found.clamped_c_gpa[3, 3]:.1f} GPa however small the strain. What they gain by moving is "
            "the inner elasticity of the crystal."
        )
