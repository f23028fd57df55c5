// Second derivatives of the scalars along given moves of the edges, for committees of readouts: whatever the energy is
// in theta, they are the same.
#include <cstring>

#include "jets.h"

namespace {

class Basis : Jets {
public:
  Basis(const Sus2Model &m, const Sus2Edges &e) : Jets(m, e) {}

  // Atom i: its basic moments (nb), and of each edge's share in them the first (3, nb) and second derivatives (6, nb,
  // Voigt as free variables).
  void atom(int64_t i, double *moment, double *first, double *second) {
    const int64_t begin = e.first[i], n = e.first[i + 1] - begin, jet = 3 * m.radial, size = m.angulars;
    jets.resize(n * jet), monos.resize(4 * size);
    radial_jets(i, begin, n);
    const int pairs[6][2] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
    for (int64_t k = 0; k < n; ++k) {
      double r, unit[3];
      length(begin + k, r, unit);
      const double *h = &jets[k * jet], *p = monos.data();
      monomials(unit, monos.data());
      double *to = first + 3 * nb * (begin + k), *to2 = second + 6 * nb * (begin + k);
      const double inverse = 1.0 / r;
      for (int64_t b = 0; b < nb; ++b) {
        const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
        // phi = R(r) A(n), A homogeneous of degree l.
        const double l = rank[a], f0 = h[3 * mu] * inverse, f1 = h[3 * mu + 1] * inverse, value = p[a];
        const double h1 = h[3 * mu + 1] - l * f0, h2 = h[3 * mu + 2] - 2.0 * l * f1 + l * (l + 1.0) * f0 * inverse;
        moment[b] += h[3 * mu] * value;
        double slope[3];
        for (int x = 0; x < 3; ++x) slope[x] = p[(1 + x) * size + a];
        for (int x = 0; x < 3; ++x) to[x * nb + b] = unit[x] * h1 * value + f0 * slope[x];
        const double across = h1 * value * inverse, mixed = h1 * inverse;
        for (int v = 0; v < 6; ++v) {
          const int x = pairs[v][0], y = pairs[v][1];
          const int64_t low = m.ang_lower[3 * a + x];
          const double bend = low < 0 ? 0.0 : m.ang_factor[3 * a + x] * p[(1 + y) * size + low];
          to2[v * nb + b] = unit[x] * unit[y] * (h2 * value - across) + (x == y ? across : 0.0) +
                            mixed * (unit[x] * slope[y] + unit[y] * slope[x]) + f0 * inverse * bend;
        }
      }
    }
  }
};

// The products forwards with two derivatives: slopes of `parts` components (two for the cosine and the sine of a wave,
// whose squares add up), of up to BLOCK directions at once.
class Along {
public:
  static constexpr int64_t BLOCK = 16;
  Along(const Sus2Model &m, int64_t parts) : m(m), parts(parts), moment(m.moments), slope(m.moments * parts * BLOCK), bend(m.moments * BLOCK) {}

  // Adds the second derivatives of the scalars of a site to out (scalars, directions): directions from..to of basic
  // moments (nb), first (nb, parts, directions) and second (nb, directions).
  void site(const double *basic, const double *first, const double *second, int64_t directions, int64_t from,
            int64_t to, double *out) {
    const int64_t nb = m.basics, width = to - from;
    std::fill(moment.begin(), moment.end(), 0.0);
    std::fill(slope.begin(), slope.end(), 0.0);
    std::fill(bend.begin(), bend.end(), 0.0);
    for (int64_t b = 0; b < nb; ++b) {
      moment[b] = basic[b];
      std::memcpy(&bend[b * BLOCK], second + b * directions + from, width * sizeof(double));
      for (int64_t c = 0; c < parts; ++c)
        std::memcpy(&slope[(b * parts + c) * BLOCK], first + (b * parts + c) * directions + from,
                    width * sizeof(double));
    }
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1], t = row[3];
      const double f = double(row[2]), fp = f * moment[p], fq = f * moment[q];
      moment[t] += fp * moment[q];
      double *bt = &bend[t * BLOCK];
      const double *bp = &bend[p * BLOCK], *bq = &bend[q * BLOCK];
      for (int64_t d = 0; d < BLOCK; ++d) bt[d] += fp * bq[d] + fq * bp[d];
      for (int64_t c = 0; c < parts; ++c) {
        double *st = &slope[(t * parts + c) * BLOCK];
        const double *sp = &slope[(p * parts + c) * BLOCK], *sq = &slope[(q * parts + c) * BLOCK];
        for (int64_t d = 0; d < BLOCK; ++d) {
          bt[d] += 2.0 * f * sp[d] * sq[d];
          st[d] += fp * sq[d] + fq * sp[d];
        }
      }
    }
    for (int64_t s = 0; s < m.scalars; ++s)
      for (int64_t d = 0; d < width; ++d) out[s * directions + from + d] += bend[m.mapping[s] * BLOCK + d];
  }

private:
  const Sus2Model &m;
  const int64_t parts;
  Numbers moment, slope, bend;
};

} // namespace

extern "C" {
void sus2_edge_jets(const Sus2Model *m, const Sus2Edges *e, int64_t threads, double *moments, double *first,
                    double *second) {
  spread(e->atoms, threads, 8, [&](int64_t, int64_t begin, int64_t end) {
    Basis basis(*m, *e);
    for (int64_t i = begin; i < end; ++i) basis.atom(i, moments + i * m->basics, first, second);
  });
}

// out (kinds, scalars, directions), summed over the sites of each kind; moments (sites, nb), first (sites, nb, parts,
// directions), second (sites, nb, directions).
void sus2_along(const Sus2Model *m, int64_t sites, const int64_t *kind, int64_t directions, int64_t parts,
                int64_t threads, const double *moments, const double *first, const double *second, double *out) {
  const int64_t nb = m->basics, blocks = (directions + Along::BLOCK - 1) / Along::BLOCK;
  spread(blocks, threads, 1, [&](int64_t, int64_t begin, int64_t end) {
    Along work(*m, parts);
    for (int64_t b = begin; b < end; ++b)
      for (int64_t i = 0; i < sites; ++i)
        work.site(moments + i * nb, first + i * nb * parts * directions, second + i * nb * directions, directions,
                  b * Along::BLOCK, std::min(directions, (b + 1) * Along::BLOCK),
                  out + kind[i] * m->scalars * directions);
  });
}
}
