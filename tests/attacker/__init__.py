"""Somebody who holds everything outside the lender's house, and what can be learnt from it."""
