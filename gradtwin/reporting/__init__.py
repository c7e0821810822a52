"""The report: checks, trainings and planted faults, gathered once and written for a browser, a pull request or CI."""
