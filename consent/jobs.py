"""The contract between who enqueues and who works: names, and what a job may carry (ids only)."""

QUEUE = "nod"
NOTIFY_DEVICE = "workers.jobs.notify_device"
CALL_CLIENT = "workers.jobs.call_client"
JOB_TIMEOUT_SECONDS = 30
JOB_TTL_SECONDS = 300  # a request lives no longer
FAILURE_TTL_SECONDS = 3_600
IDS_A_JOB_MAX = 500
