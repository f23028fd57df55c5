// Density of states by the linear tetrahedron method, only at the samples that a tetrahedron reaches.
//
// MacDonald, Vosko and Coleridge, J. Phys. C 12, 2991 (1979): with corners e1 <= e2 <= e3 <= e4, the density g(e) of one
// tetrahedron and the share I(e) of the corner whose weight is wanted, written here as their product.

#include <algorithm>
#include <cstdint>

namespace {

// A tetrahedron with its corners in order and the differences of their values inverted: those of equal values are
// infinite, and are not asked for, since no value lies between.
struct Tetrahedron {
  double e[4], r10, r20, r30, r21, r31, r32;
  int corner;

  explicit Tetrahedron(const double *values) {
    // How many of the others come before the first corner: where its value stands when they are sorted.
    corner = (values[1] < values[0]) + (values[2] < values[0]) + (values[3] < values[0]);
    for (int k = 0; k < 4; ++k) e[k] = values[k];
    const auto order = [&](int a, int b) {
      const double low = std::min(e[a], e[b]), high = std::max(e[a], e[b]);
      e[a] = low, e[b] = high;
    };
    order(0, 1), order(2, 3), order(0, 2), order(1, 3), order(1, 2);
  }

  void prepare() {
    r10 = 1.0 / (e[1] - e[0]), r20 = 1.0 / (e[2] - e[0]), r30 = 1.0 / (e[3] - e[0]);
    r21 = 1.0 / (e[2] - e[1]), r31 = 1.0 / (e[3] - e[1]), r32 = 1.0 / (e[3] - e[2]);
  }

  // With f(n, m) = (at - e_m) / (e_n - e_m), which is fnm below.
  double share(double at) const {
    const double d0 = at - e[0], d1 = at - e[1], d2 = at - e[2], d3 = at - e[3];
    if (at < e[1]) {
      const double f10 = d0 * r10, f20 = d0 * r20, f30 = d0 * r30, g = f10 * f20 * r30;
      if (corner == 0) return -g * (d1 * r10 + d2 * r20 + d3 * r30);
      return g * (corner == 1 ? f10 : corner == 2 ? f20 : f30);
    }
    if (at < e[2]) {
      const double f12 = -d2 * r21, f20 = d0 * r20, f21 = d1 * r21, f13 = -d3 * r31;
      const double a = f12 * f20, b = f21 * f13, g = (a + b) * r30;
      if (corner == 0) return -g * d3 * r30 - d2 * r20 * a * r30;
      if (corner == 1) return g * f12 + f13 * b * r30;
      if (corner == 2) return g * f21 + f20 * a * r30;
      return g * d0 * r30 + d1 * r31 * b * r30;
    }
    const double f03 = -d3 * r30, f13 = -d3 * r31, f23 = -d3 * r32, g = f03 * f13 * r32;
    if (corner == 3) return g * (d0 * r30 + d1 * r31 + d2 * r32);
    return g * (corner == 0 ? f03 : corner == 1 ? f13 : f23);
  }
};

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
        const double values4[4] = {values[v[0] * bands + b], values[v[1] * bands + b], values[v[2] * bands + b],
                                   values[v[3] * bands + b]};
        Tetrahedron one(values4);
        int64_t s = std::max<int64_t>(0, static_cast<int64_t>((one.e[0] - first) / step) - 1);
        while (s < samples && first + step * static_cast<double>(s) < one.e[0]) ++s;
        if (s == samples || first + step * static_cast<double>(s) >= one.e[3]) continue;
        one.prepare();
        for (; s < samples; ++s) {
          const double at = first + step * static_cast<double>(s);
          if (at >= one.e[3]) break;
          const double found = one.share(at);
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
