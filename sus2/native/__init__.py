"""The compiled kernels: C++ sources, their build and their binding; arrays in, arrays out."""
