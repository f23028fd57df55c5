"""A SUS2 potential: its file, its moment graph, its backends and its ASE calculator."""
