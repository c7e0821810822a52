"""The data the twins are trained on: loaders, and the small files that ship with them."""

from gradtwin.twins.datasets.csv_file import load_csv
from gradtwin.twins.datasets.dataset import Dataset
from gradtwin.twins.datasets.loading import NAMES, load
from gradtwin.twins.datasets.mnist import MnistNotFound, load_mnist

__all__ = ["NAMES", "Dataset", "MnistNotFound", "load", "load_csv", "load_mnist"]
