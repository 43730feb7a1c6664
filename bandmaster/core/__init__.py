"""Plain values, without I/O: trials, jobs, outcomes, events, decisions, history, clock."""
