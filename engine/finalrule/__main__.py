"""`python -m finalrule`."""

from finalrule.cli.main import main

main(prog_name="finalrule")
