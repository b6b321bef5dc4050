"""Names and numbers of people as pages show them: by the rules that a deposit report uses too."""

from relay.core.masking import COMPOUND, masked_name, masked_number

__all__ = ["COMPOUND", "masked_name", "masked_number"]
