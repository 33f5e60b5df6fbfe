"""What `overnight doctor` looks at, one area a file; each has `check(machine) -> list[Finding]`."""
