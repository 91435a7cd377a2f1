-- The token response has left the process: the redemption is over for good.
--
-- KEYS  1 consent
-- ARGV  1 jti of the claim that was delivered
-- Reply 1 when it was marked, 0 when the claim is not (or no longer) this one

if redis.call('HGET', KEYS[1], 'jti') ~= ARGV[1] then return 0 end
redis.call('HSETNX', KEYS[1], 'delivered_at', now_ms())
return 1
