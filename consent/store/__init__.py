r"""
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
                                   mode refresh cnf
                                   calls called_by call_reported
                                   channels reached widens_at
                                   TTL: the deadline and the retention after it; every value is
                                   short, so that Redis packs the hash into one piece of memory
    P:story:<consent_id>     string  lines: the request (JSON), then what became of it, each push
                                   attempt and the answer ("<ms> <JSON>"); same TTL
    P:callback:<consent_id>  string  what it takes to call the client back, sealed, until that is
                                   done; TTL: the deadline and a while after it
    P:receipt:<consent_id>   string  who approved, and the answer as its device signed it (JSON;
                                   `consent.receipt.Approval`); same TTL as the consent
    P:mailbox:<consent_id>   hash  mailbox device_id -> as in P:devices: the one key that was bound
                                   to the consent by its mail; TTL: that of the consent
    P:grant:<consent_id>     hash  what its refresh token is of: client person request auth_time_ms
                                   generation rotated_at last_op expires_at idle_ms cnf;
                                   TTL: the life of the token, or idle_ms after it was used
    P:revoked:<jti>          string  an access token, or `<jti>.*` all of an approval; TTL: its life
    P:open:<person_id>       zset  consent_id -> deadline: what the person has not answered
    P:recent:<person_id>     zset  consent_id -> time accepted: the last minute's requests
    P:refusals:<person_id>   hash  client_id -> "<ms it may ask again> <denials> <why>"; TTL: until
                                   the last is forgotten
    P:mailed:<person_id>     zset  consent_id -> time accepted: the last hour's requests that may
                                   have travelled by e-mail
    P:opened                 zset  consent_id -> deadline: all that is open in the partition
    P:accepted               zset  consent_id -> time its record goes: all there are
    P:outbox                 zset  consent_id -> time from which a sweeper may claim what is owed
    P:calls                  zset  consent_id -> the same for the call that is owed to the client
    P:notices                zset  device_id -> the same for the notice that it was added
    P:notice:<device_id>     hash  expires_at attempts leased_by reported told:<device_id>;
                                   TTL: what is left of the day for which it is tried
    P:person:<person_id>     hash  user (JSON) blocked since hints terms code last_op
                                   code_failures code_locked_until code_failed_by
                                   (hints: digests the person is found by when they are to be
                                   asked; terms: what administrators find them by; code: a MAC)
    P:people                 zset  person_id -> 0, so in the order of the ids
    P:found_by               zset  "<field>\t<value>\t<person_id>" -> 0, from `terms`
    P:devices:<person_id>    hash  device_id -> key thumbprint (43 characters) and record (JSON)
    P:addresses:<person_id>  hash  device_id -> push address (JSON) while it is thought alive
    P:ticket:<digest>        hash  person since used_by; TTL: the life of the ticket
    P:proof:<digest>         string  a proof that has been seen; TTL: its window
    P:events                 stream  the audit trail of the partition until it is moved to the
                                   log: t (code) consent client person device e (JSON)
    P:done:<operation id>    string  a write was made, should it be sent again; TTL: some seconds
    P:stats                  hash  counters and histograms of the partition, for /metrics

    nod:address:<digest>     string  the device_id that registered a push address last, and the one
                                   before it

    nod:hint:<digest>        set   person_ids an e-mail address or phone number may find; the
                                   person is asked, so one that is left over is harmless
    nod:used:<name>          string  what may be used once, and was; TTL: as long as it would count

    nod:{directory}:clients, :resource_servers, :client_grants, :connections, :tenant,
    :factors, :initial_access_tokens   hash  id -> record (JSON; of a push provider sealed)
    nod:{directory}:job:<id> string  an import of users, and who failed (JSON); TTL: a day
    <one of these>:ids:<index>         zset  id -> 0: the records an index is for, all where it
                                   has no name (`directory.indexes`)
    nod:{directory}:events   stream  as P:events
    nod:{directory}:done:<operation id>    string  as P:done
    nod:{directory}:unused_registrations   zset  client_id -> second it goes unless it is used
    nod:{directory}:registrations:<digest> string  how many an address has made; TTL: an hour
    nod:{directory}:sector_fetches:<digest> string  documents fetched for an address; TTL: an hour
    nod:{log}:records        stream  <n>-0 -> at (ms it was added) r (the record, JSON)
    nod:{log}:state          hash  number hash mac of the last record, anchor_number anchor_hash
                                   anchor_mac of the last one cut, moved:<source> (last id moved)
    nod:{log}:appender       string  the worker that moves events; TTL: its lease
    nod:{directory}:keys     hash  kid -> signing key (JSON, private half encrypted); the first of
                                   an algorithm is `current` (ES256) or `first-<alg>`
    nod:{directory}:facts    hash  what was fixed at the first start (the number of partitions,
                                   and that the log has begun)
    nod:{directory}:workers  zset  worker -> time of its last sign of life
    nod:directory            channel: "<hash> <id>" when a record of the directory changed
    nod:decided              channel: consent_id when it was answered, or ended
    nod:person:<person_id>   channel: silent word that what the person is asked has changed, or
                                   who may know

Times are milliseconds by the clock of Redis, except where a name says otherwise.
"""
