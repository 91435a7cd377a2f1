-- Count a document that is fetched because an address asks for it.
--
-- KEYS  1 count of the address
-- ARGV  1 fetches of an address, at most  2 in this time, ms
-- Reply 0 when it may be fetched, else ms until some may be fetched again

local count = tonumber(redis.call('GET', KEYS[1]) or 0)
if count >= tonumber(ARGV[1]) then return math.max(1, redis.call('PTTL', KEYS[1])) end
if count == 0 then redis.call('SET', KEYS[1], 1, 'PX', ARGV[2]) else redis.call('INCR', KEYS[1]) end
return 0
