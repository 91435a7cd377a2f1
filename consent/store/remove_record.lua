-- Remove a record of the directory, if it is the one that was read, and tell every process that
-- keeps copies.
--
-- Where client grants name it they go first, some with each call: a grant left behind would come to
-- life with the next of that name.
--
-- KEYS  1 hash  2 client grants
-- ARGV  1 id  2 record as it was read  3 channel  4 who removes it, and how (JSON)
--       5 names of the indexes it is in, each followed by a newline
--       6 name of the index of the grants that name it, or ''  7 grants removed at once, at most
--       8 operation id
-- Reply 'removed' | 'more': there are grants left | 'unknown' | 'superseded'

if was_done(KEYS[1], ARGV[8]) then return 'removed' end  -- the same call, repeated
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known then return 'unknown' end
if known ~= ARGV[2] then return 'superseded' end
if ARGV[6] ~= '' then
  local grants = redis.call('ZRANGE', KEYS[2] .. ':ids:' .. ARGV[6], 0, ARGV[7] - 1)
  for _, id in ipairs(grants) do
    local grant = cjson.decode(redis.call('HGET', KEYS[2], id))
    file(KEYS[2], id, '\nclient ' .. grant.client_id .. '\naudience ' .. grant.audience .. '\n', '')
    redis.call('HDEL', KEYS[2], id)
    redis.call('PUBLISH', ARGV[3], KEYS[2] .. ' ' .. id)
  end
  if #grants == tonumber(ARGV[7]) then return 'more' end
end
redis.call('HDEL', KEYS[1], ARGV[1])
file(KEYS[1], ARGV[1], ARGV[5], '')
redis.call('PUBLISH', ARGV[3], KEYS[1] .. ' ' .. ARGV[1])
record(KEYS[1], 'sapi', 'e', ARGV[4])
done(KEYS[1], ARGV[8])
return 'removed'
