"""The fused CPU kernels: built once with the machine's C++ compiler, called through ctypes.

Where there is no compiler, `available()` is False and callers use model.py instead: slower, same numbers.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from sus2 import _moved
from sus2.errors import StructureError, Sus2Error
from sus2.native.arrays import (
    NO_VOLUME,
    CloseEdges,
    EdgeList,
    Edges,
    ParameterGradient,
    Structures,
    c_edges,
    c_list,
    c_structures,
    pointer,
)
from sus2.native.build import default_threads
from sus2.native.build import library as _library
from sus2.native.spec import KernelSpec
from sus2.native.tables import CModel, monomial_table
from sus2.types import Array, Index


class Kernel:
    """One ModelSpec bound to the compiled kernels; raises Sus2Error where they are not available.

    linear_map: xi = alpha (r - r0) / 2 without the tanh, for ablations alone (its second derivatives do not have it).
    """

    def __init__(
        self,
        spec: KernelSpec,
        *,
        single_precision: bool = False,
        threads: int | None = None,
        linear_map: bool = False,
    ) -> None:
        library = _library("-DSUS2_LINEAR_MAP") if linear_map else _library()
        if library is None:
            raise Sus2Error("The fused kernels cannot be built here; use the torch model instead.")
        self._library = library
        self.single_precision = single_precision
        self.threads = threads or default_threads()
        self.spec = spec
        table = monomial_table(spec.max_rank)
        parent, axis, lower, factor = [], [], [], []
        for p in table:
            a, b, g = p
            k = next((x for x in range(3) if p[x]), 0)
            down = [(a - 1, b, g), (a, b - 1, g), (a, b, g - 1)]
            parent.append(table[down[k]] if sum(p) else 0)
            axis.append(k)
            lower.append([table[d] if min(d) >= 0 else -1 for d in down])
            factor.append([float(v) for v in p])
        c = spec.species_count

        def ints(x: Any) -> Index:
            return np.ascontiguousarray(x, dtype=np.int64)

        def floats(x: Any) -> Array:
            return np.ascontiguousarray(x, dtype=np.float64)

        assert spec.radial_species is not None
        arrays = {
            "kappa": ints(spec.scaling_index),
            "basic_mu": ints(spec.basic[:, 0]),
            "basic_ang": ints([table[(int(a), int(b), int(g))] for a, b, g in spec.basic[:, 1:]]),
            "ang_parent": ints(parent),
            "ang_axis": ints(axis),
            "ang_lower": ints(lower),
            "ang_factor": floats(factor),
            "times": ints(spec.times),
            "mapping": ints(spec.mapping),
            "alpha": floats(spec.alpha),
            "r0": floats(spec.r0),
            "weights": floats(spec.radial_weights),
            "pair_factor": floats(spec.radial_species[0]),
            "species_coeffs": floats(spec.species_coeffs),
            "theta": floats(spec.moment_coeffs),
            "neighbour": floats(spec.neighbour_coeffs if spec.neighbour_coeffs is not None else []),
        }
        self._arrays = arrays  # the C structure points into these
        self._model = CModel(
            c,
            spec.radial_basis_size,
            spec.radial_funcs_count,
            spec.scaling_blocks,
            len(spec.basic),
            len(spec.times),
            spec.moments_count,
            len(spec.mapping),
            len(table),
            spec.envelope_power,
            len(spec.mapping) if arrays["theta"].ndim == 2 else 0,
            spec.scaling,
            spec.max_dist,
            *(a.ctypes.data if a.size else None for a in arrays.values()),
        )
        self._shift = floats(spec.shift_coeffs)

    def evaluate(self, edges: Edges) -> tuple[Array, Array, Array]:
        """Energies, forces and virials of atoms with given edges.

        Parameters
        ----------
        edges
            Of one or more structures.

        Returns
        -------
        tuple of ndarray
            Site energies (N,) eV, forces (N, 3) eV/A, dE_i/d(strain) (N, 6) eV in Voigt order xx yy zz yz xz xy.
        """
        n = len(edges.types)
        site, forces, virial = np.zeros(n), np.zeros((n, 3)), np.zeros((n, 6))
        self._library.sus2_evaluate(
            ctypes.byref(self._model),
            ctypes.byref(c_edges(edges)),
            ctypes.c_int64(self.single_precision),
            ctypes.c_int64(self.threads),
            pointer(site),
            pointer(forces),
            pointer(virial),
        )
        return site + self._shift[edges.types], forces, virial

    def evaluate_structures(
        self, structures: Structures, *, edges: EdgeList | None = None, short_reach: Array | None = None
    ) -> tuple[Array, Array, Array, CloseEdges | None]:
        """As `evaluate`, with neighbours found on the way and kept for a block of atoms only.

        Parameters
        ----------
        structures
            One or more.
        edges
            A list found earlier with a longer cutoff, filtered here instead of a new search.
        short_reach
            (C, C) angstrom: also return the edges shorter than that, by their pair of types.

        Returns
        -------
        tuple
            Site energies, forces and virials as `evaluate`, and the short edges or None.

        Raises
        ------
        StructureError
            A cell without volume.
        """
        n = len(structures.types)
        room = 0 if short_reach is None else 1024 + n
        while True:
            site, forces, virial = np.zeros(n), np.zeros((n, 3)), np.zeros((n, 6))
            close = CloseEdges(np.empty(room, np.int64), np.empty(room, np.int64), np.empty((room, 3)))
            total = self._library.sus2_structures(
                ctypes.byref(self._model),
                ctypes.byref(c_structures(structures)),
                None if edges is None else ctypes.byref(c_list(edges)),
                ctypes.c_int64(self.single_precision),
                ctypes.c_int64(self.threads),
                pointer(site),
                pointer(forces),
                pointer(virial),
                None if short_reach is None else pointer(short_reach),
                ctypes.c_int64(room),
                pointer(close.i),
                pointer(close.j),
                pointer(close.vectors),
            )
            if total < 0:
                raise StructureError(NO_VOLUME)
            if total <= room:
                break
            room = total
        short = CloseEdges(close.i[:total], close.j[:total], close.vectors[:total])
        return site + self._shift[structures.types], forces, virial, None if short_reach is None else short

    def differentiate(self, edges: Edges, energy_weight: Array, velocity: Array, strain: Array) -> ParameterGradient:
        """Parameter gradient of sum_i (u_i E_i + dE_i/dt), where atoms move and edges strain at given rates.

        With u = dLoss/dE, velocity = -dLoss/dF and strain = dLoss/d(virial) this is the gradient of any loss of
        energies, forces and stresses: forward mode inside reverse mode.

        Parameters
        ----------
        edges
            Of one or more structures.
        energy_weight
            u, (N,).
        velocity
            (N, 3) angstrom.
        strain
            (N, 6) for each central atom, Voigt xx yy zz yz xz xy with tensor (not engineering) shears.

        Returns
        -------
        ParameterGradient
            By all parameters of the model.

        Raises
        ------
        ValueError
            Rates whose shapes do not fit the atoms.
        """
        s = self.spec
        c, blocks = s.species_count, s.scaling_blocks
        out = ParameterGradient(
            alpha=np.zeros((blocks, c, c)),
            r0=np.zeros((blocks, c, c)),
            weights=np.zeros((s.radial_funcs_count, s.radial_basis_size)),
            pair=np.zeros(c),
            species=np.zeros(c),
            theta=np.zeros((c, len(s.mapping)) if s.own_readout else len(s.mapping)),
            neighbour=None if s.neighbour_coeffs is None else np.zeros(s.neighbour_coeffs.shape),
        )
        u = np.ascontiguousarray(energy_weight, dtype=np.float64)
        velocity = np.ascontiguousarray(velocity, dtype=np.float64)
        strain = np.ascontiguousarray(strain, dtype=np.float64)
        n = len(edges.types)
        if (u.shape, velocity.shape, strain.shape) != ((n,), (n, 3), (n, 6)):
            raise ValueError(f"rates of shape {u.shape}, {velocity.shape}, {strain.shape} do not fit {n} atoms")
        self._library.sus2_differentiate(
            ctypes.byref(self._model),
            ctypes.byref(c_edges(edges)),
            ctypes.c_int64(self.single_precision),
            ctypes.c_int64(self.threads),
            pointer(u),
            pointer(velocity),
            pointer(strain),
            pointer(out.alpha),
            pointer(out.r0),
            pointer(out.weights),
            pointer(out.pair),
            pointer(out.species),
            pointer(out.theta),
            None if out.neighbour is None else pointer(out.neighbour),
        )
        return out

    def jacobian_width(self, *, linear: bool = False) -> int:
        """Number of columns of jacobian.

        Parameters
        ----------
        linear
            Whether theta alone counts.

        Returns
        -------
        int
            Columns.
        """
        s = self.spec
        tables = 2 * s.scaling_blocks * s.species_count**2 + s.radial_funcs_count * s.radial_basis_size
        amplitudes = 0 if s.neighbour_coeffs is None else s.neighbour_coeffs.size
        readout = len(s.mapping) * (s.species_count if s.own_readout else 1)
        return readout + (0 if linear else tables + 2 * s.species_count + amplitudes)

    def jacobian(self, edges: Edges, first: Index, *, linear: bool = False) -> Array:
        """Derivatives of energies, forces and virials by the parameters.

        Rows of one structure after another: its energy, forces (n, 3), virial (6,) as `evaluate` gives it. Columns:
        alpha, r0, weights, pair (row 0 of radial_species), neighbour_coeffs where the model has them, species, theta as
        ModelSpec has them, or theta alone where `linear`.

        Parameters
        ----------
        edges
            Of S structures, one after another.
        first
            (S + 1,) first atom of each structure.
        linear
            Whether theta alone is differentiated by.

        Returns
        -------
        ndarray
            (3N + 7S, P), float64.
        """
        first = np.ascontiguousarray(first, dtype=np.int64)
        out = np.zeros((3 * len(edges.types) + 7 * (len(first) - 1), self.jacobian_width(linear=linear)))
        self._library.sus2_jacobian(
            ctypes.byref(self._model),
            ctypes.byref(c_edges(edges)),
            ctypes.c_int64(len(first) - 1),
            pointer(first),
            ctypes.c_int64(linear),
            ctypes.c_int64(self.threads),
            pointer(out),
        )
        return out

    def scalars(self, edges: Edges) -> Array:
        """The scalar basis functions B_s, of which the energies are linear functions.

        Parameters
        ----------
        edges
            Of one or more structures.

        Returns
        -------
        ndarray
            (N, S), float64 whatever the precision.
        """
        out = np.zeros((len(edges.types), len(self.spec.mapping)))
        self._library.sus2_scalars(
            ctypes.byref(self._model), ctypes.byref(c_edges(edges)), ctypes.c_int64(self.threads), pointer(out)
        )
        return out

    def second_order(self, edges: Edges) -> tuple[Array, Array, Array, Array, Array]:
        """Site energies to second order in the edge vectors, as sus2.derivatives.local_hessian has them.

        Parameters
        ----------
        edges
            Of one structure.

        Returns
        -------
        tuple of ndarray
            Site energies (N,) eV, gradient (E, 3) eV/A, jacobian (E, 3, nb) 1/A, head (N, nb, nb) eV, curvature
            (E, 3, 3) eV/A^2; float64 whatever the precision.
        """
        n, count, nb = len(edges.types), len(edges.j), len(self.spec.basic)
        out = (
            np.zeros(n),
            np.zeros((count, 3)),
            np.zeros((count, 3, nb)),
            np.zeros((n, nb, nb)),
            np.zeros((count, 3, 3)),
        )
        self._library.sus2_second_order(
            ctypes.byref(self._model), ctypes.byref(c_edges(edges)), ctypes.c_int64(self.threads), *map(pointer, out)
        )
        return out[0] + self._shift[edges.types], *out[1:]


def response(edges: Edges, jacobian: Array, head: Array, curvature: Array) -> Array:
    """Second derivatives of the energy by displacements of the lattice period and strains.

    Takes what Kernel.second_order gives; strains in Voigt order with engineering shear, r -> (1 + strain) r, without
    the part from the second-order change of an edge (there is none: r is linear in a symmetric strain).

    Parameters
    ----------
    edges
        Of one structure.
    jacobian
        (E, 3, nb) 1/A.
    head
        (N, nb, nb) eV.
    curvature
        (E, 3, 3) eV/A^2.

    Returns
    -------
    ndarray
        (3N + 6, 3N + 6): eV/A^2, eV/A and eV.

    Raises
    ------
    Sus2Error
        There is no compiler.
    """
    library = _library()
    if library is None:
        raise Sus2Error("The fused kernels cannot be built here; use the torch model instead.")
    n = len(edges.types)
    out = np.zeros((3 * n + 6, 3 * n + 6))
    library.sus2_response(
        ctypes.byref(c_edges(edges)),
        ctypes.c_int64(head.shape[1]),
        ctypes.c_int64(default_threads()),
        *map(pointer, (jacobian, head, curvature, out)),
    )
    return out


def __getattr__(name: str) -> Any:
    return _moved.left("native.kernels", name)
