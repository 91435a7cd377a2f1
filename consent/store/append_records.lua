-- Add records to the log, after the one they were made to follow, or not at all.
--
-- KEYS  1 records  2 state of the log
-- ARGV  1 number of the record they follow  2 its hash, '' for none  3 hash of the last of them
--       4 its seal  5 how many records  6 the first of them, and the others; then of each source
--       the events came from: its name, and the id of the last of them
-- Reply {'appended'} | {'superseded'}: the log has another end | {'blocked'}: it goes on after its
--       end, by another hand

local count = tonumber(ARGV[5])
local last = string.format('%.0f', ARGV[1] + count)
local head = redis.call('HMGET', KEYS[2], 'number', 'hash')
if head[1] == last and head[2] == ARGV[3] then return {'appended'} end  -- the same call, repeated
if (head[1] or '0') ~= ARGV[1] or (head[2] or '') ~= ARGV[2] then return {'superseded'} end

local now = now_ms()
for i = 1, count do
  local id = string.format('%.0f-0', ARGV[1] + i)
  local added = redis.pcall('XADD', KEYS[1], id, 'at', now, 'r', ARGV[5 + i])
  if type(added) == 'table' and added.err then
    -- What is forged beyond the end takes an id: the first one, so nothing is written yet. Any other
    -- error (out of memory, say) passes, and is nobody's hand.
    if string.find(added.err, 'equal or smaller', 1, true) then return {'blocked'} end
    return redis.error_reply(added.err)
  end
end
redis.call('HSET', KEYS[2], 'number', last, 'hash', ARGV[3], 'mac', ARGV[4])
for i = 6 + count, #ARGV, 2 do
  redis.call('HSET', KEYS[2], 'moved:' .. ARGV[i], ARGV[i + 1])
end
return {'appended'}
