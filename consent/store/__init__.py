"""
The only place that speaks Redis.

Every state change is one Lua script; its reply is the decision. Python carries arguments and
reads replies, and never reads, checks and then writes. Every script may be sent twice (a reply
can be lost), and answers the second time as it did the first.

The keys, here and nowhere else. P is `nod:{ppp}`, the partition of a person: its three digits are
the hash tag, so that all about one person is one slot of a Redis Cluster. Scripts are handed the
keys they touch; the few that reach a key of the person named inside a consent, or the consents a
person has open, derive it from P, and stay in the slot.

    P:consent:<consent_id>   hash  state client person created_at expires_at interval
                                   next_poll_at last_op attempts leased_by reported
                                   told:<device_id> asks
                                   handed_over_at fetched_at decided_at decided_by
                                   redeemed_at claimed_at delivered_at
                                   TTL: the deadline and the retention after it; every value is
                                   short, so that Redis packs the hash into one piece of memory
    P:story:<consent_id>     string  lines: the request (JSON), then what became of it, each push
                                   attempt and the answer ("<ms> <JSON>"); same TTL
    P:open:<person_id>       zset  consent_id -> deadline: what the person has not answered
    P:recent:<person_id>     zset  consent_id -> time accepted: the last minute's requests
    P:opened                 zset  consent_id -> deadline: all that is open in the partition
    P:outbox                 zset  consent_id -> time from which a sweeper may claim what is owed
    P:person:<person_id>     hash  user (JSON) blocked
    P:devices:<person_id>    hash  device_id -> key thumbprint (43 characters) and record (JSON)
    P:addresses:<person_id>  hash  device_id -> push address (JSON) while it is thought alive
    P:ticket:<digest>        hash  person used_by; TTL: the life of the ticket
    P:proof:<digest>         string  a proof that has been seen; TTL: its window
    P:stats                  hash  counters and histograms of the partition, for /metrics

    nod:address:<digest>     string  the device_id that registered a push address last, and the one
                                   before it

    nod:{directory}:clients, :resource_servers, :client_grants   hash  id -> record (JSON)
    nod:{directory}:keys     hash  kid -> signing key (JSON, private half encrypted)
    nod:{directory}:facts    hash  what was fixed at the first start (the number of partitions)
    nod:{directory}:workers  zset  worker -> time of its last sign of life
    nod:directory            channel: "<hash> <id>" when a record of the directory changed

Times are milliseconds by the clock of Redis, except where a name says otherwise.
"""
