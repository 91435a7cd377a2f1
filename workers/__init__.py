"""The job shell: claims what the outbox owes, sends it, records what became of it."""
