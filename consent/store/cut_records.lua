-- Forget the oldest records of the log, and remember the last of them: the rest follows it.
--
-- KEYS  1 records  2 state of the log
-- ARGV  1 number of the last record that goes  2 its hash  3 its seal
-- Reply 1

local anchor = redis.call('HGET', KEYS[2], 'anchor_number')
if tonumber(anchor or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[2], 'anchor_number', ARGV[1], 'anchor_hash', ARGV[2],
    'anchor_mac', ARGV[3])
  redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f-0', ARGV[1] + 1))
end
return 1
