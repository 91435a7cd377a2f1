-- An administrator lets a client ask somebody again who has refused it.
--
-- KEYS  1 refusals of the person
-- ARGV  1 client_id  2 person_id  3 who does it, and how (JSON)  4 operation id
-- Reply 1 when it was refused, 0 otherwise

if was_done(KEYS[1], ARGV[4]) then return 1 end  -- the same call, repeated
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 0 end
record(KEYS[1], 'sapi', 'person', ARGV[2], 'e', ARGV[3])
done(KEYS[1], ARGV[4])
return 1
