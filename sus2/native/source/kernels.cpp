// Fused SUS2 kernels for the CPU over edges that are given: LANES atoms per group, threads over groups. Compiled by
// kernels.py.
#include "gradient.h"

namespace {

template <class T>
void evaluate(const Sus2Model &m, const Sus2Edges &e, int64_t threads, double *site, double *forces, double *virial) {
  constexpr int W = Simd<T>::lanes;
  const Tables<T> tables(m, e.types, e.atoms);
  const int64_t groups = (e.atoms + W - 1) / W;
  std::vector<int64_t> order;
  sort_by_type(m, e.types, 0, e.atoms, order);
  std::vector<std::vector<double>> others(threads);
  spread(groups, threads, 8, [&](int64_t id, int64_t begin, int64_t end) {
    Group<T> group(m, tables, e);
    if (id > 0) others[id].assign(3 * e.atoms, 0.0);
    double *mine = id > 0 ? others[id].data() : forces;
    for (int64_t g = begin; g < end; ++g) group.evaluate(&order[g * W], e.atoms - g * W, site, mine, virial);
  });
  for (const auto &extra : others)
    for (size_t k = 0; k < extra.size(); ++k) forces[k] += extra[k];
}

template <class T>
void differentiate(const Sus2Model &m, const Sus2Edges &e, int64_t threads, const double *energy_weight,
                   const double *velocity, const double *strain, double *alpha, double *r0, double *weights,
                   double *pair, double *species, double *theta, double *neighbour) {
  constexpr int W = Simd<T>::lanes;
  const Tables<T> tables(m, e.types, e.atoms);
  const int64_t groups = (e.atoms + W - 1) / W;
  std::vector<int64_t> order;
  sort_by_type(m, e.types, 0, e.atoms, order);
  std::vector<typename Group<T>::Gradient> parts(threads, typename Group<T>::Gradient(m));
  spread(groups, threads, 8, [&](int64_t id, int64_t begin, int64_t end) {
    Group<T> group(m, tables, e);
    for (int64_t g = begin; g < end; ++g)
      group.differentiate(&order[g * W], e.atoms - g * W, energy_weight, velocity, strain, parts[id]);
  });
  auto add = [](double *to, const std::vector<double> &from) {
    for (size_t k = 0; k < from.size(); ++k) to[k] += from[k];
  };
  auto add_lanes = [](double *to, const Buffer<T> &from) {
    for (size_t k = 0; k < from.size(); ++k)
      for (int lane = 0; lane < W; ++lane) to[k] += double(from[k].v[lane]);
  };
  for (const auto &part : parts) {
    add(alpha, part.alpha), add(r0, part.r0), add(pair, part.pair), add(species, part.species);
    add_lanes(weights, part.weights), add_lanes(theta, part.theta);
    add(theta, part.readout), add(neighbour, part.neighbour);
  }
}

} // namespace

extern "C" {
void sus2_evaluate(const Sus2Model *m, const Sus2Edges *e, int64_t single, int64_t threads, double *site,
                   double *forces, double *virial) {
  if (single) evaluate<float>(*m, *e, threads, site, forces, virial);
  else evaluate<double>(*m, *e, threads, site, forces, virial);
}
void sus2_differentiate(const Sus2Model *m, const Sus2Edges *e, int64_t single, int64_t threads,
                        const double *energy_weight, const double *velocity, const double *strain, double *alpha,
                        double *r0, double *weights, double *pair, double *species, double *theta, double *neighbour) {
  auto run = single ? differentiate<float> : differentiate<double>;
  run(*m, *e, threads, energy_weight, velocity, strain, alpha, r0, weights, pair, species, theta, neighbour);
}
// The highest of the levels in build.py that this processor runs: 0 baseline, 1 AVX2, 2 AVX-512; -1 for none of them.
int64_t sus2_level() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return -1;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2"))
    return 0;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
             ? 2
             : 1;
#else
  return 0;
#endif
}
}
