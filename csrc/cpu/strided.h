#pragma once
// Walks inputs of any layout so that elementwise kernels only see contiguous runs: pieces that lie in a row in memory are
// handed over as they are, others (broadcast, transposed, sliced) are gathered into a block of L1 size first. A kernel
// is then one small loop per rule and type, and what an element becomes cannot depend on the layout.
#include "array.h"

namespace pydl {

/// out[0:n] = f(in[0][0:n], in[1][0:n], ...; a, b)
using Run = void (*)(const void* const* in, void* out, int64_t n, double a, double b);

constexpr int MAX_INPUTS = 3;

/// Runs over all of y. Every input has y's shape (stride 0 on broadcast axes). Without a `run` it copies inputs[0].
void walk(const Strided* const* inputs, int count, const Out& y, Run run, double a = 0, double b = 0);

}  // namespace pydl
