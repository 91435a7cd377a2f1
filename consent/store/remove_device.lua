-- A device is forgotten; with a person's last one, what they were asked ends.
--
-- KEYS  1 devices  2 addresses
-- ARGV  1 device_id  2 partition prefix P  3 person_id  4 state of what is open
--       5 state it becomes  6 who removed it, and how (JSON)
--       7 operation id
-- Reply 1 when there was one, 0 otherwise

if was_done(KEYS[1], ARGV[7]) then return 1 end  -- the same call, repeated
local known = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if known == 1 then
  record(KEYS[1], 'gd_unenroll', 'person', ARGV[3], 'device', ARGV[1], 'e', ARGV[6])
  done(KEYS[1], ARGV[7])
  stir(ARGV[3])
end
if known == 1 and redis.call('HLEN', KEYS[1]) == 0 then
  end_open(ARGV[2], ARGV[3], ARGV[4], ARGV[5])
end
return known
