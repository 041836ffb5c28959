"""Side-by-side measurements of the client and its peers; `nox -s bench` runs them."""
