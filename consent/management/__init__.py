"""
What administrators send and are shown, in Auth0's wire format (auth0-wire 3): bodies become
values, stored values become bodies. Pure; what is refused names the member and never its value.
"""
