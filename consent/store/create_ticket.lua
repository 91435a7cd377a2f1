-- A one-time enrolment ticket for a known person.
--
-- KEYS  1 ticket  2 person
-- ARGV  1 person_id  2 life in ms
-- Reply 'created' | 'unknown_user'

if redis.call('EXISTS', KEYS[2]) == 0 then return 'unknown_user' end
redis.call('HSET', KEYS[1], 'person', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'created'
