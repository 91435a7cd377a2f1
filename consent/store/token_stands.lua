-- Whether a person's access token still stands.
--
-- KEYS  1 person  2 mark that revokes the token  3 mark that revokes its family
-- ARGV  1 time the person approved (ms)
-- Reply {'revoked'} | {'refused'} | {'stands', user}

if redis.call('EXISTS', KEYS[2], KEYS[3]) > 0 then return {'revoked'} end
if not person_stands(KEYS[1], ARGV[1]) then return {'refused'} end
return {'stands', redis.call('HGET', KEYS[1], 'user')}
