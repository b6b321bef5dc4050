"""What the documents say exists: verbs, options, links, methods, errors; and the programs printed in them run."""
