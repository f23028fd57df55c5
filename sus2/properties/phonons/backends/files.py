"""Files of phonons: phonopy's, those of a viewer, and Born charges."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
from ase import Atoms
from phonopy import Phonopy
from phonopy.exception import BORNFileParseError
from phonopy.file_IO import parse_BORN_from_strings, write_FORCE_CONSTANTS
from phonopy.harmonic.dynamical_matrix import NacParams
from phonopy.phonon.mesh import Mesh
from phonopy.physical_units import get_physical_units

from sus2.derivatives.lattice_dynamics import Modes
from sus2.errors import Sus2Error
from sus2.properties.phonons.backends.supercell import SYMPREC_A
from sus2.properties.phonons.qpath import QPath
from sus2.units import THZ_TO_INV_CM


def write_phonopy_files(folder: Path, ph: Phonopy, path: QPath, mesh: Mesh) -> tuple[Path, ...]:
    """phonopy.yaml, FORCE_CONSTANTS, band.yaml with eigenvectors and mesh.yaml.

    Parameters
    ----------
    folder
        Made if missing.
    ph
        With force constants.
    path
        Of the bands.
    mesh
        With eigenvectors.

    Returns
    -------
    tuple of Path
        The four files, in that order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = tuple(folder / n for n in ("phonopy.yaml", "FORCE_CONSTANTS", "band.yaml", "mesh.yaml"))
    ph.save(names[0], settings={"force_constants": False})
    assert ph.force_constants is not None
    write_FORCE_CONSTANTS(ph.force_constants, filename=names[1], p2s_map=ph.primitive.p2s_map)
    onward = [*path.connected[1:], False]
    labels = [
        name
        for (start, end), joined in zip(path.segment_labels, path.connected, strict=True)
        for name in ((end,) if joined else (start, end))
    ]
    bands = ph.run_band_structure(
        [path.q_fractional[s] for s in path.segments],
        with_eigenvectors=True,
        path_connections=onward,
        labels=labels,
    )
    bands.write_yaml(filename=names[2])
    _ = mesh.eigenvectors  # the writer takes them as they are
    mesh.write_yaml(filename=names[3])
    return names


def phononwebsite_text(atoms: Atoms, path: QPath, modes: Modes) -> str:
    """Bands with eigenvectors as JSON for the viewer at https://henriquemiranda.github.io/phononwebsite.

    Parameters
    ----------
    atoms
        The primitive cell.
    path
        The path.
    modes
        Along the path.

    Returns
    -------
    str
        Frequencies in 1/cm; displacements of each mode with the phase of the atoms' places in the cell, which the
        viewer multiplies by that of the cell.
    """
    positions = atoms.get_scaled_positions(wrap=False)
    q = path.q_fractional
    phase = np.exp(2j * np.pi * q @ positions.T) / np.sqrt(atoms.get_masses())
    vectors = modes.eigenvectors.transpose(0, 2, 1).reshape(len(q), -1, len(atoms), 3) * phase[:, None, :, None]
    vectors /= np.linalg.norm(vectors, axis=(2, 3), keepdims=True)
    names = {round(place, 9): name for place, name in path.ticks}
    ends = sorted({k for part in path.segments for k in (part.start, part.stop - 1)})
    formula = atoms.get_chemical_formula("metal")
    content = {
        "name": formula,
        "formula": formula,
        "natoms": len(atoms),
        "lattice": atoms.cell.tolist(),
        "atom_types": atoms.get_chemical_symbols(),
        "atom_numbers": atoms.numbers.tolist(),
        "atom_pos_car": atoms.positions.tolist(),
        "atom_pos_red": positions.tolist(),
        "repetitions": [3, 3, 3],
        "qpoints": q.tolist(),
        "distances": path.distance_per_a.tolist(),
        "line_breaks": [[part.start, part.stop] for part in path.segments],
        "highsym_qpts": [[k, names.get(round(float(path.distance_per_a[k]), 9), "")] for k in ends],
        "eigenvalues": (THZ_TO_INV_CM * modes.frequencies_thz).tolist(),
        "vectors": np.round(np.stack([vectors.real, vectors.imag], axis=-1), 6).tolist(),
    }
    return json.dumps(content)


def nac_parameters(text: str, ph: Phonopy) -> NacParams:
    """Born charges and dielectric tensor of a BORN file.

    Parameters
    ----------
    text
        Content of the file.
    ph
        Of the crystal; its primitive cell tells which atoms are independent.

    Returns
    -------
    NacParams
        As phonopy takes them; the unit factor is that for eV and angstrom where the file has none.

    Raises
    ------
    Sus2Error
        Not a BORN file of this cell, numbers that are not finite, or a dielectric tensor that is not positive.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parameters = parse_BORN_from_strings(text, ph.primitive, symprec=SYMPREC_A)
    except (BORNFileParseError, ValueError) as error:
        raise Sus2Error(
            f"The BORN file cannot be used ({error}): line 1 is the unit factor, line 2 the dielectric tensor (9 "
            "numbers), then one line of 9 numbers for each symmetrically independent atom of the primitive cell."
        ) from None
    values = [np.asarray(parameters["born"]), np.asarray(parameters["dielectric"])]
    if not all(np.isfinite(v).all() for v in values) or np.linalg.eigvalsh(values[1] + values[1].T).min() <= 0:
        raise Sus2Error("The BORN file has a dielectric tensor that is not positive, or numbers that are not finite.")
    units = get_physical_units()
    parameters.setdefault("factor", units.Hartree * units.Bohr)
    return parameters
