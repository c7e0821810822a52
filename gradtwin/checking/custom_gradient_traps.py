"""TensorFlow's traps for a `tf.custom_gradient`, each named as the cause of a wrong gradient.

keyword_argument    `tf.custom_gradient` differentiates with respect to positional arguments only; a tensor passed
by keyword gets None eagerly, without a warning, and an error in a graph
none_returned       the gradient function returns None for an argument that the value depends on
upstream_ignored    it returns the same whatever the upstream gradient; right under ones, wrong before a layer
upstream_nonlinear  it is not proportional to the upstream gradient
gradient_shape      its gradient has another shape than the argument; TensorFlow accepts it
gradient_count      it returns more or fewer gradients than there are positional arguments
graph               it does not run inside `tf.function`, or gives another gradient there
second_order        its own derivative is wrong or missing
second_order_graph  its own derivative differs inside `tf.function`: it is itself a tf.custom_gradient, which
TensorFlow differentiates with respect to the upstream gradient
"""

import numpy as np

from gradtwin.checking.custom_gradient_orders import FirstOrder, Order, SecondOrder
from gradtwin.checking.custom_gradient_runs import MODES, TapeRun, run
from gradtwin.core.errors import InputError
from gradtwin.core.report import shape_text
from gradtwin.core.tolerance import AGREE_ULPS, scale_of, ulps_apart
from gradtwin.core.user_code import described
from gradtwin.core.verdicts import CauseId
from gradtwin.diagnosis.cause import Context, name_cause
from gradtwin.diagnosis.fit import Cause
from manual_grads import Array

RAISED = {
    "keywords arguments only when eager": CauseId.KEYWORD_ARGUMENT,
    "custom_gradient function expected to return": CauseId.GRADIENT_COUNT,
}
"""What TensorFlow says when a trap closes on it, read off its version 2.21."""


def cause_of(order: Order, done: TapeRun, eager: TapeRun | None, name: str, mode: str) -> Cause | None:
    """Name the trap behind a wrong gradient, else what the referee makes of it.

    Args:
        order: what was examined.
        done: the run with the wrong gradient.
        eager: the eager run, if this one is in a graph.
        name: the argument whose gradient is wrong.
        mode: "eager" or "graph".
    """
    gradient = done.gradients[name]
    if isinstance(order, SecondOrder):
        return _second_order_cause(order, name, gradient)
    assert isinstance(order, FirstOrder)
    if name in order.arguments.by_keyword:
        return _keyword_cause(name)
    if mode == "graph" and eager is not None and differ(eager.gradients.get(name), gradient):
        text = f"d{name} differs between eager mode and tf.function; the function probably checks "
        return Cause(CauseId.GRAPH, text + "tf.executing_eagerly().")
    if gradient is None:
        text = f"the gradient function returns None for {name}, but the value depends on it."
        return Cause(CauseId.NONE_RETURNED, text)
    expected = order.point[name].shape
    if gradient.shape != expected:
        text = f"the gradient of {name} has shape {shape_text(gradient.shape)}, {name} has {shape_text(expected)}"
        return Cause(CauseId.GRADIENT_SHAPE, f"{text}: sum over the axes that were broadcast.")
    return _upstream_cause(order, name) or _referees_cause(order, name, gradient)


def _referees_cause(order: Order, name: str, gradient: Array) -> Cause | None:
    """Let the referee fit the difference: a factor, a sign, a transpose, ..."""
    right = order.right_gradients
    if name not in right:
        return None
    return name_cause(name, gradient, right[name], Context(order.point, order.point, right))


def _upstream_cause(order: FirstOrder, name: str) -> Cause | None:
    """Ask again under another upstream gradient, and under the double of the first."""
    scalars = order.upstream(), order.other_upstream(), order.upstream(scale=2.0)
    here, other, double = (run(scalar, order.point, "eager").gradients[name] for scalar in scalars)
    if here is None or other is None or double is None:
        return None
    if not differ(here, other):
        text = f"the upstream gradient is ignored: d{name} is the same whatever it is. Multiply by it; without it the "
        return Cause(CauseId.UPSTREAM_IGNORED, text + "gradient is right only if nothing follows the function.")
    if differ(2 * here, double):
        text = f"d{name} does not double when the upstream gradient doubles."
        return Cause(CauseId.UPSTREAM_NONLINEAR, text)
    return None


def _keyword_cause(names: str) -> Cause:
    text = (
        f"{names} is passed by keyword, but tf.custom_gradient differentiates with respect to positional arguments "
        "only: eagerly the gradient is None without a warning, in a graph the call is an error. Pass it by position."
    )
    return Cause(CauseId.KEYWORD_ARGUMENT, text)


def _second_order_cause(order: SecondOrder, name: str, gradient: Array | None) -> Cause:
    eager, graph = (run(order.under_constant_upstream, order.point, mode).gradients[name] for mode in MODES)
    if differ(eager, graph):
        text = (
            f"inside tf.function the second derivative with respect to {name} "
            f"{'is missing' if graph is None else 'differs'}: the gradient function is itself a tf.custom_gradient; "
            "TensorFlow then differentiates it with respect to the upstream gradient. Move that tf.custom_gradient to "
            f"a helper that takes {name}."
        )
        return Cause(CauseId.SECOND_ORDER_GRAPH, text)
    text = (
        f"the second derivative with respect to {name} is {'missing' if gradient is None else 'wrong'}: the gradient "
        f"function uses values that TensorFlow does not trace back to {name} (numpy, tf.stop_gradient), or has a wrong "
        "custom gradient itself. Correct it, or check the first order only: order=1."
    )
    return Cause(CauseId.SECOND_ORDER, text)


def cause_of_error(order: Order, error: InputError, mode: str) -> Cause:
    """Name the trap behind a run that raised.

    Raises:
        InputError: the function does not run at all; the error is the user's to see.
    """
    text = described(error.__cause__ or error)
    trap = next((trap for words, trap in RAISED.items() if words in text), None)
    if trap == CauseId.KEYWORD_ARGUMENT or (trap == CauseId.GRADIENT_COUNT and order.arguments.by_keyword):
        return _keyword_cause(", ".join(sorted(order.arguments.by_keyword or order.arguments.keywords)))
    if trap == CauseId.GRADIENT_COUNT:
        return Cause(trap, text.partition(": ")[2])
    if isinstance(order, SecondOrder):
        where = " inside tf.function" if mode == "graph" else ""
        return Cause(CauseId.SECOND_ORDER, f"the second derivative{where} raises {text}")
    if mode == "graph":
        return Cause(CauseId.GRAPH, f"the function does not run inside tf.function: {text}")
    raise error


def differ(one: Array | None, two: Array | None) -> bool:
    """Whether two gradients are more than rounding apart; None is zero."""
    if one is None or two is None:
        known = one if two is None else two
        return known is not None and bool(np.any(known))
    if one.shape != two.shape:
        return True
    return bool(ulps_apart(one, two, str(one.dtype), scale=scale_of(one, two)).max() > AGREE_ULPS)
