"""What a pair is: the catalogue, pairs of users, their data and their starts."""
