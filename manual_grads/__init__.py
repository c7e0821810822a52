"""Networks in numpy, their gradients derived by hand.

The letters, on every page of this package:

    B  examples in a batch       x   inputs, one example a row
    D  inputs of an example      t   targets: 0 or 1, or one-hot rows
    H  hidden units              z   the affine part of a layer (its logits), z = x W + b
    C  classes or outputs        a   the layer's activation;  p  the network's answer, a probability
    L  the loss, one scalar      g   an upstream gradient (cotangent)

In formulas `d<name>` is exactly dL/d<name>, an array of the shape of `<name>`; in the dictionaries
that `backward` returns it stands under the key `<name>`. Sums run over the batch axis (axis 0) unless
another axis is written. `∘` is the product entry by entry.

A page offers three functions:

    init_params(rng)        -> params      a dictionary of arrays, drawn from the passed Generator
    forward(params, *batch) -> loss, cache the loss and every named intermediate
    backward(params, cache) -> gradients   of the parameters, the inputs and the intermediates

Nothing here modifies its arguments, and nothing here imports anything but numpy.
"""

from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = dict[str, Array]
Cache: TypeAlias = dict[str, Any]

__all__ = ["Array", "Cache", "Params"]
