-- A poll by an authenticated client: where the request stands, its pacing, and the claim of the
-- one redemption.
--
-- A redemption is claimed here and delivered by the API. Until `delivered.lua` has marked it
-- delivered, a claim whose process died may be taken up again after a moment, by the same client,
-- with the same time: the same token set, never a second one.
--
-- KEYS  1 consent  2 the prefix P of the partition
-- ARGV  1 client_id  2 operation id  3 state that is redeemed  4 state it becomes
--       5 ms a poll may be early  6 seconds added by an early poll  7 largest interval in seconds
--       8 ms a claim is left alone  9 ms a claim may be taken up again
--       and, where they matter: 10 thumbprint the tokens will be bound to, or ''
--       11 '1' when the poll is held while it is pending, or ''
--       12 ms since which this is the client; what is older was asked by another of its id
-- Reply {'unknown'} | {'pending'} | {'pending', ms it may still be} when it is held | {'slow_down', interval} | {'denied'}
--       | {'unreachable'} | {'cancelled'} | {'expired'} | {'spent'} | {'refused'}
--       | {'granted', story, person_id, user, decided_at, redeemed_at}

local c = redis.call('HMGET', KEYS[1], 'state', 'client', 'expires_at', 'interval',
  'next_poll_at', 'last_op', 'person', 'redeemed_at', 'claimed_at', 'delivered_at', 'created_at')
local state = c[1]
if not state or c[2] ~= ARGV[1] then return {'unknown'} end
if ARGV[12] and tonumber(c[11]) < tonumber(ARGV[12]) then return {'unknown'} end
local now = now_ms()
local repeated = c[6] == ARGV[2]
local bound_to = ARGV[10] or ''

-- The person may still be answered for, and the device that answered is still theirs (T39).
local function stands()
  local told = redis.call('HMGET', KEYS[1], 'decided_by', 'created_at')
  return person_stands(KEYS[2] .. ':person:' .. c[7], told[2])
    and answers_for(KEYS[2], c[7], string.match(KEYS[1], ':consent:(.*)$'), told[1])
end

local function granted()
  local times = redis.call('HMGET', KEYS[1], 'decided_at', 'redeemed_at')
  local user = redis.call('HGET', KEYS[2] .. ':person:' .. c[7], 'user')
  local story = redis.call('GET', (string.gsub(KEYS[1], ':consent:', ':story:', 1)))
  return {'granted', story, c[7], user, times[1], times[2]}
end

if state == ARGV[4] then
  if c[10] or not c[9] then return {'spent'} end  -- delivered, or pushed
  if not stands() then return {'refused'} end
  if (redis.call('HGET', KEYS[1], 'cnf') or '') ~= bound_to then return {'spent'} end
  if repeated then return granted() end
  if now < c[9] + ARGV[8] then return {'slow_down', c[4]} end
  if now >= c[8] + ARGV[9] then return {'spent'} end
  redis.call('HSET', KEYS[1], 'claimed_at', now, 'last_op', ARGV[2])
  return granted()
end

if state == 'denied' or state == 'unreachable' or state == 'cancelled' then return {state} end
if now >= tonumber(c[3]) then return {'expired'} end

if state == ARGV[3] then
  if redis.call('HGET', KEYS[1], 'mode') == 'push' then return {'unknown'} end  -- A123
  if not stands() then return {'refused'} end
  redeem(KEYS[2], string.match(KEYS[1], ':consent:(.*)$'), ARGV[4], now)
  redis.call('HSET', KEYS[1], 'claimed_at', now, 'last_op', ARGV[2])
  if bound_to ~= '' then redis.call('HSET', KEYS[1], 'cnf', bound_to) end
  return granted()
end

local pending = ARGV[11] == '1' and {'pending', c[3] - now} or {'pending'}
if repeated then return pending end
local interval = tonumber(c[4])
if c[6] == ARGV[2] .. ' early' then return {'slow_down', c[4]} end
if c[5] and now + ARGV[5] < tonumber(c[5]) then
  interval = math.min(interval + ARGV[6], tonumber(ARGV[7]))
  redis.call('HSET', KEYS[1], 'interval', interval, 'next_poll_at', now + interval * 1000,
    'last_op', ARGV[2] .. ' early')
  return {'slow_down', tostring(interval)}
end
redis.call('HSET', KEYS[1], 'next_poll_at', now + interval * 1000, 'last_op', ARGV[2])
return pending
