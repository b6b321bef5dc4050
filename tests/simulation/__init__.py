"""The real services in a deterministic world: virtual time, one random generator a world, simulated ledgers, network and disks."""
