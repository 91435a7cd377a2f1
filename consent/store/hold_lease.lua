-- Hold a lease, for one who has it or when nobody has.
--
-- KEYS  1 lease
-- ARGV  1 who  2 ms it is held for
-- Reply 1 | 0: another one holds it

local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
