"""
What Nod costs, measured on the machine it runs on.

    machine      processes of their own on cores of their own, and the CPU time they used
    population   people, devices and requests, put into the store without going through HTTP
    http_load    keep-alive connections that do little but send and count
    traffic      the requests of each endpoint, as the octets that are sent
    endpoints    each endpoint beside a bare route, in turns
    memory       what an open request costs in Redis
    providers    the doubles of the push providers
    carrying     what a worker carries to a provider, and how soon
    residents    the clients and users of a tenant of a given size
    tenant       a large tenant beside a small one
    tenant_traffic  the requests that are made of both
    figures      pure: medians, spreads, ratios and targets
    report       pure: figures as a table and as JSON

Real processes over loopback: `python -m api`, `python -m workers`, a real Redis that has every
write on disk before it answers, and the doubles of the providers.
"""
