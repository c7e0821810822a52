"""Steps over replicas leave no graph behind, and nobody else's gradient is taken away."""

import gc
import weakref

import numpy as np

import gradtwin
from gradtwin.backend.replicas import replicas
from gradtwin.backend.replicas.registry import forget_reductions
from gradtwin.backend.tensorflow_side import load_tensorflow

X, W = np.arange(6.0).reshape(3, 2) - 2, np.array([[0.5], [-1.5]])


def test_a_steps_graph_goes_with_the_step():
    """TensorFlow's registry of gradients would hold it, by the all-reduce in it."""
    tf, graphs = load_tensorflow(), []

    def manual(params, x):
        return ((x @ params["w"]) ** 2).mean(), {"w": 2 * x.T @ (x @ params["w"]) / len(x)}

    def reference(params, x):
        if not tf.executing_eagerly():
            graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return tf.reduce_mean((x @ params["w"]) ** 2)

    assert gradtwin.check_gradients(manual, reference, {"w": W}, X, route="mirrored").agrees
    replicas._step.cache_clear()
    gc.collect()
    assert graphs and [graph() for graph in graphs] == [None] * len(graphs)


def test_the_gradient_of_a_strangers_custom_gradient_stays():
    """Its function may be differentiated later: the slope that it claims, 7, still comes."""
    tf = load_tensorflow()

    @tf.custom_gradient
    def claimed(x):
        return x * 2.0, lambda upstream: upstream * 7.0

    inner = tf.function(claimed)
    inner.get_concrete_function(tf.TensorSpec((), tf.float64))
    forget_reductions()

    @tf.function
    def slope(x):
        return tf.gradients(inner(x), x)[0]

    assert slope(tf.constant(1.0, tf.float64)).numpy() == 7.0
