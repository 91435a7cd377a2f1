-- A client registers itself: within the bounds of its address and of all, with its initial access
-- token where one is needed, its record, its indexes and its event in one step.
--
-- KEYS  1 clients  2 initial access tokens  3 count of the address  4 unused registrations
-- ARGV  1 client_id  2 record (JSON)  3 names of its indexes, each followed by a newline
--       4 name of the index of clients that registered themselves  5 channel
--       6 who registers, and how (JSON)
--       7 clients of that index, at most  8 registrations of an address, at most  9 in this time, ms
--       10 id of the initial access token, '' for none  11 its record as it was read
--       12 its record from now on, '' when it is used up
--       13 time (s) at which it goes unless it is used, 0 for never
-- Reply {'registered'} | {'superseded'}: the token is another by now | {'too_many'}
--       | {'too_many_of_address', ms until some may register again}

local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return {'registered'} end  -- the id is random: the same call, repeated
if ARGV[10] ~= '' and redis.call('HGET', KEYS[2], ARGV[10]) ~= ARGV[11] then return {'superseded'} end
if redis.call('ZCARD', KEYS[1] .. ':ids:' .. ARGV[4]) >= tonumber(ARGV[7]) then return {'too_many'} end
local count = tonumber(redis.call('GET', KEYS[3]) or 0)
if count >= tonumber(ARGV[8]) then
  return {'too_many_of_address', redis.call('PTTL', KEYS[3])}
end

if count == 0 then redis.call('SET', KEYS[3], 1, 'PX', ARGV[9]) else redis.call('INCR', KEYS[3]) end
if ARGV[10] ~= '' and ARGV[12] == '' then
  redis.call('HDEL', KEYS[2], ARGV[10])
  file(KEYS[2], ARGV[10], '\n', '')
elseif ARGV[10] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[10], ARGV[12])
end
if ARGV[10] ~= '' then redis.call('PUBLISH', ARGV[5], KEYS[2] .. ' ' .. ARGV[10]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
file(KEYS[1], ARGV[1], '', ARGV[3])
if tonumber(ARGV[13]) > 0 then redis.call('ZADD', KEYS[4], ARGV[13], ARGV[1]) end
redis.call('PUBLISH', ARGV[5], KEYS[1] .. ' ' .. ARGV[1])
record(KEYS[1], 'sapi', 'client', ARGV[1], 'e', ARGV[6])
return {'registered'}
