"""What operators and machines do to running roles: backups, restarts, full disks, clocks that jump, long load."""
