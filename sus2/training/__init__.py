"""Training of SUS2 potentials: sets of labelled structures, teachers, fits."""
