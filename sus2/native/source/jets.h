// Radial functions and monomials of the edges of an atom with their derivatives, in double precision.
#pragma once
#include <cmath>

#include "kernels.h"

namespace {

typedef std::vector<double> Numbers;

class Jets {
protected:
  typedef Simd<double>::vec V;
  static constexpr int64_t lanes = Simd<double>::lanes;
  const Sus2Model &m;
  const Sus2Edges &e;
  const int64_t nb;
  Numbers rank, jets, monos; // of the monomials; of all edges of an atom
  std::vector<V> cheb;

  Jets(const Sus2Model &m, const Sus2Edges &e) : m(m), e(e), nb(m.basics), rank(m.angulars), cheb(3 * m.chebyshev) {
    for (int64_t a = 1; a < m.angulars; ++a) rank[a] = rank[m.ang_parent[a]] + 1.0;
  }

  void length(int64_t edge, double &r, double unit[3]) const {
    const double *v = e.vectors + 3 * edge;
    r = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    for (int x = 0; x < 3; ++x) unit[x] = v[x] / r;
  }

  // R_mu and its first two derivatives for every edge of atom i, jets (n, radial, 3), by the Chebyshev recurrence
  // differentiated; eight edges at once.
  void radial_jets(int64_t i, int64_t begin, int64_t n) {
    const int64_t size = m.chebyshev, zi = e.types[i], pairs = zi * m.species;
    for (int64_t k = 0; k < n; k += lanes) {
      const int64_t live = std::min<int64_t>(lanes, n - k);
      int64_t zj[lanes];
      V r, pair;
      for (int64_t lane = 0; lane < lanes; ++lane) {
        const int64_t edge = begin + k + std::min(lane, live - 1);
        const double *v = e.vectors + 3 * edge;
        zj[lane] = e.types[e.j[edge]];
        r[lane] = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        pair[lane] = m.pair_factor[zj[lane]];
      }
      const V x = r - m.cutoff, scale = x < V{} ? m.scaling * m.pair_factor[zi] * pair : V{};
      for (int64_t c = 0; c < m.kappas; ++c) {
        V alpha, r0;
        for (int64_t lane = 0; lane < lanes; ++lane) {
          alpha[lane] = m.alpha[c * m.species * m.species + pairs + zj[lane]];
          r0[lane] = m.r0[c * m.species * m.species + pairs + zj[lane]];
        }
        V e0, e1, e2;
        envelope_of<V>(m.power, x < V{} ? x : V{}, e0, e1, e2);
        const V xi = 1 - 2 / (vexp(alpha * (r - r0)) + 1), slope = 0.5 * alpha;
        const V d = slope * (1 - xi * xi), dd = -2 * slope * xi * d;
        V *p = cheb.data(), *dp = p + size, *ddp = dp + size;
        p[0] = V{} + 1, dp[0] = ddp[0] = V{};
        if (size > 1) p[1] = xi, dp[1] = V{} + 1, ddp[1] = V{};
        for (int64_t q = 2; q < size; ++q) {
          p[q] = 2 * xi * p[q - 1] - p[q - 2];
          dp[q] = 2 * (p[q - 1] + xi * dp[q - 1]) - dp[q - 2];
          ddp[q] = 2 * (2 * dp[q - 1] + xi * ddp[q - 1]) - ddp[q - 2];
        }
        for (int64_t mu = 0; mu < m.radial; ++mu) {
          if (m.kappa[mu] != c) continue;
          const double *w = m.weights + mu * size;
          V s = V{}, s1 = V{}, s2 = V{};
          for (int64_t q = 0; q < size; ++q) s += w[q] * p[q], s1 += w[q] * dp[q], s2 += w[q] * ddp[q];
          const V ds = s1 * d, dds = s2 * d * d + s1 * dd;
          V size = scale;
          if (m.neighbour)
            for (int64_t lane = 0; lane < lanes; ++lane) size[lane] *= m.neighbour[mu * m.species + zj[lane]];
          const V f[3] = {size * e0 * s, size * (e1 * s + e0 * ds), size * (e2 * s + 2 * e1 * ds + e0 * dds)};
          for (int64_t lane = 0; lane < live; ++lane)
            for (int order = 0; order < 3; ++order) jets[((k + lane) * m.radial + mu) * 3 + order] = f[order][lane];
        }
      }
    }
  }

  // Rows of p: each monomial at the unit vector, and its derivatives by x, y, z as of free variables.
  void monomials(const double unit[3], double *p) const {
    const int64_t n = m.angulars;
    p[0] = 1.0;
    for (int64_t a = 1; a < n; ++a) p[a] = p[m.ang_parent[a]] * unit[m.ang_axis[a]];
    for (int64_t a = 0; a < n; ++a)
      for (int x = 0; x < 3; ++x) {
        const int64_t low = m.ang_lower[3 * a + x];
        p[(1 + x) * n + a] = low < 0 ? 0.0 : m.ang_factor[3 * a + x] * p[low];
      }
  }
};

} // namespace
