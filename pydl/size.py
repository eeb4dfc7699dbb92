"""The shape of a tensor."""

import numpy as np


class Size(tuple):
    """Shape of a tensor."""

    __slots__ = ()

    def numel(self) -> int:
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self):
        return f"Size({list(self)})"
