"""What the relay does: watch, wait for finality, prove, mirror, submit, confirm; and route sealed retrievals."""
