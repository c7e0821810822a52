"""Ctrl-C as a request."""

import os
import signal
import threading

import pytest

from gradtwin.core.interrupts import stop_request


def _press():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_is_a_request_and_the_second_acts():
    """Nothing is raised by the first one."""
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        with stop_request() as asked:
            assert not asked()
            _press()
            assert asked()
            _press()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_former_handler_comes_back():
    """Also where nobody pressed."""
    before = signal.getsignal(signal.SIGINT)
    with stop_request() as asked:
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    assert not asked()


def test_a_process_told_to_ignore_ctrl_c_goes_on_ignoring_it():
    """As under nohup or in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_request() as asked:
            _press()
            assert not asked()
    finally:
        signal.signal(signal.SIGINT, before)


def test_it_works_in_a_thread_where_no_handler_can_be_set():
    """There Ctrl-C is the main thread's business."""
    answers = []

    def run():
        with stop_request() as asked:
            answers.append(asked())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert answers == [False]
