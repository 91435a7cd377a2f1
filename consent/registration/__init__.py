"""
Clients that register themselves (RFC 7591, OpenID Connect Registration 1.0, CIBA 4) and manage
their registration (RFC 7592): what is sent becomes a client, or a refusal in the words of
RFC 7591 3.2.2. Pure; what must be fetched or kept is the caller's to fetch and keep.
"""
