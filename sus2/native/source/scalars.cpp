// The scalar basis functions B_s of every atom, which enter the energy linearly: what extrapolation grades and
// committees of readouts need, without derivatives.
#include <cmath>

#include "kernels.h"

namespace {

typedef std::vector<double> Numbers;

// B_s of atom i in `out` (scalars).
void scalars(const Sus2Model &m, const Sus2Edges &e, int64_t i, Numbers &moment, Numbers &mono, Numbers &chebyshev,
             Numbers &radial, double *out) {
  const int64_t zi = e.types[i], size = m.chebyshev;
  std::fill(moment.begin(), moment.end(), 0.0);
  for (int64_t edge = e.first[i]; edge < e.first[i + 1]; ++edge) {
    const double *v = e.vectors + 3 * edge;
    const int64_t zj = e.types[e.j[edge]];
    const double r = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), inverse = 1.0 / r;
    double envelope, slope, curvature;
    envelope_of(m.power, std::min(r - m.cutoff, 0.0), envelope, slope, curvature);
    envelope *= m.scaling * m.pair_factor[zi] * m.pair_factor[zj];
    for (int64_t c = 0; c < m.kappas; ++c) {
      const int64_t at = (c * m.species + zi) * m.species + zj;
      const double half = 0.5 * m.alpha[at] * (r - m.r0[at]);
#ifdef SUS2_LINEAR_MAP
      const double xi = half;
#else
      const double xi = std::tanh(half);
#endif
      chebyshev[0] = 1.0;
      if (size > 1) chebyshev[1] = xi;
      for (int64_t q = 2; q < size; ++q) chebyshev[q] = 2.0 * xi * chebyshev[q - 1] - chebyshev[q - 2];
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        if (m.kappa[mu] != c) continue;
        double sum = 0.0;
        for (int64_t q = 0; q < size; ++q) sum += m.weights[mu * size + q] * chebyshev[q];
        radial[mu] = envelope * sum * (m.neighbour ? m.neighbour[mu * m.species + zj] : 1.0);
      }
    }
    mono[0] = 1.0;
    for (int64_t a = 1; a < m.angulars; ++a) mono[a] = mono[m.ang_parent[a]] * v[m.ang_axis[a]] * inverse;
    for (int64_t b = 0; b < m.basics; ++b) moment[b] += radial[m.basic_mu[b]] * mono[m.basic_ang[b]];
  }
  for (int64_t k = 0; k < m.products; ++k) {
    const int64_t *row = m.times + 4 * k;
    moment[row[3]] += row[2] * moment[row[0]] * moment[row[1]];
  }
  for (int64_t q = 0; q < m.scalars; ++q) out[q] = moment[m.mapping[q]];
}

} // namespace

extern "C" void sus2_scalars(const Sus2Model *m, const Sus2Edges *e, int64_t threads, double *out) {
  spread(e->atoms, threads, 8, [&](int64_t, int64_t begin, int64_t end) {
    Numbers moment(m->moments), mono(m->angulars), chebyshev(m->chebyshev), radial(m->radial);
    for (int64_t i = begin; i < end; ++i) scalars(*m, *e, i, moment, mono, chebyshev, radial, out + i * m->scalars);
  });
}
