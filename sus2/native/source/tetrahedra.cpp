// Density of states by the linear tetrahedron method, only at the samples that a tetrahedron reaches.
//
// MacDonald, Vosko and Coleridge, J. Phys. C 12, 2991 (1979): with corners e1 <= e2 <= e3 <= e4, the density g(e) of one
// tetrahedron and the share I(e) of the corner whose weight is wanted, written here as their product.

#include <algorithm>
#include <cstdint>

namespace {

// f(n, m) = (e - e_m) / (e_n - e_m)
double share(const double *e, int corner, double at) {
  const auto f = [&](int n, int m) { return (at - e[m]) / (e[n] - e[m]); };
  if (at < e[1]) {
    const double g = f(1, 0) * f(2, 0) / (e[3] - e[0]);
    return corner == 0 ? g * (f(0, 1) + f(0, 2) + f(0, 3)) : g * f(corner, 0);
  }
  if (at < e[2]) {
    const double a = f(1, 2) * f(2, 0), b = f(2, 1) * f(1, 3), g = (a + b) / (e[3] - e[0]);
    if (corner == 0) return g * f(0, 3) + f(0, 2) * a / (e[3] - e[0]);
    if (corner == 1) return g * f(1, 2) + f(1, 3) * b / (e[3] - e[0]);
    if (corner == 2) return g * f(2, 1) + f(2, 0) * a / (e[3] - e[0]);
    return g * f(3, 0) + f(3, 1) * b / (e[3] - e[0]);
  }
  const double g = f(0, 3) * f(1, 3) / (e[3] - e[2]);
  return corner == 3 ? g * (f(3, 0) + f(3, 1) + f(3, 2)) : g * f(corner, 3);
}

}  // namespace

// density (samples, parts) += the sum over points, bands and their tetrahedra of g I parts. values (points, bands);
// vertices (points, tetrahedra, 4): rows of values, the first corner the point itself; parts (points, bands, parts),
// weighted; samples: evenly spaced, from first in steps.
extern "C" void sus2_tetrahedra(const double *values, const int64_t *vertices, const double *weights, int64_t points,
                                int64_t bands, int64_t tetrahedra, int64_t parts, double first, double step,
                                int64_t samples, double *density) {
  for (int64_t p = 0; p < points; ++p)
    for (int64_t b = 0; b < bands; ++b) {
      const double *weight = weights + (p * bands + b) * parts;
      for (int64_t t = 0; t < tetrahedra; ++t) {
        const int64_t *v = vertices + (p * tetrahedra + t) * 4;
        double e[4];
        for (int k = 0; k < 4; ++k) e[k] = values[v[k] * bands + b];
        // How many of the others come before the point itself: where its value stands when they are sorted.
        const double own = e[0];
        int corner = 0;
        for (int k = 1; k < 4; ++k) corner += e[k] < own;
        std::sort(e, e + 4);
        int64_t s = std::max<int64_t>(0, static_cast<int64_t>((e[0] - first) / step) - 1);
        for (; s < samples; ++s) {
          const double at = first + step * static_cast<double>(s);
          if (at < e[0]) continue;
          if (at >= e[3]) break;
          const double found = share(e, corner, at);
          for (int64_t k = 0; k < parts; ++k) density[s * parts + k] += found * weight[k];
        }
      }
    }
}

// The first point of the orbit of each point of a grid, table (d0 d1 d2) in the order x + d0 (y + d1 z), under count
// rotations (count, 3, 3) of addresses.
extern "C" void sus2_irreducible(const int64_t *rotations, int64_t count, const int64_t *d, int64_t *table) {
  const int64_t points = d[0] * d[1] * d[2];
  std::fill(table, table + points, int64_t{-1});
  for (int64_t p = 0; p < points; ++p) {
    if (table[p] >= 0) continue;
    const int64_t at[3] = {p % d[0], p / d[0] % d[1], p / (d[0] * d[1])};
    for (int64_t k = 0; k < count; ++k) {
      int64_t to[3];
      for (int a = 0; a < 3; ++a) {
        const int64_t *r = rotations + (k * 3 + a) * 3;
        const int64_t turned = (r[0] * at[0] + r[1] * at[1] + r[2] * at[2]) % d[a];
        to[a] = turned < 0 ? turned + d[a] : turned;
      }
      table[to[0] + d[0] * (to[1] + d[1] * to[2])] = p;
    }
  }
}
