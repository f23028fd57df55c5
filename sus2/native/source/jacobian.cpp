// Derivatives of energies, forces and virials by every parameter of the model: the Jacobian of a least-squares fit.
// One pass over the edges of each atom; inner loops run over the parameters, which lie side by side.
//
// With basic moments m_b = sum_edges R_mu mono_a, E_i = species (1 + theta . B(m)) and a_b = dE_i/dm_b, the gradient of
// an edge is g = sum_b a_b d m_b/dr, so by a parameter p
//     dg/dp = sum_b K_pb dm_b/dr + sum_b a_b d2m_b/(dr dp),   K_pb = da_b/dp + sum_c (d2E_i/dm_b dm_c) dm_c/dp.
#include <cmath>
#include <set>

#include "kernels.h"

namespace {

typedef std::vector<double> Numbers;

class Jacobian {
public:
  // Columns of an atom: weights, alpha and r0 of its element with each other (kappa, species), pair, amplitudes of each
  // neighbour (radial, species) where the model has them, its species, its theta.
  // With `linear` only those of theta are computed, and rows have no others.
  Jacobian(const Sus2Model &m, const Sus2Edges &e, bool linear)
      : m(m), e(e), linear(linear), nb(m.basics), nw(m.radial * m.chebyshev), nk(m.kappas * m.species),
        at_alpha(nw), at_r0(nw + nk),
        at_pair(nw + 2 * nk), at_size(at_pair + m.species), sizes(m.neighbour ? m.radial * m.species : 0),
        at_species(at_size + sizes), at_theta(at_species + 1), local(at_theta + m.scalars),
        table(m.kappas * m.species * m.species), readout(m.stride ? m.species * m.stride : m.scalars),
        total(linear ? readout : 2 * table + nw + 2 * m.species + sizes + readout),
        from_column(linear ? at_theta : 0), moment(m.moments),
        adjoint(m.moments), tangent(m.moments * nb), turned(m.moments * nb), head(nb * nb),
        by_weight(nb * m.chebyshev), by_species(4 * m.species * nb),
        mix(local * nb), value(local), edge_rows(3 * local), own(9 * at_species), own_slopes(9 * nb),
        first_basic(m.radial + 1) {
    std::set<int64_t> first;
    for (int64_t k = 0; k < m.products; ++k) first.insert(m.times[4 * k]);
    factors.assign(first.begin(), first.end());
    for (int64_t mu = 0; mu < m.radial; ++mu) {
      for (int64_t b = 0; b < nb; ++b)
        if (m.basic_mu[b] == mu) basics.push_back(b);
      first_basic[mu + 1] = int64_t(basics.size());
    }
  }

  // Adds the rows of atom i (of the structure that begins at `origin` and has n atoms) to those of the structure:
  // energy, forces (n, 3), virial (6), each of `total` columns: alpha, r0, weights, pair, amplitudes, species, theta.
  void atom(int64_t i, int64_t origin, int64_t n, double *rows) {
    const int64_t begin = e.first[i], count = e.first[i + 1] - begin, zi = e.types[i];
    edges(i, begin, count);
    sweep(m.species_coeffs[zi], m.theta + zi * m.stride);
    columns(i, count);
    add(zi, value.data(), rows);
    double *forces = rows + total, *virial = forces + 3 * n * total;
    std::fill(own.begin(), own.end(), 0.0), std::fill(own_slopes.begin(), own_slopes.end(), 0.0);
    const int axes[6][2] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
    // Edges to images of one atom share the costly product, so their rows are summed first.
    slot.assign(n, -1), near.clear(), near_rows.clear(), near_slopes.clear();
    for (int64_t k = 0; k < count; ++k) {
      const int64_t edge = begin + k, j = e.j[edge] - origin;
      const double *v = e.vectors + 3 * edge, *jac = &slopes[k * 3 * nb];
      if (slot[j] < 0) {
        slot[j] = int64_t(near.size()), near.push_back(j);
        near_rows.resize(near.size() * 3 * at_species), near_slopes.resize(near.size() * 3 * nb);
      }
      if (!linear) {
        std::fill(edge_rows.begin(), edge_rows.end(), 0.0);
        direct(zi, e.types[e.j[edge]], k);
      }
      add_to(&near_slopes[slot[j] * 3 * nb], jac, 3 * nb, 1.0);
      for (int x = 0; x < 3 && !linear; ++x)
        add_to(&near_rows[(3 * slot[j] + x) * at_species], &edge_rows[x * local], at_species, 1.0);
      for (int s = 0; s < 6; ++s) {
        const int x = axes[s][0], y = axes[s][1];
        add_to(&own_slopes[(3 + s) * nb], jac + y * nb, nb, 0.5 * v[x]);
        add_to(&own_slopes[(3 + s) * nb], jac + x * nb, nb, 0.5 * v[y]);
        if (linear) continue;
        add_to(&own[(3 + s) * at_species], &edge_rows[y * local], at_species, 0.5 * v[x]);
        add_to(&own[(3 + s) * at_species], &edge_rows[x * local], at_species, 0.5 * v[y]);
      }
    }
    for (size_t q = 0; q < near.size(); ++q) {
      const double *jac = &near_slopes[q * 3 * nb];
      std::fill(edge_rows.begin(), edge_rows.end(), 0.0);
      add_to(own_slopes.data(), jac, 3 * nb, 1.0);
      for (int x = 0; x < 3 && !linear; ++x) {
        const double *from = &near_rows[(3 * q + x) * at_species];
        add_to(&own[x * at_species], from, at_species, 1.0);
        std::copy(from, from + at_species, &edge_rows[x * local]);
      }
      product(jac);
      for (int x = 0; x < 3; ++x) add(zi, &edge_rows[x * local], forces + (3 * near[q] + x) * total, -1.0);
    }
    for (int s = 0; s < 9; s += 3) { // the atom's own force, then the virial
      for (int x = 0; x < 3; ++x) {
        std::copy(&own[(s + x) * at_species], &own[(s + x) * at_species] + at_species, &edge_rows[x * local]);
        std::fill(&edge_rows[x * local + at_species], &edge_rows[x * local] + local, 0.0);
      }
      product(&own_slopes[s * nb]);
      double *to = s ? virial + (s - 3) * total : forces + 3 * (i - origin) * total;
      for (int x = 0; x < 3; ++x) add(zi, &edge_rows[x * local], to + x * total, 1.0);
    }
  }

  int64_t width() const { return total; }

private:
  typedef Simd<double>::vec V;
  typedef double Unaligned __attribute__((vector_size(SUS2_VECTOR_BYTES), aligned(8), may_alias));
  static constexpr int64_t lanes = Simd<double>::lanes;
  const Sus2Model &m;
  const Sus2Edges &e;
  const bool linear;
  const int64_t nb, nw, nk, at_alpha, at_r0, at_pair, at_size, sizes, at_species, at_theta, local, table, readout, total,
      from_column;
  Numbers moment, adjoint, tangent, turned, head, by_weight, by_species, mix, value, edge_rows, own, own_slopes, shells,
      monos, slopes, near_rows, near_slopes; // the last two: sums over the edges to each neighbour in `near`
  std::vector<int64_t> first_basic, basics; // basic moments of each radial function
  std::vector<int64_t> factors;             // moments that are the first factor of a product
  std::vector<int64_t> slot, near;          // place in `near` of each atom of the structure, or -1

  struct Shell {
    double r, inverse, unit[3], f, df;
  };
  std::vector<Shell> shell;

  // Layout of `shells` for one edge: for each kappa T (R), T' (R), slope, dxi/dalpha, dxi/dr0, dslope/dalpha,
  // dslope/dr0; then for each mu its sums value, value', value''.
  int64_t kappa_size() const { return 2 * m.chebyshev + 5; }
  int64_t shell_size() const { return m.kappas * kappa_size() + 3 * m.radial; }
  double *kappa_of(int64_t k, int64_t c) { return &shells[k * shell_size() + c * kappa_size()]; }
  double *sums_of(int64_t k) { return &shells[k * shell_size() + m.kappas * kappa_size()]; }

  // Radial functions, monomials and slopes dm_b/dr (count, 3, nb) of the edges of atom i, and its basic moments.
  void edges(int64_t i, int64_t begin, int64_t count) {
    const int64_t size = m.chebyshev, zi = e.types[i], na = m.angulars;
    shell.resize(count), shells.resize(count * shell_size());
    monos.resize(count * 4 * na), slopes.resize(count * 3 * nb);
    std::fill(moment.begin(), moment.end(), 0.0);
    Numbers bend(size);
    for (int64_t k = 0; k < count; ++k) {
      const double *v = e.vectors + 3 * (begin + k);
      Shell &s = shell[k];
      const int64_t zj = e.types[e.j[begin + k]];
      s.r = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]), s.inverse = 1.0 / s.r;
      for (int x = 0; x < 3; ++x) s.unit[x] = v[x] * s.inverse;
      const double reach = std::min(s.r - m.cutoff, 0.0), pair = m.scaling * m.pair_factor[zi] * m.pair_factor[zj];
      double bent_envelope;
      envelope_of(m.power, reach, s.f, s.df, bent_envelope);
      s.f *= pair, s.df *= pair;
      for (int64_t c = 0; c < m.kappas; ++c) {
        const int64_t at = (c * m.species + zi) * m.species + zj;
        const double alpha = m.alpha[at], distance = s.r - m.r0[at], half = 0.5 * alpha * distance;
#ifdef SUS2_LINEAR_MAP
        const double xi = half, bell = 1.0, bent = 0.0;
#else
        const double xi = std::tanh(half), bell = 1.0 - xi * xi, bent = alpha * xi;
#endif
        const double slope = 0.5 * alpha * bell;
        double *t = kappa_of(k, c), *dt = t + size, *rest = dt + size;
        t[0] = 1.0, dt[0] = bend[0] = 0.0;
        if (size > 1) t[1] = xi, dt[1] = 1.0, bend[1] = 0.0;
        for (int64_t q = 2; q < size; ++q) {
          t[q] = 2.0 * xi * t[q - 1] - t[q - 2];
          dt[q] = 2.0 * (t[q - 1] + xi * dt[q - 1]) - dt[q - 2];
          bend[q] = 2.0 * (2.0 * dt[q - 1] + xi * bend[q - 1]) - bend[q - 2];
        }
        rest[0] = slope;
        rest[1] = 0.5 * distance * bell, rest[2] = -slope;
        rest[3] = 0.5 * bell - bent * rest[1], rest[4] = -bent * rest[2];
        for (int64_t mu = 0; mu < m.radial; ++mu) {
          if (m.kappa[mu] != c) continue;
          const double *w = m.weights + mu * size;
          double sum[3] = {0.0, 0.0, 0.0};
          for (int64_t q = 0; q < size; ++q) sum[0] += w[q] * t[q], sum[1] += w[q] * dt[q], sum[2] += w[q] * bend[q];
          for (int order = 0; order < 3; ++order) sums_of(k)[3 * mu + order] = size_of(mu, zj) * sum[order];
        }
      }
      double *p = &monos[k * 4 * na];
      p[0] = 1.0;
      for (int64_t a = 1; a < na; ++a) p[a] = p[m.ang_parent[a]] * s.unit[m.ang_axis[a]];
      for (int64_t a = 0; a < na; ++a) { // derivatives by r: (1 - n n^T) / r applied to those by the unit vector
        double g[3], inward = 0.0;
        for (int x = 0; x < 3; ++x) {
          const int64_t low = m.ang_lower[3 * a + x];
          g[x] = low < 0 ? 0.0 : m.ang_factor[3 * a + x] * p[low];
          inward += g[x] * s.unit[x];
        }
        for (int x = 0; x < 3; ++x) p[(1 + x) * na + a] = (g[x] - inward * s.unit[x]) * s.inverse;
      }
      double *jac = &slopes[k * 3 * nb];
      for (int64_t b = 0; b < nb; ++b) {
        const int64_t mu = m.basic_mu[b], a = m.basic_ang[b];
        const double *sum = sums_of(k) + 3 * mu, slope = kappa_of(k, m.kappa[mu])[2 * size];
        const double radial = s.f * sum[0], change = s.df * sum[0] + s.f * sum[1] * slope;
        moment[b] += radial * p[a];
        for (int x = 0; x < 3; ++x) jac[x * nb + b] = change * s.unit[x] * p[a] + radial * p[(1 + x) * na + a];
      }
    }
  }

  double size_of(int64_t mu, int64_t zj) const { return m.neighbour ? m.neighbour[mu * m.species + zj] : 1.0; }

  // Moments with their derivatives by the basic ones (tangent), adjoints (scale * dE/dM) and the second derivatives.
  void sweep(double scale, const double *theta) {
    std::fill(tangent.begin(), tangent.end(), 0.0);
    for (int64_t b = 0; b < nb; ++b) tangent[b * nb + b] = 1.0;
    for (int64_t k = 0; k < m.products; ++k) {
      const int64_t *row = m.times + 4 * k;
      const double fp = row[2] * moment[row[0]], fq = row[2] * moment[row[1]];
      const double *dp = &tangent[row[0] * nb], *dq = &tangent[row[1] * nb];
      double *to = &tangent[row[3] * nb];
      moment[row[3]] += fp * moment[row[1]];
      for (int64_t b = 0; b < nb; ++b) to[b] += fq * dp[b] + fp * dq[b];
    }
    if (linear) return;
    std::fill(adjoint.begin(), adjoint.end(), 0.0);
    for (int64_t q = 0; q < m.scalars; ++q) adjoint[m.mapping[q]] += scale * theta[q];
    std::fill(turned.begin(), turned.end(), 0.0);
    for (int64_t k = m.products - 1; k >= 0; --k) {
      const int64_t *row = m.times + 4 * k, p = row[0], q = row[1];
      const double a = row[2] * adjoint[row[3]];
      adjoint[p] += a * moment[q], adjoint[q] += a * moment[p];
      const double *from = &tangent[q * nb];
      double *to = &turned[p * nb];
      for (int64_t b = 0; b < nb; ++b) to[b] += a * from[b];
    }
    // d2E = sum over products of adjoint (dp dq + dq dp), gathered by their first factor.
    std::fill(head.begin(), head.end(), 0.0);
    for (int64_t p : factors) {
      const double *left = &tangent[p * nb], *right = &turned[p * nb];
      for (int64_t b = 0; b < nb; ++b) {
        if (left[b] == 0.0) continue;
        for (int64_t c = 0; c < nb; ++c) head[b * nb + c] += left[b] * right[c];
      }
    }
    for (int64_t b = 0; b < nb; ++b)
      for (int64_t c = 0; c <= b; ++c) head[b * nb + c] = head[c * nb + b] = head[b * nb + c] + head[c * nb + b];
  }

  // dE_i/dp in `value` and K_pb in `mix`, stored as (nb, local).
  void columns(int64_t i, int64_t count) {
    const int64_t size = m.chebyshev, na = m.angulars, zi = e.types[i], c = m.species;
    const double scale = m.species_coeffs[zi];
    std::fill(value.begin(), value.end(), 0.0);
    for (int64_t q = 0; q < m.scalars; ++q) {
      const int64_t t = m.mapping[q];
      value[at_theta + q] = scale * moment[t];
      for (int64_t b = 0; b < nb; ++b) mix[b * local + at_theta + q] = scale * tangent[t * nb + b];
    }
    if (linear) return;
    value[at_species] = 1.0;
    const double *theta = m.theta + zi * m.stride;
    for (int64_t q = 0; q < m.scalars; ++q) value[at_species] += theta[q] * moment[m.mapping[q]];
    // dm_b/dp where it does not vanish: by_weight (nb, R) of the radial function of b; of each neighbour species
    // by_alpha, by_r0, by_pair, by_size (species, nb).
    std::fill(by_weight.begin(), by_weight.end(), 0.0), std::fill(by_species.begin(), by_species.end(), 0.0);
    double *by_alpha = by_species.data(), *by_r0 = by_alpha + c * nb, *by_pair = by_r0 + c * nb,
           *by_size = by_pair + c * nb;
    for (int64_t k = 0; k < count; ++k) {
      const int64_t zj = e.types[e.j[e.first[i] + k]];
      const double *p = &monos[k * 4 * na];
      for (int64_t b = 0; b < nb; ++b) {
        const int64_t mu = m.basic_mu[b];
        const double *t = kappa_of(k, m.kappa[mu]), *rest = t + 2 * size, *sum = sums_of(k) + 3 * mu;
        const double angular = shell[k].f * p[m.basic_ang[b]];
        add_to(&by_weight[b * size], t, size, angular * size_of(mu, zj));
        by_alpha[zj * nb + b] += angular * sum[1] * rest[1];
        by_r0[zj * nb + b] += angular * sum[1] * rest[2];
        by_pair[zj * nb + b] += angular * sum[0] / m.pair_factor[zj];
        if (sizes) by_size[zj * nb + b] += angular * sum[0] / size_of(mu, zj);
      }
    }
    for (int64_t b = 0; b < nb; ++b) by_pair[zi * nb + b] += moment[b] / m.pair_factor[zi];
    for (int64_t b = 0; b < nb; ++b) {
      std::fill(&mix[b * local], &mix[b * local] + at_species, 0.0);
      mix[b * local + at_species] = adjoint[b] / scale;
    }
    for (int64_t d = 0; d < nb; ++d) {
      const int64_t mu = m.basic_mu[d], kappa = m.kappa[mu];
      add_to(&value[mu * size], &by_weight[d * size], size, adjoint[d]);
      for (int64_t b = 0; b < nb; ++b)
        add_to(&mix[b * local + mu * size], &by_weight[d * size], size, head[b * nb + d]);
      for (int64_t z = 0; z < c; ++z) {
        const int64_t to[4] = {at_alpha + kappa * c + z, at_r0 + kappa * c + z, at_pair + z, at_size + mu * c + z};
        for (int kind = 0; kind < (sizes ? 4 : 3); ++kind) {
          const double change = by_species[(kind * c + z) * nb + d];
          if (change == 0.0) continue;
          value[to[kind]] += adjoint[d] * change;
          for (int64_t b = 0; b < nb; ++b) mix[b * local + to[kind]] += head[b * nb + d] * change;
        }
      }
    }
  }

  // The second part of dg/dp of edge k in `edge_rows` (3, local), which is zero from the species on.
  void direct(int64_t zi, int64_t zj, int64_t k) {
    const int64_t size = m.chebyshev, na = m.angulars;
    const double *p = &monos[k * 4 * na];
    const Shell &s = shell[k];
    for (int64_t mu = 0; mu < m.radial; ++mu) {
      double level = 0.0, side[3] = {0.0, 0.0, 0.0};
      for (int64_t b = first_basic[mu]; b < first_basic[mu + 1]; ++b) {
        const int64_t basic = basics[b], a = m.basic_ang[basic];
        level += adjoint[basic] * p[a];
        for (int x = 0; x < 3; ++x) side[x] += adjoint[basic] * p[(1 + x) * na + a];
      }
      const int64_t c = m.kappa[mu];
      const double *t = kappa_of(k, c), *dt = t + size, *rest = dt + size, *sum = sums_of(k) + 3 * mu;
      for (int x = 0; x < 3; ++x) {
        double *out = &edge_rows[x * local];
        const double along = level * s.unit[x], flat = s.df * along + s.f * side[x], steep = s.f * rest[0] * along;
        const double amplitude = size_of(mu, zj);
        add_to(out + mu * size, t, size, flat * amplitude), add_to(out + mu * size, dt, size, steep * amplitude);
        const double through = flat * sum[1] + steep * sum[2], bend = s.f * along * sum[1];
        out[at_alpha + c * m.species + zj] += through * rest[1] + bend * rest[3];
        out[at_r0 + c * m.species + zj] += through * rest[2] + bend * rest[4];
        const double whole = flat * sum[0] + steep * sum[1];
        out[at_pair + zj] += whole / m.pair_factor[zj], out[at_pair + zi] += whole / m.pair_factor[zi];
        if (sizes) out[at_size + mu * m.species + zj] += whole / amplitude;
      }
    }
  }

  // Adds jac (3, nb) times mix (nb, local) to edge_rows; all of a chunk of columns stays in registers.
  void product(const double *jac) {
    const double *jx = jac, *jy = jac + nb, *jz = jac + 2 * nb;
    double *x = edge_rows.data(), *y = x + local, *z = y + local;
    int64_t q = from_column;
    for (; q + 2 * lanes <= local; q += 2 * lanes) {
      V x0 = load(x + q), x1 = load(x + q + lanes), y0 = load(y + q), y1 = load(y + q + lanes), z0 = load(z + q),
        z1 = load(z + q + lanes);
      const double *from = &mix[q];
      for (int64_t b = 0; b < nb; ++b, from += local) {
        const V m0 = load(from), m1 = load(from + lanes);
        x0 += jx[b] * m0, x1 += jx[b] * m1;
        y0 += jy[b] * m0, y1 += jy[b] * m1;
        z0 += jz[b] * m0, z1 += jz[b] * m1;
      }
      save(x + q, x0), save(x + q + lanes, x1), save(y + q, y0), save(y + q + lanes, y1), save(z + q, z0),
          save(z + q + lanes, z1);
    }
    for (int64_t b = 0; b < nb; ++b) {
      const double *from = &mix[b * local];
      for (int64_t k = q; k < local; ++k) x[k] += jx[b] * from[k], y[k] += jy[b] * from[k], z[k] += jz[b] * from[k];
    }
  }

  static V load(const double *from) { return *reinterpret_cast<const Unaligned *>(from); }
  static void save(double *to, V v) { *reinterpret_cast<Unaligned *>(to) = v; }

  static void add_to(double *__restrict to, const double *__restrict from, int64_t n, double factor) {
    for (int64_t q = 0; q < n; ++q) to[q] += factor * from[q];
  }

  // Adds columns of an atom of type zi to a row of all columns.
  void add(int64_t zi, const double *from, double *row, double factor = 1.0) const {
    auto part = [&](int64_t to, int64_t at, int64_t n) { add_to(row + to, from + at, n, factor); };
    const int64_t c = m.species;
    if (linear) return part(zi * m.stride, at_theta, m.scalars);
    for (int64_t k = 0; k < m.kappas; ++k) {
      part((k * c + zi) * c, at_alpha + k * c, c);
      part(table + (k * c + zi) * c, at_r0 + k * c, c);
    }
    part(2 * table, 0, nw);
    part(2 * table + nw, at_pair, c);
    part(2 * table + nw + c, at_size, sizes);
    part(2 * table + nw + c + sizes + zi, at_species, 1);
    part(2 * table + nw + 2 * c + sizes + zi * m.stride, at_theta, m.scalars);
  }
};

} // namespace

extern "C" {
// Rows of each structure (its atoms lie in first[s]..first[s + 1]): energy, forces, virial; `out` holds zeros. Gives
// the number of columns, and does nothing else where `out` is null.
int64_t sus2_jacobian(const Sus2Model *m, const Sus2Edges *e, int64_t structures, const int64_t *first, int64_t linear,
                      int64_t threads, double *out) {
  const int64_t width = Jacobian(*m, *e, linear).width();
  if (!out) return width;
  spread(structures, threads, 1, [&](int64_t, int64_t begin, int64_t end) {
    Jacobian jacobian(*m, *e, linear);
    for (int64_t s = begin; s < end; ++s) {
      const int64_t n = first[s + 1] - first[s];
      double *rows = out + (3 * first[s] + 7 * s) * width;
      for (int64_t i = first[s]; i < first[s + 1]; ++i) jacobian.atom(i, first[s], n, rows);
    }
  });
  return width;
}
}
