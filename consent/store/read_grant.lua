-- What a refresh token stands for now, if it stands for anything; nothing is used by asking.
--
-- KEYS  1 grant  2 the prefix 'P:person:'
-- ARGV  1 client_id
-- Reply {'unknown'} | {'refused'} | {'stands', generation, request, auth_time_ms, expires_at}

local g = redis.call('HMGET', KEYS[1], 'client', 'person', 'auth_time_ms', 'generation', 'request')
if g[1] ~= ARGV[1] then return {'unknown'} end
if not person_stands(KEYS[2] .. g[2], g[3]) then return {'refused'} end
return {'stands', g[4], g[5], g[3], now_ms() + redis.call('PTTL', KEYS[1])}
