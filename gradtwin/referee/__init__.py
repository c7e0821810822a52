"""The referee: who is wrong, where and why, with no tolerance chosen by hand."""
