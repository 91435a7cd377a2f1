-- A one-time enrolment ticket for a known person.
--
-- KEYS  1 ticket  2 person
-- ARGV  1 person_id  2 life in ms  3 who made it, and how (JSON)
-- Reply 'created' | 'unknown_user'

if redis.call('EXISTS', KEYS[2]) == 0 then return 'unknown_user' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'created' end  -- the same call, repeated
redis.call('HSET', KEYS[1], 'person', ARGV[1], 'since', redis.call('HGET', KEYS[2], 'since') or '')
record(KEYS[1], 'gd_ticket_creation', 'person', ARGV[1], 'e', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'created'
