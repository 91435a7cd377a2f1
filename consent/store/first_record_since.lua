-- The first record that was added to the log at a time or after it.
--
-- KEYS  1 records  2 state of the log
-- ARGV  1 time in ms
-- Reply its number; one more than the last one's when there is none

local state = redis.call('HMGET', KEYS[2], 'anchor_number', 'number')
local low, high = tonumber(state[1] or 0) + 1, tonumber(state[2] or 0) + 1
while low < high do
  local middle = math.floor((low + high) / 2)
  local found = redis.call('XRANGE', KEYS[1], string.format('%.0f-0', middle), '+', 'COUNT', 1)[1]
  if found and tonumber(found[2][2]) < tonumber(ARGV[1]) then
    low = middle + 1
  else
    high = middle
  end
end
return low
