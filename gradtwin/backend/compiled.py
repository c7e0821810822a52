"""A function compiled by XLA whose machine code goes with it.

TensorFlow keeps what XLA has compiled for a device as long as the device lives, and the devices of eager execution live
as long as the process: half a megabyte for each function ever asked for. A session has devices of its own, and closing
it gives back what was compiled for them.
"""

from collections.abc import Callable
from typing import Any


def captures_no_variable(tf: Any, function: Any) -> bool:
    """Say whether a `ConcreteFunction` can leave eager execution, whose variables a session does not see."""
    return all(tensor.dtype not in (tf.resource, tf.variant) for tensor in function.captured_inputs)


def in_session(tf: Any, function: Any, arguments: tuple[Any, ...]) -> Callable[..., Any]:
    """Put a traced function that captures no variable into a session of its own, on the CPU.

    Args:
        tf: TensorFlow.
        function: a `ConcreteFunction` of `arguments`, marked with `jit_compile`; its captures become constants.
        arguments: `TensorSpec`s, in dictionaries and lists.

    Returns:
        A function of tensors in the places of `arguments` that gives arrays in the places of the answer's tensors.
    """
    with tf.Graph().as_default() as graph:
        places = tf.nest.map_structure(lambda spec: tf.compat.v1.placeholder(spec.dtype, spec.shape), arguments)
        function.set_external_captures([tf.constant(tensor.numpy()) for tensor in function.captured_inputs])
        answers = function(*places)
    # There is nothing to optimize around a single call.
    config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    session = tf.compat.v1.Session(graph=graph, config=config)
    run = session.make_callable(tf.nest.flatten(answers), tf.nest.flatten(places))

    def call(*tensors: Any) -> Any:
        return tf.nest.pack_sequence_as(answers, run(*(tensor.numpy() for tensor in tf.nest.flatten(tensors))))

    return call
