"""Lifetimes, paces and allowances that are not settings, with the relations that must hold."""

# Polling (CIBA 7.3, 11)
EARLY_POLL_ALLOWANCE_MS = 500  # jitter of an honest client's network
SLOW_DOWN_SECONDS = 5  # X06, A114: exactly this much for each early poll
POLL_INTERVAL_SECONDS_MAX = 60  # a burst must not lock a client out of its own answer

# Redemption: a claim is signed and sent within milliseconds; a dead process's claim may be taken
# up again by the same client, as the same token set, for a minute.
CLAIM_ALONE_MS = 2_000
CLAIM_REPEATABLE_MS = 60_000

# Notification: attempts after a failure, in seconds since the one before (provider advice is
# longer than a request lives); a lease outlives the longest send.
SEND_TIMEOUT_SECONDS = 5.0
LEASE_MS = 8_000
SWEEP_AFTER_MS = 1_000  # what no job has claimed by then, a sweeper does
RETRY_AFTER_SECONDS = (2, 4, 9, 20, 40, 75)
assert LEASE_MS > SEND_TIMEOUT_SECONDS * 1_000  # noqa: S101 - or two would send at once

# Phones: one allowance for clocks that differ serves the checks and the life of replay records.
CLOCK_SKEW_SECONDS = 60
PROOF_AGE_SECONDS_MAX = 300
PROOF_REMEMBERED_MS = (PROOF_AGE_SECONDS_MAX + 2 * CLOCK_SKEW_SECONDS) * 1_000
ANSWER_LIFE_SECONDS_MAX = 600
DEVICE_TOKEN_LIFE_SECONDS_MAX = 7_200 + CLOCK_SKEW_SECONDS
DEVICES_OF_A_PERSON_MAX = 20
PENDING_LISTED_MAX = 10
SIGNED_INPUT_CHARACTERS_MAX = 8_192

# Requests (auth0-wire 1.1)
BINDING_MESSAGE_CHARACTERS_MAX = 64
REQUESTED_EXPIRY_SECONDS_MAX = 300
