// One SIMD group of atoms: energy, forces and virial in one pass; the gradient of a training loss with respect to the
// parameters is in gradient.h. Equations as in model.py; one lane per atom.
#pragma once
#include <cmath>
#include <cstring>
#include <utility>

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
  typedef typename Simd<T>::wide Wide; // of forces and virials: sums over edges are in double precision
  static Wide wide(V x) { return __builtin_convertvector(x, Wide); }
  static constexpr int PACE = 2; // edges of each lane at a time, which share what is loaded

public:
  Group(const Sus2Model &m, const Tables<T> &t, const Sus2Edges &e)
      : m(m), t(t), e(e), moment(m.moments), adjoint(m.moments), mono(PACE * m.angulars),
        ang(PACE * m.angulars), alpha(W * t.lengths), centre(W * t.lengths), size(PACE * W * t.amplitudes),
        scaled(PACE * m.kappas) {}

  // Energy (without shifts), edge gradients into forces and per-atom virials, of the first atoms in `order`.
  void evaluate(const int64_t *order, int64_t left, double *site, double *forces, double *virial) {
    load(order, left);
    const int64_t slots = 5 + 2 * m.radial, turns = (longest + PACE - 1) / PACE;
    if ((int64_t)store.size() < slots * turns * PACE) store.resize(slots * turns * PACE);
    std::memset((void *)moment.data(), 0, sizeof(Aligned<T>) * m.moments);
    for (int64_t turn = 0; turn < turns; ++turn) {
      Aligned<T> *s[PACE];
      V f[PACE], df[PACE];
      for (int p = 0; p < PACE; ++p) {
        s[p] = &store[(turn * PACE + p) * slots];
        V v[3], r;
        gather(turn * PACE + p, v, r);
        V inverse = 1 / r, n[3] = {v[0] * inverse, v[1] * inverse, v[2] * inverse};
        for (int x = 0; x < 3; ++x) s[p][x].v = n[x];
        s[p][3].v = inverse, s[p][4].v = r;
        envelope(r, f[p], df[p]);
        scale(r, &scaled[p * m.kappas], size.data() + p * W * t.amplitudes);
        monomials(n, &mono[p * m.angulars]);
      }
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        const Scaled *x = &scaled[m.kappa[mu]];
        const int64_t n = m.chebyshev;
        const T *power = &t.powers[2 * mu * n], *bend = power + n;
        V value[PACE], slope[PACE];
        for (int p = 0; p < PACE; ++p) value[p] = V{} + power[n - 1], slope[p] = V{};
        for (int64_t q = n - 2; q >= 0; --q)
          for (int p = 0; p < PACE; ++p) {
            value[p] = value[p] * x[p * m.kappas].xi + power[q];
            slope[p] = slope[p] * x[p * m.kappas].xi + bend[q];
          }
        for (int p = 0; p < PACE; ++p) {
          if (m.neighbour) value[p] *= size[p * W * t.amplitudes + mu].v, slope[p] *= size[p * W * t.amplitudes + mu].v;
          s[p][5 + mu].v = f[p] * value[p];
          s[p][5 + m.radial + mu].v = df[p] * value[p] + f[p] * slope[p] * x[p * m.kappas].slope;
        }
      }
      for (int64_t a = 0; a < m.angulars; ++a)
        for (int64_t k = t.angular_first[a]; k < t.angular_first[a + 1]; ++k) {
          V sum = moment[t.angular_basic[k]].v;
          for (int p = 0; p < PACE; ++p) sum += s[p][5 + t.angular_mu[k]].v * mono[p * m.angulars + a].v;
          moment[t.angular_basic[k]].v = sum;
        }
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
    Wide force[3] = {}, strain[6] = {};
    for (int64_t turn = 0; turn < turns; ++turn) {
      const Aligned<T> *s[PACE];
      V along[PACE];
      for (int p = 0; p < PACE; ++p) {
        s[p] = &store[(turn * PACE + p) * slots];
        const V n[3] = {s[p][0].v, s[p][1].v, s[p][2].v};
        monomials(n, &mono[p * m.angulars]);
        along[p] = V{};
      }
      for (int64_t a = 0; a < m.angulars; ++a) {
        V across[PACE], outward[PACE];
        for (int p = 0; p < PACE; ++p) across[p] = V{}, outward[p] = V{};
        for (int64_t k = t.angular_first[a]; k < t.angular_first[a + 1]; ++k) {
          const V weight = adjoint[t.angular_basic[k]].v;
          for (int p = 0; p < PACE; ++p) {
            across[p] += weight * s[p][5 + t.angular_mu[k]].v;
            outward[p] += weight * s[p][5 + m.radial + t.angular_mu[k]].v;
          }
        }
        for (int p = 0; p < PACE; ++p) {
          ang[p * m.angulars + a].v = across[p];
          along[p] += outward[p] * mono[p * m.angulars + a].v;
        }
      }
      for (int p = 0; p < PACE; ++p) {
        const Aligned<T> *up = &ang[p * m.angulars], *y = &mono[p * m.angulars];
        V g[3] = {V{}, V{}, V{}};
        for (int64_t a = 1; a < m.angulars; ++a)
          for (int x = 0; x < 3; ++x)
            if (m.ang_lower[3 * a + x] >= 0) g[x] += t.ang_factor[3 * a + x] * up[a].v * y[m.ang_lower[3 * a + x]].v;
        const V radial = g[0] * s[p][0].v + g[1] * s[p][1].v + g[2] * s[p][2].v;
        for (int x = 0; x < 3; ++x) g[x] = along[p] * s[p][x].v + (g[x] - radial * s[p][x].v) * s[p][3].v;
        scatter(turn * PACE + p, g, forces);
        const Wide x = wide(s[p][0].v * s[p][4].v), y0 = wide(s[p][1].v * s[p][4].v), z = wide(s[p][2].v * s[p][4].v);
        const Wide gx = wide(g[0]), gy = wide(g[1]), gz = wide(g[2]);
        force[0] += gx, force[1] += gy, force[2] += gz;
        strain[0] += x * gx, strain[1] += y0 * gy, strain[2] += z * gz;
        strain[3] += y0 * gz + z * gy, strain[4] += x * gz + z * gx, strain[5] += x * gy + y0 * gx;
      }
    }
    for (int lane = 0; lane < live; ++lane) {
      const int64_t i = atom[lane];
      site[i] = energy[lane];
      for (int x = 0; x < 3; ++x) forces[3 * i + x] += force[x][lane];
      for (int x = 0; x < 6; ++x) virial[6 * i + x] += (x < 3 ? 1.0 : 0.5) * strain[x][lane];
    }
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
  const Aligned<T> *filled[2] = {nullptr, nullptr}; // amplitudes that `pairs` has written
  bool alike; // all lanes read the same readout

  void load(const int64_t *order, int64_t left) {
    live = int(std::min<int64_t>(W, left));
    longest = 0;
    alike = true;
    for (int lane = 0; lane < W; ++lane) {
      const int64_t i = atom[lane] = order[std::min(lane, live - 1)];
      type[lane] = neighbour[lane] = t.compact[e.types[i]];
      alike = alike && (!m.stride || type[lane] == type[0]);
      count[lane] = lane < live ? e.first[i + 1] - e.first[i] : 0;
      longest = std::max(longest, count[lane]);
      first[lane] = e.first[i];
    }
  }
  int64_t first[W];

  // use(0), use(1) ... as one vector, put together in registers.
  template <class Use, int... LANE> static V lanes(Use use, std::integer_sequence<int, LANE...>) {
    return V{T(use(LANE))...};
  }
  template <class Use> static V lanes(Use use) { return lanes(use, std::make_integer_sequence<int, W>()); }

  // Edge k of each lane; lanes that have run out get an edge beyond the cutoff, where everything vanishes.
  void gather(int64_t k, V v[3], V &r) {
    const double beyond[3] = {m.cutoff + 1, 0, 0}, *at[W];
    for (int lane = 0; lane < W; ++lane) at[lane] = k < count[lane] ? e.vectors + 3 * (first[lane] + k) : beyond;
    for (int x = 0; x < 3; ++x) v[x] = lanes([&](int lane) { return at[lane][x]; });
    if (t.kinds > 1)
      for (int lane = 0; lane < W; ++lane)
        neighbour[lane] = k < count[lane] ? t.compact[e.types[e.j[first[lane] + k]]] : type[lane];
    const V square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
    for (int lane = 0; lane < W; ++lane) r[lane] = std::sqrt(square[lane]);
  }

  // The gradients g of edge k of each lane off the forces on the neighbours.
  void scatter(int64_t k, const V g[3], double *forces) const {
    for (int lane = 0; lane < live; ++lane) {
      if (k >= count[lane]) continue;
      double *to = forces + 3 * e.j[first[lane] + k];
      to[0] -= g[0][lane], to[1] -= g[1][lane], to[2] -= g[2][lane];
    }
  }

  void envelope(V r, V &f, V &df) {
    V reach = r - T(m.cutoff);
    reach = reach < V{} ? reach : V{};
    const V pair = T(m.scaling) * lanes([&](int lane) { return t.pair[type[lane]] * t.pair[neighbour[lane]]; });
    V bend;
    envelope_of(m.power, reach, f, df, bend);
    f *= pair, df *= pair;
  }

  // A row of each lane becomes one vector of all lanes for each number of it.
  void columns(const Buffer<T> &rows, int64_t width, const int64_t *row, Aligned<T> *out) const {
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

  // Lengths, centres and amplitudes (into `amplitude`) for the pairs of elements of the lanes.
  void pairs(Aligned<T> *amplitude) {
    int64_t row[W];
    if (t.kinds == 1 && amplitude == filled[amplitude != size.data()]) return; // there is one pair, which is there
    filled[amplitude != size.data()] = amplitude;
    for (int lane = 0; lane < W; ++lane) row[lane] = type[lane] * t.kinds + neighbour[lane];
    columns(t.alpha, t.lengths, row, alpha.data());
    columns(t.r0, t.lengths, row, centre.data());
    if (m.neighbour) columns(t.neighbour, t.amplitudes, neighbour, amplitude);
  }

  // xi = tanh(alpha (r - r0) / 2) of each scaled distance and its slope in r.
  void scale(V r, Scaled *to, Aligned<T> *amplitude) {
    pairs(amplitude);
    for (int64_t c = 0; c < m.kappas; ++c) {
      Scaled &s = to[c];
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
      Scaled &a = to[c], &b = to[std::min(c + 1, m.kappas - 1)];
      const V share = 2 / (a.xi * b.xi), first = 1 - share * b.xi, second = 1 - share * a.xi;
      a.xi = first, b.xi = second;
    }
    for (int64_t c = 0; c < m.kappas; ++c) to[c].slope = T(0.5) * alpha[c].v * (1 - to[c].xi * to[c].xi);
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

  void monomials(const V n[3], Aligned<T> *out) const {
    out[0].v = V{} + 1;
    for (int64_t a = 1; a < m.angulars; ++a) out[a].v = out[m.ang_parent[a]].v * n[m.ang_axis[a]];
  }

  void forward() {
    for (int64_t k = 0; k < m.products; ++k) {
      const auto &row = t.products[k];
      moment[row.to].v += t.times_factor[k] * moment[row.p].v * moment[row.q].v;
    }
  }
  // The adjoints of the scalars are there already, as `readout` left them.
  void reverse() {
    for (int64_t k = m.products - 1; k >= 0; --k) {
      const auto &row = t.products[k];
      const V a = t.times_factor[k] * adjoint[row.to].v;
      adjoint[row.p].v += a * moment[row.q].v;
      adjoint[row.q].v += a * moment[row.p].v;
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
