-- A new client grant, while its client and its resource server are there.
--
-- KEYS  1 client grants  2 clients  3 resource servers
-- ARGV  1 id  2 record (JSON)  3 client_id  4 id of the resource server  5 channel
-- Reply 'created' | 'exists' | 'unknown_client' | 'unknown_resource_server'

if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 0 then return 'unknown_client' end
if redis.call('HEXISTS', KEYS[3], ARGV[4]) == 0 then return 'unknown_resource_server' end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if known and known ~= ARGV[2] then return 'exists' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[5], KEYS[1] .. ' ' .. ARGV[1])
return 'created'
