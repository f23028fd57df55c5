// The gradient of a training loss with respect to the parameters, for one SIMD group of atoms and without any stored
// graph. Equations as in model.py; one lane per atom.
#pragma once
#include "group.h"

namespace {

template <class T>
inline void Group<T>::differentiate(const int64_t *order, int64_t left, const double *energy_weight,
                                    const double *velocity, const double *strain, Gradient &out) {
  load(order, left);
  for (Buffer<T> *buffer : {&rate, &rate_adjoint}) buffer->resize(m.moments);
  mono_rate.resize(m.angulars), cheb.resize(3 * m.kappas * m.chebyshev);
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
    scale(r, scaled.data(), size.data());
    for (int64_t c = 0; c < m.kappas; ++c) chebyshev(scaled[c].xi, &cheb[3 * c * m.chebyshev]);
    s[0].v = f, s[1].v = df, s[2].v = dr;
    for (int64_t c = 0; c < m.kappas; ++c)
      s[3 + 3 * c].v = scaled[c].xi, s[4 + 3 * c].v = scaled[c].slope, s[5 + 3 * c].v = scaled[c].distance;
    Aligned<T> *radial = s + 3 + 3 * m.kappas, *angular = radial + 3 * m.radial;
    monomials(n, mono.data());
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
        const V a = size[mu].v;
        value *= a, slope *= a, bend *= a;
      }
      radial[3 * mu].v = value, radial[3 * mu + 1].v = slope, radial[3 * mu + 2].v = bend;
    }
    for (int64_t b = 0; b < m.basics; ++b) {
      const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
      const V value = f * radial[3 * mu].v;
      const V change = dr * (df * radial[3 * mu].v + f * radial[3 * mu + 1].v * scaled[m.kappa[mu]].slope);
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
    out.species[t.present[type[lane]]] += double(u[lane]) * (1.0 + double(energy[lane])) + double(energy_rate[lane]);
  reverse_rate();
  for (int64_t k = 0; k < longest; ++k) edge_gradient(k, &store[k * slots], out);
}

// Adds scale (u B_q + dB_q/dt) of each lane to the row of its element.
template <class T>
inline void Group<T>::readout_gradient(V scale, V scaled_u, double *out) const {
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
      double *row = out + t.present[type[0]] * m.stride + q;
      for (int64_t k = 0; k < n; ++k) row[k] += double(block[0][k]);
      continue;
    }
    for (int lane = 0; lane < live; ++lane) {
      double *row = out + t.present[type[lane]] * m.stride + q;
      for (int64_t k = 0; k < n; ++k) row[k] += double(block[lane][k]);
    }
  }
}

template <class T>
inline void Group<T>::forward_rate() {
  for (int64_t k = 0; k < m.products; ++k) {
    const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
    rate[row[3]].v += t.times_factor[k] * (rate[p].v * moment[q].v + moment[p].v * rate[q].v);
  }
}

template <class T>
inline void Group<T>::reverse_rate() {
  for (int64_t k = m.products - 1; k >= 0; --k) {
    const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
    const V a = t.times_factor[k] * adjoint[row[3]].v, b = t.times_factor[k] * rate_adjoint[row[3]].v;
    adjoint[p].v += a * moment[q].v + b * rate[q].v;
    adjoint[q].v += a * moment[p].v + b * rate[p].v;
    rate_adjoint[p].v += b * moment[q].v;
    rate_adjoint[q].v += b * moment[p].v;
  }
}

template <class T>
inline void Group<T>::edge_gradient(int64_t k, const Aligned<T> *s, Gradient &out) {
  const V f = s[0].v, df = s[1].v, dr = s[2].v;
  const Aligned<T> *radial = s + 3 + 3 * m.kappas, *angular = radial + 3 * m.radial;
  for (int lane = 0; lane < W; ++lane)
    neighbour[lane] = k < count[lane] ? t.compact[e.types[e.j[first[lane] + k]]] : type[lane];
  pairs(size.data());
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
    chebyshev(xi, cheb.data());
    for (int64_t mu = 0; mu < m.radial; ++mu) {
      if (m.kappa[mu] != c) continue;
      const V value = radial[3 * mu].v, first_d = radial[3 * mu + 1].v, second_d = radial[3 * mu + 2].v;
      const V a = value_adjoint[mu].v, b = change_adjoint[mu].v * dr;
      const V flat = a * f + b * df, steep = b * f * slope, whole = flat * value + steep * first_d;
      V amplitude = V{} + 1; // the sums over Chebyshev polynomials have it in them
      if (m.neighbour) {
        amplitude = size[mu].v;
        const V to_amplitude = whole / amplitude;
        for (int lane = 0; lane < live; ++lane)
          if (k < count[lane]) out.neighbour[mu * m.species + t.present[neighbour[lane]]] += to_amplitude[lane];
      }
      const V flat_w = flat * amplitude, steep_w = steep * amplitude;
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
    const V through = xi_adjoint - alpha[c].v * xi * slope_adjoint;
#endif
    const V to_alpha = through * T(0.5) * bell * distance + slope_adjoint * T(0.5) * bell;
    const V to_r0 = -through * slope;
    for (int lane = 0; lane < live; ++lane) {
      if (k >= count[lane]) continue;
      const int64_t pair = pair_index(c, lane);
      out.alpha[pair] += to_alpha[lane];
      out.r0[pair] += to_r0[lane];
    }
  }
  for (int lane = 0; lane < live; ++lane) {
    if (k >= count[lane]) continue;
    for (const int64_t z : {type[lane], neighbour[lane]})
      out.pair[t.present[z]] += double(pair_adjoint[lane]) / t.pair[z];
  }
}

template <class T>
inline int64_t Group<T>::pair_index(int64_t c, int lane) const {
  return (c * m.species + t.present[type[lane]]) * m.species + t.present[neighbour[lane]];
}

// Chebyshev polynomials of xi with their first and second derivatives, (3, chebyshev).
template <class T>
inline void Group<T>::chebyshev(V xi, Aligned<T> *p) const {
  const int64_t n = m.chebyshev;
  Aligned<T> *dp = p + n, *ddp = dp + n;
  p[0].v = V{} + 1, dp[0].v = V{}, ddp[0].v = V{};
  if (n > 1) p[1].v = xi, dp[1].v = V{} + 1, ddp[1].v = V{};
  for (int64_t q = 2; q < n; ++q) {
    p[q].v = 2 * xi * p[q - 1].v - p[q - 2].v;
    dp[q].v = 2 * (p[q - 1].v + xi * dp[q - 1].v) - dp[q - 2].v;
    ddp[q].v = 2 * (2 * dp[q - 1].v + xi * ddp[q - 1].v) - ddp[q - 2].v;
  }
}

} // namespace
