// One SIMD group of atoms: energy, forces and virial in one pass; the gradient of a training loss with respect to the
// parameters is in gradient.h. Equations as in model.py; one lane per atom.
#pragma once
#include <cmath>
#include <cstring>

#include "tables.h"

namespace {

// Atoms begin..end so that lanes of one group are mostly of one element, whose readout they then share; in their own
// order where all elements do.
inline void sort_by_type(const Sus2Model &m, const int64_t *types, int64_t begin, int64_t end,
                         std::vector<int64_t> &order) {
  order.resize(end - begin);
  for (int64_t k = begin; k < end; ++k) order[k - begin] = k;
  if (m.stride) std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return types[a] < types[b]; });
}

template <class T> class Group {
  typedef typename Simd<T>::vec V;
  static constexpr int W = Simd<T>::lanes;

public:
  Group(const Sus2Model &m, const Tables<T> &t, const Sus2Edges &e)
      : m(m), t(t), e(e), moment(m.moments), adjoint(m.moments), mono(m.angulars), ang(m.angulars),
        alpha(W * t.lengths), centre(W * t.lengths), size(W * t.amplitudes), scaled(m.kappas) {}

  // Energy (without shifts), edge gradients into forces and per-atom virials, of the first atoms in `order`.
  void evaluate(const int64_t *order, int64_t left, double *site, double *forces, double *virial) {
    load(order, left);
    const int64_t slots = 4 + 2 * m.radial;
    if ((int64_t)store.size() < slots * longest) store.resize(slots * longest);
    std::memset((void *)moment.data(), 0, sizeof(Aligned<T>) * m.moments);
    for (int64_t k = 0; k < longest; ++k) {
      Aligned<T> *s = &store[k * slots];
      V v[3], r;
      gather(k, v, r);
      V inverse = 1 / r, n[3] = {v[0] * inverse, v[1] * inverse, v[2] * inverse};
      for (int x = 0; x < 3; ++x) s[x].v = n[x];
      s[3].v = inverse;
      V f, df;
      envelope(r, f, df);
      scale(r);
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        const Scaled &x = scaled[m.kappa[mu]];
        const int64_t n = m.chebyshev;
        const T *p = &t.powers[2 * mu * n], *dp = p + n;
        V value = V{} + p[n - 1], slope = V{};
        for (int64_t q = n - 2; q >= 0; --q) {
          value = value * x.xi + p[q];
          slope = slope * x.xi + dp[q];
        }
        if (m.neighbour) value *= size[mu].v, slope *= size[mu].v;
        s[4 + mu].v = f * value;
        s[4 + m.radial + mu].v = df * value + f * slope * x.slope;
      }
      monomials(n);
      for (int64_t b = 0; b < m.basics; ++b) moment[b].v += s[4 + m.basic_mu[b]].v * mono[m.basic_ang[b]].v;
    }
    forward();
    V scale = species_scale(), energy = V{};
    std::memset((void *)adjoint.data(), 0, sizeof(Aligned<T>) * m.moments);
    readout([&](int64_t q, V theta) {
      const int64_t at = m.mapping[q];
      energy += theta * moment[at].v;
      adjoint[at].v += scale * theta;
    });
    energy = scale * (1 + energy);
    reverse();
    for (int64_t k = 0; k < longest; ++k) {
      const Aligned<T> *s = &store[k * slots];
      V n[3] = {s[0].v, s[1].v, s[2].v};
      monomials(n);
      std::memset((void *)ang.data(), 0, sizeof(Aligned<T>) * m.angulars);
      V along = V{}, g[3] = {V{}, V{}, V{}};
      for (int64_t b = 0; b < m.basics; ++b) {
        const V a = adjoint[b].v;
        ang[m.basic_ang[b]].v += a * s[4 + m.basic_mu[b]].v;
        along += a * mono[m.basic_ang[b]].v * s[4 + m.radial + m.basic_mu[b]].v;
      }
      for (int64_t a = 1; a < m.angulars; ++a)
        for (int x = 0; x < 3; ++x)
          if (m.ang_lower[3 * a + x] >= 0) g[x] += t.ang_factor[3 * a + x] * ang[a].v * mono[m.ang_lower[3 * a + x]].v;
      V radial = g[0] * n[0] + g[1] * n[1] + g[2] * n[2];
      for (int x = 0; x < 3; ++x) g[x] = along * n[x] + (g[x] - radial * n[x]) * s[3].v;
      for (int lane = 0; lane < live; ++lane) {
        if (k >= count[lane]) continue;
        const int64_t i = atom[lane], edge = first[lane] + k;
        const double gx = g[0][lane], gy = g[1][lane], gz = g[2][lane];
        const double *v = e.vectors + 3 * edge;
        double *fi = forces + 3 * i, *fj = forces + 3 * e.j[edge], *w = virial + 6 * i;
        fi[0] += gx, fi[1] += gy, fi[2] += gz;
        fj[0] -= gx, fj[1] -= gy, fj[2] -= gz;
        w[0] += v[0] * gx, w[1] += v[1] * gy, w[2] += v[2] * gz;
        w[3] += 0.5 * (v[1] * gz + v[2] * gy), w[4] += 0.5 * (v[0] * gz + v[2] * gx),
            w[5] += 0.5 * (v[0] * gy + v[1] * gx);
      }
    }
    for (int lane = 0; lane < live; ++lane) site[atom[lane]] = energy[lane];
  }

  // Adds the parameter gradient of sum_i (u_i E_i + dE_i/dt), where atoms move at the given velocities and
  // edges strain at the given rates (Voigt, per central atom): forward mode along one direction, then reverse
  // mode, so a force loss costs a few evaluations.
  struct Gradient {
    std::vector<double> alpha, r0, pair, species, neighbour, readout; // readout: (species, scalars), if each has its own
    Buffer<T> weights, theta;                                         // theta: (scalars), if they share it
    explicit Gradient(const Sus2Model &m)
        : alpha(m.kappas * m.species * m.species), r0(m.kappas * m.species * m.species), pair(m.species),
          species(m.species), neighbour(m.neighbour ? m.radial * m.species : 0), readout(m.stride * m.species),
          weights(m.radial * m.chebyshev), theta(m.stride ? 0 : m.scalars) {}
  };
  void differentiate(const int64_t *order, int64_t left, const double *energy_weight, const double *velocity,
                     const double *strain, Gradient &out);

private:
  const Sus2Model &m;
  const Tables<T> &t;
  const Sus2Edges &e;
  Buffer<T> moment, adjoint, mono, ang, store;
  Buffer<T> alpha, centre, size; // of the pairs of the lanes: (kappas), (kappas), (radial)
  struct Scaled { V xi, slope, distance; };
  std::vector<Scaled> scaled; // (kappas)
  int64_t atom[W], type[W], neighbour[W], count[W], longest;
  int live;
  bool alike; // all lanes read the same readout

  void load(const int64_t *order, int64_t left) {
    live = int(std::min<int64_t>(W, left));
    longest = 0;
    alike = true;
    for (int lane = 0; lane < W; ++lane) {
      const int64_t i = atom[lane] = order[std::min(lane, live - 1)];
      type[lane] = t.compact[e.types[i]];
      alike = alike && (!m.stride || type[lane] == type[0]);
      count[lane] = lane < live ? e.first[i + 1] - e.first[i] : 0;
      longest = std::max(longest, count[lane]);
      first[lane] = e.first[i];
    }
  }
  int64_t first[W];

  // Edge k of each lane; lanes that have run out get an edge at the cutoff, where everything vanishes.
  void gather(int64_t k, V v[3], V &r) {
    for (int lane = 0; lane < W; ++lane) {
      const bool on = k < count[lane];
      const int64_t edge = first[lane] + k;
      neighbour[lane] = on ? t.compact[e.types[e.j[edge]]] : type[lane];
      for (int x = 0; x < 3; ++x) v[x][lane] = on ? T(e.vectors[3 * edge + x]) : (x ? T(0) : T(m.cutoff));
    }
    V square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    for (int lane = 0; lane < W; ++lane) r[lane] = std::sqrt(square[lane]);
  }

  void envelope(V r, V &f, V &df) {
    V reach = r - T(m.cutoff), pair;
    reach = reach < V{} ? reach : V{};
    for (int lane = 0; lane < W; ++lane) pair[lane] = t.pair[type[lane]] * t.pair[neighbour[lane]];
    pair *= T(m.scaling);
    V bend;
    envelope_of(m.power, reach, f, df, bend);
    f *= pair, df *= pair;
  }

  // A row of each lane becomes one vector of all lanes for each number of it.
  void columns(const Buffer<T> &rows, int64_t width, const int64_t *row, Buffer<T> &out) const {
    bool same = true;
    for (int lane = 1; lane < W; ++lane) same = same && row[lane] == row[0];
    for (int64_t b = 0; b < width; ++b) {
      V block[W];
      if (same)
        for (int k = 0; k < W; ++k) block[k] = V{} + rows[row[0] * width + b].v[k];
      else {
        for (int lane = 0; lane < W; ++lane) block[lane] = rows[row[lane] * width + b].v;
        transpose<T>(block);
      }
      for (int k = 0; k < W; ++k) out[W * b + k].v = block[k];
    }
  }

  // Lengths, centres and amplitudes for the pairs of elements of the lanes.
  void pairs() {
    int64_t row[W];
    for (int lane = 0; lane < W; ++lane) row[lane] = type[lane] * t.kinds + neighbour[lane];
    columns(t.alpha, t.lengths, row, alpha);
    columns(t.r0, t.lengths, row, centre);
    if (m.neighbour) columns(t.neighbour, t.amplitudes, neighbour, size);
  }

  // xi = tanh(alpha (r - r0) / 2) of each scaled distance and its slope in r.
  void scale(V r) {
    pairs();
    for (int64_t c = 0; c < m.kappas; ++c) {
      Scaled &s = scaled[c];
      s.distance = r - centre[c].v;
#ifdef SUS2_LINEAR_MAP
      s.xi = T(0.5) * alpha[c].v * s.distance;
      s.slope = T(0.5) * alpha[c].v;
    }
#else
      s.xi = vexp(alpha[c].v * s.distance) + 1;
    }
    // 1 - 2 / xi, one division for two; the product is below e^81, which either precision holds.
    for (int64_t c = 0; c < m.kappas; c += 2) {
      Scaled &a = scaled[c], &b = scaled[std::min(c + 1, m.kappas - 1)];
      const V share = 2 / (a.xi * b.xi), first = 1 - share * b.xi, second = 1 - share * a.xi;
      a.xi = first, b.xi = second;
    }
    for (int64_t c = 0; c < m.kappas; ++c) scaled[c].slope = T(0.5) * alpha[c].v * (1 - scaled[c].xi * scaled[c].xi);
#endif
  }

  // Calls use(q, theta_q) for each scalar q; lanes of different elements have their rows transposed on the way.
  template <class Use> void readout(Use use) const {
    const T *row[W];
    for (int lane = 0; lane < W; ++lane) row[lane] = &t.theta[type[lane] * m.stride];
    int64_t q = 0;
    if (!alike)
      for (; q + W <= m.scalars; q += W) {
        V block[W];
        for (int lane = 0; lane < W; ++lane) std::memcpy(&block[lane], row[lane] + q, sizeof(V));
        transpose<T>(block);
        for (int k = 0; k < W; ++k) use(q + k, block[k]);
      }
    for (; q < m.scalars; ++q) {
      V theta = V{} + row[0][q];
      if (!alike)
        for (int lane = 1; lane < W; ++lane) theta[lane] = row[lane][q];
      use(q, theta);
    }
  }

  void monomials(const V n[3]) {
    mono[0].v = V{} + 1;
    for (int64_t a = 1; a < m.angulars; ++a) mono[a].v = mono[m.ang_parent[a]].v * n[m.ang_axis[a]];
  }

  void forward() {
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k;
      moment[row[3]].v += t.times_factor[k] * moment[row[0]].v * moment[row[1]].v;
    }
  }
  // The adjoints of the scalars are there already, as `readout` left them.
  void reverse() {
    for (int64_t k = m.products - 1; k >= 0; --k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
      const V a = t.times_factor[k] * adjoint[row[3]].v;
      adjoint[p].v += a * moment[q].v;
      adjoint[q].v += a * moment[p].v;
    }
  }
  V species_scale() const {
    V s;
    for (int lane = 0; lane < W; ++lane) s[lane] = lane < live ? t.species[type[lane]] : T(0);
    return s;
  }

  // Of the gradient with respect to the parameters; in gradient.h.
  void readout_gradient(V scale, V scaled_u, double *out) const;
  void forward_rate();
  void reverse_rate();
  void edge_gradient(int64_t k, const Aligned<T> *s, Gradient &out);
  int64_t pair_index(int64_t c, int lane) const;
  void chebyshev(V xi, Aligned<T> *out) const;
  Buffer<T> rate, rate_adjoint, mono_rate, value_adjoint, change_adjoint, cheb;
};

} // namespace
