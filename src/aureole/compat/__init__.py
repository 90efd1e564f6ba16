"""Front doors that speak the names of other packages, for scripts that exist already."""
