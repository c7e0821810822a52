"""The reference side of every twin: forward maths in TensorFlow, and no gradient.

Each network's page offers `forward(params, *batch) -> dict of tensors`, among them the scalar `loss`; every
derivative of it is left to TensorFlow. The pages are written from the formulas, and where TensorFlow has an
operation for a formula they use that operation, so that they share no line of thought with the numpy side.
This package knows neither that side nor the program that compares the two.

Letters: N or B examples, D inputs, K outputs, C classes, L layers; rows are examples. One dtype runs
through a page, that of the parameters, float32 or float64; targets and masks come in the same dtype.
"""
