// Many structures in one call: neighbours are found (or taken from a list with a skin), used and forgotten block by
// block, so that memory does not grow with the number of edges.
#include "group.h"
#include "neighbours.h"

namespace {

int64_t structure_of(const Sus2Structures &s, int64_t atom) {
  return std::upper_bound(s.first, s.first + s.count + 1, atom) - s.first - 1;
}

// Edges of one structure's atoms from wherever they come.
class Source {
public:
  Source(const Sus2Structures &s, const Sus2List *list, double reach, int64_t method)
      : s(s), list(list), reach(reach), method(method) {}

  // Appends the edges of an atom; atoms come in ascending order.
  template <bool with_shift> bool around(int64_t atom, Found &out) {
    if (now < 0 || atom >= s.first[now + 1]) {
      now = structure_of(s, atom);
      if (!list && !search.prepare(s.positions + 3 * s.first[now], s.first[now + 1] - s.first[now], s.cells + 9 * now,
                                   s.periodic + 3 * now, reach, method))
        return false;
    }
    if (list) listed(atom, out);
    else search.around<with_shift>(atom - s.first[now], s.first[now], out);
    return true;
  }

private:
  const Sus2Structures &s;
  const Sus2List *list;
  double reach;
  int64_t method, now = -1;
  Search search;

  void listed(int64_t atom, Found &out) {
    const double limit = reach * reach, *x = s.positions + 3 * s.first[now], *c = s.cells + 9 * now,
                 *here = s.positions + 3 * atom;
    const int64_t begin = list->first[atom], end = list->first[atom + 1];
    out.reserve(end - begin);
    int64_t size = out.size;
    for (int64_t k = begin; k < end; ++k) {
      const int64_t j = list->j[k];
      const double a = list->shift[3 * k], b = list->shift[3 * k + 1], g = list->shift[3 * k + 2];
      double v[3];
      for (int q = 0; q < 3; ++q) v[q] = x[3 * j + q] - here[q] + (a * c[q] + b * c[3 + q] + g * c[6 + q]);
      std::copy(v, v + 3, &out.vectors[3 * size]);
      out.j[size] = s.first[now] + j;
      size += v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < limit;
    }
    out.size = size;
  }
};

struct Close {
  std::vector<int64_t> i, j;
  std::vector<double> vectors;
};

template <class T>
bool evaluate(const Sus2Model &m, const Sus2Structures &s, const Sus2List *list, int64_t threads, double *site,
              double *forces, double *virial, const double *short_reach, std::vector<Close> &close) {
  constexpr int W = Simd<T>::lanes;
  constexpr int64_t BLOCK = 128;
  const int64_t atoms = s.first[s.count], blocks = (atoms + BLOCK - 1) / BLOCK;
  const Tables<T> tables(m, s.types, atoms);
  std::vector<std::vector<double>> others(threads);
  std::vector<char> good(threads, 1);
  close.resize(threads);
  spread(blocks, threads, 1, [&](int64_t id, int64_t begin, int64_t end) {
    Source source(s, list, m.cutoff, 0);
    Found found;
    std::vector<int64_t> first(BLOCK + 1), order;
    Sus2Edges edges{0, nullptr, nullptr, nullptr, s.types};
    Group<T> group(m, tables, edges);
    if (id > 0) others[id].assign(3 * atoms, 0.0);
    double *mine = id > 0 ? others[id].data() : forces;
    for (int64_t b = begin; b < end; ++b) {
      const int64_t low = b * BLOCK, high = std::min(atoms, low + BLOCK);
      found.size = 0;
      for (int64_t atom = low; atom < high; ++atom) {
        const int64_t from = first[atom - low] = found.size;
        if (!source.around<false>(atom, found)) {
          good[id] = 0;
          return;
        }
        if (short_reach)
          for (int64_t k = from; k < found.size; ++k) {
            const double *v = &found.vectors[3 * k], d = short_reach[s.types[atom] * m.species + s.types[found.j[k]]];
            if (v[0] * v[0] + v[1] * v[1] + v[2] * v[2] < d * d) {
              close[id].i.push_back(atom), close[id].j.push_back(found.j[k]);
              close[id].vectors.insert(close[id].vectors.end(), v, v + 3);
            }
          }
      }
      first[high - low] = found.size;
      edges.atoms = high;
      edges.first = first.data() - low;
      edges.vectors = found.vectors.data();
      edges.j = found.j.data();
      sort_by_type(m, s.types, low, high, order);
      for (int64_t k = 0; k < high - low; k += W) group.evaluate(&order[k], high - low - k, site, mine, virial);
    }
  });
  for (const auto &extra : others)
    for (size_t k = 0; k < extra.size(); ++k) forces[k] += extra[k];
  return std::all_of(good.begin(), good.end(), [](char c) { return c != 0; });
}

} // namespace

extern "C" {
// Site energies (without shifts), forces and per-atom virials; edges shorter than short_reach (species, species), if
// given, go to close_* as far as there is room. Returns their number, or -1 for a cell without volume.
int64_t sus2_structures(const Sus2Model *m, const Sus2Structures *s, const Sus2List *list, int64_t single,
                        int64_t threads, double *site, double *forces, double *virial, const double *short_reach,
                        int64_t room, int64_t *close_i, int64_t *close_j, double *close_vectors) {
  std::vector<Close> close;
  auto run = single ? evaluate<float> : evaluate<double>;
  if (!run(*m, *s, list, threads, site, forces, virial, short_reach, close)) return -1;
  int64_t total = 0;
  for (const auto &part : close)
    for (size_t k = 0; k < part.i.size(); ++k, ++total) {
      if (total >= room) continue;
      close_i[total] = part.i[k], close_j[total] = part.j[k];
      std::copy(&part.vectors[3 * k], &part.vectors[3 * k] + 3, close_vectors + 3 * total);
    }
  return total;
}

// Edges of atoms begin..end as far as there is room: their number, or -1 for a cell without volume. first (end - begin
// + 1) is always filled; j is within the structure.
int64_t sus2_neighbours(const Sus2Structures *s, double cutoff, int64_t method, int64_t begin, int64_t end,
                        int64_t room, int64_t *first, int64_t *j, int32_t *shift, double *vectors) {
  Source source(*s, nullptr, cutoff, method);
  Found found;
  int64_t total = 0;
  for (int64_t atom = begin; atom < end; ++atom) {
    found.size = 0;
    first[atom - begin] = total;
    if (!source.around<true>(atom, found)) return -1;
    const int64_t start = s->first[structure_of(*s, atom)];
    for (int64_t k = 0; k < found.size && total + found.size <= room; ++k) {
      j[total + k] = found.j[k] - start;
      std::copy(&found.shift[3 * k], &found.shift[3 * k] + 3, shift + 3 * (total + k));
      std::copy(&found.vectors[3 * k], &found.vectors[3 * k] + 3, vectors + 3 * (total + k));
    }
    total += found.size;
  }
  first[end - begin] = total;
  return total;
}

// Edges of a list with a skin that are shorter than the cutoff now: as above, j counted through all structures.
int64_t sus2_refresh(const Sus2Structures *s, const Sus2List *list, double cutoff, int64_t *first, int64_t *j,
                     double *vectors) {
  Source source(*s, list, cutoff, 0);
  Found found;
  int64_t total = 0;
  const int64_t atoms = s->first[s->count];
  for (int64_t atom = 0; atom < atoms; ++atom) {
    found.size = 0;
    first[atom] = total;
    source.around<false>(atom, found);
    std::copy(found.j.begin(), found.j.begin() + found.size, j + total);
    std::copy(found.vectors.begin(), found.vectors.begin() + 3 * found.size, vectors + 3 * total);
    total += found.size;
  }
  first[atoms] = total;
  return total;
}
}
