"""CIF files: parsed by gemmi, with the symmetry, the elements and the content checked against the file itself."""
