"""Measurements: speed, and detection against the checkers people use. Run as modules from the project's root."""

from gradtwin.core.chatter import let_idle_threads_sleep

let_idle_threads_sleep()  # as the command line does, before numpy is loaded
