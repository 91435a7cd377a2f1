-- A new client grant, while its client and its resource server are there.
--
-- KEYS  1 client grants  2 clients  3 resource servers
-- ARGV  1 id  2 record (JSON)  3 client_id, '' for one that is for all third parties
--       4 id of the resource server  5 channel  6 who makes it, and how (JSON)
--       7 names of the indexes it is in, each followed by a newline
--       8 operation id
-- Reply 'created' | 'exists' | 'unknown_client' | 'unknown_resource_server'

if was_done(KEYS[1], ARGV[8]) then return 'created' end  -- the same call, repeated
if ARGV[3] ~= '' and redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then return 'unknown_client' end
if redis.call('HEXISTS', KEYS[3], ARGV[4]) == 0 then return 'unknown_resource_server' end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return known == ARGV[2] and 'created' or 'exists' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
file(KEYS[1], ARGV[1], '', ARGV[7])
redis.call('PUBLISH', ARGV[5], KEYS[1] .. ' ' .. ARGV[1])
record(KEYS[1], 'sapi', 'e', ARGV[6])
done(KEYS[1], ARGV[8])
return 'created'
