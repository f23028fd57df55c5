"""What more compositions are worth: readouts solved anew from ever more shards, judged on what is kept apart.

    SUS2_SHARED=... PYTHONPATH=. python docs/scripts/learning_curve.py SHARDS [SHARDS ...]

Needs the first 66 shards of `crystals-2`, of which so many are drawn at random; the radial part is that of
`sus2-universal-pbe`, and the readouts of all elements begin as their mean. Prints a row of Markdown for each number:
crystals and compositions to train on; then, for training and each split that is kept apart, median errors of the
responses to strain and displacements (%) and the mean error of forces (meV/A). A minute of one core for three shards,
six for 48.
"""

from __future__ import annotations

import sys

import numpy as np

from sus2.training.data.sets import SetSplit, load_set
from sus2.training.fit.config import read_config
from sus2.training.fit.loss import Errors
from sus2.training.fit.objective import errors
from sus2.training.fit.run import _Run

SHARDS, MINIBATCHES_OF_EACH, STEPS, PRIOR = 66, 6, 12, 1e-4
SPLITS: tuple[SetSplit, ...] = ("test", "mp", "type")


def cell(e: Errors) -> str:
    return f"{e.strain_response_percent:.1f}, {e.displacement_response_percent:.1f} %; {e.force_mae_mev_per_a:.0f}"


def main() -> None:
    order = np.random.default_rng(4).permutation(SHARDS)
    whole = read_config("pretrained/sus2-universal-pbe.yaml")
    for count in map(int, sys.argv[1:]):
        source = whole.sources[0].model_copy(update={"shards": tuple(sorted(map(int, order[:count])))})
        changed = {
            "sources": (source,),
            "batches": max(24, MINIBATCHES_OF_EACH * count),
            "stability_ev_per_atom": None,
            "readout_prior": PRIOR,
        }
        run = _Run(whole.model_copy(update=changed), 1)
        spec = run.space.unpack(run.start)
        blocks = run.space.blocks(run.start)
        blocks["theta_element"] += spec.readout.mean(axis=0) - spec.readout
        x = run.solved(run.solved(run.start, STEPS), STEPS)
        spec, data = run.space.unpack(x), run.train
        compositions = len(np.unique(data.composition[data.kind != "dimer"]))
        cells = [cell(errors(run.parts[::3], spec))]
        cells += [cell(errors([run.objective(load_set(source.name, "PBE", split=s))], spec)) for s in SPLITS]
        print(f"| {count} | {(data.kind == 'relaxed').sum()}, {compositions} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
