-- Change a person, if their record is still the one that was read.
--
-- KEYS  1 person
-- ARGV  1 user (JSON) as it was read  2 as it becomes
--       3 '1' when they may not be asked, '0' when they may, '' as before
--       4 MAC of a new user_code, '-' for none any more, '' as before
--       5 what they are found by (digests, space separated)
-- Reply 'changed' | 'superseded'

local known = redis.call('HGET', KEYS[1], 'user')
if known ~= ARGV[1] and known ~= ARGV[2] then return 'superseded' end
redis.call('HSET', KEYS[1], 'user', ARGV[2], 'hints', ARGV[5])
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'blocked', '1') end
if ARGV[3] == '0' then redis.call('HDEL', KEYS[1], 'blocked') end
if ARGV[4] ~= '' then
  -- The wrong codes were wrong for another one.
  redis.call('HDEL', KEYS[1], 'code', 'code_failures', 'code_locked_until', 'code_failed_by')
  if ARGV[4] ~= '-' then redis.call('HSET', KEYS[1], 'code', ARGV[4]) end
end
return 'changed'
