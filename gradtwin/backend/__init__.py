"""Everything that runs TensorFlow."""
