"""courtrelay: the open relay between lenders' ledgers and courts' judicial ledgers."""
