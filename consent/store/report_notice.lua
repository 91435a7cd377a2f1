-- What became of one attempt to give notice: facts, dead addresses, and whether it is owed still.
--
-- Who was told, or can never be, is not told again.
--
-- KEYS  1 notice  2 notices  3 stats  4 addresses  5 devices
-- ARGV  1 device_id of the one that was added  2 attempt  3 ms until the next one  4 person_id,
--       then for each that was to be told:
--       device_id, outcome ('delivered' | 'unregistered' | 'retry' | 'rejected' | 'no_provider'),
--       the address (JSON) that was used, provider, fact (JSON)
-- Reply 'superseded' | 'over' | 'done' | 'retrying' | 'out_of_time'

local n = redis.call('HMGET', KEYS[1], 'expires_at', 'attempts', 'reported')
if not n[1] then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 'over'
end
local verdict = n[3] and string.match(n[3], '^' .. ARGV[2] .. ' (.*)')
if verdict then return verdict end  -- the same call, repeated
local now, owed = now_ms(), false
for i = 5, #ARGV, 5 do
  local device, outcome = ARGV[i], ARGV[i + 1]
  record(KEYS[1], outcome == 'delivered' and 'gd_send_pn' or 'gd_send_pn_failure',
    'person', ARGV[4], 'device', device, 'e', ARGV[i + 4])
  redis.call('HINCRBY', KEYS[3], 'push:' .. ARGV[i + 3] .. ':' .. outcome, 1)
  if outcome == 'unregistered' then retire_address(KEYS[4], KEYS[5], device, ARGV[i + 2], now) end
  if outcome == 'retry' then
    owed = true
  else
    redis.call('HSET', KEYS[1], 'told:' .. device, now)
  end
end

local function ended(word)
  redis.call('HSET', KEYS[1], 'reported', ARGV[2] .. ' ' .. word)
  return word
end

if n[2] ~= ARGV[2] then return ended('superseded') end  -- the lease ran out and another holds it
if owed and now + ARGV[3] < tonumber(n[1]) then
  redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
  return ended('retrying')
end
redis.call('ZREM', KEYS[2], ARGV[1])
return ended(owed and 'out_of_time' or 'done')
