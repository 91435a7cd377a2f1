-- A new person.
--
-- KEYS  1 person  2 people of the partition  3 found_by of the partition
-- ARGV  1 user (JSON)  2 '1' when they may not be asked, ''  3 MAC of their user_code, or ''
--       4 what they are found by (digests, space separated)  5 person_id
--       6 what administrators find them by ("<field>\t<value>", each followed by "\n")
--       7 who made them, and how (JSON)  8 operation id
-- Reply 'created' | 'exists'

if was_done(KEYS[1], ARGV[8]) then return 'created' end  -- the same call, repeated
local known = redis.call('HGET', KEYS[1], 'user')
if known then return known == ARGV[1] and 'created' or 'exists' end
redis.call('HSET', KEYS[1], 'user', ARGV[1], 'since', now_ms(), 'hints', ARGV[4])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'blocked', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'code', ARGV[3]) end
redis.call('ZADD', KEYS[2], 0, ARGV[5])
find_by(KEYS[3], KEYS[1], ARGV[5], ARGV[6])
record(KEYS[1], 'sapi', 'person', ARGV[5], 'e', ARGV[7])
done(KEYS[1], ARGV[8])
return 'created'
