"""What Pullwatch costs, measured. No test has a time in it: figures are of the machine they were measured on."""
