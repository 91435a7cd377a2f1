-- Register whose a push address is.
--
-- KEYS  1 owner of the address
-- ARGV  1 device_id that has it from now on
-- Reply the device_id that had it before, '' when none had

local known = redis.call('GET', KEYS[1])
local owner, former = string.match(known or ' ', '^(%S*) (%S*)$')
if owner == ARGV[1] then return former end  -- the same call, repeated
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. owner)
return owner
