-- The token response has left the process: the redemption is over for good.
--
-- KEYS  1 consent
-- ARGV  1 state that is redeemed
-- Reply 1 when it was marked, 0 when nothing has been redeemed

if redis.call('HGET', KEYS[1], 'state') ~= ARGV[1] then return 0 end
redis.call('HSETNX', KEYS[1], 'delivered_at', now_ms())
return 1
