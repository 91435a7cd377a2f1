-- Write a record of the directory, if what stands there is what was read, and tell every process
-- that keeps copies.
--
-- KEYS  1 hash
-- ARGV  1 id  2 record (JSON)  3 record as it was read, '' for none
--       4 channel  5 who writes it, and how (JSON)
--       6 names of the indexes it was in, each followed by a newline  7 of those it is in from now on
--       8 operation id
-- Reply 'written' | 'superseded'

if was_done(KEYS[1], ARGV[8]) then return 'written' end  -- the same call, repeated
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known == ARGV[2] then return 'written' end  -- nothing new
if (known or '') ~= ARGV[3] then return 'superseded' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
file(KEYS[1], ARGV[1], ARGV[6], ARGV[7])
redis.call('PUBLISH', ARGV[4], KEYS[1] .. ' ' .. ARGV[1])
record(KEYS[1], 'sapi', 'e', ARGV[5])
done(KEYS[1], ARGV[8])
return 'written'
