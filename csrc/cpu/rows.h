#pragma once
// Rows of a table chosen by an index: what indexing and embedding share.
#include <string>

#include "../array.h"
#include "parallel.h"

namespace pydl {

/// IndexError for the first of index[begin:end] that is outside [0, n).
inline void check_range(const Array& index, int64_t begin, int64_t end, int64_t n) {
  const int64_t* at = index.ptr<int64_t>();
  bool ok = true;
  for (int64_t i = begin; i < end; ++i) ok &= uint64_t(at[i]) < uint64_t(n);
  if (ok) return;
  while (uint64_t(at[begin]) < uint64_t(n)) ++begin;
  throw std::out_of_range("index " + std::to_string(at[begin]) + " at position " + std::to_string(begin) +
                          " is out of range: an axis of length " + std::to_string(n) + " has " +
                          (n ? "0 to " + std::to_string(n - 1) : std::string("no elements")));
}

}  // namespace pydl
