"""One page per network: `forward(params, *batch) -> dict of tensors`, named as the formulas name them.

Parameters may be arrays, tensors or variables. Every layer stands in a name scope of its own (`layer1`,
`layer2`, ...), the loss in the scope `loss`, so that the graph in TensorBoard reads like the formulas.
"""
