-- An administrator ends what nobody has answered.
--
-- KEYS  1 consent
-- ARGV  1 partition prefix P  2 consent_id  3 state of what is open  4 state it becomes
--       5 who cancels it, and how (JSON)
-- Reply 'cancelled' | 'call': and the client is to be called back | 'over' | 'unknown'

local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'unknown' end
if state == ARGV[4] then return 'cancelled' end  -- the same call, repeated
local ended, call = end_one(ARGV[1], ARGV[2], ARGV[3], ARGV[4], 'ciba_cancelled', ARGV[5])
if not ended then return 'over' end
return call and 'call' or 'cancelled'
