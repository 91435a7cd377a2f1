-- A client uses a refresh token: the grant goes on, with the next generation if the client rotates.
--
-- A generation that was replaced a moment ago is answered with its successor, for the answer may
-- have been lost; later it is in two hands, nobody can tell whose, and the whole family ends
-- (RFC 9700 4.14.2).
--
-- KEYS  1 grant  2 the prefix 'P:person:'  3 mark that revokes the family
-- ARGV  1 client_id  2 generation offered  3 operation id  4 '1' when the client rotates, or ''
--       5 ms a replaced generation is answered  6 ms an access token lives, at most
--       7 thumbprint a public client shows, '' for none, '-' when the client is confidential
--       8 ms since which this is the client; what is older was granted to another of its id
-- Reply {'unknown'} | {'refused'} | {'reused'}
--       | {'refreshed', generation, request, user, auth_time_ms}

local g = redis.call('HMGET', KEYS[1], 'client', 'person', 'request', 'auth_time_ms',
  'generation', 'rotated_at', 'last_op', 'expires_at', 'idle_ms', 'cnf')
if g[1] ~= ARGV[1] or tonumber(g[4]) < tonumber(ARGV[8]) then
  -- What the same call revoked before its reply was lost, it revoked as reused.
  return {redis.call('GET', KEYS[3]) == ARGV[3] and 'reused' or 'unknown'}
end
local person = KEYS[2] .. g[2]
if not person_stands(person, g[4]) then return {'refused'} end
if ARGV[7] ~= '-' and g[10] ~= '' and g[10] ~= ARGV[7] then return {'unknown'} end

local now, consent_id = now_ms(), string.match(KEYS[1], ':grant:(.*)$')
local offered, current = tonumber(ARGV[2]), tonumber(g[5])
if offered == current then
  if ARGV[4] ~= '' then
    current = current + 1
    redis.call('HSET', KEYS[1], 'generation', current, 'rotated_at', now)
  end
elseif offered ~= current - 1 or (g[7] ~= ARGV[3] and now >= g[6] + ARGV[5]) then
  redis.call('SET', KEYS[3], ARGV[3], 'PX', ARGV[6])
  redis.call('DEL', KEYS[1])
  record(KEYS[1], 'srrt', 'consent', consent_id, 'client', g[1], 'person', g[2],
    'e', '{"description":"A refresh token was used again"}')
  return {'reused'}
end
if g[7] ~= ARGV[3] then
  redis.call('HSET', KEYS[1], 'last_op', ARGV[3])
  record(KEYS[1], 'sertft', 'consent', consent_id, 'client', g[1], 'person', g[2])
end
if ARGV[7] ~= '-' and ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'cnf', ARGV[7]) end
redis.call('PEXPIREAT', KEYS[1], math.min(now + g[9], tonumber(g[8])))
return {'refreshed', current, g[3], redis.call('HGET', person, 'user'), g[4]}
