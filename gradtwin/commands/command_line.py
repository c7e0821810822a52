"""What all commands share: the exit statuses, and names completed in the shell. Nothing is loaded for it."""

CHECK_FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


def twins_that_begin_with(incomplete: str) -> list[str]:
    """Complete the name of a twin; a file the shell completes itself."""
    from gradtwin.twins import catalog

    return [name for name in catalog.names() if name.startswith(incomplete)]


def figures_that_begin_with(incomplete: str) -> list[str]:
    """Complete the name of a printed figure."""
    from gradtwin.replay.figures import figures

    return [name for name in figures() if name.startswith(incomplete)]
