"""What an operator sees of a process: metrics, health, events. It knows nothing of stores, ledgers or transport."""
