"""Caesium chloride as the files of many programs: POSCAR variants, XYZ, inputs, SHELX, CSSR, phonopy, mCIF."""

from __future__ import annotations

CELL = "3.3 0 0\n0 3.3 0\n0 0 3.3\n"
ROWS = "0 0 0\n0.5 0.5 0.5\n"
LATTICE = 'Lattice="3.3 0 0 0 3.3 0 0 0 3.3"'
CSCL = {
    "numeric comment": f"21\n1.0\n{CELL}Cs Cl\n1 1\nDirect\n{ROWS}",
    "comment like JSON": f"[a comment]\n1.0\n{CELL}Cs Cl\n1 1\nDirect\n{ROWS}",
    "comment like CIF": f"data_x\n1.0\n{CELL}Cs Cl\n1 1\nDirect\n{ROWS}",
    "zero counts": f"x\n1.0\n{CELL}Cs Na Cl\n1 0 1\nDirect\n{ROWS}",
    "three scales": "x\n3.3 3.3 3.3\n1 0 0\n0 1 0\n0 0 1\nCs Cl\n1 1\nkartesian\n0 0 0\n0.5 0.5 0.5\n",
    "volume": f"x\n-{3.3**3}\n1 0 0\n0 1 0\n0 0 1\nCs Cl\n1 1\nFractional\n{ROWS}",
    "potcar names": f"x\n1.0 ! scale\n{CELL}Cs_sv/abc Cl_h\n1 1\nSelective\nDirect\n0 0 0 T T F\n"
    ".5 .5 .5 T F T\n\n0 0 0\n",
    "symbols behind": f"x\n1.0\n{CELL}1 1\nSelective\nDirect\n0 0 0 T T T Cs1\n0.5 0.5 0.5 T T T Cl1\n",
    "XDATCAR": f"x\n1.0\n{CELL}Cs Cl\n1 1\nDirect configuration= 1\n0 0 0\n.4 .4 .4\nDirect configuration= 2\n{ROWS}",
    "xyz numbers": f"2\n{LATTICE} Properties=numbers:I:1:pos:R:3:move_mask:L:1\n55 0 0 0 T\n17 1.65 1.65 1.65 F\n",
    "xyz brackets": '2\nLattice="[[3.3, 0, 0], [0, 3.3, 0], [0, 0, 3.3]]" pbc=[T, T, T]\nCs 0 0 0\nCl 1.65 1.65 1.65\n',
    "espresso ibrav": "&control\n/\n&SYSTEM\n ibrav=1, celldm(1)=6.2360963, nat=2, ntyp=2 ! bcc\n/\n"
    "&electrons\n/\nATOMIC_SPECIES\nCs 132.9 a.upf\nCl 35.4 b.upf\n"
    "atomic_positions {crystal}\nCs 0 0 0\nCl 1/2 1/2 1/2 0 0 0\n",
    "espresso cell": "&system\n ibrav=0, nat=2, ntyp=2\n/\nATOMIC_SPECIES\nCs 132.9 a\nCl1 35.4 b\n"
    "CELL_PARAMETERS angstrom\n"
    f"{CELL}ATOMIC_POSITIONS angstrom\nCs 0 0 0\nCl1 1.65 1.65 1.65\n",
    "castep": "%BLOCK LATTICE_ABC\nang\n3.3 3.3 3.3\n90 90 90\n%ENDBLOCK LATTICE_ABC\n%block positions_frac\n"
    "Cs 0 0 0\n"
    "Cl 1/2 1/2 1/2 ! half\n%endblock positions_frac\n",
    "castep bohr": "%block lattice_cart\nbohr\n6.2360963 0 0\n0 6.2360963 0\n0 0 6.2360963\n"
    "%endblock lattice_cart\n%block positions_abs\nCs 0 0 0\nCl 1.65 1.65 1.65\n%endblock positions_abs\n",
    "abinit": "# CsCl\nacell 3*6.2360963\nntypat 2 znucl 55 17\nnatom 2 typat 1 2\nxred 3*0.0\n 3*0.5\n",
    "abinit angstrom": "acell 3.3 3.3 3.3 angstrom\nrprim 1 0 0 0 1 0 0 0 1\nntypat 2\nznucl 55 17\n"
    "natom 2\ntypat 1 2\n"
    "xcart 0 0 0 1.65 1.65 1.65 angstrom\n",
    "shelx": "TITL x\nCELL 0.71 3.3 3.3 3.3 90 90 90\nLATT -1\nSFAC CS CL\nUNIT 1 1\nFVAR 1.0\n"
    "CS1 1 10 10 10 11 0.05\n"
    "CL1 2 0.5 0.5 0.5 11.0 =\n 0.05\nQ1 1 0.1 0.1 0.1 11 0.05 1.2\nHKLF 4\nEND\n",
    "cssr": "3.3 3.3 3.3\n90 90 90 SPGR =  1 P 1    OPT = 1\n2 0\n0 CsCl\n1 Cs 0.0 0.0 0.0\n2 Cl 0.5 0.5 0.5\n",
    "phonopy": "phonopy:\n  version: 4.8.6\nphysical_unit:\n  length: angstrom\nprimitive_cell:\n  lattice: []\n"
    "unit_cell:\n"
    "  lattice:\n  - [ 3.3, 0, 0 ] # a\n  - [ 0, 3.3, 0 ]\n  - [ 0, 0, 3.3 ]\n  points:\n  - symbol: Cs # 1\n"
    "    coordinates: [ 0, 0, 0 ]\n    mass: 132.905\n  - symbol: Cl # 2\n    coordinates: [ 0.5, 0.5, 0.5 ]\n"
    "    mass: 35.453\nsupercell:\n  lattice: []\n",
    "mcif": "data_x\n_cell.length_a 3.3\n_cell.length_b 3.3\n_cell.length_c 3.3\nloop_\n"
    "_space_group_symop_magn_operation.xyz\n"
    "x,y,z,+1\n-x,-y,-z,-1\nloop_\n_atom_site.label\n_atom_site.fract_x\n_atom_site.fract_y\n_atom_site.fract_z\n"
    "Cs1 0 0 0\nCl1 .5 .5 .5\n",
}
