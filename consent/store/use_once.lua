-- Use what may be used once.
--
-- KEYS  1 used
-- ARGV  1 operation id  2 ms it is remembered
-- Reply 1 when this is the first use, 0 otherwise

if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end  -- the same call, repeated
return 0
