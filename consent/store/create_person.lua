-- A new person.
--
-- KEYS  1 person
-- ARGV  1 user (JSON)  2 '1' when they may not be asked, ''
-- Reply 'created' | 'exists'

local known = redis.call('HGET', KEYS[1], 'user')
if known and known ~= ARGV[1] then return 'exists' end
redis.call('HSET', KEYS[1], 'user', ARGV[1])
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'blocked', ARGV[2]) end
return 'created'
