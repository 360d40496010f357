"""The code that readers run: one module per chapter, named for its slug."""

import os

# One thread: on a small machine the second one of the BLAS library mostly waits, and timings stop
# repeating. It must be said before NumPy is imported for the first time.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
