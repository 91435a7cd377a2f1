-- Write a record of the directory and tell every process that keeps copies.
--
-- KEYS  1 hash
-- ARGV  1 id  2 record (JSON)
--       3 'new' to write only where there is none, 'known' only where there is one, '' in any case
--       4 channel
-- Reply 'written' | 'exists' | 'unknown'

local known = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[3] == 'new' and known and known ~= ARGV[2] then return 'exists' end
if ARGV[3] == 'known' and not known then return 'unknown' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], KEYS[1] .. ' ' .. ARGV[1])
return 'written'
