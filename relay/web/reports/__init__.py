"""Pages of deposit reports: issuing one, the register, and what everybody who holds one may ask."""
