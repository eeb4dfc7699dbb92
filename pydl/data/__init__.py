"""Data sets, samplers, loading and transforms."""

from . import transforms
from .collate import default_collate
from .dataset import ChainDataset, ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset, random_split
from .digits import digits8x8
from .loader import DataLoader
from .mnist import mnist5k
from .sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)
