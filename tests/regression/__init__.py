"""One file for each historical incident of a comparable system: the attack, tried here."""
