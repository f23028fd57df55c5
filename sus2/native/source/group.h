// One SIMD group of atoms: energy, forces and virial in one pass, and the gradient of a training loss with respect to
// the parameters without any stored graph. Equations as in model.py; one lane per atom.
#pragma once
#include <cmath>
#include <cstring>

#include "kernels.h"

namespace {

// The coefficients in the arithmetic's own precision; graph tables are read through the model.
template <class T> struct Tables {
  std::vector<T> alpha, r0, weights, pair, species, theta, neighbour, times_factor, ang_factor;
  explicit Tables(const Sus2Model &m)
      : alpha(m.alpha, m.alpha + m.kappas * m.species * m.species), r0(m.r0, m.r0 + m.kappas * m.species * m.species),
        weights(m.weights, m.weights + m.radial * m.chebyshev), pair(m.pair_factor, m.pair_factor + m.species),
        species(m.species_coeffs, m.species_coeffs + m.species),
        theta(m.theta, m.theta + (m.stride ? m.species * m.stride : m.scalars)),
        ang_factor(m.ang_factor, m.ang_factor + 3 * m.angulars) {
    for (int64_t k = 0; k < m.products; ++k) times_factor.push_back(T(m.times[4 * k + 2]));
    if (m.neighbour) neighbour.assign(m.neighbour, m.neighbour + m.radial * m.species);
  }
};

// Atoms begin..end so that lanes of one group are mostly of one element, whose readout they then share; in their own
// order where all elements do.
inline void sort_by_type(const Sus2Model &m, const int64_t *types, int64_t begin, int64_t end,
                         std::vector<int64_t> &order) {
  order.resize(end - begin);
  for (int64_t k = begin; k < end; ++k) order[k - begin] = k;
  if (m.stride) std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return types[a] < types[b]; });
}

template <class T> struct alignas(SUS2_VECTOR_BYTES) Aligned { typename Simd<T>::vec v; };
template <class T> using Buffer = std::vector<Aligned<T>>;

template <class T> class Group {
  typedef typename Simd<T>::vec V;
  static constexpr int W = Simd<T>::lanes;

public:
  Group(const Sus2Model &m, const Tables<T> &t, const Sus2Edges &e)
      : m(m), t(t), e(e), moment(m.moments), adjoint(m.moments), rate(m.moments), rate_adjoint(m.moments),
        cheb(3 * m.kappas * m.chebyshev), mono(m.angulars), mono_rate(m.angulars), ang(m.angulars), lengths(m.kappas) {}

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
      scaled(r, 1);
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        const int64_t c = m.kappa[mu];
        const Aligned<T> *p = &cheb[3 * c * m.chebyshev], *dp = p + m.chebyshev;
        const T *w = &t.weights[mu * m.chebyshev];
        V value = V{}, slope = V{};
        for (int64_t q = 0; q < m.chebyshev; ++q) {
          value += w[q] * p[q].v;
          slope += w[q] * dp[q].v;
        }
        if (m.neighbour) {
          const V a = amplitude(mu);
          value *= a, slope *= a;
        }
        s[4 + mu].v = f * value;
        s[4 + m.radial + mu].v = df * value + f * slope * lengths[c].slope;
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
                     const double *strain, Gradient &out) {
    load(order, left);
    const int64_t slots = 10 + 3 * m.kappas + 3 * m.radial + 2 * m.angulars;
    if ((int64_t)store.size() < slots * longest) store.resize(slots * longest);
    std::memset((void *)moment.data(), 0, sizeof(Aligned<T>) * m.moments);
    std::memset((void *)rate.data(), 0, sizeof(Aligned<T>) * m.moments);
    for (int64_t k = 0; k < longest; ++k) {
      Aligned<T> *s = &store[k * slots];
      V v[3], r, dv[3];
      gather(k, v, r);
      for (int lane = 0; lane < W; ++lane) {
        double change[3] = {0, 0, 0};
        if (k < count[lane]) {
          const int64_t i = atom[lane], edge = first[lane] + k, j = e.j[edge];
          const double *w = strain + 6 * i, *vec = e.vectors + 3 * edge;
          for (int x = 0; x < 3; ++x) change[x] = velocity[3 * j + x] - velocity[3 * i + x];
          change[0] += w[0] * vec[0] + w[5] * vec[1] + w[4] * vec[2];
          change[1] += w[5] * vec[0] + w[1] * vec[1] + w[3] * vec[2];
          change[2] += w[4] * vec[0] + w[3] * vec[1] + w[2] * vec[2];
        }
        for (int x = 0; x < 3; ++x) dv[x][lane] = T(change[x]);
      }
      V inverse = 1 / r, n[3] = {v[0] * inverse, v[1] * inverse, v[2] * inverse};
      V dr = n[0] * dv[0] + n[1] * dv[1] + n[2] * dv[2];
      V dn[3];
      for (int x = 0; x < 3; ++x) dn[x] = (dv[x] - dr * n[x]) * inverse;
      V f, df;
      envelope(r, f, df);
      scaled(r, 2);
      s[0].v = f, s[1].v = df, s[2].v = dr;
      for (int64_t c = 0; c < m.kappas; ++c)
        s[3 + 3 * c].v = lengths[c].xi, s[4 + 3 * c].v = lengths[c].slope, s[5 + 3 * c].v = lengths[c].distance;
      Aligned<T> *radial = s + 3 + 3 * m.kappas, *angular = radial + 3 * m.radial;
      monomials(n);
      for (int64_t a = 0; a < m.angulars; ++a) {
        V change = V{};
        for (int x = 0; x < 3; ++x)
          if (m.ang_lower[3 * a + x] >= 0)
            change += t.ang_factor[3 * a + x] * mono[m.ang_lower[3 * a + x]].v * dn[x];
        mono_rate[a].v = change;
        angular[a].v = mono[a].v;
        angular[m.angulars + a].v = change;
      }
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        const int64_t c = m.kappa[mu];
        const Aligned<T> *p = &cheb[3 * c * m.chebyshev], *dp = p + m.chebyshev, *ddp = dp + m.chebyshev;
        const T *w = &t.weights[mu * m.chebyshev];
        V value = V{}, slope = V{}, bend = V{};
        for (int64_t q = 0; q < m.chebyshev; ++q) {
          value += w[q] * p[q].v;
          slope += w[q] * dp[q].v;
          bend += w[q] * ddp[q].v;
        }
        if (m.neighbour) {
          const V a = amplitude(mu);
          value *= a, slope *= a, bend *= a;
        }
        radial[3 * mu].v = value, radial[3 * mu + 1].v = slope, radial[3 * mu + 2].v = bend;
      }
      for (int64_t b = 0; b < m.basics; ++b) {
        const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
        const V value = f * radial[3 * mu].v;
        const V change = dr * (df * radial[3 * mu].v + f * radial[3 * mu + 1].v * lengths[m.kappa[mu]].slope);
        moment[b].v += value * mono[a].v;
        rate[b].v += value * mono_rate[a].v + change * mono[a].v;
      }
    }
    forward();
    forward_rate();
    V scale = species_scale(), u = V{};
    for (int lane = 0; lane < live; ++lane) u[lane] = T(energy_weight[atom[lane]]);
    V energy = V{}, energy_rate = V{};
    std::memset((void *)adjoint.data(), 0, sizeof(Aligned<T>) * m.moments);
    std::memset((void *)rate_adjoint.data(), 0, sizeof(Aligned<T>) * m.moments);
    const V scaled_u = scale * u;
    readout([&](int64_t q, V theta) {
      const int64_t at = m.mapping[q];
      const V value = moment[at].v, change = rate[at].v;
      energy += theta * value;
      energy_rate += theta * change;
      adjoint[at].v += scaled_u * theta;
      rate_adjoint[at].v += scale * theta;
      if (!m.stride) out.theta[q].v += scaled_u * value + scale * change;
    });
    if (m.stride) readout_gradient(scale, scaled_u, out.readout.data());
    for (int lane = 0; lane < live; ++lane)
      out.species[type[lane]] += double(u[lane]) * (1.0 + double(energy[lane])) + double(energy_rate[lane]);
    reverse_rate();
    for (int64_t k = 0; k < longest; ++k) edge_gradient(k, &store[k * slots], out);
  }

private:
  const Sus2Model &m;
  const Tables<T> &t;
  const Sus2Edges &e;
  Buffer<T> moment, adjoint, rate, rate_adjoint, cheb, mono, mono_rate, ang, store;
  struct Scaled { V xi, slope, distance, alpha; };
  std::vector<Scaled> lengths;
  int64_t atom[W], type[W], neighbour[W], count[W], longest;
  int live;
  bool alike; // all lanes read the same readout

  void load(const int64_t *order, int64_t left) {
    live = int(std::min<int64_t>(W, left));
    longest = 0;
    alike = true;
    for (int lane = 0; lane < W; ++lane) {
      const int64_t i = atom[lane] = order[std::min(lane, live - 1)];
      type[lane] = e.types[i];
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
      neighbour[lane] = on ? e.types[e.j[edge]] : type[lane];
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

  // Amplitude of radial function mu by the element of each lane's neighbour.
  V amplitude(int64_t mu) const {
    V a;
    for (int lane = 0; lane < W; ++lane) a[lane] = t.neighbour[mu * m.species + neighbour[lane]];
    return a;
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

  // Adds scale (u B_q + dB_q/dt) of each lane to the row of its element.
  void readout_gradient(V scale, V scaled_u, double *out) const {
    for (int64_t q = 0; q < m.scalars; q += W) {
      const int64_t n = std::min<int64_t>(W, m.scalars - q);
      V block[W];
      for (int64_t k = 0; k < W; ++k) {
        const int64_t at = m.mapping[std::min(q + k, m.scalars - 1)];
        block[k] = scaled_u * moment[at].v + scale * rate[at].v;
      }
      transpose<T>(block);
      if (alike) {
        for (int lane = 1; lane < W; ++lane) block[0] += block[lane];
        double *row = out + type[0] * m.stride + q;
        for (int64_t k = 0; k < n; ++k) row[k] += double(block[0][k]);
        continue;
      }
      for (int lane = 0; lane < live; ++lane) {
        double *row = out + type[lane] * m.stride + q;
        for (int64_t k = 0; k < n; ++k) row[k] += double(block[lane][k]);
      }
    }
  }

  // xi = tanh(alpha (r - r0) / 2), its slope in r, and Chebyshev polynomials with derivatives in xi.
  void scaled(V r, int derivatives) {
    const int64_t n = m.chebyshev, table = m.species * m.species;
    for (int64_t c = 0; c < m.kappas; ++c) {
      V a, centre;
      for (int lane = 0; lane < W; ++lane) {
        const int64_t pair = c * table + type[lane] * m.species + neighbour[lane];
        a[lane] = t.alpha[pair];
        centre[lane] = t.r0[pair];
      }
      Scaled &s = lengths[c];
      s.alpha = a;
      s.distance = r - centre;
#ifdef SUS2_LINEAR_MAP
      s.xi = T(0.5) * a * s.distance;
      s.slope = T(0.5) * a;
#else
      s.xi = 1 - 2 / (vexp(a * s.distance) + 1);
      s.slope = T(0.5) * a * (1 - s.xi * s.xi);
#endif
      Aligned<T> *p = &cheb[3 * c * n], *dp = p + n, *ddp = dp + n;
      p[0].v = V{} + 1, dp[0].v = V{}, ddp[0].v = V{};
      if (n > 1) p[1].v = s.xi, dp[1].v = V{} + 1, ddp[1].v = V{};
      for (int64_t q = 2; q < n; ++q) {
        p[q].v = 2 * s.xi * p[q - 1].v - p[q - 2].v;
        dp[q].v = 2 * (p[q - 1].v + s.xi * dp[q - 1].v) - dp[q - 2].v;
        if (derivatives > 1) ddp[q].v = 2 * (2 * dp[q - 1].v + s.xi * ddp[q - 1].v) - ddp[q - 2].v;
      }
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
  void forward_rate() {
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
      rate[row[3]].v += t.times_factor[k] * (rate[p].v * moment[q].v + moment[p].v * rate[q].v);
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
  void reverse_rate() {
    for (int64_t k = m.products - 1; k >= 0; --k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
      const V a = t.times_factor[k] * adjoint[row[3]].v, b = t.times_factor[k] * rate_adjoint[row[3]].v;
      adjoint[p].v += a * moment[q].v + b * rate[q].v;
      adjoint[q].v += a * moment[p].v + b * rate[p].v;
      rate_adjoint[p].v += b * moment[q].v;
      rate_adjoint[q].v += b * moment[p].v;
    }
  }
  V species_scale() const {
    V s;
    for (int lane = 0; lane < W; ++lane) s[lane] = lane < live ? t.species[type[lane]] : T(0);
    return s;
  }

  void edge_gradient(int64_t k, const Aligned<T> *s, Gradient &out) {
    const V f = s[0].v, df = s[1].v, dr = s[2].v;
    const Aligned<T> *radial = s + 3 + 3 * m.kappas, *angular = radial + 3 * m.radial;
    // Adjoints of R_mu and of its rate, gathered over the basic moments of mu.
    value_adjoint.assign(m.radial, Aligned<T>{V{}});
    change_adjoint.assign(m.radial, Aligned<T>{V{}});
    for (int64_t b = 0; b < m.basics; ++b) {
      const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
      value_adjoint[mu].v += adjoint[b].v * angular[a].v + rate_adjoint[b].v * angular[m.angulars + a].v;
      change_adjoint[mu].v += rate_adjoint[b].v * angular[a].v;
    }
    V pair_adjoint = V{};
    for (int64_t c = 0; c < m.kappas; ++c) {
      const V xi = s[3 + 3 * c].v, slope = s[4 + 3 * c].v, distance = s[5 + 3 * c].v;
      V xi_adjoint = V{}, slope_adjoint = V{};
      chebyshev(xi);
      for (int64_t mu = 0; mu < m.radial; ++mu) {
        if (m.kappa[mu] != c) continue;
        const V value = radial[3 * mu].v, first_d = radial[3 * mu + 1].v, second_d = radial[3 * mu + 2].v;
        const V a = value_adjoint[mu].v, b = change_adjoint[mu].v * dr;
        const V flat = a * f + b * df, steep = b * f * slope, whole = flat * value + steep * first_d;
        V size = V{} + 1; // the sums over Chebyshev polynomials have the amplitude in them
        if (m.neighbour) {
          for (int lane = 0; lane < W; ++lane)
            size[lane] = t.neighbour[mu * m.species + (k < count[lane] ? e.types[e.j[first[lane] + k]] : type[lane])];
          const V to_size = whole / size;
          for (int lane = 0; lane < live; ++lane)
            if (k < count[lane]) out.neighbour[mu * m.species + e.types[e.j[first[lane] + k]]] += to_size[lane];
        }
        const V flat_w = flat * size, steep_w = steep * size;
        Aligned<T> *w = &out.weights[mu * m.chebyshev];
        for (int64_t q = 0; q < m.chebyshev; ++q) w[q].v += flat_w * cheb[q].v + steep_w * cheb[m.chebyshev + q].v;
        xi_adjoint += flat * first_d + steep * second_d;
        slope_adjoint += b * f * first_d;
        pair_adjoint += whole;
      }
      // slope = alpha (1 - xi^2) / 2, so it depends on alpha and r0 directly and through xi.
#ifdef SUS2_LINEAR_MAP
      const V bell = V{} + 1, through = xi_adjoint;
      (void)xi;
#else
      const V bell = 1 - xi * xi;
      V alpha;
      for (int lane = 0; lane < W; ++lane) alpha[lane] = t.alpha[pair_index(c, lane, k)];
      const V through = xi_adjoint - alpha * xi * slope_adjoint;
#endif
      const V to_alpha = through * T(0.5) * bell * distance + slope_adjoint * T(0.5) * bell;
      const V to_r0 = -through * slope;
      for (int lane = 0; lane < live; ++lane) {
        if (k >= count[lane]) continue;
        const int64_t pair = pair_index(c, lane, k);
        out.alpha[pair] += to_alpha[lane];
        out.r0[pair] += to_r0[lane];
      }
    }
    for (int lane = 0; lane < live; ++lane) {
      if (k >= count[lane]) continue;
      const int64_t zj = e.types[e.j[first[lane] + k]];
      out.pair[type[lane]] += double(pair_adjoint[lane]) / t.pair[type[lane]];
      out.pair[zj] += double(pair_adjoint[lane]) / t.pair[zj];
    }
  }
  Buffer<T> value_adjoint, change_adjoint;

  int64_t pair_index(int64_t c, int lane, int64_t k) const {
    const int64_t zj = k < count[lane] ? e.types[e.j[first[lane] + k]] : type[lane];
    return (c * m.species + type[lane]) * m.species + zj;
  }
  void chebyshev(V xi) {
    const int64_t n = m.chebyshev;
    Aligned<T> *p = &cheb[0], *dp = p + n;
    p[0].v = V{} + 1, dp[0].v = V{};
    if (n > 1) p[1].v = xi, dp[1].v = V{} + 1;
    for (int64_t q = 2; q < n; ++q) {
      p[q].v = 2 * xi * p[q - 1].v - p[q - 2].v;
      dp[q].v = 2 * (p[q - 1].v + xi * dp[q - 1].v) - dp[q - 2].v;
    }
  }
};

} // namespace
