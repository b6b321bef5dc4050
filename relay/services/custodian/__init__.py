"""What the custodian does: take records in, anchor, push, check receipts, issue grants, answer requests."""
