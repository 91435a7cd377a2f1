-- Revoke a refresh token: its grant ends, and every access token that came from it.
--
-- KEYS  1 grant  2 mark that revokes the family
-- ARGV  1 client_id  2 ms an access token lives, at most
-- Reply 1 when it is revoked, 0 when it is unknown or another client's

local client, person = unpack(redis.call('HMGET', KEYS[1], 'client', 'person'))
if not client then return redis.call('EXISTS', KEYS[2]) end  -- the same call, repeated
if client ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], '', 'PX', ARGV[2])
redis.call('DEL', KEYS[1])
record(KEYS[1], 'srrt', 'consent', string.match(KEYS[1], ':grant:(.*)$'), 'client', client,
  'person', person)
return 1
