#pragma once
// What a kernel is given: borrowed views of numpy (CPU) or CuPy (CUDA) arrays. Nothing here owns memory.
#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace pydl {

enum class Dtype { b8, u8, i32, i64, f32, f64 };

/// Bytes of an element.
constexpr int item_size(Dtype t) { return t == Dtype::b8 || t == Dtype::u8 ? 1 : t == Dtype::i32 || t == Dtype::f32 ? 4 : 8; }

constexpr int MAX_DIMS = 16;

/// A C-contiguous array. `data` is null where Python passed None (an absent bias, say).
struct Array {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
  int ndim = 0;
  int64_t size = 0;  // number of elements
  int64_t shape[MAX_DIMS] = {};
  void* stream = nullptr;

  explicit operator bool() const { return data != nullptr; }
  template <class T> T* ptr() const { return static_cast<T*>(data); }
  /// Length of axis i; negative i counts from the end.
  int64_t dim(int i) const { return shape[i < 0 ? i + ndim : i]; }
  /// Product of shape[from:to].
  int64_t count(int from, int to) const {
    int64_t n = 1;
    for (int i = from; i < to; ++i) n *= shape[i];
    return n;
  }
};

// The type of a parameter says what the caller may pass:
struct In : Array {};     // read only; the binding copies an array that is not contiguous
struct Out : Array {};    // written; contiguous and writable, anything else is a TypeError
struct Strided : Array {  // read only, any layout: strides in elements, 0 on a broadcast axis
  int64_t strides[MAX_DIMS] = {};
};
using Ins = std::vector<In>;  // lists of arrays (all parameters of an optimizer), contiguous
using Outs = std::vector<Out>;

using Pair = std::array<int64_t, 2>;  // of the two axes of an image: rows, columns

/// Calls f with a value of the C++ type that `dtype` names.
template <class F> void by_float(Dtype dtype, F&& f) {
  if (dtype == Dtype::f32) f(float{});
  else if (dtype == Dtype::f64) f(double{});
  else throw std::invalid_argument("this kernel takes float32 or float64");
}
template <class F> void by_float(const Array& a, F&& f) { by_float(a.dtype, f); }

/// Kernels check the few things that keep them inside their arrays; shapes are explained to the user in pydl/ops.
inline void expect(bool ok, const char* what) {
  if (!ok) throw std::invalid_argument(what);
}
inline void expect_same(const Array& a, const Array& b, const char* what) {
  expect(a.size == b.size && a.dtype == b.dtype, what);
}

}  // namespace pydl
