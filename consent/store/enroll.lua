-- Enrol a device with a one-time ticket.
--
-- An address another device of the person had moves to this one: it is the same phone again. Every
-- other device is owed notice of it (T35).
--
-- KEYS  1 ticket  2 person  3 devices  4 addresses  5 notices
-- ARGV  1 person_id  2 device_id  3 record (thumbprint and JSON)  4 address (JSON)
--       5 kind and value of the address  6 devices of one person, at most
-- Reply {'enrolled', user} | {'unknown_ticket'} | {'used_ticket'} | {'too_many_devices'}

local ticket = redis.call('HMGET', KEYS[1], 'person', 'used_by', 'since')
if ticket[1] ~= ARGV[1] then return {'unknown_ticket'} end
local user, since = unpack(redis.call('HMGET', KEYS[2], 'user', 'since'))
if not user or (since or '') ~= ticket[3] then return {'unknown_ticket'} end  -- was it another's?
if ticket[2] == ARGV[2] then return {'enrolled', user} end  -- the same call, repeated
if ticket[2] then return {'used_ticket'} end
if redis.call('HLEN', KEYS[3]) >= tonumber(ARGV[6]) then return {'too_many_devices'} end

redis.call('HSET', KEYS[1], 'used_by', ARGV[2])
local others = redis.call('HLEN', KEYS[3]) - take_address(KEYS[4], ARGV[2], ARGV[4], ARGV[5])
redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
if others > 0 then redis.call('ZADD', KEYS[5], now_ms(), ARGV[2]) end
record(KEYS[1], 'gd_enrollment_complete', 'person', ARGV[1], 'device', ARGV[2])
return {'enrolled', user}
