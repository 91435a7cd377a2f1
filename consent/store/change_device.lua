-- Change the record of a device, if it is still the one that was read.
--
-- KEYS  1 devices  2 addresses
-- ARGV  1 device_id  2 record as it was read  3 record as it becomes
--       4 new address (JSON), or ''  5 its kind and value
-- Reply 'changed' | 'superseded'

local record = redis.call('HGET', KEYS[1], ARGV[1])
if record ~= ARGV[2] and record ~= ARGV[3] then return 'superseded' end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
if ARGV[4] ~= '' then take_address(KEYS[2], ARGV[1], ARGV[4], ARGV[5]) end
return 'changed'
