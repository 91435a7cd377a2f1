"""
The domain: what may be asked, who may answer, and what an answer is worth.

A request's way through it, one file a station:

    client, client_assertion, client_certificate, profile
                            who asks, how they prove it, and what their profile allows
    request_object          the parameters of /bc-authorize, when they are signed
    authentication_request, authorization_details
                            the parameters -> AuthenticationRequest, or the error
    login_hint, hint_tokens whom it is for
    lifecycle               the states of a consent and what moves them
    channels, number_matching
                            by what the person is told, and whether they type a number
    push, web_push, mail, transaction
                            what rings the phone: the doorbell and the token it carries
    event_stream            what an open page hears of it
    device_proof            what the phone signs: proofs of its key, and its answer
    mailbox                 whoever answers by the link of a mail
    prompt, shown           what the person is shown, and its digest
    callback                how a client that does not poll hears of the end
    dpop                    the key a client's tokens are bound to
    tokens, refresh_token   what the client gets in the end
    receipt                 what proves an approval to others
    access_token, introspection
                            what they are when they come back

Beside that way:

    tenant, access, third_party
                            what the tenant is set to, what a token may be for, and what is not
                            for clients that are strangers
    registration            how clients register themselves (RFC 7591, 7592)
    management              what administrators send and are shown
    credentials_exchange, action_call
                            what actions may do before a client's own token is issued
    push_providers          who carries pushes, kept sealed
    audit                   what the trail says of each change, and how it is chained

Below them: `jose` (keys and signatures of others), `signing_key` and `key_ring` (ours).
`consent.store` speaks Redis and `consent.outbound` calls the URLs that clients name: nothing else
does IO. Everything else is functions and frozen values; `now` and the settings are arguments.
"""
