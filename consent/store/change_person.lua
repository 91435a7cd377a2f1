-- Change a person, if their record is still the one that was read.
--
-- KEYS  1 person  2 found_by of the partition
-- ARGV  1 user (JSON) as it was read  2 as it becomes
--       3 '1' when they may not be asked, '0' when they may, '' as before
--       4 MAC of a new user_code, '-' for none any more, '' as before
--       5 what they are found by (digests, space separated)  6 person_id
--       7 what administrators find them by ("<field>\t<value>", each followed by "\n")
--       8 who changed them, and how (JSON)  9 operation id
-- Reply 'changed' | 'superseded'

local known, last = unpack(redis.call('HMGET', KEYS[1], 'user', 'last_op'))
if known and last == ARGV[9] then return 'changed' end  -- the same call, repeated
if known ~= ARGV[1] then return 'superseded' end
redis.call('HSET', KEYS[1], 'user', ARGV[2], 'hints', ARGV[5], 'last_op', ARGV[9])
if ARGV[3] == '1' then
  redis.call('HSET', KEYS[1], 'blocked', '1')
  stir(ARGV[6])
end
if ARGV[3] == '0' then redis.call('HDEL', KEYS[1], 'blocked') end
if ARGV[4] ~= '' then
  -- The wrong codes were wrong for another one.
  redis.call('HDEL', KEYS[1], 'code', 'code_failures', 'code_locked_until', 'code_failed_by')
  if ARGV[4] ~= '-' then redis.call('HSET', KEYS[1], 'code', ARGV[4]) end
end
find_by(KEYS[2], KEYS[1], ARGV[6], ARGV[7])
record(KEYS[1], 'sapi', 'person', ARGV[6], 'e', ARGV[8])
return 'changed'
