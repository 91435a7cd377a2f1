-- A client has left: of what is open in a partition, what it has asked ends.
--
-- KEYS  1 opened of the partition
-- ARGV  1 partition prefix P  2 client_id  3 state of what is open  4 state it becomes
--       5 rank to begin with  6 how many are looked at
-- Reply {how many were looked at, how many of them are gone now}

local before = redis.call('ZCARD', KEYS[1])
local open = redis.call('ZRANGE', KEYS[1], ARGV[5], ARGV[5] + ARGV[6] - 1)
for _, consent_id in ipairs(open) do
  if redis.call('HGET', ARGV[1] .. ':consent:' .. consent_id, 'client') == ARGV[2] then
    end_one(ARGV[1], consent_id, ARGV[3], ARGV[4], 'ciba_cancelled',
      '{"description":"Its client was deleted"}')
  end
end
return {#open, before - redis.call('ZCARD', KEYS[1])}
