-- Change the record of a device, if it is still the one that was read.
--
-- KEYS  1 devices  2 addresses
-- ARGV  1 device_id  2 record as it was read  3 record as it becomes
--       4 new address (JSON), or ''  5 its kind and value
-- Reply 'changed' | 'superseded'

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known ~= ARGV[2] and known ~= ARGV[3] then return 'superseded' end
if known ~= ARGV[3] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  record(KEYS[1], 'gd_update_device_account', 'person', string.match(KEYS[1], ':devices:(.*)$'),
    'device', ARGV[1])
end
if ARGV[4] ~= '' then take_address(KEYS[2], ARGV[1], ARGV[4], ARGV[5]) end
return 'changed'
