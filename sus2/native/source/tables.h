// The coefficients in the arithmetic's own precision, of the elements that occur alone: a universal potential has
// thousands of pairs, a crystal has a few, and those then lie in the nearest cache.
#pragma once
#include "kernels.h"

namespace {

template <class T> struct alignas(SUS2_VECTOR_BYTES) Aligned { typename Simd<T>::vec v; };
template <class T> using Buffer = std::vector<Aligned<T>>;

// Elements are counted in the order of `present` here. Rows are padded to whole vectors.
template <class T> struct Tables {
  typedef typename Simd<T>::vec V;
  static constexpr int64_t W = Simd<T>::lanes;
  std::vector<int64_t> present, compact; // the model's number of an element that occurs, and the way back
  int64_t kinds, lengths, amplitudes;    // elements that occur; widths of the rows below
  Buffer<T> alpha, r0;                   // (kinds, kinds, lengths)
  Buffer<T> neighbour;                   // (kinds, amplitudes), empty where all are one
  std::vector<T> weights, pair, species, theta, times_factor, ang_factor;
  // Basic moments by their angular part a: those of a, with their radial functions, are angular_first[a] to [a + 1].
  std::vector<int64_t> angular_first, angular_basic, angular_mu;
  struct Product { int32_t p, q, to; };
  std::vector<Product> products; // moment[to] += factor moment[p] moment[q]
  std::vector<T> powers; // (radial, 2, chebyshev) the sums of Chebyshev polynomials and their slopes in powers of xi

  Tables(const Sus2Model &m, const int64_t *types, int64_t atoms)
      : compact(m.species, -1), lengths((m.kappas + W - 1) / W), amplitudes((m.radial + W - 1) / W),
        weights(m.weights, m.weights + m.radial * m.chebyshev), times_factor(m.products),
        ang_factor(m.ang_factor, m.ang_factor + 3 * m.angulars), powers(2 * m.radial * m.chebyshev) {
    for (int64_t k = 0; k < atoms; ++k) compact[types[k]] = 0;
    for (int64_t z = 0; z < m.species; ++z)
      if (compact[z] == 0) compact[z] = int64_t(present.size()), present.push_back(z);
    kinds = int64_t(present.size());
    alpha.resize(kinds * kinds * lengths), r0.resize(kinds * kinds * lengths);
    if (m.neighbour) neighbour.resize(kinds * amplitudes);
    for (int64_t a = 0; a < kinds; ++a) {
      const int64_t z = present[a];
      pair.push_back(T(m.pair_factor[z])), species.push_back(T(m.species_coeffs[z]));
      for (int64_t b = 0; b < kinds; ++b)
        for (int64_t c = 0; c < m.kappas; ++c) {
          const int64_t from = (c * m.species + z) * m.species + present[b];
          set(alpha, (a * kinds + b) * lengths, c, m.alpha[from]);
          set(r0, (a * kinds + b) * lengths, c, m.r0[from]);
        }
      if (m.neighbour)
        for (int64_t mu = 0; mu < m.radial; ++mu)
          set(neighbour, a * amplitudes, mu, m.neighbour[mu * m.species + z]);
      if (m.stride) theta.insert(theta.end(), m.theta + z * m.stride, m.theta + (z + 1) * m.stride);
    }
    if (!m.stride) theta.assign(m.theta, m.theta + m.scalars);
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k;
      times_factor[k] = T(row[2]);
      products.push_back({int32_t(row[0]), int32_t(row[1]), int32_t(row[3])});
    }
    sort_basics(m);
    expand(m);
  }

private:
  static void set(Buffer<T> &rows, int64_t row, int64_t k, double value) { rows[row + k / W].v[k % W] = T(value); }

  void sort_basics(const Sus2Model &m) {
    angular_first.push_back(0);
    for (int64_t a = 0; a < m.angulars; ++a) {
      for (int64_t b = 0; b < m.basics; ++b)
        if (m.basic_ang[b] == a) angular_basic.push_back(b), angular_mu.push_back(m.basic_mu[b]);
      angular_first.push_back(int64_t(angular_basic.size()));
    }
  }

  // Clenshaw's recurrence on polynomials: b_q = w_q + 2 xi b_(q+1) - b_(q+2).
  void expand(const Sus2Model &m) {
    const int64_t n = m.chebyshev;
    std::vector<double> now(n + 1), next(n + 1), after(n + 1);
    for (int64_t mu = 0; mu < m.radial; ++mu) {
      std::fill(next.begin(), next.end(), 0.0), std::fill(after.begin(), after.end(), 0.0);
      for (int64_t q = n - 1; q >= 0; --q) {
        const double factor = q ? 2.0 : 1.0; // at last xi b_1 alone
        now[0] = m.weights[mu * n + q] - after[0];
        for (int64_t k = 1; k < n; ++k) now[k] = factor * next[k - 1] - after[k];
        std::swap(after, next), std::swap(next, now);
      }
      T *to = &powers[2 * mu * n];
      for (int64_t q = 0; q < n; ++q) to[q] = T(next[q]), to[n + q] = q + 1 < n ? T((q + 1) * next[q + 1]) : T(0);
    }
  }
};

} // namespace
