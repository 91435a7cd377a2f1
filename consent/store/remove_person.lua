-- A person leaves: their devices are forgotten and what is open ends.
--
-- KEYS  1 person  2 devices  3 addresses  4 recent  5 people of the partition
--       6 found_by of the partition  7 refusals  8 mailed
-- ARGV  1 partition prefix P  2 person_id  3 state of what is open  4 state it becomes
--       5 who removed them, and how (JSON)  6 operation id
-- Reply 1 when there was one, 0 otherwise

if was_done(KEYS[1], ARGV[6]) then return 1 end  -- the same call, repeated
local known = redis.call('EXISTS', KEYS[1])
if known == 1 then
  find_by(KEYS[6], KEYS[1], ARGV[2], '')
  record(KEYS[1], 'sapi', 'person', ARGV[2], 'e', ARGV[5])
  done(KEYS[1], ARGV[6])
  stir(ARGV[2])
end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[7], KEYS[8])
redis.call('ZREM', KEYS[5], ARGV[2])
end_open(ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return known
