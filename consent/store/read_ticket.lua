-- What has become of an enrolment ticket, and whose it is.
--
-- KEYS  1 ticket
-- ARGV  1 prefix of the keys of its partition
-- Reply {'open', user} | {'used', user} | {'gone'}

local ticket = redis.call('HMGET', KEYS[1], 'person', 'used_by', 'since')
if not ticket[1] then return {'gone'} end
local person = ARGV[1] .. ':person:' .. ticket[1]
local user, since = unpack(redis.call('HMGET', person, 'user', 'since'))
if not user or (since or '') ~= ticket[3] then return {'gone'} end  -- it was another's
return {ticket[2] and 'used' or 'open', user}
