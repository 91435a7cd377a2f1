-- A person leaves: their devices are forgotten and what is open ends.
--
-- KEYS  1 person  2 devices  3 addresses  4 recent
-- ARGV  1 partition prefix P  2 person_id  3 state of what is open  4 state it becomes
-- Reply 1 when there was one, 0 otherwise

local known = redis.call('EXISTS', KEYS[1])
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
end_open(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return known
