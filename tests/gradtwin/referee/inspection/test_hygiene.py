"""Hygiene: every bad habit is planted in a right gradient once, and found by its name."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from gradtwin.core.errors import InputError
from gradtwin.referee.inspection import guarded_calls
from gradtwin.referee.inspection.array_trees import gap_ulps
from gradtwin.referee.inspection.findings import FATAL, WARNINGS, Notes
from gradtwin.referee.inspection.hygiene import inspect_manual, run_inspected
from gradtwin.twins import catalog
from manual_grads.networks import xor


@pytest.fixture
def point():
    """Give xor's parameters and batch, both dictionaries."""
    params, (x, t) = catalog.get("xor").point(0)
    return params, {"x": x.copy(), "t": t.copy()}


def found(point, *, forward=xor.forward, backward=xor.backward, thorough=False):
    """List the findings on a forward and a backward."""
    return inspect_manual(None, *point, forward=forward, backward=backward, thorough=thorough)


def ids(findings, *, fatal=None):
    """Give the findings' ids, of all or of the fatal or harmless ones."""
    return {f.id for f in findings if fatal in (None, f.fatal)}


def in_one(forward, backward):
    """Make one function (params, batch) of two halves."""

    def run(params, batch):
        loss, cache = forward(params, *batch.values())
        return loss, backward(params, cache), cache

    return run


# ---- clean code ------------------------------------------------------------------------------------


@pytest.mark.parametrize("thorough", [False, True])
@pytest.mark.parametrize("name", catalog.names())
def test_every_built_in_twin_is_clean(name, thorough):
    """The pages keep every habit that is asked of others, as two halves and as one function."""
    twin = catalog.get(name)
    params, batch = twin.point(0)
    batch = dict(zip(twin.batch_names(batch), batch, strict=True))
    halves = twin.manual.forward, twin.manual.backward
    assert inspect_manual(None, params, batch, forward=halves[0], backward=halves[1], thorough=thorough) == []
    assert inspect_manual(in_one(*halves), params, batch, thorough=thorough) == []


def test_the_run_to_compare_is_the_codes_own(point):
    """Poison, probes and repetitions leave no trace in what is handed on."""
    loss, cache = xor.forward(point[0], *point[1].values())
    inspection = run_inspected(None, *point, forward=xor.forward, backward=xor.backward, thorough=True)
    assert inspection.loss == loss
    assert inspection.cache.keys() == cache.keys()
    for name, gradient in xor.backward(point[0], cache).items():
        np.testing.assert_array_equal(inspection.gradients[name], gradient)


def test_the_default_inspection_costs_three_forwards_and_two_backwards(point):
    """Of these one forward and one backward are the run to compare."""
    calls = []
    inspection = found(
        point,
        forward=lambda *a: calls.append("forward") or xor.forward(*a),
        backward=lambda *a: calls.append("backward") or xor.backward(*a),
    )
    assert inspection == []
    assert calls == ["forward", "forward", "backward", "forward", "backward"]


def test_one_function_is_called_twice(point):
    """It is its own second opinion."""
    calls = []
    run = in_one(lambda *a: calls.append(1) or xor.forward(*a), xor.backward)
    assert inspect_manual(run, *point) == []
    assert len(calls) == 2


# ---- writing where it should not -------------------------------------------------------------------


def centring_forward(params, x, t):
    """Centre the caller's x in place."""
    x -= x.mean(axis=0)  # the planted line
    return xor.forward(params, x, t)


def test_a_write_to_an_input_is_found_with_its_line(point):
    """The message names the array, the file, the line and the code."""
    before = point[1]["x"].copy()
    (finding,) = found(point, forward=centring_forward)
    line = inspect.getsourcelines(centring_forward)[1] + 2
    assert (finding.id, finding.tensor, finding.fatal) == ("writes_input", "x", True)
    assert f"{__file__}, line {line}: `x -= x.mean(axis=0)" in finding.message
    np.testing.assert_array_equal(point[1]["x"], before)


def test_a_write_to_an_input_through_the_cache_is_found(point):
    """`backward` reaches the caller's x by the cache."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        cache["x"][0] = 0.5
        return gradients

    before = point[1]["x"].copy()
    assert [(f.id, f.tensor, f.fatal) for f in found(point, backward=backward)] == [("writes_cache", "x", True)]
    np.testing.assert_array_equal(point[1]["x"], before)


def test_a_write_to_a_parameter_is_found(point):
    """A backward that takes the step of gradient descent itself."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        params["W1"] -= 0.1 * gradients["W1"]
        return gradients

    assert [(f.id, f.tensor) for f in found(point, backward=backward)] == [("writes_input", "W1")]


def test_a_parameter_bound_anew_in_the_callers_dictionary_is_found(point):
    """The same step without touching the array."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        params["W1"] = params["W1"] - 0.1 * gradients["W1"]
        return gradients

    before = dict(point[0])
    assert [(f.id, f.tensor) for f in found(point, backward=backward)] == [("writes_input", "W1")]
    assert all(point[0][name] is before[name] for name in before)


def test_a_write_around_the_read_only_view_is_found(point):
    """Code that reaches the caller's array by a name of its own."""
    x = point[1]["x"]

    def backward(params, cache):
        x[0, 0] += 1.0
        return xor.backward(params, cache)

    run = in_one(lambda params, x, t: xor.forward(params, np.eye(4, 2), t), backward)
    assert [(f.id, f.tensor) for f in inspect_manual(run, *point)] == [("writes_input", "x")]


def test_a_write_to_the_cache_is_found(point):
    """The customary `dscores = probs; dscores -= ...` changes what forward kept."""

    def backward(params, cache):
        dz2 = cache["p"]
        dz2 -= cache["t"]
        return xor.backward(params, cache)

    assert [(f.id, f.tensor, f.fatal) for f in found(point, backward=backward)] == [("writes_cache", "p", True)]


def test_a_value_taken_out_of_the_cache_is_found(point):
    """`cache.pop` works once."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        cache.pop("a1")
        return gradients

    assert [(f.id, f.tensor) for f in found(point, backward=backward)] == [("writes_cache", "a1")]


def test_a_value_added_to_the_cache_is_a_warning(point):
    """It harms nobody, and belongs elsewhere."""

    def backward(params, cache):
        cache["dz2"] = np.zeros(3)
        return xor.backward(params, cache)

    assert [(f.id, f.tensor, f.fatal) for f in found(point, backward=backward)] == [("adds_to_cache", "dz2", False)]


def test_code_that_needs_writable_arrays_without_writing_is_a_warning(point):
    """So do compiled extensions that ask for a buffer to write to."""

    def forward(params, x, t):
        if not x.flags.writeable:
            raise ValueError("buffer source array is read-only")
        return xor.forward(params, x, t)

    (finding,) = found(point, forward=forward)
    assert (finding.id, finding.fatal) == ("needs_writable", False)


# ---- memory that belongs to others -----------------------------------------------------------------


def returning(**replaced):
    """Make a backward that returns other things under some names."""

    def backward(params, cache):
        gradients = xor.backward(params, cache)
        return gradients | {name: make(params, cache, gradients) for name, make in replaced.items()}

    return backward


@pytest.mark.parametrize(
    ("tensor", "make", "expected", "fatal"),
    [
        ("W1", lambda p, c, g: p["W1"], "never_computed", True),
        ("x", lambda p, c, g: c["x"], "shares_memory", True),
        ("W1", lambda p, c, g: p["W1"].T, "never_computed", True),
        ("b1", lambda p, c, g: g["z1"][0], "shares_memory", True),
        ("W2", lambda p, c, g: c["a1"][:2, :1], "shares_memory", True),
        ("a1", lambda p, c, g: g["z1"], "shared_intermediates", False),
        ("a1", lambda p, c, g: c["z1"], "shared_intermediates", False),
    ],
)
def test_a_gradient_that_is_no_array_of_its_own_is_found(point, tensor, make, expected, fatal):
    """Shared with a parameter, an input, the cache or another gradient, in whole or as a view."""
    finding = next(f for f in found(point, backward=returning(**{tensor: make})) if f.id == expected)
    assert finding.fatal is fatal
    assert tensor in (finding.tensor, *finding.message.split())


def test_interleaved_views_share_nothing(point):
    """Two halves of one array overlap in address, and in no entry."""

    def backward(params, cache):
        both = np.empty((2, 4))
        gradients = xor.backward(params, cache)
        both[:, ::2], both[:, 1::2] = gradients["W1"], gradients["W1"]
        return gradients | {"W1": both[:, ::2], "spare": both[:, 1::2]}

    assert found(point, backward=backward) == []


# ---- answers that depend on earlier calls ----------------------------------------------------------


class Buffers:
    """A side with arrays it made in advance."""

    def __init__(self):
        self.dW1 = np.zeros((2, 2))

    def forward(self, params, x, t):
        return xor.forward(params, x, t)

    def filled(self, params, cache):
        gradients = xor.backward(params, cache)
        self.dW1[...] = gradients["W1"]
        return gradients | {"W1": self.dW1}

    def added(self, params, cache):
        gradients = xor.backward(params, cache)
        self.dW1 += gradients["W1"]
        return gradients | {"W1": self.dW1}

    def added_and_copied(self, params, cache):
        return self.added(params, cache) | {"W1": self.dW1.copy()}

    def half_filled(self, params, cache):
        gradients = xor.backward(params, cache)
        self.dW1[:, 0] = gradients["W1"][:, 0]
        return gradients | {"W1": self.dW1}


@pytest.mark.parametrize("as_one", [False, True])
@pytest.mark.parametrize(
    ("habit", "expected", "fatal"),
    [
        ("filled", "reused_buffer", False),
        ("added", "accumulates", True),
        ("added_and_copied", "accumulates", True),
        ("half_filled", "unwritten_buffer", True),
    ],
)
def test_a_reused_buffer_is_found(point, habit, expected, fatal, as_one):
    """Harmless where it is filled anew, fatal where an earlier call shows through."""
    side = Buffers()
    backward = getattr(side, habit)
    if as_one:
        findings = inspect_manual(in_one(side.forward, backward), *point)
    else:
        findings = found(point, forward=side.forward, backward=backward)
    assert [(f.id, f.tensor, f.fatal) for f in findings] == [(expected, "W1", fatal)]


def test_a_reused_buffer_is_handed_on_with_the_first_answer(point):
    """The second call overwrites it; the comparison must not see that."""
    side = Buffers()
    _, cache = xor.forward(point[0], *point[1].values())
    inspection = run_inspected(None, *point, forward=side.forward, backward=side.added)
    np.testing.assert_array_equal(inspection.gradients["W1"], xor.backward(point[0], cache)["W1"])


def test_a_large_buffer_is_poisoned_by_sample_and_cured(point):
    """Of 90,000 entries about 1,000 are NaN for a while; a kept answer has all its values afterwards."""
    params, batch, kept = {"w": np.ones((300, 300))}, {"x": np.full((300, 300), 2.0)}, []

    def run(p, b):
        kept.append(b["x"] * 3.0)
        return (p["w"] * b["x"] * 3.0).sum(), {"w": kept[-1]}, {}

    assert inspect_manual(run, params, batch) == []
    assert all((array == 6.0).all() for array in kept)


class Stateful:
    """A side whose backward ignores its cache: it keeps the last batch, or the first."""

    def __init__(self, keep_first=False):
        self.keep_first = keep_first
        self.kept = None

    def forward(self, params, x, t):
        loss, cache = xor.forward(params, x, t)
        if self.kept is None or not self.keep_first:
            self.kept = cache
        return loss, cache

    def backward(self, params, cache):
        return xor.backward(params, self.kept)


def test_a_kept_last_batch_is_found(point):
    """Right when backward follows its own forward, wrong once another forward has run."""
    side = Stateful()
    assert ids(found(point, forward=side.forward, backward=side.backward), fatal=True) == {"stale_cache"}


def test_a_kept_first_batch_is_found(point):
    """It answers the same for every batch; a thorough inspection asks for a second one."""
    side = Stateful(keep_first=True)
    findings = found(point, forward=side.forward, backward=side.backward, thorough=True)
    assert ids(findings, fatal=True) == {"stale_cache"}


def test_a_loss_linear_in_its_parameters_is_not_stale():
    """Its gradient is the same everywhere, and rightly so."""
    params = {"w": np.arange(3.0), "b": np.array(2.0)}

    def run(p, b):
        return p["w"].sum() + p["b"], {"w": np.ones(3), "b": np.ones(())}, {}

    assert inspect_manual(run, params, {"x": np.ones((4, 1))}, thorough=True) == []


def test_intermediates_kept_in_buffers_are_found(point):
    """The next forward overwrites the cache of this one."""
    buffer = np.empty((4, 2))

    def forward(params, x, t):
        loss, cache = xor.forward(params, x, t)
        np.copyto(buffer, cache["a1"])
        return loss, cache | {"a1": buffer}

    findings = found(point, forward=forward)
    assert {(f.id, f.tensor) for f in findings if f.fatal} >= {("stale_cache", "a1")}


def test_an_object_with_an_empty_cache_is_a_warning(point):
    """There is no cache to be stale: the object says itself that backward belongs to the last forward."""
    side = Stateful()
    findings = found(point, forward=lambda *a: (side.forward(*a)[0], {}), backward=side.backward)
    assert [(f.id, f.fatal) for f in findings] == [("keeps_state", False)]


class AnswersFirst:
    """A side that has an answer before it has a question."""

    def __init__(self):
        self.cache = None

    def forward(self, params, x, t):
        loss, self.cache = xor.forward(params, x, t)
        return loss, self.cache

    def backward(self, params, cache):
        if not cache and self.cache is None:
            return {name: np.zeros_like(p) for name, p in params.items()}
        return xor.backward(params, cache)


def test_a_backward_before_any_forward_must_refuse(point):
    """A new object of the class is asked, so the one in use is left alone."""
    side = AnswersFirst()
    findings = found(point, forward=side.forward, backward=side.backward, thorough=True)
    assert [(f.id, f.fatal) for f in findings] == [("backward_first", False)]
    refusing = Buffers()
    findings = found(point, forward=refusing.forward, backward=refusing.filled, thorough=True)
    assert "backward_first" not in ids(findings)


def test_a_gradient_that_differs_between_calls_is_found(point):
    """Noise in the backward pass alone."""
    rng = np.random.default_rng(0)
    noisy = returning(W1=lambda p, c, g: g["W1"] + 1e-6 * rng.standard_normal((2, 2)))
    assert [(f.id, f.tensor, f.fatal) for f in found(point, backward=noisy)] == [("not_repeatable", "W1", True)]


def test_a_difference_of_rounding_is_a_warning(point):
    """Threads may add up in another order."""
    factors = iter([1.0, 1.0 + 2.0**-51, 1.0])
    noisy = returning(W1=lambda p, c, g: g["W1"] * next(factors))
    assert [(f.id, f.fatal) for f in found(point, backward=noisy)] == [("rounding_differs", False)]


def test_other_keys_the_second_time_are_found(point):
    """A dictionary that loses an entry."""
    answers = iter([{}, {"W1": None}])

    def backward(params, cache):
        missing = next(answers)
        return {k: g for k, g in xor.backward(params, cache).items() if k not in missing}

    assert ids(found(point, backward=backward), fatal=True) == {"not_repeatable"}


@pytest.mark.parametrize("as_one", [False, True])
def test_a_random_forward_is_refused(point, as_one):
    """Dropout drawn inside forward cannot be compared with anything."""
    rng = np.random.default_rng(0)

    def forward(params, x, t):
        return xor.forward(params, x * (rng.random(x.shape) < 0.7), t)

    with pytest.raises(InputError, match=r"expected one number; draw masks and noise outside"):
        if as_one:
            inspect_manual(in_one(forward, xor.backward), *point)
        else:
            found(point, forward=forward)


def test_one_array_passed_as_two_parameters_is_found():
    """Gradients filed under id(array) mix up what is passed twice."""
    params = {"u": np.array([1.0, 2.0]), "v": np.array([3.0, 4.0])}

    def run(p, b):
        filed = {id(p["u"]): 2.0 * b["x"], id(p["v"]): 3.0 * b["x"]}
        return p["u"] @ (2.0 * b["x"]) + p["v"] @ (3.0 * b["x"]), {k: filed[id(p[k])].copy() for k in p}, {}

    findings = inspect_manual(run, params, {"x": np.array([5.0, 6.0])}, thorough=True)
    assert [(f.id, f.tensor, f.fatal) for f in findings] == [("aliased_params", "u", True)]
    assert inspect_manual(run, params, {"x": np.array([5.0, 6.0])}) == []


# ---- gradients that were never computed, and answers that are none ---------------------------------


def test_a_gradient_that_is_zero_everywhere_is_no_answer(point):
    """Zeros agree with zeros, and show nothing."""
    zeros = returning(**{name: lambda p, c, g, n=name: np.zeros_like(p[n]) for name in point[0]})
    assert ids(found(point, backward=zeros), fatal=True) == {"zero_gradient"}
    assert found(point, backward=returning(b1=lambda p, c, g: np.zeros(2))) == []


@pytest.mark.parametrize("answer", [None, [1.0], 3.0])
def test_what_is_no_dictionary_is_handed_on(point, answer):
    """It is for the comparison to refuse."""
    inspection = run_inspected(None, *point, forward=xor.forward, backward=lambda p, c: answer)
    assert inspection.gradients is answer
    assert inspection.findings == ()


@pytest.mark.parametrize(("answer", "got"), [(None, "None"), (0.5, "a float")])
def test_a_forward_without_a_cache_is_refused(point, answer, got):
    """The message says what is expected."""
    with pytest.raises(InputError, match=rf"expected \(loss, cache\), got {got}\."):
        found(point, forward=lambda p, x, t: answer)


def test_the_codes_own_exceptions_pass(point):
    """They are the user's, with the user's traceback."""

    def forward(params, x, t):
        raise ZeroDivisionError("theirs")

    with pytest.raises(ZeroDivisionError, match="theirs"):
        found(point, forward=forward)


def test_code_that_refuses_other_numbers_is_still_inspected(point):
    """Where point B is not accepted, the run is repeated at A."""
    x = point[1]["x"].copy()

    def forward(params, x_given, t):
        assert np.array_equal(x_given, x), "only this batch"
        return xor.forward(params, x_given, t)

    assert found(point, forward=forward, thorough=True) == []
    side = Buffers()
    assert ids(found(point, forward=forward, backward=side.added)) == {"accumulates"}


def test_values_that_are_not_finite_repeat_as_such(point):
    """NaN twice is the same answer twice; another judge says what it is worth."""
    nan = returning(W1=lambda p, c, g: np.full((2, 2), np.nan))
    assert found(point, backward=nan) == []


def test_neither_form_is_refused(point):
    """There is nothing to run."""
    with pytest.raises(InputError, match="got neither"):
        inspect_manual(None, *point)


def test_every_finding_has_one_text_and_one_rank():
    """No id is both fatal and a warning, and each text can be written."""
    assert not FATAL.keys() & WARNINGS.keys()
    notes = Notes()
    for kind in FATAL | WARNINGS:
        notes.add(kind, kind, what="forward", other="the other", place=" at page.py:3")
    assert len(notes.findings) == len(FATAL) + len(WARNINGS)
    assert all("{" not in f.message and f.message.endswith(".") for f in notes.findings)


def test_an_exception_without_a_frame_of_the_users_has_no_line():
    """The message still reads."""
    assert guarded_calls.place_of(ValueError()) == "an unknown line"


def test_a_static_side_has_no_object_to_make_anew(point):
    """Functions of a module or a namespace keep no state of their own."""
    side = SimpleNamespace(forward=xor.forward, backward=xor.backward)
    assert found(point, forward=side.forward, backward=side.backward, thorough=True) == []


def test_the_gap_of_two_large_float16_numbers_is_measured_in_a_wider_format():
    """60000 and -60000 are 120000 apart, which is no float16; one ulp there is 32, in units of eps times 60000."""
    one, two = np.array([60000.0], np.float16), np.array([-60000.0], np.float16)
    assert gap_ulps(one, two) == pytest.approx(2 * 2**10) and gap_ulps(one, one) == 0.0
