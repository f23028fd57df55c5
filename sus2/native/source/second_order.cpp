// Second derivatives of the site energies in the low-rank form of local_hessian.py, and their sums over one
// cell. Double precision throughout; inner loops run over the basic moments, which lie side by side.
#include "jets.h"

namespace {

class SecondOrder : Jets {
public:
  SecondOrder(const Sus2Model &m, const Sus2Edges &e)
      : Jets(m, e), slot(m.moments, -1), moment(m.moments), adjoint(m.moments), curve(3 * m.angulars) {
    int64_t slots = 0;
    for (int64_t b = 0; b < nb; ++b) slot[b] = slots++;
    for (int64_t k = 0; k < m.products; ++k)
      for (int side = 0; side < 2; ++side)
        if (slot[m.times[4 * k + side]] < 0) slot[m.times[4 * k + side]] = slots++;
    tangent.resize(slots * nb), adjoint_tangent.resize(slots * nb);
  }

  // Atom i: its energy without the shift; gradient (n, 3), jacobian (n, 3, nb) and curvature (n, 3, 3) of its n
  // edges; head (nb, nb).
  void atom(int64_t i, double *energy, double *gradient, double *jacobian, double *head, double *curvature) {
    const int64_t begin = e.first[i], n = e.first[i + 1] - begin, jet = 3 * m.radial, angular = 4 * m.angulars;
    jets.resize(n * jet), monos.resize(n * angular);
    radial_jets(i, begin, n);
    std::fill(moment.begin(), moment.end(), 0.0);
    for (int64_t k = 0; k < n; ++k) {
      double r, unit[3];
      length(begin + k, r, unit);
      const double *h = &jets[k * jet];
      double *p = &monos[k * angular];
      monomials(unit, p);
      double *jac = jacobian + 3 * nb * (begin + k);
      const double inverse = 1.0 / r;
      for (int64_t b = 0; b < nb; ++b) {
        const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
        const double f0 = h[3 * mu], h0 = f0 * inverse, h1 = h[3 * mu + 1] - rank[a] * h0;
        moment[b] += f0 * p[a];
        for (int x = 0; x < 3; ++x) jac[x * nb + b] = h1 * p[a] * unit[x] + h0 * p[(1 + x) * m.angulars + a];
      }
    }
    sweep(m.species_coeffs[e.types[i]], m.theta + e.types[i] * m.stride, energy, head);
    for (int64_t k = 0; k < n; ++k) {
      const int64_t edge = begin + k;
      double r, unit[3];
      length(edge, r, unit);
      contract(&jets[k * jet], &monos[k * angular], r, unit, gradient + 3 * edge, curvature + 9 * edge);
    }
  }

private:
  std::vector<int64_t> slot; // of each moment that some product reads: only these need tangents
  Numbers moment, adjoint, tangent, adjoint_tangent, curve;

  // Energy, d/dM (left in `adjoint`) and d2/dM2: the products forwards and backwards, with tangents along every
  // basic moment. The adjoint of a moment that no product reads is a constant, so it has none.
  void sweep(double scale, const double *theta, double *energy, double *head) {
    std::fill(tangent.begin(), tangent.end(), 0.0);
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1], t = row[3];
      const double fp = row[2] * moment[p], fq = row[2] * moment[q];
      moment[t] += fp * moment[q];
      if (slot[t] < 0) continue;
      double *to = &tangent[slot[t] * nb];
      add_tangent(to, fq, p), add_tangent(to, fp, q);
    }
    double sum = 1.0;
    std::fill(adjoint.begin(), adjoint.end(), 0.0);
    std::fill(adjoint_tangent.begin(), adjoint_tangent.end(), 0.0);
    for (int64_t s = 0; s < m.scalars; ++s) {
      sum += theta[s] * moment[m.mapping[s]];
      adjoint[m.mapping[s]] += scale * theta[s];
    }
    *energy = scale * sum;
    for (int64_t k = m.products - 1; k >= 0; --k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1], t = row[3];
      const double a = row[2] * adjoint[t], fp = row[2] * moment[p], fq = row[2] * moment[q];
      adjoint[p] += a * moment[q];
      adjoint[q] += a * moment[p];
      double *ap = &adjoint_tangent[slot[p] * nb], *aq = &adjoint_tangent[slot[q] * nb];
      add_tangent(ap, a, q), add_tangent(aq, a, p);
      if (slot[t] < 0) continue;
      const double *at = &adjoint_tangent[slot[t] * nb];
      for (int64_t c = 0; c < nb; ++c) ap[c] += fq * at[c];
      for (int64_t c = 0; c < nb; ++c) aq[c] += fp * at[c];
    }
    for (int64_t b = 0; b < nb; ++b)
      for (int64_t c = 0; c < nb; ++c)
        head[b * nb + c] = 0.5 * (adjoint_tangent[b * nb + c] + adjoint_tangent[c * nb + b]);
  }
  void add_tangent(double *to, double a, int64_t moment_index) const {
    if (moment_index < nb) { // a basic moment follows itself alone
      to[moment_index] += a;
      return;
    }
    const double *x = &tangent[slot[moment_index] * nb];
    for (int64_t c = 0; c < nb; ++c) to[c] += a * x[c];
  }

  // sum_b dE/dM_b dphi_b/dr (3) and sum_b dE/dM_b d2phi_b/dr2 (3, 3) of one edge: phi = h(r) P(r) with h = R / r^l
  // and P homogeneous of degree l.
  void contract(const double *h, const double *p, double r, const double unit[3], double *gradient, double *out) {
    const int64_t n = m.angulars;
    const double inverse = 1.0 / r;
    double *g0 = curve.data(), *g1 = g0 + n, *g2 = g1 + n;
    std::fill(curve.begin(), curve.end(), 0.0);
    for (int64_t b = 0; b < nb; ++b) {
      const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
      const double l = rank[a], f0 = h[3 * mu] * inverse, f1 = h[3 * mu + 1] * inverse;
      g0[a] += adjoint[b] * f0;
      g1[a] += adjoint[b] * (h[3 * mu + 1] - l * f0);
      g2[a] += adjoint[b] * (h[3 * mu + 2] - 2.0 * l * f1 + l * (l + 1.0) * f0 * inverse);
    }
    double along = 0.0, slope = 0.0, mixed[3] = {}, lower[3] = {}, tangential[3][3] = {};
    for (int64_t a = 0; a < n; ++a) {
      along += g2[a] * p[a], slope += g1[a] * p[a];
      for (int x = 0; x < 3; ++x) {
        mixed[x] += g1[a] * p[(1 + x) * n + a];
        lower[x] += g0[a] * p[(1 + x) * n + a];
        const int64_t low = m.ang_lower[3 * a + x];
        if (low < 0) continue;
        for (int y = 0; y < 3; ++y) tangential[x][y] += g0[a] * m.ang_factor[3 * a + x] * p[(1 + y) * n + low];
      }
    }
    for (int x = 0; x < 3; ++x) gradient[x] = slope * unit[x] + lower[x];
    for (int x = 0; x < 3; ++x)
      for (int y = 0; y < 3; ++y)
        out[3 * x + y] = (along - slope / r) * unit[x] * unit[y] + (x == y ? slope / r : 0.0) +
                         (unit[x] * mixed[y] + unit[y] * mixed[x] + tangential[x][y]) / r;
  }
};

// Rows of G (rows, nb): how the moments of atom i follow displacements of the lattice period (three rows for each
// atom in `touched`) and homogeneous strains (six rows, Voigt with engineering shear). Adds G head G^T and the
// edges' own terms to the symmetric response (3N + 6, 3N + 6).
class Response {
public:
  Response(const Sus2Edges &e, int64_t nb) : e(e), nb(nb), place(e.atoms) {}

  void atom(int64_t i, const double *jacobian, const double *head, const double *curvature, double *out) {
    const int64_t begin = e.first[i], end = e.first[i + 1], size = 3 * e.atoms + 6;
    std::fill(place.begin(), place.end(), -1);
    index.clear();
    auto touch = [&](int64_t atom) {
      if (place[atom] >= 0) return;
      place[atom] = int64_t(index.size());
      for (int x = 0; x < 3; ++x) index.push_back(3 * atom + x);
    };
    touch(i);
    for (int64_t k = begin; k < end; ++k) touch(e.j[k]);
    const int64_t strain = int64_t(index.size()), rows = strain + 6;
    for (int v = 0; v < 6; ++v) index.push_back(3 * e.atoms + v);
    g.assign(rows * nb, 0.0), hg.assign(rows * nb, 0.0), turned.resize(rows * nb), sum.assign(rows * rows, 0.0);
    for (int64_t k = begin; k < end; ++k) {
      double d[12][3] = {}; // change of the edge with its neighbour (3), its atom (3) and the strains (6)
      const double *v = e.vectors + 3 * k, *jac = jacobian + 3 * nb * k, *kk = curvature + 9 * k;
      for (int x = 0; x < 3; ++x) d[x][x] = 1.0, d[3 + x][x] = -1.0, d[6 + x][x] = v[x];
      const int pairs[3][2] = {{1, 2}, {0, 2}, {0, 1}};
      for (int s = 0; s < 3; ++s) d[9 + s][pairs[s][0]] = 0.5 * v[pairs[s][1]], d[9 + s][pairs[s][1]] = 0.5 * v[pairs[s][0]];
      int64_t row[12];
      for (int x = 0; x < 3; ++x) row[x] = place[e.j[k]] + x, row[3 + x] = place[i] + x;
      for (int s = 0; s < 6; ++s) row[6 + s] = strain + s;
      for (int r = 0; r < 12; ++r) {
        double kd[3] = {0, 0, 0};
        for (int x = 0; x < 3; ++x) {
          if (d[r][x] == 0.0) continue;
          double *to = &g[row[r] * nb];
          for (int64_t b = 0; b < nb; ++b) to[b] += d[r][x] * jac[x * nb + b];
          for (int y = 0; y < 3; ++y) kd[y] += d[r][x] * kk[3 * x + y];
        }
        for (int c = 0; c < 12; ++c)
          sum[row[r] * rows + row[c]] += kd[0] * d[c][0] + kd[1] * d[c][1] + kd[2] * d[c][2];
      }
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t b = 0; b < nb; ++b) {
        const double x = turned[b * rows + r] = g[r * nb + b];
        const double *h = head + b * nb;
        double *to = &hg[r * nb];
        for (int64_t c = 0; c < nb; ++c) to[c] += x * h[c];
      }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t b = 0; b < nb; ++b) {
        const double x = hg[r * nb + b], *from = &turned[b * rows];
        double *to = &sum[r * rows];
        for (int64_t c = 0; c < rows; ++c) to[c] += x * from[c];
      }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < rows; ++c) out[index[r] * size + index[c]] += sum[r * rows + c];
  }

private:
  const Sus2Edges &e;
  const int64_t nb;
  std::vector<int64_t> place, index;
  Numbers g, hg, turned, sum;
};

} // namespace

extern "C" {
void sus2_second_order(const Sus2Model *m, const Sus2Edges *e, int64_t threads, double *site, double *gradient,
                       double *jacobian, double *head, double *curvature) {
  const int64_t nb = m->basics;
  spread(e->atoms, threads, 2, [&](int64_t, int64_t begin, int64_t end) {
    SecondOrder work(*m, *e);
    for (int64_t i = begin; i < end; ++i)
      work.atom(i, site + i, gradient, jacobian, head + i * nb * nb, curvature);
  });
}

void sus2_response(const Sus2Edges *e, int64_t nb, int64_t threads, const double *jacobian, const double *head,
                   const double *curvature, double *out) {
  const int64_t size = 3 * e->atoms + 6;
  std::vector<Numbers> parts(threads);
  spread(e->atoms, threads, 2, [&](int64_t id, int64_t begin, int64_t end) {
    if (id > 0) parts[id].assign(size * size, 0.0);
    Response work(*e, nb);
    for (int64_t i = begin; i < end; ++i)
      work.atom(i, jacobian, head + i * nb * nb, curvature, id > 0 ? parts[id].data() : out);
  });
  for (const auto &part : parts)
    for (size_t k = 0; k < part.size(); ++k) out[k] += part[k];
}
}
