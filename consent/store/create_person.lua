-- A new person.
--
-- KEYS  1 person
-- ARGV  1 user (JSON)  2 '1' when they may not be asked, ''  3 MAC of their user_code, or ''
--       4 what they are found by (digests, space separated)
-- Reply 'created' | 'exists'

local known = redis.call('HGET', KEYS[1], 'user')
if known then return known == ARGV[1] and 'created' or 'exists' end
redis.call('HSET', KEYS[1], 'user', ARGV[1], 'since', now_ms(), 'hints', ARGV[4])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'blocked', ARGV[2]) end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'code', ARGV[3]) end
return 'created'
