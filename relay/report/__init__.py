"""The deposit report as a sealed PDF with the same content as JSON, and drafts made from it."""
