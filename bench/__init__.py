"""The microbenchmark suite: `python -m bench kernels`, `python -m bench models`, `python -m bench compare OLD NEW`."""
