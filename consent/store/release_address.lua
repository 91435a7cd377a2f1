-- A push address has moved to another person's device: it rings here no more.
--
-- KEYS  1 addresses
-- ARGV  1 device_id that had it  2 kind and value of the address, which end what is stored
-- Reply 1 when it was still there, 0 otherwise

local address = redis.call('HGET', KEYS[1], ARGV[1])
if not address or string.sub(address, -#ARGV[2]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
