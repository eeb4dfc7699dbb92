// Says which instruction sets this processor runs. A module of its own, compiled for the oldest one, so that asking is safe.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject* levels(PyObject*, PyObject*) {
  PyObject* list = PyList_New(0);
  auto add = [&](const char* name) {
    PyObject* text = PyUnicode_FromString(name);
    PyList_Append(list, text);
    Py_DECREF(text);
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  auto v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  auto v3 = v2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  auto v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (v4) add("v4");
  if (v3) add("v3");
  if (v2) add("v2");
#elif defined(__aarch64__)
  add("neon");
#endif
  return list;
}

static PyMethodDef methods[] = {{"levels", levels, METH_NOARGS, "Instruction sets of this processor, best first."},
                                {nullptr, nullptr, 0, nullptr}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "_processor", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};
PyMODINIT_FUNC PyInit__processor() { return PyModule_Create(&module); }
