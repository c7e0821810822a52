"""`python -m gradtwin` is `gradtwin`."""

from gradtwin.cli import main

main()
