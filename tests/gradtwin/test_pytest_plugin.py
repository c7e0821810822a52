"""The pytest plugin, run by pytest on suites of a stranger's."""

import textwrap

import pytest
import tensorflow  # noqa: F401  (stays loaded when a run inside this process ends; a second import would crash)

from gradtwin.core.errors import Disagreement, InputError
from gradtwin.pytest_plugin import CheckFailed, parametrize_with_checks

pytest_plugins = ["pytester"]

SIDES = textwrap.dedent("""
    from types import SimpleNamespace

    import numpy as np
    import pytest
    import tensorflow as tf

    import gradtwin
    from gradtwin.pytest_plugin import parametrize_with_checks

    def init_params(rng):
        return {"w": rng.standard_normal((3, 2))}

    def forward(params, x):
        z = x @ params["w"]
        return np.tanh(z).sum(), {"x": x, "z": z}

    def backward(params, cache):
        return {"w": cache["x"].T @ np.cosh(cache["z"]) ** -2}

    def without_derivative(params, cache):
        return {"w": cache["x"].T @ np.ones((4, 2))}

    def writes(params, cache):
        gradients = backward(params, cache)
        cache["z"] += 1.0
        return gradients

    def reference(params, x):
        return tf.reduce_sum(tf.tanh(x @ params["w"]))

    def other_loss(params, x):
        return tf.reduce_mean(tf.tanh(x @ params["w"]))

    def twin(name, backward=backward, reference=reference, rows=4):
        side = SimpleNamespace(init_params=init_params, forward=forward, backward=backward)
        return gradtwin.Twin(
            name=name, manual=side, reference=reference, batch=lambda rng: (rng.standard_normal((rows, 3)),)
        )

    def manual(params, x):
        loss, cache = forward(params, x)
        return loss, backward(params, cache)

    def wrong_manual(params, x):
        loss, gradients = manual(params, x)
        return loss, {"w": 2 * gradients["w"]}

    PARAMS = {"w": np.random.default_rng(0).standard_normal((3, 2))}
    X = np.random.default_rng(1).standard_normal((4, 3))
""")


def run(pytester: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    """Run one test file that begins with the sides above."""
    pytester.makepyfile(test_mine=SIDES + textwrap.dedent(body))
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:randomly", *options)


def test_the_plugin_starts_without_tensorflow(pytester: pytest.Pytester) -> None:
    """A suite that checks no gradient pays nothing, and neither does one that only collects checks."""
    pytester.makepyfile(
        """
        import sys
        from gradtwin.pytest_plugin import parametrize_with_checks

        @parametrize_with_checks(["xor"])
        def test_twins(check):
            assert callable(check)

        def test_tensorflow_stays_out(gradtwin_check):
            assert "tensorflow" not in sys.modules
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=11)


def test_the_fixture_checks_a_function_and_a_twin_and_a_name(pytester: pytest.Pytester) -> None:
    """It returns the report, and takes the options of the two functions behind it."""
    result = run(
        pytester,
        """
        def test_function(gradtwin_check):
            assert gradtwin_check(manual, reference, PARAMS, X, route="gradients").route == "gradients"

        def test_twin(gradtwin_check):
            assert gradtwin_check(twin("mine"), dtype="float32").dtype == "float32"

        def test_name(gradtwin_check):
            assert gradtwin_check("node_mean").twin == "node_mean"
        """,
    )
    result.assert_outcomes(passed=3)


def test_a_wrong_gradient_fails_with_the_report_and_nothing_else(pytester: pytest.Pytester) -> None:
    """The verdict, the tensor, both values and the command that repeats the test; no line of Gradtwin's code."""
    result = run(
        pytester,
        """
        def test_mine(gradtwin_check):
            gradtwin_check(wrong_manual, reference, PARAMS, X)
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "wrong_manual  float64  tape  seed 0: disagree, blame: manual",
            "*dw*disagree*",
            "*manual *reference *independent derivative *",
            "*repeat: pytest 'test_mine.py::test_mine'",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_a_failure_is_a_disagreement_that_a_test_may_expect(pytester: pytest.Pytester) -> None:
    """`pytest.raises(gradtwin.Disagreement)` holds for it."""
    result = run(
        pytester,
        """
        def test_mine(gradtwin_check):
            with pytest.raises(gradtwin.Disagreement, match="blame: manual"):
                gradtwin_check(wrong_manual, reference, PARAMS, X)
        """,
    )
    result.assert_outcomes(passed=1)
    assert issubclass(CheckFailed, Disagreement)


def test_lost_digits_pass_with_a_warning(pytester: pytest.Pytester) -> None:
    """tanh' from cosh⁻² overflows nowhere, but 1 - tanh² loses every digit where tanh is nearly 1."""
    result = run(
        pytester,
        """
        def saturated(params, x):
            z = x @ params["w"]
            return np.tanh(z).sum(), {"w": x.T @ (1 - np.tanh(z) ** 2)}

        def stable(params, x):
            z = x @ params["w"]
            return tf.reduce_sum(tf.tanh(z) + 0 * z)

        def test_mine(gradtwin_check):
            x = np.full((1, 3), 5.0)
            params = {"w": np.full((3, 2), 0.8)}
            def by_cosh(params, x):
                return np.tanh(x @ params["w"]).sum(), {"w": x.T @ np.cosh(x @ params["w"]) ** -2.0}
            report = gradtwin_check(by_cosh, stable, params, x)
            assert report.verdict == "rounding" and report.blame == "reference"
        """,
    )
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*LostDigits: by_cosh*rounding, blame: reference*"])


def test_each_property_has_a_readable_id_of_its_own(pytester: pytest.Pytester) -> None:
    """Forward by dtype, gradients by dtype and route, hygiene, operating point."""
    result = run(
        pytester,
        """
        @parametrize_with_checks(["xor", twin("mine")])
        def test_twins(check):
            check()
        """,
        "--collect-only",
        "-q",
    )
    ids = [line.partition("[")[2].rstrip("]") for line in result.outlines if "[" in line]
    assert ids[:10] == [
        "xor-forward-float64",
        "xor-forward-float32",
        "xor-gradients-float64-tape",
        "xor-gradients-float64-gradients",
        "xor-gradients-float64-xla",
        "xor-gradients-float32-tape",
        "xor-gradients-float32-gradients",
        "xor-gradients-float32-xla",
        "xor-hygiene",
        "xor-operating_point",
    ]
    assert ids[10:] == [one.replace("xor", "mine", 1) for one in ids[:10]]


def test_right_twins_pass_every_property(pytester: pytest.Pytester) -> None:
    """A built-in one by its name and a stranger's as an object."""
    result = run(
        pytester,
        """
        @parametrize_with_checks(["node_linear", twin("mine")])
        def test_twins(check):
            check()
        """,
    )
    result.assert_outcomes(passed=20)


@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        ("twin('mine', backward=without_derivative)", {"gradients-float64-tape"}),
        ("twin('mine', reference=other_loss)", {"forward-float64", "gradients-float64-tape"}),
        ("twin('mine', backward=writes)", {"gradients-float64-tape", "hygiene"}),
        ("twin('mine', rows=1)", {"operating_point"}),
    ],
)
def test_each_property_fails_on_the_fault_it_is_there_for(
    pytester: pytest.Pytester, fault: str, failing: set[str]
) -> None:
    """A wrong formula, another loss, a cache that is written to, a batch of one example."""
    result = run(
        pytester,
        f"""
        @parametrize_with_checks([{fault}], dtypes=["float64"], routes=["tape"])
        def test_twins(check):
            check()
        """,
        "-rf",
    )
    failed = [line for line in result.outlines if line.startswith("FAILED")]
    named = {line.partition("[mine-")[2].partition("]")[0] for line in failed}
    assert named == failing


EXCEPTION = """
    @parametrize_with_checks([twin("mine", rows=1)], dtypes=["float64"], routes=["tape"], exceptions={exceptions})
    def test_twins(check):
        check()
"""


@pytest.mark.parametrize("pattern", ["mine-operating_point", "*-operating_point"])
def test_an_exception_is_an_expected_failure_with_its_reason(pytester: pytest.Pytester, pattern: str) -> None:
    """By its id or by a pattern."""
    result = run(pytester, EXCEPTION.format(exceptions={pattern: "the batch is one row by nature"}), "-rx")
    result.assert_outcomes(passed=3, xfailed=1)
    result.stdout.fnmatch_lines(["XFAIL *mine-operating_point* the batch is one row by nature*"])


def test_an_exception_that_passes_is_a_failure(pytester: pytest.Pytester) -> None:
    """It is strict: what has been repaired must leave the list."""
    result = run(pytester, EXCEPTION.format(exceptions={"*": "nothing works"}))
    result.assert_outcomes(failed=3, xfailed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*nothing works*"])


def test_an_exception_does_not_hide_an_error(pytester: pytest.Pytester) -> None:
    """Code that cannot be checked at all is no expected disagreement."""
    result = run(
        pytester,
        """
        def broken(params, cache):
            return {"w": cache["nothing"]}

        @parametrize_with_checks([twin("mine", backward=broken)], dtypes=["float64"], routes=["tape"],
                                 exceptions={"mine-gradients-*": "not finished"})
        def test_twins(check):
            check()
        """,
    )
    assert result.parseoutcomes().get("xfailed", 0) == 0
    result.stdout.fnmatch_lines(["*InputError: The manual function raised KeyError: 'nothing'*"])


@pytest.mark.parametrize(
    ("exceptions", "message"),
    [
        ({"xor-gradients-float46-tape": "a reason"}, "Did you mean 'xor-gradients-float64-tape'?"),
        ({"xor-hygiene": ""}, "expected the reason as a string, got ''"),
        ({"xor-hygiene": None}, "expected the reason as a string, got None"),
    ],
)
def test_an_exception_without_a_test_or_a_reason_is_refused(exceptions: dict, message: str) -> None:
    """At collection, in one line."""
    with pytest.raises(InputError) as refused:
        parametrize_with_checks(["xor"], exceptions=exceptions)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_an_unknown_twin_is_refused_at_collection() -> None:
    """The nearest name is suggested."""
    with pytest.raises(InputError, match="Did you mean 'xor'"):
        parametrize_with_checks(["xro"])
