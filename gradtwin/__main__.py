"""`python -m gradtwin` is `gradtwin`."""

from gradtwin.commands.cli import main

main()
