// Layout shared by the kernels and kernels.py (ctypes.Structure); all tables row-major.
#pragma once
#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

extern "C" {
struct Sus2Model {
  int64_t species, chebyshev, radial, kappas, basics, products, moments, scalars, angulars;
  int64_t power;               // of the envelope (r - cutoff)^power: 2 or 3
  int64_t stride;              // from the readout of one element to the next: scalars, or 0 where they share it
  double scaling, cutoff;
  const int64_t *kappa;        // (radial)
  const int64_t *basic_mu;     // (basics)
  const int64_t *basic_ang;    // (basics) row of the table of monomials
  const int64_t *ang_parent;   // (angulars) monomial to multiply ...
  const int64_t *ang_axis;     // (angulars) ... by this component; row 0 is 1
  const int64_t *ang_lower;    // (angulars, 3) monomial of the derivative by x, y, z; -1 where it vanishes
  const double *ang_factor;    // (angulars, 3)
  const int64_t *times;        // (products, 4)
  const int64_t *mapping;      // (scalars)
  const double *alpha, *r0;    // (kappas, species, species)
  const double *weights;       // (radial, chebyshev)
  const double *pair_factor;   // (species)
  const double *species_coeffs;// (species)
  const double *theta;         // (species, scalars), or (scalars) where the elements share it
  const double *neighbour;     // (radial, species) amplitude of a radial function by the neighbour; null: all one
};

struct Sus2Edges {
  int64_t atoms;
  const int64_t *first;   // (atoms + 1) first edge of each atom; edges are sorted by central atom
  const double *vectors;  // (edges, 3)
  const int64_t *j;       // (edges)
  const int64_t *types;   // (atoms)
};
}

// Each thread takes one contiguous range of groups, so that sums come out the same in every run; none gets
// less than `least` of them. Plain threads:
// no second OpenMP runtime beside torch's, whose waiting threads would fight for the same cores.
template <class Work> inline void spread(int64_t groups, int64_t threads, int64_t least, Work work) {
  threads = std::max<int64_t>(1, std::min(threads, groups / least));
  auto run = [&](int64_t id) { work(id, groups * id / threads, groups * (id + 1) / threads); };
  std::vector<std::thread> pool;
  for (int64_t id = 1; id < threads; ++id) pool.emplace_back(run, id);
  run(0);
  for (auto &thread : pool) thread.join();
}

// As wide as the processor's registers: compilers spill vectors that are wider than those after every operation.
#if defined(__AVX512F__)
#define SUS2_VECTOR_BYTES 64
#elif defined(__AVX__)
#define SUS2_VECTOR_BYTES 32
#else
#define SUS2_VECTOR_BYTES 16
#endif
template <class T> struct Simd;
template <> struct Simd<double> {
  typedef double vec __attribute__((vector_size(SUS2_VECTOR_BYTES)));
  typedef int64_t ivec __attribute__((vector_size(SUS2_VECTOR_BYTES)));
  typedef double wide __attribute__((vector_size(SUS2_VECTOR_BYTES))); // as many numbers, in double precision
  static constexpr int lanes = SUS2_VECTOR_BYTES / 8;
};
template <> struct Simd<float> {
  typedef float vec __attribute__((vector_size(SUS2_VECTOR_BYTES)));
  typedef int32_t ivec __attribute__((vector_size(SUS2_VECTOR_BYTES)));
  typedef double wide __attribute__((vector_size(2 * SUS2_VECTOR_BYTES)));
  static constexpr int lanes = SUS2_VECTOR_BYTES / 4;
};

// W rows of W numbers become W columns, by perfect shuffles.
template <class T> inline void transpose(typename Simd<T>::vec *x) {
  typedef typename Simd<T>::vec V;
  constexpr int W = Simd<T>::lanes;
#if defined(__GNUC__) && !defined(__clang__)
  typedef typename Simd<T>::ivec I;
  I low, high;
  for (int k = 0; k < W; ++k) low[k] = k / 2 + (k % 2) * W, high[k] = W / 2 + k / 2 + (k % 2) * W;
  for (int width = 1; width < W; width *= 2) {
    V y[W];
    for (int k = 0; k < W / 2; ++k) {
      y[2 * k] = __builtin_shuffle(x[k], x[k + W / 2], low);
      y[2 * k + 1] = __builtin_shuffle(x[k], x[k + W / 2], high);
    }
    for (int k = 0; k < W; ++k) x[k] = y[k];
  }
#else
  for (int a = 0; a < W; ++a)
    for (int b = 0; b < a; ++b) {
      const T keep = x[a][b];
      x[a][b] = x[b][a], x[b][a] = keep;
    }
#endif
}

// The envelope (r - cutoff)^power of reach = min(r - cutoff, 0), its slope and its curvature, without the pair's factor.
template <class V> inline void envelope_of(int64_t power, V reach, V &f, V &df, V &ddf) {
  if (power == 3) f = reach * reach * reach, df = 3 * reach * reach, ddf = 6 * reach;
  else f = reach * reach, df = 2 * reach, ddf = 2 + 0 * reach;
}

// exp(x) to rounding error: Cody-Waite reduction and a Taylor polynomial on |x| <= ln(2)/2. The argument is
// clamped to +-40, where tanh is 1 to the last digit in either precision.
inline Simd<double>::vec vexp(Simd<double>::vec x) {
  typedef Simd<double>::vec V;
  const V hi = V{} + 40.0, magic = V{} + 6755399441055744.0;
  x = x > hi ? hi : x;
  x = x < -hi ? -hi : x;
  V shifted = x * 1.4426950408889634 + magic;
  V n = shifted - magic;
  V r = x - n * 0.693147180369123816490;
  r = r - n * 1.90821492927058770002e-10;
  V p = V{} + 1.0 / 6227020800.0;
  const double c[] = {1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0, 1.0 / 362880.0, 1.0 / 40320.0,
                      1.0 / 5040.0,      1.0 / 720.0,      1.0 / 120.0,     1.0 / 24.0,     1.0 / 6.0,
                      0.5,               1.0,              1.0};
  for (double k : c) p = p * r + k;
  Simd<double>::ivec bits = (Simd<double>::ivec)shifted;
  return (V)((Simd<double>::ivec)p + (bits << 52));
}
inline Simd<float>::vec vexp(Simd<float>::vec x) {
  typedef Simd<float>::vec V;
  const V hi = V{} + 40.0f, magic = V{} + 12582912.0f;
  x = x > hi ? hi : x;
  x = x < -hi ? -hi : x;
  V shifted = x * 1.44269504f + magic;
  V n = shifted - magic;
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V p = V{} + 1.0f / 5040.0f;
  const float c[] = {1.0f / 720.0f, 1.0f / 120.0f, 1.0f / 24.0f, 1.0f / 6.0f, 0.5f, 1.0f, 1.0f};
  for (float k : c) p = p * r + k;
  Simd<float>::ivec bits = (Simd<float>::ivec)shifted;
  return (V)((Simd<float>::ivec)p + (bits << 23));
}
