"""Whole files of calculations, as other programs write them: CsCl, whose chlorine atom moved in the last step."""

from __future__ import annotations

import numpy as np


def vector(row: tuple[float, ...] | list[float]) -> str:
    return "<v>" + " ".join(f"{x:16.8f}" for x in row) + "</v>"


def vasprun(steps: int = 2) -> str:
    """Of VASP 6: CsCl in a cell of 3.3 Å, where the chlorine atom moved by 0.05 Å in the last step."""
    basis = "".join(vector(row) for row in 3.3 * np.eye(3))
    energy = "<energy><i name='e_fr_energy'>-6.2</i><i name='e_wo_entrp'>-6.2</i><i name='e_0_energy'>-6.2</i></energy>"

    def structure(x: float, name: str = "") -> str:
        return f"""
<structure{name}><crystal>
<varray name="basis">{basis}</varray><i name="volume">35.937</i><varray name="rec_basis">{basis}</varray></crystal>
<varray name="positions">{vector((0.0, 0.0, 0.0))}{vector((x, 0.5, 0.5))}</varray></structure>"""

    moved = 0.5 + 0.05 / 3.3
    calculation = "".join(
        f"""
<calculation><scstep>{energy}</scstep>{structure(moved if k == steps - 1 else 0.5)}
<varray name="forces">{vector((0, 0, 0)) * 2}</varray><varray name="stress">{vector((0, 0, 0)) * 3}</varray>
{energy}</calculation>"""
        for k in range(steps)
    )
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
<generator><i name="program" type="string">vasp</i><i name="version" type="string">6.4.2</i></generator>
<incar><i type="int" name="NSW">2</i></incar>
<kpoints><generation param="Gamma"/><varray name="kpointlist">{vector((0, 0, 0))}</varray>
<varray name="weights"><v>1.0</v></varray></kpoints>
<parameters><separator name="electronic"><i name="ENMAX">300</i></separator></parameters>
<atominfo><atoms>2</atoms><types>2</types>
<array name="atoms"><dimension dim="1">ion</dimension><field type="string">element</field>
<field type="int">atomtype</field>
<set><rc><c>Cs</c><c>1</c></rc><rc><c>Cl</c><c>2</c></rc></set></array>
<array name="atomtypes"><dimension dim="1">type</dimension><field type="int">atomspertype</field>
<field type="string">element</field><field>mass</field><field>valence</field>
<field type="string">pseudopotential</field>
<set><rc><c>1</c><c>Cs</c><c>132.9</c><c>9</c><c>PAW_PBE Cs_sv</c></rc>
<rc><c>1</c><c>Cl</c><c>35.45</c><c>7</c><c>PAW_PBE Cl</c></rc></set></array></atominfo>
{structure(0.5, ' name="initialpos"')}{calculation}{structure(moved, ' name="finalpos"')}
</modeling>
"""


def outcar() -> str:
    """Of VASP 6, the two steps of the run above."""
    head = """ vasp.6.4.2 20Jul23 (build Aug 01 2023) complex

 executed on             Linux date 2024.01.01  10:00:00
 POTCAR:    PAW_PBE Cs_sv 08Apr2002
 POTCAR:    PAW_PBE Cl 06Sep2000
 POTCAR:    PAW_PBE Cs_sv 08Apr2002
 POTCAR:    PAW_PBE Cl 06Sep2000
   VRHFIN =Cs: 5s5p6s
   VRHFIN =Cl: s2p5
   ISPIN  =      1    spin polarized calculation?
   ions per type =               1   1
   NKPTS =      1   k-points in BZ     NKDIM =      1
"""
    step = """
--------------------------------------- Iteration      {k}(   1)  -----------------------
      VOLUME and BASIS-vectors are now :
 -----------------------------------------------------------------------------
  energy-cutoff  :      300.00
  volume of cell :       35.94
      direct lattice vectors                 reciprocal lattice vectors
     3.300000000  0.000000000  0.000000000     0.303030303  0.000000000  0.000000000
     0.000000000  3.300000000  0.000000000     0.000000000  0.303030303  0.000000000
     0.000000000  0.000000000  3.300000000     0.000000000  0.000000000  0.303030303

  length of vectors
     3.300000000  3.300000000  3.300000000     0.303030303  0.303030303  0.303030303

 POSITION                                       TOTAL-FORCE (eV/Angst)
 -----------------------------------------------------------------------------------
      0.00000      0.00000      0.00000         0.000000      0.000000      0.000000
      {x:.5f}      1.65000      1.65000         0.000000      0.000000      0.000000
 -----------------------------------------------------------------------------------
    total drift:                                0.000000      0.000000      0.000000

  free  energy   TOTEN  =        -6.20000000 eV

"""
    return head + "".join(step.format(k=k + 1, x=x) for k, x in enumerate((1.65, 1.7)))


def espresso_output() -> str:
    """Of pw.x 7, a relaxation of one step."""
    return """
     Program PWSCF v.7.2 starts on  1Jan2024 at 10: 0: 0

     bravais-lattice index     =            1
     lattice parameter (alat)  =       6.2361  a.u.
     unit-cell volume          =     242.5167 (a.u.)^3
     number of atoms/cell      =            2
     number of atomic types    =            2
     number of electrons       =        16.00

     celldm(1)=   6.236096  celldm(2)=   0.000000  celldm(3)=   0.000000

     crystal axes: (cart. coord. in units of alat)
               a(1) = (   1.000000   0.000000   0.000000 )
               a(2) = (   0.000000   1.000000   0.000000 )
               a(3) = (   0.000000   0.000000   1.000000 )

     atomic species   valence    mass     pseudopotential
        Cs             9.00   132.90500     Cs( 1.00)
        Cl             7.00    35.45000     Cl( 1.00)

   Cartesian axes

     site n.     atom                  positions (alat units)
         1           Cs  tau(   1) = (   0.0000000   0.0000000   0.0000000  )
         2           Cl  tau(   2) = (   0.5000000   0.5000000   0.5000000  )

     number of k points=     1
                       cart. coord. in units 2pi/alat
        k(    1) = (   0.0000000   0.0000000   0.0000000), wk =   2.0000000

!    total energy              =     -90.00000000 Ry

     Forces acting on atoms (cartesian axes, Ry/au):

     atom    1 type  1   force =     0.00000000    0.00000000    0.00000000
     atom    2 type  2   force =     0.00100000    0.00000000    0.00000000

ATOMIC_POSITIONS (angstrom)
Cs               0.0000000000        0.0000000000        0.0000000000
Cl               1.7000000000        1.6500000000        1.6500000000


     JOB DONE.
"""


WHOLE = {"vasprun.xml": vasprun(), "OUTCAR": outcar(), "pw.out": espresso_output()}
