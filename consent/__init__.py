"""
The domain: what may be asked, who may answer, and what an answer is worth.

A request's way through it, one file a station:

    authentication_request  parameters of /bc-authorize -> AuthenticationRequest, or the error
    lifecycle               the states of a consent and what moves them
    push, transaction       what rings the phone: the doorbell and the token it carries
    device_proof            what the phone signs: proofs of its key, and its answer
    prompt                  what the person is shown
    tokens                  what the client gets in the end

`consent.store` is the only part that does IO: it speaks Redis. Everything else is functions and
frozen values; `now` and the settings are arguments.
"""
