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

# Notice that a device was added (T35): tried for so long
NOTICE_LIFE_MS = 86_400_000

# Channels (auth0-wire 1.5): the next one is used when nobody has looked at a request
FALLBACK_AFTER_MS = 20_000
MAILS_OF_A_PERSON_PER_HOUR_MAX = 20  # requests they may be written to about (T1)

# What a person has denied (T1): who asks again waits, longer each time
DENIAL_WAIT_MS = 30_000  # after the second, doubled by each further
DENIAL_WAIT_MS_MAX = 3_600_000
DENIALS_REMEMBERED_MS = 3_600_000  # after the wait is over

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
REQUESTED_EXPIRY_SECONDS_MAX = 300  # by push
REQUESTED_EXPIRY_SECONDS_MAX_EMAIL = 259_200

# What a client signs. One allowance for clocks (above) serves the checks and the replay records.
CLIENT_ASSERTION_LIFE_SECONDS_MAX = 3_600
REQUEST_OBJECT_LIFE_SECONDS_MAX = 3_600  # B007: of a FAPI client, exp - nbf, and the age of nbf
REQUEST_OBJECT_EXPIRY_SECONDS_MAX = 86_400  # of any client: its jti is remembered until then
DPOP_PROOF_AGE_SECONDS_MAX = 120
DPOP_NONCE_LIFE_SECONDS = 300
ID_TOKEN_HINT_AGE_SECONDS_MAX = 7_776_000  # A032: past its exp a hint is good for a while
SIGNED_REQUEST_CHARACTERS_MAX = 16_384

# Long polling (CIBA 10.1, A125)
LONG_POLL_SECONDS_MAX = 30

# Event streams of what is pending
EVENT_STREAMS_OF_A_DEVICE_MAX = 4  # of one process; the oldest gives way
TOLD_AT_ONCE_MAX = 100  # pending consents on one stream: their ids are the id of its events
EVENT_STREAM_COMMENT_SECONDS = 15  # shorter than any proxy's patience
EVENT_STREAM_LOOK_SECONDS_MAX = (
    60  # it looks again although it heard nothing: a Cluster's bus may lose
)
EVENT_STREAM_RETRY_MS = 1_000
EVENT_STREAM_GIVEN_WAY_RETRY_MS = 60_000  # or five pages would take each other's place in turn
EVENT_STREAM_DRAIN_SECONDS = 5.0  # for which a reader may not read

# Calls to a client (ping and push, CIBA 10.2, 10.3): retried on connection errors and 5xx alone,
# within the life of the request or, for push, a while after the answer.
CALL_LEASE_MS = 8_000
CALL_RETRY_AFTER_SECONDS = (1, 3, 8, 20, 40)
CALLABLE_AFTER_ANSWER_MS = 120_000

# URLs a client names (T18)
OUTBOUND_TIMEOUT_SECONDS = 5.0
assert CALL_LEASE_MS > OUTBOUND_TIMEOUT_SECONDS * 1_000  # noqa: S101 - or two would call at once
OUTBOUND_BODY_BYTES_MAX = 65_536
KEY_SET_FRESH_SECONDS = 300
KEY_SET_REFETCH_SECONDS = 10  # an unknown kid, or a failure, asks again no sooner
KEY_SET_STALE_SECONDS_MAX = 3_600  # since the last answer: a set is used while its host is away
KEY_SETS_MAX = 1_000
KEY_SET_WAITERS_MAX = 100
KEYS_OF_A_SET_MAX = 20

# user_code (A038-A041): wrong codes of one person, at most, before it is refused unheard
USER_CODE_FAILURES_MAX = 5
USER_CODE_LOCKED_MS = 900_000

# Signing keys: one that signs no more stays published for as long as what it signed may live.
TOKEN_LIFE_SECONDS_MAX = 2_592_000
KEY_PUBLISHED_AFTER_SECONDS = TOKEN_LIFE_SECONDS_MAX + CLOCK_SKEW_SECONDS

# Rich authorization requests (auth0-wire 1.6) and the context of a request (CIBA 7.1)
AUTHORIZATION_DETAILS_BYTES_MAX = 5_120
AUTHORIZATION_DETAILS_MAX = 5
AUTHORIZATION_DETAILS_PROPERTIES_MAX = 10  # of each object
AUTHORIZATION_DETAILS_CHARACTERS_MAX = 255  # of a name, and of a value
AUTHORIZATION_DETAILS_LEVELS_MAX = 5
REQUEST_CONTEXT_BYTES_MAX = 2_048

# What a client registers
REGISTERED_KEY_SET_BYTES_MAX = 16_384
REFRESH_TOKEN_LEEWAY_SECONDS_MAX = 60

# Credentials-exchange actions (auth0-wire 3.8)
ACTION_TIMEOUT_SECONDS = 5.0  # of each Python action
ACTION_THREADS_MAX = 16  # in which those that are not async run
ACTION_REASON_CHARACTERS_MAX = 255
CUSTOM_CLAIM_NAME_CHARACTERS_MAX = 255
CUSTOM_CLAIMS_BYTES_MAX = 4_096  # in all: a token travels in a header

# Clients that register themselves (RFC 7591)
REGISTRATION_BYTES_MAX = 24_576  # a record: what a stranger may have kept
REGISTRATIONS_COUNTED_MS = 3_600_000  # the time NOD_REGISTRATIONS_PER_HOUR_MAX is about
SECTOR_FETCHES_MAX = 8  # of one process at once, each for another address
SECTOR_FETCHES_OF_ADDRESS_MAX = 60  # in the time registrations are counted, whatever they end in

# People: a record, metadata and all, which is read whenever they are asked
USER_BYTES_MAX = 102_400

# Receipts: the largest object shown and the longest answer of a device, encoded
RECEIPT_CHARACTERS_MAX = 65_536
