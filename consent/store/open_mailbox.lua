-- Who reads the mail of a request has opened its link: one key is bound to this one consent, once.
-- Another key is refused, so that whoever opens the link later, or saw it on the way, gets nothing.
-- A mailbox that is not the person's any more gets nothing either. Only opening asks that: what was
-- bound while it was theirs was opened by its owner, and answers on when the address changes.
--
-- KEYS  1 consent  2 person  3 mailbox of the consent
-- ARGV  1 consent_id  2 person_id  3 device_id  4 record (thumbprint and JSON)
--       5 state in which there is a question  6 address that the mail was sent to
-- Reply {'opened', device_id, created_at, expires_at} | {'unknown'} | {'over'} | {'expired'}
--       | {'blocked'} | {'conflict'}

local c = redis.call('HMGET', KEYS[1], 'state', 'person', 'expires_at', 'created_at', 'client')
if not c[1] or c[2] ~= ARGV[2] then return {'unknown'} end
local opened = redis.call('HGETALL', KEYS[3])
if opened[1] and string.sub(opened[2], 1, 43) == string.sub(ARGV[4], 1, 43) then
  return {'opened', opened[1], c[4], c[3]}  -- the same key: the same call, or page, again
end
local user = redis.call('HGET', KEYS[2], 'user')
if not user or verified_email(user) ~= ARGV[6] then return {'unknown'} end
if opened[1] then return {'conflict'} end
if c[1] ~= ARGV[5] then return {'over'} end
if now_ms() >= tonumber(c[3]) then return {'expired'} end
if not person_stands(KEYS[2], c[4]) then return {'blocked'} end

redis.call('HSET', KEYS[3], ARGV[3], ARGV[4])
redis.call('PEXPIRE', KEYS[3], math.max(1, redis.call('PTTL', KEYS[1])))
record(KEYS[1], 'gd_mailbox_opened', 'consent', ARGV[1], 'client', c[5], 'person', ARGV[2],
  'device', ARGV[3])
return {'opened', ARGV[3], c[4], c[3]}
