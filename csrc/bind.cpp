// Python's door to the kernels: what an array argument may be, and the list of functions. Compiled once per module.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>

#include "array.h"
#include "cpu/memory.h"
#include "cpu/parallel.h"
#include "kernels.h"

namespace py = pybind11;

namespace pydl {

/// Fills `a` from a numpy array; false where it is no array of a known dtype in this machine's byte order.
static bool view(py::handle h, Array& a, int64_t* strides = nullptr) {
  if (!py::isinstance<py::array>(h)) return false;
  auto* p = py::detail::array_proxy(h.ptr());
  auto type = py::reinterpret_borrow<py::dtype>(p->descr);
  if (type.byteorder() == '>' || p->nd > MAX_DIMS) return false;
  switch (type.num()) {
    case py::detail::npy_api::NPY_BOOL_:
      a.dtype = Dtype::b8;
      break;
    case py::detail::npy_api::NPY_UBYTE_:
      a.dtype = Dtype::u8;
      break;
    case py::detail::npy_api::NPY_INT_:
      a.dtype = Dtype::i32;
      break;
    case py::detail::npy_api::NPY_LONG_:
      a.dtype = sizeof(long) == 8 ? Dtype::i64 : Dtype::i32;
      break;
    case py::detail::npy_api::NPY_LONGLONG_:
      a.dtype = Dtype::i64;
      break;
    case py::detail::npy_api::NPY_FLOAT_:
      a.dtype = Dtype::f32;
      break;
    case py::detail::npy_api::NPY_DOUBLE_:
      a.dtype = Dtype::f64;
      break;
    default:
      return false;
  }
  a.data = p->data, a.ndim = p->nd, a.size = 1;
  int64_t item = type.itemsize();
  for (int i = 0; i < p->nd; ++i) {
    a.shape[i] = p->dimensions[i], a.size *= a.shape[i];
    if (strides) strides[i] = a.shape[i] == 1 ? 0 : p->strides[i] / item;
  }
  static char nothing[64];  // an empty array is not an absent one: `data` stays non-null
  if (!a.data) a.data = nothing;
  return true;
}

static bool has_flags(py::handle h, int flags) { return py::detail::check_flags(h.ptr(), flags); }
constexpr int CONTIGUOUS = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_;
constexpr int ALIGNED = py::detail::npy_api::NPY_ARRAY_ALIGNED_;
constexpr int WRITEABLE = py::detail::npy_api::NPY_ARRAY_WRITEABLE_;

/// `h` itself, or a contiguous copy of it that `copy` keeps alive.
static py::handle contiguous(py::handle h, int flags, py::object& copy) {
  if (!py::isinstance<py::array>(h) || has_flags(h, flags)) return h;
  copy = py::reinterpret_steal<py::object>(py::detail::npy_api::get().PyArray_FromAny_(
      h.ptr(), nullptr, 0, 0, CONTIGUOUS | ALIGNED | py::detail::npy_api::NPY_ARRAY_ENSUREARRAY_, nullptr));
  if (!copy) throw py::error_already_set();  // no memory for it
  return copy;
}

[[noreturn]] static void no_memory(const std::vector<py::ssize_t>& shape, const py::dtype& type) {
  auto text = "no memory for an array of " + std::string(py::str(type)) + " " + std::string(py::str(py::tuple(py::cast(shape))));
  PyErr_SetString(PyExc_MemoryError, text.c_str());
  throw py::error_already_set();
}

/// A new array for a kernel's result, from the caching pool (memory.h) where it is large.
static py::array empty(const std::vector<py::ssize_t>& shape, const py::dtype& type) {
  size_t bytes = size_t(type.itemsize());
  for (auto n : shape) {
    if (n < 0) throw std::invalid_argument("negative dimension in an array's shape");
    if (n && bytes > SIZE_MAX / 2 / size_t(n)) no_memory(shape, type);
    bytes *= size_t(n);
  }
  if (bytes < memory::SMALLEST) return py::array(type, shape);
  void* p = nullptr;
  try {
    p = memory::allocate(bytes);
  } catch (const std::bad_alloc&) { no_memory(shape, type); }
  py::capsule owner(p, [](void* q) { memory::release(q); });
  return py::array(type, shape, p, owner);
}

}  // namespace pydl

namespace pybind11::detail {

template <> struct type_caster<pydl::In> {
  PYBIND11_TYPE_CASTER(pydl::In, const_name("array"));
  object copy;
  bool load(handle h, bool) {
    if (h.is_none()) return true;
    return pydl::view(pydl::contiguous(h, pydl::CONTIGUOUS | pydl::ALIGNED, copy), value);
  }
};
template <> struct type_caster<pydl::Out> {
  PYBIND11_TYPE_CASTER(pydl::Out, const_name("contiguous writable array"));
  bool load(handle h, bool) {
    if (h.is_none()) return true;
    return pydl::view(h, value) && pydl::has_flags(h, pydl::CONTIGUOUS | pydl::ALIGNED | pydl::WRITEABLE);
  }
};
template <> struct type_caster<pydl::Strided> {
  PYBIND11_TYPE_CASTER(pydl::Strided, const_name("array of any layout"));
  object copy;
  bool load(handle h, bool) {
    if (h.is_none()) return true;
    return pydl::view(pydl::contiguous(h, pydl::ALIGNED, copy), value, value.strides);
  }
};

/// Lists of arrays: each must be contiguous, for no copy would outlive the conversion.
template <class T> struct array_list_caster {
  PYBIND11_TYPE_CASTER(std::vector<T>, const_name("list of contiguous arrays"));
  bool load(handle h, bool) {
    if (!isinstance<sequence>(h)) return false;
    auto items = reinterpret_borrow<sequence>(h);
    value.resize(items.size());
    for (size_t i = 0; i < value.size(); ++i) {
      object item = items[i];
      int flags = pydl::CONTIGUOUS | pydl::ALIGNED | (std::is_same_v<T, pydl::Out> ? pydl::WRITEABLE : 0);
      if (!pydl::view(item, value[i]) || !pydl::has_flags(item, flags)) return false;
    }
    return true;
  }
};
template <> struct type_caster<pydl::Ins> : array_list_caster<pydl::In> {};
template <> struct type_caster<pydl::Outs> : array_list_caster<pydl::Out> {};

}  // namespace pybind11::detail

#ifndef PYDL_MODULE
#error "PYDL_MODULE names the module that this file is compiled for"
#endif

PYBIND11_MODULE(PYDL_MODULE, m) {
  using Unlocked = py::call_guard<py::gil_scoped_release>;
#define KERNEL(name, ...) m.def(#name, &pydl::name, Unlocked());
#include "kernels.h"
  // The unary rules whose gradient kernel wants the output y, not the input x (functors.h).
  py::set from_output;
#define X(name) \
  if (pydl::rules::name::from_y) from_output.add(#name);
  UNARY(X)
#undef X
  m.attr("from_output") = py::frozenset(from_output);
  m.def("empty", &pydl::empty);
  m.def("num_threads", &pydl::num_threads);
  m.def("set_num_threads", &pydl::set_num_threads);
  m.def("memory_stats", &pydl::memory::stats);
  m.def("memory_empty_cache", &pydl::memory::empty_cache);
}
