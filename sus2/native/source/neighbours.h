// Neighbours within a cutoff in cells of any shape, size, handedness and periodicity.
//
// Few atoms: for each pair of atoms the lattice points inside the sphere are enumerated level by level in an
// orthonormal frame of the lattice (Fincke and Pohst, Math. Comput. 44, 463 (1985)), so that flat and skewed cells cost
// no more than others. Many atoms: bins of half the cutoff, runs of bins side by side in memory.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

extern "C" {
struct Sus2Structures {
  int64_t count;
  const int64_t *first;     // (count + 1) first atom of each structure
  const double *positions;  // (atoms, 3)
  const double *cells;      // (count, 3, 3) rows are lattice vectors; those of directions that are not periodic unused
  const int64_t *periodic;  // (count, 3)
  const int64_t *types;     // (atoms)
};

// Edges found once with a longer cutoff: vector = positions[j] - positions[i] + shift @ cell.
struct Sus2List {
  const int64_t *first;  // (atoms + 1)
  const int32_t *j;      // (edges) within the structure
  const int16_t *shift;  // (edges, 3)
};
}

namespace {

struct Found {
  std::vector<double> vectors;
  std::vector<int64_t> j;
  std::vector<int32_t> shift;
  int64_t size = 0;
  void reserve(int64_t more) {
    if (size + more <= (int64_t)j.size()) return;
    const int64_t room = std::max<int64_t>(2 * (int64_t)j.size(), size + more + 256);
    vectors.resize(3 * room), j.resize(room), shift.resize(3 * room);
  }
};

// The neighbours of one structure's atoms; prepare() once, then around() for each atom.
class Search {
public:
  enum Method { automatic = 0, lattice = 1, bins = 2 };

  // False where a cell has no volume in its periodic directions.
  bool prepare(const double *positions, int64_t atoms, const double *cell_rows, const int64_t *is_periodic, double reach,
               int64_t method) {
    x = positions, n = atoms, rc = reach;
    for (int k = 0; k < 9; ++k) cell[k] = cell_rows[k];
    for (int k = 0; k < 3; ++k) periodic[k] = is_periodic[k] != 0;
    if (!frame()) return false;
    binned = method == bins || (method == automatic && n > 40);
    if (binned) sort_into_bins();
    return true;
  }

  // Appends the edges of atom i; `offset` is added to j.
  template <bool with_shift> void around(int64_t i, int64_t offset, Found &out) const {
    if (binned) from_bins<with_shift>(i, offset, out);
    else from_lattice<with_shift>(i, offset, out);
  }

private:
  const double *x = nullptr;
  int64_t n = 0;
  double rc = 0, cell[9];
  bool periodic[3], binned = false;

  // Level 0 is the outermost. axis: the lattice vector of a level, -1 where the direction is not periodic.
  int axis[3];
  double e[3][3], along[3][3], diagonal[3];

  static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

  bool frame() {
    int order[3], count = 0;
    for (int k = 0; k < 3; ++k)
      if (periodic[k]) order[count++] = k;
    auto length = [&](int k) { return std::sqrt(dot(cell + 3 * k, cell + 3 * k)); };
    std::sort(order, order + count, [&](int a, int b) { return length(a) > length(b); });
    for (int level = 2; level >= 0; --level) {
      const int place = level - (3 - count);
      axis[level] = place >= 0 ? order[place] : -1;
      double best = -1, w[3];
      for (int trial = 0; trial < (axis[level] < 0 ? 3 : 1); ++trial) {
        double v[3] = {0, 0, 0};
        if (axis[level] < 0) v[trial] = 1;
        else std::copy(cell + 3 * axis[level], cell + 3 * axis[level] + 3, v);
        for (int pass = 0; pass < 2; ++pass)
          for (int lower = level + 1; lower < 3; ++lower) {
            const double part = dot(v, e[lower]);
            for (int k = 0; k < 3; ++k) v[k] -= part * e[lower][k];
          }
        const double size = std::sqrt(dot(v, v));
        if (size > best) best = size, std::copy(v, v + 3, w);
      }
      if (!(best > 1e-9 * (axis[level] < 0 ? 1.0 : length(axis[level]))) || best == 0) return false;
      for (int k = 0; k < 3; ++k) e[level][k] = w[k] / best;
      diagonal[level] = best;
      for (int lower = level; lower < 3; ++lower)
        along[level][lower] = axis[level] < 0 ? 0.0 : dot(cell + 3 * axis[level], e[lower]);
    }
    return true;
  }

  // Range of whole numbers k with |start + k * step| <= s; one value, 0, where the level is not periodic.
  bool range(int level, double start, double s, int64_t &low, int64_t &high) const {
    if (axis[level] < 0) {
      low = high = 0;
      return std::fabs(start) <= s;
    }
    low = (int64_t)std::ceil((-s - start) / diagonal[level]);
    high = (int64_t)std::floor((s - start) / diagonal[level]);
    return low <= high;
  }

  template <bool with_shift> void from_lattice(int64_t i, int64_t offset, Found &out) const {
    const double limit = rc * rc, slack = 1e-9 * rc;
    for (int64_t j = 0; j < n; ++j) {
      const double d[3] = {x[3 * j] - x[3 * i], x[3 * j + 1] - x[3 * i + 1], x[3 * j + 2] - x[3 * i + 2]};
      double c[3];
      for (int level = 0; level < 3; ++level) c[level] = dot(d, e[level]);
      int64_t low[3], high[3], k[3];
      if (!range(0, c[0], rc + slack, low[0], high[0])) continue;
      for (k[0] = low[0]; k[0] <= high[0]; ++k[0]) {
        const double y0 = c[0] + double(k[0]) * along[0][0];
        const double s1 = std::sqrt(std::max(0.0, limit - y0 * y0)) + slack;
        if (!range(1, c[1] + double(k[0]) * along[0][1], s1, low[1], high[1])) continue;
        for (k[1] = low[1]; k[1] <= high[1]; ++k[1]) {
          const double y1 = c[1] + double(k[0]) * along[0][1] + double(k[1]) * along[1][1];
          const double s2 = std::sqrt(std::max(0.0, limit - y0 * y0 - y1 * y1)) + slack;
          const double start = c[2] + double(k[0]) * along[0][2] + double(k[1]) * along[1][2];
          if (!range(2, start, s2, low[2], high[2])) continue;
          double base[3] = {0, 0, 0};
          for (int level = 0; level < 2; ++level)
            if (axis[level] >= 0)
              for (int q = 0; q < 3; ++q) base[q] += double(k[level]) * cell[3 * axis[level] + q];
          static const double nothing[3] = {0, 0, 0};
          const double *last = axis[2] < 0 ? nothing : cell + 3 * axis[2];
          out.reserve(high[2] - low[2] + 1);
          for (k[2] = low[2]; k[2] <= high[2]; ++k[2]) {
            double v[3];
            for (int q = 0; q < 3; ++q) v[q] = d[q] + (base[q] + double(k[2]) * last[q]);
            const bool self = i == j && k[0] == 0 && k[1] == 0 && k[2] == 0;
            const int64_t at = out.size;
            std::copy(v, v + 3, &out.vectors[3 * at]);
            out.j[at] = offset + j;
            if (with_shift) {
              int32_t *shift = &out.shift[3 * at];
              shift[0] = shift[1] = shift[2] = 0;
              for (int level = 0; level < 3; ++level)
                if (axis[level] >= 0) shift[axis[level]] = (int32_t)k[level];
            }
            out.size += !self && dot(v, v) < limit;
          }
        }
      }
    }
  }

  // Bins: fractional coordinates along three directions; a direction that is not periodic has a unit normal.
  double box[9], dual[9];
  int64_t grid[3], span[3];
  std::vector<double> sorted;        // (3, n) wrapped positions
  std::vector<int64_t> atom, slot;   // atom in a slot; slot of an atom
  std::vector<int32_t> wrap, place;  // (n, 3) lattice vectors taken off; (n, 3) bin of a slot
  std::vector<int64_t> start;

  void sort_into_bins() {
    for (int level = 0; level < 3; ++level) {
      if (axis[level] >= 0) continue;
      // The level takes the place of a direction that is not periodic.
      int taken = 0;
      for (int other = 0; other < level; ++other) taken += axis[other] < 0;
      for (int k = 0, seen = 0; k < 3; ++k)
        if (!periodic[k] && seen++ == taken) std::copy(e[level], e[level] + 3, box + 3 * k);
    }
    for (int k = 0; k < 3; ++k)
      if (periodic[k]) std::copy(cell + 3 * k, cell + 3 * k + 3, box + 3 * k);
    double volume = 0;
    for (int k = 0; k < 3; ++k) {
      const double *a = box + 3 * ((k + 1) % 3), *b = box + 3 * ((k + 2) % 3);
      const double cross[3] = {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
      if (k == 0) volume = dot(box, cross);
      for (int q = 0; q < 3; ++q) dual[3 * k + q] = cross[q] / volume;
    }
    std::vector<double> fraction(3 * n);
    wrap.assign(3 * n, 0);
    double lowest[3], height[3];
    for (int k = 0; k < 3; ++k) {
      double low = 1e300, high = -1e300;
      for (int64_t i = 0; i < n; ++i) {
        double f = dot(x + 3 * i, dual + 3 * k);
        if (periodic[k]) {
          const double whole = std::floor(f);
          wrap[3 * i + k] = (int32_t)whole;
          f -= whole;
        }
        fraction[3 * i + k] = f;
        low = std::min(low, f), high = std::max(high, f);
      }
      lowest[k] = periodic[k] ? 0.0 : low;
      const double extent = periodic[k] ? 1.0 : std::max(high - low, 1e-9);
      for (int64_t i = 0; i < n; ++i) fraction[3 * i + k] = (fraction[3 * i + k] - lowest[k]) / extent;
      height[k] = extent / std::sqrt(dot(dual + 3 * k, dual + 3 * k));
      grid[k] = std::max<int64_t>(1, (int64_t)std::min(1e6, std::floor(2.0 * height[k] / rc)));
    }
    while (grid[0] * grid[1] * grid[2] > 8 * n + 64) {
      int64_t *widest = std::max_element(grid, grid + 3);
      *widest = (*widest + 1) / 2;
    }
    for (int k = 0; k < 3; ++k) {
      const double reach = std::ceil(rc / (height[k] / double(grid[k])) * (1 + 1e-9));
      // Where nothing repeats (a flat flake has no extent at all) there is nothing beyond the last bin.
      span[k] = (int64_t)(periodic[k] ? reach : std::min(reach, double(grid[k] - 1)));
    }
    const int64_t total = grid[0] * grid[1] * grid[2];
    start.assign(total + 1, 0);
    std::vector<int64_t> bin(n);
    for (int64_t i = 0; i < n; ++i) {
      int64_t b = 0;
      for (int k = 0; k < 3; ++k) {
        const int64_t p = (int64_t)(fraction[3 * i + k] * double(grid[k]));
        b = b * grid[k] + std::min(std::max<int64_t>(p, 0), grid[k] - 1);
      }
      bin[i] = b;
      ++start[b + 1];
    }
    for (int64_t b = 0; b < total; ++b) start[b + 1] += start[b];
    std::vector<int64_t> next(start.begin(), start.end() - 1);
    sorted.resize(3 * n), atom.resize(n), slot.resize(n), place.resize(3 * n);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t s = next[bin[i]]++;
      atom[s] = i, slot[i] = s;
      for (int q = 0; q < 3; ++q) {
        double value = x[3 * i + q];
        for (int k = 0; k < 3; ++k) value -= double(wrap[3 * i + k]) * (periodic[k] ? box[3 * k + q] : 0.0);
        sorted[q * n + s] = value;
      }
      place[3 * s] = (int32_t)(bin[i] / (grid[1] * grid[2]));
      place[3 * s + 1] = (int32_t)(bin[i] / grid[2] % grid[1]);
      place[3 * s + 2] = (int32_t)(bin[i] % grid[2]);
    }
  }

  static int64_t down(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

  template <bool with_shift> void from_bins(int64_t i, int64_t offset, Found &out) const {
    const double limit = rc * rc, *px = sorted.data(), *py = px + n, *pz = py + n;
    const int64_t me = slot[i];
    const double here[3] = {px[me], py[me], pz[me]};
    const int32_t *at = &place[3 * me];
    for (int64_t a = at[0] - span[0]; a <= at[0] + span[0]; ++a) {
      const int64_t ta = down(a, grid[0]), ba = a - ta * grid[0];
      if (ta && !periodic[0]) continue;
      for (int64_t b = at[1] - span[1]; b <= at[1] + span[1]; ++b) {
        const int64_t tb = down(b, grid[1]), bb = b - tb * grid[1];
        if (tb && !periodic[1]) continue;
        const int64_t row = (ba * grid[1] + bb) * grid[2], low = at[2] - span[2], high = at[2] + span[2];
        for (int64_t tc = down(low, grid[2]); tc <= down(high, grid[2]); ++tc) {
          if (tc && !periodic[2]) continue;
          const int64_t begin = start[row + std::max<int64_t>(0, low - tc * grid[2])];
          const int64_t end = start[row + std::min(grid[2] - 1, high - tc * grid[2]) + 1];
          if (begin == end) continue;
          double move[3];
          for (int q = 0; q < 3; ++q)
            move[q] = (ta ? double(ta) * box[q] : 0.0) + (tb ? double(tb) * box[3 + q] : 0.0) +
                      (tc ? double(tc) * box[6 + q] : 0.0);
          const bool same = !ta && !tb && !tc;
          out.reserve(end - begin);
          int64_t size = out.size;
          double *vectors = out.vectors.data();
          int64_t *js = out.j.data();
          for (int64_t s = begin; s < end; ++s) {
            const double vx = px[s] - here[0] + move[0], vy = py[s] - here[1] + move[1], vz = pz[s] - here[2] + move[2];
            vectors[3 * size] = vx, vectors[3 * size + 1] = vy, vectors[3 * size + 2] = vz;
            js[size] = offset + atom[s];
            if (with_shift) {
              int32_t *shift = &out.shift[3 * size];
              const int32_t *mine = &wrap[3 * i], *its = &wrap[3 * atom[s]];
              shift[0] = (int32_t)ta + mine[0] - its[0];
              shift[1] = (int32_t)tb + mine[1] - its[1];
              shift[2] = (int32_t)tc + mine[2] - its[2];
            }
            size += vx * vx + vy * vy + vz * vz < limit && !(same && s == me);
          }
          out.size = size;
        }
      }
    }
  }
};

} // namespace
