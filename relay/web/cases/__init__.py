"""Pages for the court's people: cases, retrievals, dossiers with their timeline and amounts, payloads, objections."""
