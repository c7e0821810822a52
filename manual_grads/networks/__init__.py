"""One page a network: formulas, shapes and source, then `init_params`, `forward`, `backward`."""
