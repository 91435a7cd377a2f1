"""Stand-ins for Google's and Apple's push services, spoken to over loopback.

They judge a sender as strictly as the services do, misbehave on request (the first characters of
the address say how), and keep what they accepted for a simulated phone to collect.
"""
