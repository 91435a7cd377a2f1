-- Claim the call that a decided consent owes its client, under a lease, as claim.lua does a push.
--
-- A client that is pushed its tokens redeems nothing itself: the claim is the one redemption. An
-- attempt after the first finds it redeemed and makes the same tokens of it. What was approved for
-- nothing stays so: its client may have heard of it already.
--
-- KEYS  1 consent  2 calls  3 callback of the consent  4 story of the consent
--       5 the prefix P of the partition
-- ARGV  1 consent_id  2 lease in ms  3 operation id  4 state that is redeemed  5 state it becomes
-- Reply {'nothing'} | {'leased'}
--       | {'claimed', attempt, state, callback, story, person_id, user, decided_at, redeemed_at,
--          cnf}; `state` may also be 'refused' or 'expired', of what was approved for nothing

local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not due then return {'nothing'} end
local now = now_ms()
local c = redis.call('HMGET', KEYS[1], 'state', 'mode', 'person', 'expires_at', 'calls',
  'called_by', 'created_at', 'decided_by', 'decided_at')
local callback = redis.call('GET', KEYS[3])
local state, push = c[1], c[2] == 'push'

local expired = state == ARGV[4] and now >= tonumber(c[4])
local told = not push and (expired or state == ARGV[5])  -- it has asked, or it is too late to
if not state or not callback or told then
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[3])
  return {'nothing'}
end
local attempt = tonumber(c[5] or 0)
if c[6] ~= ARGV[3] then  -- not the same call, repeated
  if attempt > 0 and now < tonumber(due) then return {'leased'} end
  attempt = attempt + 1
  redis.call('HSET', KEYS[1], 'calls', attempt, 'called_by', ARGV[3])
  redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
end
local person = KEYS[5] .. ':person:' .. c[3]
if push and (state == ARGV[4] or state == ARGV[5]) then
  -- Before every attempt: the person may still be answered for, by the device that was (T39).
  local stands = person_stands(person, c[7])
    and answers_for(KEYS[5], c[3], ARGV[1], c[8])
  if expired then
    state = 'expired'
  elseif not stands or (state == ARGV[4] and c[5]) then
    state = 'refused'
  elseif state == ARGV[4] then
    state = ARGV[5]
    redeem(KEYS[5], ARGV[1], state, now)
  end
end
local last = redis.call('HMGET', KEYS[1], 'redeemed_at', 'cnf')
return {'claimed', attempt, state, callback, redis.call('GET', KEYS[4]), c[3],
  redis.call('HGET', person, 'user') or '', c[9] or '0', last[1] or '0', last[2] or ''}
