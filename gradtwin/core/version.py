"""The version of Gradtwin."""

__version__ = "0.1.0"
